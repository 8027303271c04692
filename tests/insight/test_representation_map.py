"""The map: equal to scikit-learn's PCA, t-SNE and trustworthiness; the same each time; old pictures stay put."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold import trustworthiness as foreign_trustworthiness
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from striate.errors import ConfigError, DataError, ShapeError
from striate.insight.map_quality import map_quality, neighbor_accuracy, trustworthiness
from striate.insight.principal_components import principal_components
from striate.insight.representation_map import RepresentationMap, representation_map
from striate.insight.representation_set import Representations
from striate.insight.tsne import default_perplexity, run_tsne
from striate.insight.tsne_placement import neighborhood, normalizer, place_points, placement_loss


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data[:300], tuple(f"{label}" for label in data.target[:300])


@pytest.fixture(scope="module")
def mapped(digits):
    values, labels = digits
    return representation_map(Representations.of(values[:240], labels=labels[:240]))


@pytest.mark.parametrize("shape", [(60, 9), (9, 60), (30, 30)])
def test_principal_components_are_scikit_learns(shape):
    values = np.random.default_rng(3).normal(size=shape) * np.linspace(3, 1, shape[1]) + 7
    mine = principal_components(values, 5)
    theirs = PCA(5, svd_solver="full").fit(values)
    largest = np.abs(theirs.components_).argmax(1)
    signs = np.sign(theirs.components_[np.arange(5), largest])[:, None]
    np.testing.assert_allclose(mine.components, signs * theirs.components_, atol=1e-8)
    np.testing.assert_allclose(mine.explained, theirs.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(mine.transform(values), signs.T * theirs.transform(values), atol=1e-7)


def test_directions_that_are_not_there_are_zero():
    found = principal_components(np.outer(np.arange(5.0), [1.0, 2.0, 2.0]), 3)
    np.testing.assert_allclose(found.components, [[1 / 3, 2 / 3, 2 / 3], [0, 0, 0], [0, 0, 0]], atol=1e-12)
    assert principal_components(np.ones((4, 3)), 2).explained.tolist() == [0.0, 0.0]


def test_tsne_is_scikit_learns_on_the_same_components(digits, mapped):
    values = digits[0][:240]
    inner = principal_components(values, 50).transform(values)
    start = inner[:, :2] / inner[:, 0].std() * 1e-4
    theirs = TSNE(perplexity=30.0, init=start.astype(np.float32), random_state=0).fit(inner.astype(np.float32))
    np.testing.assert_array_equal(mapped.positions, theirs.embedding_.astype(np.float64))
    assert mapped.kl == theirs.kl_divergence_


def test_the_same_seed_gives_the_same_map(digits):
    first, again = (representation_map(Representations.of(digits[0][:60]), seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.positions, again.positions)


def test_opentsne_gives_a_map_as_good_and_the_same_each_time(digits):
    pytest.importorskip("openTSNE")
    values, labels = digits
    told = []
    shown = Representations.of(values[:120], labels=labels[:120])
    first = representation_map(shown, engine="opentsne", progress=lambda *step: told.append(step))
    assert told[-1] == (1000, 1000)
    again = representation_map(shown, engine="opentsne")
    np.testing.assert_array_equal(first.positions, again.positions)
    assert first.quality.trustworthiness > 0.93


def test_quality_is_scikit_learns(digits, mapped):
    # Whole numbers are full of ties, which each sorts in its own way.
    values = digits[0][:240] + np.random.default_rng(0).normal(size=(240, 64)) * 1e-3
    for k in (1, 5, 12):
        mine = trustworthiness(values, mapped.positions, k=k)
        assert mine == pytest.approx(foreign_trustworthiness(values, mapped.positions, n_neighbors=k), abs=1e-12)
    high, low = (
        NearestNeighbors(n_neighbors=10).fit(x).kneighbors(return_distance=False) for x in (values, mapped.positions)
    )
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(high, low, strict=True)])
    assert mapped.quality.neighbors_kept == pytest.approx(kept, abs=0.002)  # ties between whole numbers
    assert mapped.quality.accuracy_before > 0.9
    assert mapped.quality.accuracy_after > 0.9
    assert mapped.quality.trustworthiness > 0.96
    rng = np.random.default_rng(0)
    assert map_quality(values, rng.normal(size=(240, 2))).neighbors_kept == pytest.approx(10 / 239, abs=0.02)


def test_neighbor_accuracy_is_leave_one_out(digits):
    values, labels = digits
    rng = np.random.default_rng(0)
    noisy = values[:80] + rng.normal(size=(80, 64)) * 20
    right = 0
    for i in range(80):
        rest = np.arange(80) != i
        one = KNeighborsClassifier(1).fit(noisy[rest], np.array(labels[:80])[rest])
        right += one.predict(noisy[i : i + 1])[0] == labels[i]
    assert neighbor_accuracy(noisy, labels[:80], k=1) == pytest.approx(right / 80)


def test_quality_of_a_sample_stands_for_the_whole(monkeypatch, digits, mapped):
    values = digits[0][:240]
    whole = map_quality(values, mapped.positions)
    monkeypatch.setattr("striate.insight.map_quality.MOST_ROWS", 100)
    part = map_quality(values, mapped.positions)
    assert part.rows == 100
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_few_pictures(count):
    found = representation_map(Representations.of(np.eye(count)))
    assert found.positions.shape == (count, 2)
    assert np.isfinite(found.positions).all()
    assert found.method == ("pca" if count < 5 else "tsne")
    assert found.notes
    assert found.draw(side=400).shape[1] == 400
    assert len(found.place(Representations.of(np.eye(count)[:1]))) == 1


def test_copies_lie_together_and_nothing_but_copies_is_no_failure(digits):
    values = np.concatenate([digits[0][:40], digits[0][:3]])
    found = representation_map(values)
    apart = np.linalg.norm(found.positions[:3] - found.positions[40:], axis=1)
    assert apart.max() < 0.05 * np.ptp(found.positions, axis=0).max()
    assert np.isfinite(representation_map(np.ones((12, 4))).positions).all()


def test_cosine_leaves_the_length_out(digits):
    values = digits[0][:50]
    scaled = values * np.linspace(1, 9, 50)[:, None]
    one, other = (representation_map(x, method="pca", metric="cosine").positions for x in (values, scaled))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_old_pictures_put_in_again_land_where_they_are(digits, mapped):
    again = mapped.place(mapped.representations)
    moved = np.linalg.norm(again - mapped.positions, axis=1)
    width = np.ptp(mapped.positions, axis=0).max()
    assert np.median(moved) < 0.01 * width
    assert np.quantile(moved, 0.95) < 0.05 * width


def test_new_pictures_land_in_their_class_and_do_not_see_each_other(digits, mapped):
    values, labels = digits
    new = Representations.of(values[240:], labels=labels[240:])
    joined = mapped.add(new)
    np.testing.assert_array_equal(joined.positions[:240], mapped.positions)
    assert joined.added.sum() == 60
    vote = KNeighborsClassifier(5).fit(mapped.positions, labels[:240])
    assert vote.score(joined.positions[240:], labels[240:]) > 0.9
    one_by_one = mapped.add(new.subset(range(20))).add(new.subset(range(20, 60)))
    np.testing.assert_allclose(one_by_one.positions, joined.positions, atol=1e-9)


def test_places_are_as_good_as_opentsnes(digits, mapped):
    opentsne = pytest.importorskip("openTSNE")
    values, labels = digits
    inner = mapped.components.transform(values)
    affinity = opentsne.affinity.PerplexityBasedNN(inner[:240], perplexity=30, method="exact", random_state=0)
    theirs = opentsne.TSNEEmbedding(mapped.positions.copy(), affinity, random_state=0).transform(
        inner[240:], perplexity=30
    )
    mine = place_points(inner[:240], mapped.positions, inner[240:], perplexity=30)
    vote = KNeighborsClassifier(5).fit(mapped.positions, labels[:240])
    assert vote.score(mine, labels[240:]) >= vote.score(np.asarray(theirs), labels[240:]) - 0.02


def test_a_place_is_a_minimum_of_the_written_loss(mapped, digits):
    inner = mapped.components.transform(digits[0])
    old, z = mapped.positions, normalizer(mapped.positions)
    pairs = ((old[:, None] - old[None]) ** 2).sum(-1)
    assert z == pytest.approx((1 / (1 + pairs)).sum() - len(old))
    placed = place_points(inner[:240], old, inner[240:250], perplexity=30)
    squares = ((inner[240:250, None] - inner[None, :240]) ** 2).sum(-1)
    near = np.argsort(squares, axis=1, kind="stable")[:, :90]
    p = neighborhood(np.take_along_axis(squares, near, 1), 30)
    np.testing.assert_allclose(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum(1)), 30, rtol=1e-6)
    least = placement_loss(placed, old, near, p, z)
    for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        step = 0.05 * np.array([np.cos(angle), np.sin(angle)])
        assert (placement_loss(placed + step, old, near, p, z) > least - 1e-9).all()


def test_pca_places_are_projections(digits):
    found = representation_map(digits[0][:50], method="pca")
    np.testing.assert_allclose(found.place(Representations.of(digits[0][:50])), found.positions, atol=1e-9)
    assert found.kl is None
    assert "the axes explain" in found.sentence


def test_saved_and_loaded(mapped, tmp_path, digits):
    back = RepresentationMap.load(mapped.save(tmp_path / "m.npz"))
    np.testing.assert_array_equal(back.positions, mapped.positions)
    assert back.to_dict() == mapped.to_dict()
    new = Representations.of(digits[0][240:245])
    np.testing.assert_array_equal(back.place(new), mapped.place(new))
    assert len(mapped.save(tmp_path / "m.csv").read_text().splitlines()) == 241
    assert mapped.save(tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="must end in"):
        mapped.save(tmp_path / "m.gif")
    with pytest.raises(DataError):
        RepresentationMap.load(tmp_path / "none.npz")


def test_refusals(digits, mapped):
    values = digits[0][:31]
    assert default_perplexity(31) == 10
    for perplexity in (0.5, 10.1, float("nan")):
        with pytest.raises(ConfigError, match="perplexity must be from 1 to 10, a third of the 30 other pictures"):
            representation_map(values, perplexity=perplexity)
    with pytest.raises(ConfigError, match="belongs to t-SNE"):
        representation_map(values, method="pca", perplexity=3)
    with pytest.raises(ShapeError, match="must be finite; row 0"):
        representation_map(np.full((9, 2), np.nan))
    with pytest.raises(ShapeError, match="at least 5 pictures"):
        run_tsne(np.eye(3), perplexity=1)
    with pytest.raises(ConfigError, match="another length"):
        mapped.place(Representations.of([[1.0]]))

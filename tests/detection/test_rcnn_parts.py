"""R-CNN's parts, each beside a slow twin or somebody else's solution."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize
from sklearn.calibration import _sigmoid_calibration
from sklearn.linear_model import Ridge

from striate.detection.box_regression import fit_box_regression, solve_ridge
from striate.detection.feature_cache import FeatureCache
from striate.detection.margins import fit_sigmoid
from striate.detection.region_svm import (
    MiningDone,
    RegionLabels,
    RegionSvms,
    SvmSettings,
    SvmTrained,
    feature_scale,
    fit_svm,
    mine,
    svm_objective,
)
from striate.errors import ConfigError, DataError, ShapeError


def gaussian(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# -- features on the disk ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "slack"), [("float32", 0.0), ("float16", 5e-4)])
def test_features_come_back(tmp_path: Path, precision: str, slack: float) -> None:
    rows = [3, 0, 5]
    cache = FeatureCache(tmp_path, rows, 7, precision=precision)  # type: ignore[arg-type]
    written = [gaussian(number, count, 7) for number, count in enumerate(rows)]
    for number, features in enumerate(written):
        assert number not in cache
        cache.write(number, features)
    for number, features in enumerate(written):
        np.testing.assert_allclose(cache.read(number), features, rtol=slack)
    picked = cache.gather(np.array([2, 0, 2]), np.array([4, 1, 0]))
    wanted = np.stack([written[2][4], written[0][1], written[2][0]])
    np.testing.assert_allclose(picked, wanted, rtol=slack)
    assert cache.bytes_used() <= cache.bytes_needed
    assert FeatureCache(tmp_path, rows, 7, precision=precision).take_stock() == 3  # type: ignore[arg-type]


def test_damaged_and_foreign_features_are_dropped(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, [2] * 5, 4)
    for number in range(5):
        cache.write(number, gaussian(number, 2, 4))
    files = sorted(tmp_path.glob("*.npy"))
    files[0].write_bytes(files[0].read_bytes()[:-3])
    changed = bytearray(files[1].read_bytes())
    changed[-1] ^= 1
    files[1].write_bytes(changed)
    files[2].write_bytes(b"")
    (tmp_path / ".leftover.part").write_bytes(b"half")
    (tmp_path / "notes.npy").write_bytes(b"?")
    again = FeatureCache(tmp_path, [2] * 5, 4)
    assert again.take_stock() == 2
    assert [number in again for number in range(5)] == [False, False, False, True, True]
    assert len(list(tmp_path.iterdir())) == 2
    # Another number of regions is another set.
    assert FeatureCache(tmp_path, [3] * 5, 4).take_stock() == 0


def test_room_is_refused_in_advance(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"100 pictures \(200,000 regions of 4,096 numbers\) need 3.28 GB") as error:
        FeatureCache(tmp_path, [2000] * 100, 4096, max_bytes=10**9)
    assert "1.00 GB are allowed" in str(error.value)
    assert "float16 take half" in str(error.value)
    assert not any(tmp_path.iterdir())
    fits = FeatureCache(tmp_path, [2], 8, max_bytes=128 + 64)
    fits.write(0, gaussian(0, 2, 8))
    assert fits.bytes_used() == fits.bytes_needed == 192


def test_features_refuse(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, [2], 3, precision="float16")
    with pytest.raises(ConfigError, match=r"must be \(2, 3\), got \(3, 3\)"):
        cache.write(0, gaussian(0, 3, 3))
    with pytest.raises(ConfigError, match="not finite in float16"):
        cache.write(0, np.full((2, 3), 1e6, dtype=np.float32))
    with pytest.raises(DataError, match="no features of picture 0"):
        cache.read(0)
    with pytest.raises(ConfigError, match="'float32' or 'float16', got 'int8'"):
        FeatureCache(tmp_path, [2], 3, precision="int8")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Features cannot be kept in"):
        FeatureCache(tmp_path / "file", [1], 1).write(0, np.zeros((1, 1), np.float32))


# -- regressors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pairs", "size"), [(40, 6), (6, 40), (1, 3)])
def test_ridge_is_scikit_learns(pairs: int, size: int) -> None:
    x, y = gaussian(0, pairs, size).astype(np.float64), gaussian(1, pairs, 4).astype(np.float64)
    theirs = Ridge(alpha=3.0, fit_intercept=False, solver="cholesky").fit(x, y)
    np.testing.assert_allclose(solve_ridge(x, y, 3.0), theirs.coef_.T, atol=1e-10)


def test_the_regression_is_the_papers_formula() -> None:
    features, deltas = gaussian(0, 30, 5), gaussian(1, 30, 4).astype(np.float64) * (0.1, 0.2, 0.3, 0.05) + 0.02
    solved = fit_box_regression(features, deltas, ridge=2.0)
    # Step by step, as in the authors' code.
    mean = deltas.mean(0)
    d, v = np.linalg.eigh((deltas - mean).T @ (deltas - mean) / 30)
    whiten = v @ np.diag(1 / np.sqrt(d + 0.001)) @ v.T
    unwhiten = v @ np.diag(np.sqrt(d + 0.001)) @ v.T
    x = np.concatenate([features.astype(np.float64), np.ones((30, 1))], axis=1)
    beta = np.linalg.inv(x.T @ x + 2.0 * np.eye(6)) @ x.T @ (deltas - mean) @ whiten
    wanted = x @ beta @ unwhiten + mean
    np.testing.assert_allclose(features @ solved.weight + solved.bias, wanted, atol=1e-5)
    assert solved.pairs == 30
    assert 0 < solved.error < 1


def test_a_linear_world_is_learned() -> None:
    features, truth = gaussian(0, 400, 8), gaussian(1, 8, 4) * 0.1
    solved = fit_box_regression(features, (features @ truth + 0.3).astype(np.float64), ridge=1e-6)
    np.testing.assert_allclose(solved.weight, truth, atol=1e-4)
    np.testing.assert_allclose(solved.bias, 0.3, atol=1e-4)
    assert solved.error < 1e-6


def test_no_pairs_correct_nothing() -> None:
    solved = fit_box_regression(gaussian(0, 0, 8), np.zeros((0, 4)))
    assert not solved.weight.any()
    assert not solved.bias.any()
    assert (solved.pairs, solved.error) == (0, 1.0)


def test_regression_refuses() -> None:
    with pytest.raises(ShapeError, match=r"need deltas n 4, got \(3, 4\)"):
        fit_box_regression(gaussian(0, 2, 8), np.zeros((3, 4)))
    with pytest.raises(ConfigError, match="ridge must be above 0, got 0"):
        fit_box_regression(gaussian(0, 2, 8), np.zeros((2, 4)), ridge=0)
    with pytest.raises(ConfigError, match="must be finite"):
        fit_box_regression(gaussian(0, 2, 8) * np.nan, np.zeros((2, 4)))


# -- machines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [1e-3, 1e-1, 10.0])
def test_nothing_beats_the_machines_objective(c: float) -> None:
    """A dual problem solved by somebody else's method must end at the same value."""
    settings = SvmSettings(c=c, max_iterations=100_000)
    positives, negatives = gaussian(0, 8, 5) + 0.7, gaussian(1, 30, 5)
    weight, bias, converged = fit_svm(positives, negatives, settings)
    assert converged
    ours = sum(svm_objective(weight, bias, positives, negatives, settings))
    x = np.concatenate([positives, negatives]).astype(np.float64)
    y = np.repeat([1.0, -1.0], [8, 30])
    signed = np.concatenate([x, np.full((38, 1), settings.bias_feature)], axis=1) * y[:, None]
    gram = signed @ signed.T
    most = np.where(y > 0, settings.positive_weight * c, c)
    dual = optimize.minimize(
        lambda a: 0.5 * a @ gram @ a - a.sum(),
        np.zeros(38),
        jac=lambda a: gram @ a - 1,
        bounds=[(0.0, float(top)) for top in most],
        method="L-BFGS-B",
        options={"maxiter": 20_000, "ftol": 1e-15, "gtol": 1e-10},
    )
    assert ours == pytest.approx(-dual.fun, rel=2e-3)


def test_without_examples_of_one_kind() -> None:
    some, none = gaussian(0, 3, 4), gaussian(0, 0, 4)
    assert fit_svm(none, some, SvmSettings()).bias == -1
    assert fit_svm(some, none, SvmSettings()).bias == 1
    cut = fit_svm(gaussian(0, 40, 9), gaussian(1, 40, 9), SvmSettings(c=100, max_iterations=2))
    assert not cut.converged


class InMemory:
    """Features as `FeatureCache` gives them."""

    def __init__(self, pictures: list[NDArray[np.float32]]) -> None:
        self.pictures, self.features = pictures, pictures[0].shape[1]

    def read(self, index: int) -> NDArray[np.float32]:
        return self.pictures[index]

    def gather(self, pictures: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        picked = [self.pictures[p][r] for p, r in zip(pictures, rows, strict=True)]
        return np.stack(picked) if picked else np.zeros((0, self.features), np.float32)


def world(pictures: int = 12, regions: int = 60, classes: int = 3) -> tuple[InMemory, list[RegionLabels]]:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(classes, 8)) * 1.5
    features, labels = [], []
    for _ in range(pictures):
        x = rng.normal(size=(regions, 8))
        positives = np.full(regions, -1, dtype=np.int64)
        positives[:2] = rng.integers(0, classes, 2)
        overlaps = rng.uniform(0, 0.6, (regions, classes)).astype(np.float32)
        for row in range(2):
            x[row] += centers[positives[row]]
            overlaps[row, positives[row]] = 1
        features.append(x.astype(np.float32))
        labels.append(RegionLabels(positives, overlaps))
    return InMemory(features), labels


def run(work: object) -> tuple[list[object], RegionSvms]:
    events = []
    while True:
        try:
            events.append(next(work))  # type: ignore[call-overload]
        except StopIteration as end:
            return events, end.value


def mined_slowly(
    features: InMemory, labels: list[RegionLabels], classes: int, settings: SvmSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """rcnn_train.m, example by example, keeping the numbers themselves."""
    scale = 20 / np.mean([np.linalg.norm(row) for x in features.pictures for row in x])
    weight, bias = np.zeros((features.features, classes)), np.full(classes, -1.0)
    positives = [
        [x[r] * scale for x, one in zip(features.pictures, labels, strict=True) for r in range(len(x))
         if one.positives[r] == k]
        for k in range(classes)
    ]  # fmt: skip
    negatives: list[list[NDArray[np.float64]]] = [[] for _ in range(classes)]
    added = [0] * classes
    for picture, one in enumerate(labels):
        x = features.pictures[picture] * scale
        now, offsets = weight.copy(), bias.copy()
        for k in range(classes):
            for r in range(len(x)):
                is_hard = picture == 0 or x[r] @ now[:, k] + offsets[k] > settings.hard_above
                if one.overlaps[r, k] < settings.negative_below and is_hard:
                    negatives[k].append(x[r])
                    added[k] += 1
            if picture in {0, len(labels) - 1} or added[k] > settings.retrain_after:
                p, n = np.stack(positives[k]), np.stack(negatives[k])
                weight[:, k], bias[k] = fit_svm(p.astype(np.float32), n.astype(np.float32), settings)[:2]
                negatives[k] = [v for v in negatives[k] if v @ weight[:, k] + bias[k] >= settings.easy_below]
                added[k] = 0
    return weight * scale, bias


def test_mining_is_rcnn_train() -> None:
    features, labels = world()
    settings = SvmSettings(c=0.05, retrain_after=40, max_iterations=50_000)
    events, machines = run(mine(features, labels, 3, settings))
    weight, bias = mined_slowly(features, labels, 3, settings)
    np.testing.assert_allclose(machines.weight, weight, atol=2e-3)
    np.testing.assert_allclose(machines.bias, bias, atol=2e-3)
    assert sum(isinstance(event, MiningDone) for event in events) == 12
    trained = [event for event in events if isinstance(event, SvmTrained)]
    assert len(trained) > 6
    assert any(event.evicted for event in trained)
    assert all(np.isfinite(event.objective).all() for event in trained)
    again = run(mine(features, labels, 3, settings))[1]
    assert np.array_equal(machines.weight, again.weight)


def test_mining_learns_what_all_examples_teach() -> None:
    features, labels = world(pictures=30)
    _, machines = run(mine(features, labels, 3, SvmSettings(c=0.05, retrain_after=40)))
    right = total = 0
    for x, one in zip(features.pictures, labels, strict=True):
        marked = one.positives >= 0
        right += int(((x[marked] @ machines.weight + machines.bias).argmax(1) == one.positives[marked]).sum())
        total += int(marked.sum())
    assert right / total > 0.9


def test_a_class_without_objects_says_no() -> None:
    features, labels = world()
    wider = [
        RegionLabels(one.positives, np.concatenate([one.overlaps, np.zeros((60, 1), np.float32)], axis=1))
        for one in labels
    ]
    _, machines = run(mine(features, wider, 4, SvmSettings()))
    assert not machines.weight[:, 3].any()
    assert machines.bias[3] == -1


def test_mining_refuses() -> None:
    features, labels = world(pictures=1)
    with pytest.raises(ConfigError, match="no pictures to learn from"):
        next(mine(features, [], 3, SvmSettings()))
    nothing = [RegionLabels(np.full(60, -1), labels[0].overlaps)]
    with pytest.raises(ConfigError, match="no picture has a marked object"):
        next(mine(features, nothing, 3, SvmSettings()))
    with pytest.raises(ConfigError, match="easy_below must not be above hard_above"):
        SvmSettings(easy_below=0.0)
    with pytest.raises(ConfigError, match="c must be above 0, got 0"):
        SvmSettings(c=0)
    with pytest.raises(ConfigError, match=r"IoU in \(0, 1\], got 2"):
        SvmSettings(negative_below=2)


def test_the_mean_length_becomes_twenty() -> None:
    features, labels = world()
    scale = feature_scale(features, [len(one.positives) for one in labels])
    assert np.mean([np.linalg.norm(x * scale, axis=1).mean() for x in features.pictures]) == pytest.approx(20)
    assert feature_scale(InMemory([np.zeros((3, 2), np.float32)]), [3]) == 1


# -- margins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_sigmoids_are_platts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    is_object = rng.random(400) < 0.1
    margins = rng.normal(size=400) + 2 * is_object - 1
    slope, offset = fit_sigmoid(margins, is_object)
    theirs = _sigmoid_calibration(margins, is_object.astype(int))
    assert (slope, offset) == pytest.approx((-theirs[0], -theirs[1]), rel=1e-3, abs=1e-3)


def test_sigmoids_of_odd_margins() -> None:
    apart = fit_sigmoid(np.array([-1.0] * 50 + [1.0] * 50), np.repeat([False, True], 50))
    assert np.isfinite(apart).all()
    assert apart[0] > 1
    assert fit_sigmoid(np.array([1.0, 2.0]), np.array([True, True])) == (1.0, 0.0)
    assert fit_sigmoid(np.array([5.0, -5.0] * 20), np.array([False, True] * 20)) == (1.0, 0.0)
    with pytest.raises(ShapeError, match="one answer a margin"):
        fit_sigmoid(np.zeros(3), np.zeros(2, dtype=np.bool_))

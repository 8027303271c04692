"""Insertion and deletion against the authors' loop, and linear networks whose curve is known on paper."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

import striate
from striate import draw
from striate.errors import ConfigError, ShapeError
from striate.insight import Heatmap, saliency
from striate.insight.insertion_deletion import blurred, deletion, insertion
from striate.insight.perturbation_curves import PerturbationCurves
from striate.insight.pixel_order import center_map, pixel_order


class Awkward(nn.Module):
    """Two branches, a functional and a shared in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x + 0.3)
        return self.fc(self.norm(F.relu(self.a(x)) + self.relu(self.b(x))).mean((2, 3)))


def their_scores(module: nn.Module, x: Tensor, other: Tensor, order: np.ndarray, step: int, kind: str, c: int):
    """The loop of RISE's `evaluation.py`, one picture, one step at a time."""
    start, finish = (x.clone(), other) if kind == "deletion" else (other.clone(), x)
    pixels = order.size
    scores = []
    count = (pixels + step - 1) // step
    for i in range(count + 1):
        with torch.no_grad():
            scores.append(float(module(start).softmax(1)[0, c]))
        chosen = torch.from_numpy(order[step * i : step * (i + 1)].copy())
        start.view(1, 3, -1)[0, :, chosen] = finish.reshape(1, 3, -1)[0, :, chosen]
    return np.array(scores)


def their_area(scores: np.ndarray) -> float:
    return (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


@pytest.mark.parametrize("kind", ["deletion", "insertion"])
def test_equals_the_authors_loop(kind: str) -> None:
    net = Awkward().double().eval()
    x = torch.randn(2, 3, 12, 10, dtype=torch.float64)
    maps = np.random.default_rng(0).normal(size=(2, 12, 10))
    ask = deletion if kind == "deletion" else insertion
    got = ask(net, x, maps, target=[2, 0], steps=12, batch_size=7)
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = torch.from_numpy(ndimage.gaussian_filter(point, 5))
    for n, c in enumerate((2, 0)):
        picture = x[n : n + 1]
        other = torch.zeros_like(picture)
        if kind == "insertion":
            other = torch.cat([F.conv2d(picture[:, i : i + 1], kernel[None, None], padding=5) for i in range(3)], 1)
        order = np.flip(np.argsort(maps[n].ravel()))
        expected = their_scores(net, picture, other, order, 10, kind, c)
        np.testing.assert_allclose(got.scores["map"][n], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.auc["map"][n], their_area(expected), rtol=0, atol=1e-12)
    assert got.target == (2, 0)


def test_the_curve_of_a_linear_network_is_a_sum() -> None:
    """Deleting pixel after pixel takes w·(x − fill) away: the score left is the sum of the rest."""
    generator = np.random.default_rng(3)
    weights = generator.normal(size=(3, 4, 5))
    net = nn.Sequential(nn.Flatten(), nn.Linear(60, 1, bias=False)).double()
    net[1].weight.data.copy_(torch.from_numpy(weights.reshape(1, -1)))
    x = torch.from_numpy(generator.normal(size=(1, 3, 4, 5)))
    fill = (0.2, -0.1, 0.5)
    parts = (weights * (x[0].numpy() - np.array(fill)[:, None, None])).sum(0)
    got = deletion(net, x, {"parts": parts[None], "reverse": -parts[None]}, steps=20, fill=fill, score="logit")
    blank = float((weights * np.array(fill)[:, None, None]).sum())
    ordered = np.sort(parts.ravel())[::-1]
    expected = blank + np.concatenate([[ordered.sum()], ordered.sum() - np.cumsum(ordered)])
    np.testing.assert_allclose(got.scores["parts"][0], expected, atol=1e-12)
    # The best order of all has the smallest area, and its reverse the largest.
    assert got.auc["parts"] < got.auc["random"] < got.auc["reverse"]
    assert got.gain["parts"][0] > 0 > got.gain["reverse"][0]
    # Inserting into the same blank in the same order is the mirror image.
    back = insertion(net, x, {"parts": parts[None]}, steps=20, start=fill, score="logit")
    np.testing.assert_allclose(back.scores["parts"][0], blank + np.concatenate([[0], np.cumsum(ordered)]), atol=1e-12)


def test_many_maps_share_their_ends_and_answer_as_alone() -> None:
    net, x = Awkward().double(), torch.randn(1, 3, 9, 9, dtype=torch.float64)
    calls = []
    hook = net.register_forward_hook(lambda *_: calls.append(1))
    maps = {name: np.random.default_rng(i).normal(size=(1, 9, 9)) for i, name in enumerate("abc")}
    together = deletion(net, x, maps, target=1, steps=5, random_orders=0, center=False, batch_size=1)
    hook.remove()
    assert len(calls) == 1 + 2 + 3 * 4  # the target, the two ends, and what lies between for each
    for name, one in maps.items():
        alone = deletion(net, x, one, target=1, steps=5, random_orders=0, center=False)
        np.testing.assert_allclose(together.scores[name], alone.scores["map"], atol=1e-12)


def test_ties_are_ordered_by_chance_not_by_place() -> None:
    ranks = pixel_order(np.zeros((40, 40)), np.random.default_rng(0)).reshape(40, 40)
    assert sorted(ranks.ravel()) == list(range(1600))
    assert abs(ranks[:20].mean() - ranks[20:].mean()) < 80
    best = pixel_order(np.eye(5), np.random.default_rng(0)).reshape(5, 5)
    assert set(np.diag(best)) == set(range(5))


def test_the_middle_comes_first_in_the_center_map() -> None:
    values = center_map((5, 7))
    assert np.unravel_index(values.argmax(), values.shape) == (2, 3)
    assert values.min() == -1
    assert center_map((1, 1)).shape == (1, 1)


def test_the_blur_keeps_a_constant_inside() -> None:
    inside = blurred(torch.full((1, 2, 30, 30), 3.0, dtype=torch.float64))[0, :, 5:25, 5:25]
    np.testing.assert_allclose(inside.numpy(), 3.0, atol=1e-12)


def test_a_unit_can_be_scored() -> None:
    net, x = Awkward().double().eval(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    maps = np.random.default_rng(0).normal(size=(2, 8, 8))
    got = deletion(net, x, maps, target="a:2@1,3", steps=4, random_orders=1)
    assert got.score == "activation"
    assert got.target == ("a:2@1,3", "a:2@1,3")
    with torch.no_grad():
        np.testing.assert_allclose(got.scores["map"][:, 0], net.a((x + 0.3).relu())[:, 2, 1, 3].numpy(), atol=1e-12)


def test_the_same_seed_gives_the_same_curves_and_nothing_is_left_behind() -> None:
    net, x = Awkward().train(), torch.randn(1, 3, 9, 9)
    flat = np.zeros((1, 9, 9))
    with torch.no_grad():
        first = deletion(net, x, flat, target=0, steps=6, seed=4)
    again = deletion(net, x, flat, target=0, steps=6, seed=4, batch_size=2)
    np.testing.assert_allclose(first.scores["map"], again.scores["map"], atol=1e-6)
    assert net.training
    assert not net._forward_hooks
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_a_real_networks_saliency_beats_chance(photo_path, tmp_path: Path) -> None:
    network = striate.load("efficientnet_lite0")
    photo = str(photo_path("coffee.png"))
    found = saliency(network, photo)
    got = deletion(network, photo, found, steps=8, random_orders=1)
    assert list(got.scores) == ["saliency"]
    assert got.gain["saliency"][0] > 0
    again = PerturbationCurves.load(got.save(tmp_path / "curves.npz"))
    assert again.settings() == got.settings()
    for name, curve in got.scores.items():
        np.testing.assert_array_equal(again.scores[name], curve)
    np.testing.assert_array_equal(again.spread, got.spread)
    assert got.save(tmp_path / "curves.json").stat().st_size > 100
    assert got.save(tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert got.draw(0, theme="dark").shape == (420, 800, 3)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    net, x = Awkward(), torch.randn(1, 3, 8, 8)
    with pytest.raises(ShapeError, match=r"maps must be 'n h w' \(1, 8, 8\)"):
        deletion(net, x, np.zeros((1, 4, 4)))
    with pytest.raises(ConfigError, match="finite values"):
        deletion(net, x, np.full((1, 8, 8), np.nan))
    with pytest.raises(ConfigError, match="steps must be from 1 to the 64 pixels"):
        deletion(net, x, np.zeros((1, 8, 8)), steps=65)
    with pytest.raises(ConfigError, match="score must be"):
        deletion(net, x, np.zeros((1, 8, 8)), score="odds")
    with pytest.raises(ConfigError, match="start must be 'blur' or a color"):
        insertion(net, x, np.zeros((1, 8, 8)), start="noise")
    with pytest.raises(ConfigError, match="at least one map"):
        deletion(net, x, {})
    got = deletion(net, x, Heatmap(np.zeros((1, 8, 8)), "m", "u", False, (0,)), steps=2, random_orders=0)
    with pytest.raises(ConfigError, match="gain compares with random orders"):
        _ = got.gain
    with pytest.raises(ConfigError, match=r"must end in \.npz"):
        got.save(tmp_path / "a.txt")
    with pytest.raises(ShapeError, match="curve 'a' must have 3 values"):
        draw.draw_perturbation_curves([0, 0.5, 1], {"a": [1, 2]})

"""Occlusion against a naive loop, captum, and networks whose answer is known on paper."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.errors import ConfigError, ShapeError
from striate.insight import occlusion, sweep_occlusion
from striate.insight.occlusion import spread_windows, window_starts
from striate.runtime import patched


class Sum(nn.Module):
    """One score: the sum of everything."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((1, 2, 3))[:, None]


def small_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 25, 4)
    ).double()


def naive(module: nn.Module, x: Tensor, target: int, window: int, stride: int, fill: float, score: str) -> np.ndarray:
    """Straight from the definition, one window and one pixel at a time."""
    ask = (lambda t: module(t).softmax(1)) if score == "probability" else module
    _, _, height, width = x.shape
    rows = math.ceil(max(height - window, 0) / stride) + 1
    columns = math.ceil(max(width - window, 0) / stride) + 1
    total, count = np.zeros((height, width)), np.zeros((height, width))
    with torch.no_grad():
        clean = float(ask(x)[0, target])
        for r in range(rows):
            for c in range(columns):
                hidden = x.clone()
                hidden[:, :, r * stride : r * stride + window, c * stride : c * stride + window] = fill
                drop = clean - float(ask(hidden)[0, target])
                total[r * stride : r * stride + window, c * stride : c * stride + window] += drop
                count[r * stride : r * stride + window, c * stride : c * stride + window] += 1
    return total / count


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize(("window", "stride"), [(3, 2), (4, 3), (1, 1), (10, 4), (30, 30)])
def test_equals_the_naive_loop(window: int, stride: int, score: str) -> None:
    net, x = small_network(), torch.randn(1, 3, 10, 10, dtype=torch.float64)
    got = occlusion(net, x, target=2, window=window, stride=stride, fill=0.3, score=score, batch_size=7)
    assert got.values.dtype == np.float64
    np.testing.assert_allclose(got.values[0], naive(net, x, 2, window, stride, 0.3, score), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("window", "stride"), [(3, 2), (4, 1), (5, 5)])
def test_equals_captum(window: int, stride: int) -> None:
    captum = pytest.importorskip("captum.attr")
    net, x = small_network(), torch.randn(2, 3, 10, 10, dtype=torch.float64)
    theirs = captum.Occlusion(net).attribute(
        x, target=1, sliding_window_shapes=(3, window, window), strides=(3, stride, stride), baselines=0.2
    )
    ours = occlusion(net, x, target=1, window=window, stride=stride, fill=0.2, score="logit")
    # captum adds the windows up in float32 whatever the network computes in.
    np.testing.assert_allclose(ours.values, theirs[:, 0].numpy(), rtol=0, atol=1e-7)


def test_the_published_example_of_the_convention() -> None:
    got = occlusion(Sum(), torch.ones(1, 1, 6, 6), window=3, stride=2, score="logit")
    np.testing.assert_allclose(got.values[0, 0], [9, 9, 9, 9, 7.5, 6])
    assert got.grid is not None
    assert got.grid.shape == (1, 3, 3, 1)
    np.testing.assert_allclose(occlusion(Sum(), torch.ones(1, 1, 5, 5), window=3, stride=2, score="logit").values, 9)


def test_the_grid_keeps_every_class_and_the_baseline() -> None:
    net, x = small_network(), torch.randn(2, 3, 10, 10, dtype=torch.float64)
    got = occlusion(net, x, window=4, stride=2)
    assert got.grid is not None
    assert got.baseline is not None
    assert got.grid.shape == (2, 4, 4, 4)
    np.testing.assert_allclose(got.grid.sum(3), 1, atol=1e-12)
    with torch.no_grad():
        np.testing.assert_allclose(got.baseline, net(x).softmax(1).numpy(), atol=1e-12)
    assert got.target == tuple(net(x).argmax(1).tolist())
    another = occlusion(net, x, window=4, stride=2, target=3)
    np.testing.assert_allclose(another.grid, got.grid, atol=1e-12)


def test_a_fill_for_each_channel() -> None:
    weights = torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1)

    class Weighted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weights).sum((1, 2, 3))[:, None]

    x = torch.zeros(1, 3, 2, 2)
    got = occlusion(Weighted(), x, window=2, stride=2, fill=(1.0, 2.0, 3.0), score="logit")
    np.testing.assert_allclose(got.values, -4 * 321.0)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6), st.integers(1, 6))
def test_every_pixel_is_covered_and_a_constant_drop_stays_constant(h: int, w: int, window: int, stride: int) -> None:
    stride = min(stride, window)
    tops, lefts = window_starts(h, window, stride), window_starts(w, window, stride)
    spread = spread_windows(
        np.full((len(tops), len(lefts)), 2.5), tops=tops, lefts=lefts, window=(window, window), size=(h, w)
    )
    np.testing.assert_allclose(spread, 2.5)


def test_progress_counts_every_window() -> None:
    seen: list[tuple[int, int]] = []
    occlusion(
        small_network(),
        torch.randn(1, 3, 10, 10, dtype=torch.float64),
        window=4,
        stride=2,
        batch_size=5,
        progress=lambda d, t: seen.append((d, t)),
    )
    assert seen == [(5, 16), (10, 16), (15, 16), (16, 16)]


def test_the_module_and_the_picture_are_left_as_they_were() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(300, 2)).train()
    x = torch.randn(2, 3, 10, 10)
    before, mean = x.clone(), net[0].running_mean.clone()
    occlusion(net, x, window=5, stride=5)
    assert net.training
    assert net[0].training
    assert torch.equal(x, before)
    assert torch.equal(net[0].running_mean, mean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 0}, "window must be at least 1 pixel"),
        ({"stride": 0}, "stride must be at least 1 pixel"),
        ({"window": 2, "stride": 3}, "stride must be at most the window"),
        ({"fill": (1.0, 2.0)}, "fill must be one number or one for each of the 3 channels"),
        ({"target": 4}, "class index from 0 to 3; got 4"),
        ({"target": "cat"}, "must be a class index, because a plain module has no labels; got 'cat'"),
        ({"target": [0, 1]}, "one for each of the 1 images; got 2"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        occlusion(small_network(), torch.randn(1, 3, 10, 10, dtype=torch.float64), **change)


def test_what_is_no_batch_of_tensors_is_refused() -> None:
    with pytest.raises(ShapeError, match="must be a tensor 'n c h w'"):
        occlusion(small_network(), torch.randn(3, 10, 10))
    with pytest.raises(ShapeError, match="one score for each class"):
        occlusion(nn.Conv2d(3, 4, 3), torch.randn(1, 3, 10, 10))
    with pytest.raises(ShapeError, match=r"of at least one, fed as it is; got \(0, 3, 10, 10\)"):
        occlusion(small_network(), torch.randn(0, 3, 10, 10))


def test_between_steps_nothing_is_switched_off() -> None:
    """Whoever draws progress, or leaves early, has gradients and a module in its own mode."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)).train()
    sweep = sweep_occlusion(net, torch.randn(1, 3, 10, 10), window=5, stride=5, batch_size=1)
    for _ in range(2):
        next(sweep)
        assert net.training
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert torch.ones(1, requires_grad=True).mul(2).requires_grad


@pytest.mark.parametrize("target", [np.int64(1), np.array([1, 0]), torch.tensor([1, 0]), torch.tensor(1), [1, 0]])
def test_a_class_is_asked_for_by_any_whole_number(target: object) -> None:
    x = torch.randn(2, 3, 10, 10, dtype=torch.float64)
    got = occlusion(small_network(), x, target=target, window=10, stride=10)
    assert got.target == ((1, 1) if np.ndim(target) == 0 else (1, 0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_probabilities_in_full(dtype: torch.dtype) -> None:
    net, x = small_network(), torch.randn(1, 3, 10, 10, dtype=torch.float64)
    exact, half = (occlusion(net.to(t), x.to(t), window=4, stride=2) for t in (x.dtype, dtype))
    assert half.values.dtype == half.grid.dtype == np.float32
    np.testing.assert_allclose(half.grid.sum(3), 1, atol=1e-6)
    np.testing.assert_allclose(half.grid, exact.grid, atol=0.02)


def test_hooks_of_the_user_fire_on_every_window() -> None:
    seen: list[int] = []
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    net[1].register_forward_hook(lambda part, args, output: seen.append(len(output)))
    occlusion(net, torch.randn(1, 3, 10, 10), window=5, stride=5)
    assert sum(seen) >= 1 + 4


class Branches(nn.Module):
    """Two branches, functional and in-place activations, one module used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu_(self.norm(self.first(x)))
        z = torch.cat([y, self.again(torch.relu(self.again(y)))], 1)
        return self.head(torch.nn.functional.max_pool2d(z, 3, 2, 1).mean((2, 3)))


@pytest.fixture
def always_incremental(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Follow even tiny networks; collects how many places each batch had."""
    batches: list[int] = []
    answers = patched.IncrementalNetwork.answers

    def counted(self, *args, **settings):
        for numbers, scores in answers(self, *args, **settings):
            batches.append(len(numbers))
            yield numbers, scores

    monkeypatch.setattr(patched, "_PAYS_MACS", 0)
    monkeypatch.setattr(patched, "_PAYS_SHARE", 9.0)
    monkeypatch.setattr(patched.IncrementalNetwork, "answers", counted)
    return batches


@pytest.mark.parametrize(("window", "stride"), [(5, 3), (8, 8), (40, 40)])
def test_incremental_equals_the_naive_loop(always_incremental: list[int], window: int, stride: int) -> None:
    torch.manual_seed(0)
    net, x = Branches().double(), torch.randn(2, 3, 33, 29, dtype=torch.float64)
    got = occlusion(net, x, target=1, window=window, stride=stride, fill=0.3, score="logit")
    for n in range(2):
        wanted = naive(net.eval(), x[n : n + 1], 1, window, stride, 0.3, "logit")
        np.testing.assert_allclose(got.values[n], wanted, rtol=0, atol=1e-9)
    assert sum(always_incremental) == 2 * got.grid.shape[1] * got.grid.shape[2]
    assert net.training is False


def test_memory_and_batch_size_bound_the_batch(always_incremental: list[int]) -> None:
    torch.manual_seed(0)
    net, x = Branches().double(), torch.randn(1, 3, 33, 29, dtype=torch.float64)
    free = occlusion(net, x, window=5, stride=3)
    roomy = max(always_incremental)
    always_incremental.clear()
    tight = occlusion(net, x, window=5, stride=3, memory=500_000)
    assert 0 < max(always_incremental, default=1) < roomy
    always_incremental.clear()
    small = occlusion(net, x, window=5, stride=3, batch_size=2)
    assert max(always_incremental) <= 2
    for other in (tight, small):
        np.testing.assert_allclose(other.grid, free.grid, atol=1e-12)
    with pytest.raises(ConfigError, match="memory must be at least what one picture takes"):
        occlusion(net, x, window=5, stride=3, memory=1000)
    with pytest.raises(ConfigError, match="memory must be at least 1; got 0"):
        occlusion(net, x, window=5, stride=3, memory=0)


def test_a_program_that_answers_otherwise_is_dropped(always_incremental: list[int]) -> None:
    """Python state changes from call to call: the traced program cannot know, and the module is asked instead."""

    class Moody(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x.flatten(1)[:, :3] * (1 if self.calls < 3 else 2)

    got = occlusion(Moody(), torch.ones(1, 3, 9, 9), window=3, stride=3, score="logit")
    assert float(got.grid[0, 2, 2, 0]) == 2


def test_a_patch_that_hides_nothing_is_not_asked_about() -> None:
    seen: list[int] = []

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return x.sum((1, 2, 3))[:, None]

    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 5, 6] = 1
    got = occlusion(Counting(), x, window=4, stride=4, score="logit")
    np.testing.assert_allclose(got.grid[0, :, :, 0], [[1, 1], [1, 0]])
    quiet = len(seen)
    occlusion(Counting(), torch.zeros(1, 1, 8, 8), window=4, stride=4, score="logit")
    assert len(seen) - quiet < quiet

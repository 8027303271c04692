"""The parameter-randomization check: what the paper found, on trained networks; and that no weights are touched."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import striate
from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.insight import Heatmap, grad_cam, guided_backprop, input_gradient, smooth_grad
from striate.insight.random_weights import draw_anew, weight_groups
from striate.insight.randomization import randomization
from striate.insight.randomization_check import RandomizationCheck


class Awkward(nn.Module):
    """Branches, a shared layer, and a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.rand(4, 1, 1) + 0.5)
        self.fc = nn.Linear(4, 3)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(F.relu(self.a(x)) + F.relu(self.b(x)))
        return self.fc((self.shared(F.relu(self.shared(x))) * self.scale).mean((2, 3)))


def digits() -> list[np.ndarray]:
    datasets = pytest.importorskip("sklearn.datasets")
    pictures = []
    for index in (3, 24):
        small = datasets.load_digits().images[index]
        field = np.zeros((28, 28), np.uint8)
        field[6:22, 6:22] = np.kron(small * 15.9, np.ones((2, 2))).astype(np.uint8)
        pictures.append(np.repeat(field[..., None], 3, 2))
    return pictures


def test_the_papers_finding_on_digits() -> None:
    """The gradient and Grad-CAM forget with the network; guided back-propagation goes on showing the digit."""
    network = striate.load("lenet5_relu.mnist")
    found = {
        method.__name__: randomization(network, digits(), method)
        for method in (input_gradient, grad_cam, guided_backprop)
    }
    assert found["input_gradient"].layers == ("output", "f6", "c5", "c3", "c1")
    half = {name: check.similarities["rank"][3].mean() for name, check in found.items()}
    assert abs(half["input_gradient"]) < 0.15
    assert half["guided_backprop"] > half["input_gradient"] + 0.3
    assert found["input_gradient"].passes
    assert found["grad_cam"].passes
    assert not found["guided_backprop"].passes


@pytest.mark.slow
def test_the_papers_finding_on_photos(photo_path) -> None:
    network = striate.load("efficientnet_lite0")
    photo = str(photo_path("coffee.png"))
    found = {m.__name__: randomization(network, photo, m, steps=5) for m in (input_gradient, grad_cam, guided_backprop)}
    # Three of five maps on, half of all layers are random.
    assert found["guided_backprop"].similarities["rank"][3].item() > 0.9
    assert found["guided_backprop"].similarities["hog"][3].item() > 0.7
    assert abs(found["input_gradient"].similarities["rank"][3].item()) < 0.1
    assert found["grad_cam"].similarities["hog"][3].item() < 0.3
    assert not found["guided_backprop"].passes
    assert found["input_gradient"].passes


@pytest.mark.parametrize("init", ["reset", "normal", "shuffle"])
@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_the_network_itself_is_never_touched(mode: str, init: str) -> None:
    net, x = Awkward().train(), torch.randn(2, 3, 12, 12)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    got = randomization(net, x, input_gradient, mode=mode, init=init, target=1)
    assert torch.equal(torch.get_rng_state(), state), "the caller's random numbers go on as if nothing had been drawn"
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    assert got.target == (1, 1)
    assert got.similarities["rank"].shape == (len(got.layers) + 1, 2)
    for rows in got.similarities.values():
        np.testing.assert_allclose(rows[0], 1, atol=1e-9)
    assert got.layers == ("fc", "shared", "b", "a")
    again = randomization(net, x, input_gradient, mode=mode, init=init, target=1)
    np.testing.assert_array_equal(again.maps, got.maps)


def test_cascading_keeps_what_was_drawn_and_independent_does_not() -> None:
    net, x = Awkward(), torch.randn(1, 3, 12, 12)
    seen: dict[str, list[set[str]]] = {"cascading": [], "independent": []}

    def watch(mode: str, module: nn.Module, x: Tensor, target: list[int]) -> np.ndarray:
        trained = dict(net.named_parameters())
        changed = {name.partition(".")[0] for name, p in module.named_parameters() if not torch.equal(p, trained[name])}
        seen[mode].append(changed)
        return np.zeros((1, 12, 12)) + np.arange(12)

    for mode in seen:
        randomization(net, x, partial(watch, mode), mode=mode, target=0, init="normal")
    top, middle, lower = {"fc", "scale"}, {"shared"}, {"b", "norm"}
    assert seen["cascading"] == [set(), top, top | middle, top | middle | lower, top | middle | lower | {"a"}]
    assert seen["independent"] == [set(), top, middle, lower, {"a"}]


def test_groups_go_from_the_last_to_the_first_with_their_normalizations() -> None:
    groups = weight_groups(Awkward(), (3, 12, 12))
    assert [group[0] for group in groups] == ["fc", "shared", "b", "a"]
    assert groups[0] == ["fc", ""], "weights of the network itself go with the last layer"
    assert groups[2] == ["b", "norm"]
    with pytest.raises(ConfigError, match="has no weights"):
        weight_groups(nn.Sequential(nn.ReLU()), (3, 4, 4))


def test_each_way_of_drawing_keeps_what_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(16, 32, 3)
    layer.weight.data.mul_(5).add_(1)
    before = layer.weight.detach().clone()
    draw_anew(layer, init="shuffle", generator=generator)
    assert torch.equal(layer.weight.detach().flatten().sort()[0], before.flatten().sort()[0])
    assert not torch.equal(layer.weight, before)
    draw_anew(layer, init="normal", generator=generator)
    assert abs(float(layer.weight.detach().mean() - before.mean())) < 0.05
    assert abs(float(layer.weight.detach().std() / before.std()) - 1) < 0.05
    draw_anew(layer, init="reset", generator=generator)
    assert float(layer.weight.detach().abs().max()) <= 1 / 12 + 1e-6  # 1/sqrt(fan in)


def test_chosen_layers_settings_and_progress() -> None:
    net, x, told = Awkward(), torch.randn(1, 3, 12, 12), []
    method = partial(smooth_grad, samples=2)
    got = randomization(net, x, method, layers=["shared", "a"], progress=lambda done, total: told.append((done, total)))
    assert got.layers == ("shared", "a")
    assert got.method == "smooth_grad"
    assert told == [(1, 2), (2, 2)]
    assert randomization(net, x, input_gradient, steps=2).layers == ("fc", "a")
    unit = randomization(net, x, input_gradient, target="norm:1", steps=2)
    assert str(unit.target[0]).startswith("norm:1@")


def test_numbers_that_are_not_finite_rank_nothing() -> None:
    def broken(module: nn.Module, x: Tensor, target: list[int]) -> Heatmap:
        broken.calls += 1
        values = np.arange(144.0).reshape(1, 12, 12) if broken.calls == 1 else np.full((1, 12, 12), np.nan)
        return Heatmap(values, "broken", "u", True, tuple(target))

    broken.calls = 0
    got = randomization(Awkward(), torch.randn(1, 3, 12, 12), broken, steps=2)
    assert got.similarities["rank"][1:].max() == 0


def test_results_are_kept_and_drawn(tmp_path: Path) -> None:
    got = randomization(Awkward(), torch.randn(2, 3, 12, 12), input_gradient, steps=3)
    again = RandomizationCheck.load(got.save(tmp_path / "check.npz"))
    assert again.settings() == got.settings()
    np.testing.assert_array_equal(again.values, got.values)
    np.testing.assert_array_equal(again.maps, got.maps)
    assert got.save(tmp_path / "check.json").stat().st_size > 100
    assert got.save(tmp_path / "check.png").read_bytes().startswith(b"\x89PNG")
    assert got.draw(theme="dark").shape == (460, 900, 3)
    assert got.draw_maps(1).ndim == 3
    assert set(got.final) == set(got.average) == {"rank", "rank_absolute", "ssim", "hog"}


def test_wrong_settings_are_refused() -> None:
    net, x = Awkward(), torch.randn(1, 3, 12, 12)
    with pytest.raises(ConfigError, match="mode must be 'cascading' or 'independent'"):
        randomization(net, x, input_gradient, mode="sideways")
    with pytest.raises(ConfigError, match="init must be one of 'reset', 'normal', 'shuffle'"):
        randomization(net, x, input_gradient, init="zero")
    with pytest.raises(ConfigError, match="steps must be at least 1"):
        randomization(net, x, input_gradient, steps=0)
    with pytest.raises(UnknownNameError, match="no layer 'd'"):
        randomization(net, x, input_gradient, layers=["d"])
    with pytest.raises(ShapeError, match="method must give 'n h w' or 'n c h w'"):
        randomization(net, x, lambda module, x, target: np.zeros(3))
    independent = randomization(net, x, input_gradient, mode="independent", steps=1)
    with pytest.raises(ConfigError, match="passes needs mode='cascading'"):
        _ = independent.passes

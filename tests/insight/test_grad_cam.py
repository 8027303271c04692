"""Grad-CAM against captum, the formula by hand, and networks of every shape of head."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import striate
from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.insight import guided_backprop
from striate.insight.grad_cam import grad_cam
from striate.insight.guided_grad_cam import guided_grad_cam
from striate.insight.last_maps import last_map_layer
from striate.models import create_model
from tests.oracles.foreign import load_torchvision


class Awkward(nn.Module):
    """Two branches, functional activations, a shared in-place ReLU, a functional head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.c = nn.Conv2d(4, 5, 3)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x + 0.4)
        x = self.norm(F.relu(self.a(x)) + self.relu(self.b(x)))
        return self.fc(self.relu(self.c(x)).mean((2, 3)))


def by_hand(maps: Tensor, score) -> np.ndarray:
    """Equations 1 and 2 before ReLU, for one picture's maps `1 c h w` and the score as a function of them."""
    leaf = maps.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(leaf), leaf)
    _, channels, height, width = maps.shape
    total = np.zeros((height, width))
    for k in range(channels):
        alpha = sum(float(gradient[0, k, i, j]) for i in range(height) for j in range(width)) / (height * width)
        total += alpha * maps[0, k].detach().numpy()
    return total


def test_equals_the_formula_by_hand() -> None:
    net, x = Awkward().double().eval(), torch.randn(1, 3, 9, 10, dtype=torch.float64)
    with torch.no_grad():
        start = (x + 0.4).relu()
        maps = net.norm(net.a(start).relu() + net.b(start).relu())
    expected = by_hand(maps, lambda m: net.fc(net.c(m).relu().mean((2, 3)))[0, 2])
    got = grad_cam(net, x, target=2, layer="norm", relu=False)
    np.testing.assert_allclose(got.grid[0, :, :, 0], expected, atol=1e-12)
    enlarged = F.interpolate(torch.from_numpy(expected)[None, None], size=(9, 10), mode="bilinear")[0, 0]
    np.testing.assert_allclose(got.values[0], enlarged.numpy(), atol=1e-12)
    assert got.signed
    kept = grad_cam(net, x, target=2, layer="norm")
    assert not kept.signed
    enlarged = F.interpolate(torch.from_numpy(expected).clamp(min=0)[None, None], size=(9, 10), mode="bilinear")
    np.testing.assert_allclose(kept.values[0], enlarged[0, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize("layer", ["a", "b", "norm", "c"])
def test_equals_captum(layer: str) -> None:
    captum = pytest.importorskip("captum.attr")
    net, x = Awkward().double().eval(), torch.randn(2, 3, 9, 10, dtype=torch.float64)

    class OutOfPlace(nn.Module):
        """The same network; captum's hooks cannot stand the ReLU that works in place behind them."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.norm, self.c, self.fc = net.a, net.b, net.norm, net.c, net.fc

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(x + 0.4)
            x = self.norm(F.relu(self.a(x)) + F.relu(self.b(x)))
            return self.fc(F.relu(self.c(x)).mean((2, 3)))

    twin = OutOfPlace().eval()
    theirs = captum.LayerGradCam(twin, getattr(twin, layer)).attribute(x, target=1)
    got = grad_cam(net, x, target=1, layer=layer, relu=False)
    np.testing.assert_allclose(got.grid[..., 0], theirs.detach()[:, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("vgg16_bn", "features.42", (4, 4)),
        ("googlenet", "inception5b", (2, 2)),
        ("squeezenet1_1", "classifier.2", (3, 3)),
        ("resnet18", "layer4.1.relu2", (2, 2)),
        ("se_resnet50", "layer4.2.relu3", (2, 2)),
        ("efficientnet_lite0", "relu2", (2, 2)),
    ],
)
def test_the_last_maps_of_each_family(name: str, layer: str, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=5).eval()
    got = grad_cam(net, torch.randn(1, 3, 64, 64), target=3)
    assert got.parameters["layer"] == layer
    assert got.grid.shape == (1, *shape, 1)
    assert got.values.shape == (1, 64, 64)
    assert np.isfinite(got.values).all()


def test_branches_and_shared_modules_of_torchvision() -> None:
    models = load_torchvision().models
    assert last_map_layer(models.densenet121(), (3, 64, 64)) == "features.norm5"
    net = models.resnet18()
    assert last_map_layer(net, (3, 64, 64)) == "layer4.1.relu#2"
    x = torch.randn(1, 3, 64, 64)
    # The second call of the shared ReLU is what the block gives.
    second = grad_cam(net, x, target=0, layer="layer4.1.relu#2")
    block = grad_cam(net, x, target=0, layer="layer4.1")
    np.testing.assert_allclose(second.values, block.values)
    first = grad_cam(net, x, target=0, layer="layer4.1.relu")
    assert not np.allclose(first.values, block.values)


def test_branches_that_meet_in_no_module_go_back_to_where_they_part() -> None:
    class Meet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.fc(torch.cat([self.a(x), self.b(x)], 1).amax((2, 3)))

    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc((self.a(x) + self.b(x)).mean((2, 3)))

    assert last_map_layer(Meet(), (3, 8, 8)) == "stem"
    with pytest.raises(ConfigError, match=r"several layers \('a', 'b'\). Name one"):
        grad_cam(Apart(), torch.randn(1, 3, 8, 8))
    assert grad_cam(Apart(), torch.randn(1, 3, 8, 8), layer="a").values.shape == (1, 8, 8)


def test_a_later_unit_as_target() -> None:
    net, x = Awkward().double().eval(), torch.randn(2, 3, 9, 10, dtype=torch.float64)
    got = grad_cam(net, x, target="c:1", layer="norm", relu=False)
    for n in range(2):
        with torch.no_grad():
            start = (x[n : n + 1] + 0.4).relu()
            maps = net.norm(net.a(start).relu() + net.b(start).relu())
        expected = by_hand(maps, lambda m: net.c(m)[0, 1].max())
        np.testing.assert_allclose(got.grid[n, :, :, 0], expected, atol=1e-12)
    assert str(got.target[0]).startswith("c:1@")
    # Without a layer: the last maps before the unit's.
    assert grad_cam(net, x, target="c:1").parameters["layer"] == "norm"


def test_batches_and_parts_say_the_same() -> None:
    net, x = Awkward().double(), torch.randn(5, 3, 9, 9, dtype=torch.float64)
    together = grad_cam(net, x)
    np.testing.assert_allclose(grad_cam(net, x, batch_size=2).values, together.values, atol=1e-12)
    alone = np.concatenate([grad_cam(net, one[None]).values for one in x])
    np.testing.assert_allclose(alone, together.values, atol=1e-12)


def test_nothing_is_left_behind_also_after_an_error() -> None:
    net, x = Awkward().train(), torch.randn(2, 3, 9, 9)
    flags = [p.requires_grad for p in net.parameters()]
    with torch.inference_mode():
        assert grad_cam(net, x, target=0, layer="norm").values.shape == (2, 9, 9)
        assert torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        grad_cam(net, x, target=0, layer="norm")
        assert not torch.is_grad_enabled()
    for refused in ({"layer": "fc"}, {"layer": "c", "target": "a:0"}):
        with pytest.raises((ConfigError, ShapeError)):
            grad_cam(net, x, **refused)
    assert torch.is_grad_enabled()
    assert all(not part._forward_hooks for part in net.modules())
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    assert [p.requires_grad for p in net.parameters()] == flags


def test_what_has_no_map_is_refused() -> None:
    net, x = Awkward(), torch.randn(1, 3, 9, 9)
    with pytest.raises(ShapeError, match="layer 'fc' must give maps 'n c h w' for Grad-CAM"):
        grad_cam(net, x, layer="fc")
    with pytest.raises(UnknownNameError, match="no layer 'd'"):
        grad_cam(net, x, layer="d")
    with pytest.raises(ConfigError, match="choose a layer before it"):
        grad_cam(net, x, layer="c", target="a:0")
    with pytest.raises(ConfigError, match="after # stands the number of a call"):
        grad_cam(net, x, layer="relu#x")
    with pytest.raises(ConfigError, match="no layer gives maps"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(243, 2)), x)


def test_a_real_network_finds_the_cup(photo_path) -> None:
    network = striate.load("efficientnet_lite0")
    got = grad_cam(network, str(photo_path("coffee.png")))
    y, x = np.unravel_index(got.values[0].argmax(), (224, 224))
    assert 20 < y < 150
    assert 50 < x < 190
    assert got.grid.shape == (1, 7, 7, 1)
    guided = guided_grad_cam(network, str(photo_path("coffee.png")))
    detail = guided_backprop(network, str(photo_path("coffee.png")))
    np.testing.assert_allclose(guided.values, detail.values * got.values[:, None], rtol=1e-4, atol=1e-7)
    assert guided.target == got.target
    assert guided.draw().shape == (1, 224, 224, 3)

"""Integrated gradients against captum, completeness, and integrals that are known on paper."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import striate
from striate.errors import ConfigError, ShapeError
from striate.insight import input_gradient, occlusion
from striate.insight.completeness import completeness
from striate.insight.integrated_gradients import integrated_gradients, path_points


class Awkward(nn.Module):
    """Two branches, functional and shared in-place activations, and a product."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x + 0.4)
        return self.fc((F.relu(self.a(x)) * torch.tanh(self.b(x))).mean((2, 3)))


@pytest.mark.parametrize("rule", ["gausslegendre", "riemann_left", "riemann_middle", "riemann_right"])
@pytest.mark.parametrize("baseline", [0.0, 0.3])
def test_equals_captum(rule: str, baseline: float) -> None:
    captum = pytest.importorskip("captum.attr")
    net, x = Awkward().double().eval(), torch.randn(2, 3, 8, 9, dtype=torch.float64)
    method = captum.IntegratedGradients(lambda pictures: net(pictures.clone()))
    theirs = method.attribute(x, baselines=baseline, target=torch.tensor([1, 2]), n_steps=13, method=rule)
    got = integrated_gradients(net, x, target=[1, 2], baseline=baseline, steps=13, rule=rule, batch_size=5)
    # captum keeps its points and weights in float32.
    np.testing.assert_allclose(got.values, theirs.detach().numpy(), rtol=0, atol=1e-6 * np.abs(got.values).max())


def test_the_trapezoid_is_captums_with_weights_that_add_up() -> None:
    captum = pytest.importorskip("captum.attr")
    net, x = Awkward().double().eval(), torch.randn(1, 3, 8, 9, dtype=torch.float64)
    method = captum.IntegratedGradients(lambda pictures: net(pictures.clone()))
    theirs = method.attribute(x, target=1, n_steps=11, method="riemann_trapezoid").detach().numpy()
    got = integrated_gradients(net, x, target=1, steps=11, rule="riemann_trapezoid")
    np.testing.assert_allclose(got.values, theirs * 11 / 10, rtol=0, atol=1e-6 * np.abs(got.values).max())


@pytest.mark.parametrize(
    "rule", ["gausslegendre", "riemann_left", "riemann_middle", "riemann_right", "riemann_trapezoid"]
)
def test_weights_add_up_to_one(rule: str) -> None:
    points, weights = path_points(17, rule)
    np.testing.assert_allclose(weights.sum(), 1, atol=1e-14)
    assert points.min() >= 0
    assert points.max() <= 1


def test_gauss_legendre_is_exact_for_polynomials() -> None:
    """S = sum of x³: IG from b is x³-like in closed form, (x − b)(x² + xb + b²) = x³ − b³; two points suffice."""

    class Cubic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x**3).sum((1, 2, 3))[:, None]

    x = torch.randn(2, 1, 3, 4, dtype=torch.float64)
    got = integrated_gradients(Cubic(), x, steps=2, baseline=0.5)
    np.testing.assert_allclose(got.values, (x**3 - 0.125).numpy(), atol=1e-12)
    np.testing.assert_allclose(got.parameters["gap"], 0, atol=1e-12)


def test_completeness_closes_with_the_steps() -> None:
    net, x = Awkward().double().eval(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    gaps = [np.abs(integrated_gradients(net, x, target=0, steps=n).parameters["gap"]).max() for n in (2, 20, 200)]
    difference = np.abs(integrated_gradients(net, x, target=0, steps=2).parameters["difference"]).max()
    assert gaps[2] < gaps[0]
    assert gaps[2] < 5e-3 * difference
    got = integrated_gradients(net, x, target=0, steps=20)
    check = completeness(net, x, got, target=0)
    np.testing.assert_allclose(check.values, got.parameters["gap"], atol=1e-12)
    np.testing.assert_allclose(check.difference, got.parameters["difference"], atol=1e-12)
    np.testing.assert_allclose(check.relative, np.abs(check.values / check.difference))


def test_what_else_is_complete_on_a_linear_network() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    gradient = input_gradient(net, x, target=1)
    product = gradient.values * (x.numpy() - 0.2)
    np.testing.assert_allclose(completeness(net, x, product, target=1, baseline=0.2).values, 0, atol=1e-12)
    # Windows that do not overlap: the drop of a window stands at each of its 16 pixels.
    tiles = occlusion(net, x, target=1, window=4, stride=4, fill=0.2, score="logit")
    np.testing.assert_allclose(completeness(net, x, tiles.values / 16, target=1, baseline=0.2).values, 0, atol=1e-12)
    got = integrated_gradients(net, x, target=1, baseline=0.2, steps=1)
    np.testing.assert_allclose(got.values, product, atol=1e-12)
    assert np.isnan(completeness(net, x, product * 0, target=1, baseline=x).relative).all()


def test_units_and_pictures_as_baselines() -> None:
    net, x = Awkward().double().eval(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    start = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    got = integrated_gradients(net, x, target="a:2@1,1", baseline=start, steps=300, rule="riemann_middle")
    with torch.no_grad():
        expected = (net.a((x + 0.4).relu()) - net.a((start + 0.4).relu()))[:, 2, 1, 1]
    np.testing.assert_allclose(got.values.sum((1, 2, 3)), expected.numpy(), atol=5e-3)
    assert got.unit == "activation"
    one = integrated_gradients(net, x, target=0, baseline=start[0], steps=3)
    np.testing.assert_allclose(one.values, integrated_gradients(net, x, target=0, baseline=start, steps=3).values)


def test_a_real_network_starts_from_its_mean_color(photo_path) -> None:
    network = striate.load("efficientnet_lite0")
    photo = str(photo_path("coffee.png"))
    got = integrated_gradients(network, photo, steps=8)
    assert got.parameters["baseline"] == "mean color"
    assert got.values.shape == (1, 3, 224, 224)
    x = network.preprocess(photo)
    mean = torch.tensor(network.preprocessing.mean).view(1, 3, 1, 1).expand(1, 3, 224, 224)
    same = integrated_gradients(network, photo, steps=8, baseline=mean.contiguous() / network.preprocessing.scale)
    np.testing.assert_allclose(same.values, got.values, atol=2e-4 * np.abs(got.values).max())
    plain = integrated_gradients(network.module, x, steps=8, target=list(got.target))
    np.testing.assert_allclose(plain.values, got.values, atol=1e-6)
    dark = integrated_gradients(network, photo, steps=8, baseline=(0.0, 0.0, 0.0))
    assert dark.parameters["difference"] != got.parameters["difference"]


def test_nothing_is_left_behind_and_progress_is_told() -> None:
    net, x, told = Awkward().train(), torch.randn(2, 3, 8, 8), []
    with torch.inference_mode():
        integrated_gradients(net, x, steps=4, batch_size=3, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (4, 4)
    assert net.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_wrong_settings_are_refused() -> None:
    net, x = Awkward(), torch.randn(1, 3, 8, 8)
    with pytest.raises(ConfigError, match="steps must be at least 1"):
        integrated_gradients(net, x, steps=0)
    with pytest.raises(ConfigError, match="steps must be at least 2 for 'riemann_trapezoid'"):
        integrated_gradients(net, x, steps=1, rule="riemann_trapezoid")
    with pytest.raises(ConfigError, match="rule must be one of 'gausslegendre'"):
        integrated_gradients(net, x, rule="simpson")
    with pytest.raises(ConfigError, match="baseline must be one number or one for each of the 3 channels"):
        integrated_gradients(net, x, baseline=(0.0, 1.0))
    with pytest.raises(ShapeError, match="baseline must be a color, or a tensor of the input's size"):
        integrated_gradients(net, x, baseline=torch.zeros(1, 3, 4, 4))
    with pytest.raises(ShapeError, match="maps must be 'n h w' or 'n c h w'"):
        completeness(net, x, np.zeros((2, 8, 8)))

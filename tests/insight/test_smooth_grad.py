"""SmoothGrad and its variants against the plain loop, captum's noise tunnel, and linear networks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import striate
from striate.errors import ConfigError
from striate.insight import InputGradient, input_gradient
from striate.insight.smooth_grad import smooth_grad


class Awkward(nn.Module):
    """Two branches, functional and shared in-place activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x + 0.4)
        return self.fc((F.relu(self.a(x)) * self.relu(self.b(x))).mean((2, 3)))


def gradients(net: nn.Module, x: Tensor, targets: list[int], *, samples: int, noise: float, seed: int) -> np.ndarray:
    """`s n c h w`, one sample and one picture at a time."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(samples):
        row = []
        for picture, target in zip(x, targets, strict=True):
            e = torch.randn(picture.shape, generator=generator, dtype=picture.dtype)
            leaf = (picture + noise * (picture.max() - picture.min()) * e)[None].requires_grad_(True)
            row.append(torch.autograd.grad(net(leaf)[0, target], leaf)[0][0])
        found.append(torch.stack(row))
    return torch.stack(found).numpy()


@pytest.mark.parametrize("variant", ["smoothgrad", "smoothgrad_squared", "vargrad"])
def test_equals_the_plain_loop(variant: str) -> None:
    net, x = Awkward().double().eval(), torch.randn(2, 3, 8, 9, dtype=torch.float64)
    g = gradients(net, x, [2, 0], samples=7, noise=0.2, seed=5)
    expected = {"smoothgrad": g.mean(0), "smoothgrad_squared": (g**2).mean(0), "vargrad": g.var(0)}[variant]
    got = smooth_grad(net, x, target=[2, 0], samples=7, noise=0.2, seed=5, variant=variant, batch_size=3)
    np.testing.assert_allclose(got.values, expected, rtol=0, atol=1e-14)
    assert got.unit == ("d logit / d input" if variant == "smoothgrad" else "(d logit / d input)²")


def test_the_noise_does_not_depend_on_the_batch() -> None:
    net, x = Awkward().double(), torch.randn(3, 3, 8, 8, dtype=torch.float64)
    first = smooth_grad(net, x, samples=5, batch_size=1).values
    for size in (2, 4, 100):
        np.testing.assert_allclose(smooth_grad(net, x, samples=5, batch_size=size).values, first, atol=1e-13)
    assert not np.allclose(smooth_grad(net, x, samples=5, seed=1).values, first)


def test_without_noise_it_is_the_gradient() -> None:
    net, x = Awkward().double(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    got = smooth_grad(net, x, samples=3, noise=0)
    plain = input_gradient(net, x)
    np.testing.assert_allclose(got.values, plain.values, atol=1e-14)
    assert got.target == plain.target
    np.testing.assert_allclose(smooth_grad(net, x, samples=3, noise=0, variant="vargrad").values, 0, atol=1e-15)


def test_equals_captums_noise_tunnel_in_the_limit() -> None:
    """captum draws other noise; with many samples both come to the same mean, within its error."""
    captum = pytest.importorskip("captum.attr")
    net, x = Awkward().double().eval(), torch.randn(1, 3, 6, 6, dtype=torch.float64)
    span = float(x.max() - x.min())
    tunnel = captum.NoiseTunnel(captum.Saliency(lambda pictures: net(pictures.clone())))
    theirs = tunnel.attribute(x, target=1, nt_samples=800, stdevs=0.1 * span, abs=False).numpy()
    got = smooth_grad(net, x, target=1, samples=800, noise=0.1, batch_size=64)
    spread = smooth_grad(net, x, target=1, samples=200, noise=0.1, variant="vargrad", batch_size=64).values
    error = np.sqrt(2 * spread / 800)
    assert (np.abs(got.values - theirs) < 5 * error + 1e-9).all()


def test_units_and_the_guided_rule() -> None:
    net, x = Awkward().double(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    got = smooth_grad(net, x, target="a:1", samples=4)
    clean = input_gradient(net, x, target="a:1")
    assert got.target == clean.target, "the place is that of the clean picture"
    np.testing.assert_allclose(got.scores, clean.scores, atol=1e-14)
    guided = smooth_grad(net, x, target=0, samples=4, rule="guided")
    assert guided.parameters["rule"] == "guided"
    assert not np.allclose(guided.values, smooth_grad(net, x, target=0, samples=4).values)


def test_it_smooths_on_a_real_network(photo_path) -> None:
    network = striate.load("efficientnet_lite0")
    photo = str(photo_path("coffee.png"))
    x = network.preprocess(photo)
    nearby = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    def agreement(first: InputGradient, second: InputGradient) -> float:
        a, b = first.values.ravel(), second.values.ravel()
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    smooth = smooth_grad(network, photo, samples=6)
    steady = agreement(smooth, smooth_grad(network.module, nearby, target=list(smooth.target), samples=6))
    plain = input_gradient(network, photo)
    assert smooth.target == plain.target
    # A picture that looks the same has another gradient, but nearly the same smoothed one.
    assert steady > 2 * agreement(plain, input_gradient(network.module, nearby, target=list(plain.target)))
    assert smooth.saliency().values.shape == (1, 224, 224)


def test_nothing_is_left_behind_and_progress_is_told() -> None:
    net, x, told = Awkward().train(), torch.randn(2, 3, 8, 8), []
    with torch.inference_mode():
        smooth_grad(net, x, samples=4, batch_size=3, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (4, 4)
    assert net.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_wrong_settings_are_refused() -> None:
    net, x = Awkward(), torch.randn(1, 3, 8, 8)
    with pytest.raises(ConfigError, match="samples must be at least 1"):
        smooth_grad(net, x, samples=0)
    with pytest.raises(ConfigError, match="noise must be a share"):
        smooth_grad(net, x, noise=-1)
    with pytest.raises(ConfigError, match="variant must be one of 'smoothgrad', 'smoothgrad_squared', 'vargrad'"):
        smooth_grad(net, x, variant="median")
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        smooth_grad(net, x, batch_size=0)

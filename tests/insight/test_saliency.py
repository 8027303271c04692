"""Saliency against captum, finite differences and linear networks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.insight import saliency


class Awkward(nn.Module):
    """A first layer in place, functional and shared activations, two branches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.fc(self.drop(self.norm(F.relu(self.a(x)) + self.b(x).relu_())).mean((2, 3)))


def test_a_linear_network_gives_its_weights() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 2)).double()
    got = saliency(net, torch.randn(2, 3, 4, 5, dtype=torch.float64), target=[0, 1])
    weights = net[1].weight.detach().view(2, 3, 4, 5)
    np.testing.assert_allclose(got.values, weights.abs().amax(1).numpy(), atol=1e-15)
    assert got.target == (0, 1)


def test_equals_captum() -> None:
    captum = pytest.importorskip("captum.attr")
    net, x = Awkward().double().eval(), torch.randn(3, 3, 8, 8, dtype=torch.float64) + 0.5
    # captum feeds its leaf straight into the first layer, which may not work in place then.
    theirs = captum.Saliency(lambda pictures: net(pictures.clone())).attribute(x, target=2).amax(1)
    np.testing.assert_allclose(saliency(net, x, target=2).values, theirs.numpy(), atol=1e-12)


def test_equals_finite_differences() -> None:
    net, x = Awkward().double().eval(), torch.rand(1, 3, 5, 5, dtype=torch.float64) + 0.1
    step, slope = 1e-6, torch.zeros(3, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        for index in np.ndindex(3, 5, 5):
            up, down = x.clone(), x.clone()
            up[0][index] += step
            down[0][index] -= step
            slope[index] = (net(up)[0, 1] - net(down)[0, 1]) / (2 * step)
    np.testing.assert_allclose(saliency(net, x, target=1).values[0], slope.abs().amax(0).numpy(), atol=1e-7)


def test_pictures_of_a_batch_do_not_mix() -> None:
    net, x = Awkward().double(), torch.randn(3, 3, 8, 8, dtype=torch.float64)
    together = saliency(net, x, target=0).values
    apart = np.concatenate([saliency(net, one[None], target=0).values for one in x])
    np.testing.assert_allclose(together, apart, atol=1e-12)


def test_nothing_is_left_behind() -> None:
    net = Awkward().train()
    net.norm.eval()
    frozen = net.a.weight.requires_grad_(False)
    mean = net.norm.running_mean.clone()
    x = torch.randn(2, 3, 8, 8)
    before = x.clone()
    first = saliency(net, x, target=1).values
    np.testing.assert_array_equal(first, saliency(net, x, target=1).values)
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert not frozen.requires_grad
    assert net.b.weight.requires_grad
    assert net.training
    assert not net.norm.training
    assert torch.equal(net.norm.running_mean, mean)


def test_it_works_inside_no_grad_and_inference_mode() -> None:
    net = Awkward()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert saliency(net, torch.randn(1, 3, 8, 8)).values.max() > 0


def test_scores_without_a_gradient_are_refused() -> None:
    class Detached(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3)).detach()

    with pytest.raises(ConfigError, match="without a gradient to its input"):
        saliency(Detached(), torch.randn(1, 3, 8, 8))


def test_scores_that_ignore_the_picture_give_zeros() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scores = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return self.scores.expand(len(x), 2)

    assert saliency(Constant(), torch.randn(2, 3, 4, 4)).values.max() == 0

"""Transforms: nothing at zero strength, exact where it can be exact, differentiable, repeatable."""

import pytest
import torch
from torch import Tensor

from striate.dreams.transforms import (
    Compose,
    Crop,
    Fit,
    Jitter,
    Noise,
    Pad,
    RandomCrops,
    Rotate,
    Scale,
    Transform,
    robust_transform,
)
from striate.errors import ConfigError

X = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

NOTHING = [Compose(), Pad(0), Jitter(0), Scale((1.0,)), Rotate((0.0,)), Crop(0), Fit((12, 10)), Noise(0.0)]
SOMETHING = [
    Pad(2),
    Pad(2, None),
    Jitter(3),
    Scale((0.8, 1.3)),
    Scale((0.5,)),
    Rotate((20.0, -35.0)),
    Crop(1),
    Fit((7, 9)),
    Noise(0.1),
    RandomCrops(3),
    RandomCrops(2, (5, 6)),
    robust_transform((12, 10)),
]


def apply(transform: Transform, x: Tensor, seed: int = 3, progress: float = 0.0) -> Tensor:
    return transform(x, generator=torch.Generator().manual_seed(seed), progress=progress)


@pytest.mark.parametrize("transform", NOTHING, ids=lambda t: type(t).__name__)
def test_zero_strength_is_the_identity(transform: Transform) -> None:
    assert torch.equal(apply(transform, X), X)
    assert torch.equal(apply(robust_transform((12, 10), strength=0), X), X)


@pytest.mark.parametrize("number", range(len(SOMETHING)))
def test_gradients_seeds_and_independence(number: int) -> None:
    transform = SOMETHING[number]
    small = X[:, :1, :6, :6].clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: apply(transform, x), (small,))
    assert torch.equal(apply(transform, X), apply(transform, X))
    together = apply(transform, X)
    views = len(together) // len(X)
    assert torch.equal(together[views:], apply(transform, X[1:]))


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    square = X[:, :, :10]
    turned = apply(Rotate((90.0,)), square)
    expected = torch.rot90(square, 1, (2, 3))
    torch.testing.assert_close(turned[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-6, rtol=0)


def test_a_turn_keeps_the_shapes_of_a_picture_that_is_not_square() -> None:
    wide = torch.zeros(1, 1, 11, 41, dtype=torch.float64)
    wide[:, :, :, 20] = 1  # an upright line through the middle
    turned = apply(Rotate((45.0,)), wide)
    assert turned[0, 0, 2, 17] > 0.3 or turned[0, 0, 2, 23] > 0.3


def test_padding_and_jitter() -> None:
    padded = apply(Pad(2, 0.25), X)
    assert padded.shape == (2, 3, 16, 14)
    assert padded[0, 0, 0, 0] == 0.25
    assert torch.equal(apply(Crop(2), padded), X)
    cuts = {float(apply(Jitter(4), X, seed)[0, 0, 0, 0]) for seed in range(200)}
    assert len(cuts) == 25  # all of five times five places


def test_random_crops_narrow_down() -> None:
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).view(1, 1, 1, 64).expand(1, 1, 64, 64)
    wide, narrow = (apply(RandomCrops(64), ramp, progress=p) for p in (0.0, 1.0))
    spans = [(v.amax(3) - v.amin(3)).mean().item() for v in (wide, narrow)]
    assert 0.4 < spans[0] < 0.6
    assert 0.03 < spans[1] < 0.07


def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="size_px must be 0 or more"):
        Pad(-1)
    with pytest.raises(ConfigError, match="leaves nothing"):
        apply(Jitter(10), X)
    with pytest.raises(ConfigError, match="leaves nothing"):
        apply(Crop(5), X)
    with pytest.raises(ConfigError, match="factors must be numbers above 0"):
        Scale((0.0,))
    with pytest.raises(ConfigError, match="finite"):
        Rotate((float("nan"),))
    with pytest.raises(ConfigError, match="smallest"):
        RandomCrops(4, largest=0.1, smallest=0.5)

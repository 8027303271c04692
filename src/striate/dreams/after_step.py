"""What is done to pixels after each step of gradient ascent, to keep them from looking like noise.

Small priors by hand: shrink every pixel a little (L2), blur every few steps, and put back to the neutral color the
pixels that are weak, or that hardly contribute. All are for `PixelImage`, where a parameter is a pixel.

Source: Yosinski, Clune, Nguyen, Fuchs, Lipson 2015, "Understanding neural networks through deep visualization",
arXiv:1506.06579, section 3.1; their code, DeepVis `optimize/gradient_optimizer.py`, for the order and the percentiles.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = ["AfterStep", "Blur", "Decay", "ZeroSmallContribution", "ZeroSmallNorm", "gaussian_blur"]


@runtime_checkable
class AfterStep(Protocol):
    """Changes pixels after a step."""

    def __call__(
        self,
        pixels: Float[Tensor, "n c h w"],
        gradient: Float[Tensor, "n c h w"],
        *,
        step: int,
        neutral: Float[Tensor, "1 c 1 1"],
    ) -> Float[Tensor, "n c h w"]:
        """The new pixels; `gradient` is the objective's, before the step, `step` counts from 0."""
        ...


@dataclass(frozen=True)
class Decay:
    """x ← (1 − θ)·x, around the neutral color: what an L2 penalty does to gradient ascent."""

    amount: float

    def __post_init__(self) -> None:
        _check_share("Decay: amount", self.amount)

    def __call__(self, pixels: Tensor, gradient: Tensor, *, step: int, neutral: Tensor) -> Tensor:
        """Shrink."""
        return neutral + (1 - self.amount) * (pixels - neutral)


@dataclass(frozen=True)
class Blur:
    """A Gaussian of `radius_px` every `every` steps: high frequencies die unless the gradient keeps restoring them."""

    radius_px: float
    every: int = 4

    def __post_init__(self) -> None:
        if not (math.isfinite(self.radius_px) and self.radius_px >= 0) or self.every < 1:
            raise ConfigError(
                f"Blur: radius_px must be 0 or more and every at least 1; got {self.radius_px} and {self.every}."
            )

    def __call__(self, pixels: Tensor, gradient: Tensor, *, step: int, neutral: Tensor) -> Tensor:
        """Blur, if it is time."""
        return gaussian_blur(pixels, self.radius_px) if step % self.every == 0 else pixels


@dataclass(frozen=True)
class ZeroSmallNorm:
    """Pixels whose distance to the neutral color is below a percentile of the picture's become neutral."""

    percentile: float

    def __post_init__(self) -> None:
        _check_share("ZeroSmallNorm: percentile / 100", self.percentile / 100)

    def __call__(self, pixels: Tensor, gradient: Tensor, *, step: int, neutral: Tensor) -> Tensor:
        """Cut."""
        return _cut(pixels, (pixels - neutral).norm(dim=1), self.percentile, neutral)


@dataclass(frozen=True)
class ZeroSmallContribution:
    """Pixels with a small |Σ_c (x − neutral)·gradient|, what the value would lose without them, become neutral."""

    percentile: float

    def __post_init__(self) -> None:
        _check_share("ZeroSmallContribution: percentile / 100", self.percentile / 100)

    def __call__(self, pixels: Tensor, gradient: Tensor, *, step: int, neutral: Tensor) -> Tensor:
        """Cut."""
        return _cut(pixels, ((pixels - neutral) * gradient).sum(1).abs(), self.percentile, neutral)


def gaussian_blur(x: Float[Tensor, "n c h w"], radius_px: float) -> Float[Tensor, "n c h w"]:
    """A Gaussian of standard deviation `radius_px`, cut at 4 deviations, the border mirrored (SciPy's `reflect`).

    Differentiable; the same numbers as `scipy.ndimage.gaussian_filter` of each map.
    """
    reach = int(4 * radius_px + 0.5)
    if reach == 0:
        return x
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (places / radius_px).square())
    weights = (weights / weights.sum()).to(x)
    for axis in (2, 3):
        size = x.shape[axis]
        # d c b a | a b c d | d c b a, as often as it takes
        order = torch.arange(-reach, size + reach, device=x.device) % (2 * size)
        padded = x.index_select(axis, torch.minimum(order, 2 * size - 1 - order))
        kernel = weights.view(1, 1, -1, 1) if axis == 2 else weights.view(1, 1, 1, -1)
        flat = padded.flatten(0, 1)[:, None]  # n·c 1 h w
        x = F.conv2d(flat, kernel).view(x.shape)
    return x


def _cut(pixels: Tensor, size: Tensor, percentile: float, neutral: Tensor) -> Tensor:
    """Neutral where `size` (`n h w`) is below the percentile within its picture."""
    if not percentile:
        return pixels
    least = size.flatten(1).quantile(percentile / 100, dim=1).view(-1, 1, 1)
    return torch.where((size < least)[:, None], neutral.expand_as(pixels), pixels)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must be from 0 to 1; got {value}.")


def apply_steps(steps: Sequence[AfterStep], pixels: Tensor, gradient: Tensor, *, step: int, neutral: Tensor) -> Tensor:
    """All of them in order."""
    for change in steps:
        pixels = change(pixels, gradient, step=step, neutral=neutral)
    return pixels

"""What is known of photos before a layer is asked: they are smooth, and their values stay within a range.

A layer's answer leaves a picture open, the more the deeper it is; among the pictures that it allows, most are noise. A
prior says which to prefer:

    λ_α/2 · Σ |255 (x − neutral)|^α / (σ² N)   +   λ_V/2 · Σ ((255 ∂x)² + (255 ∂y)²)^(β/2) / (σ² N)

x is in [0, 1], N the number of its values, σ = 68.9 gray levels the root mean square of photos around the mean color:
the weights are those of the paper, which counts in gray levels and divides by (σ² N) = 27,098² at 227 × 227 pixels.

Source: Mahendran, Vedaldi 2015, "Understanding deep image representations by inverting them", arXiv:1412.0035,
section 2 and table 3; their code, `core/invert_nn.m` and `experiments/experiment_cnn.m` of deep-goggle.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from striate.dreams import FourierImage, Objective, Parametrization, PixelImage, Subject
from striate.dreams.objectives import alpha_norm, total_variation
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["PRIORS", "SIGMA", "Prior", "depth_scales", "depth_weight", "find_prior"]

SIGMA = 27098 / (255 * math.sqrt(227 * 227 * 3))
"""Root mean square of photos around the mean color, as a share of the range."""


@dataclass(frozen=True)
class Prior:
    """Which pictures are preferred, and in which numbers they are written down.

    Attributes:
        coordinates: `fourier`: coefficients scaled as in photos, in uncorrelated colors, within (0, 1) by themselves;
            `pixels`: as in the paper.
        tv_weight: λ_V, in the paper's units; None to choose it by the depth of the layer (`depth_weight`).
        tv_power: β of the total variation; below 2 edges are sharper, and spikes appear.
        alpha_weight: λ_α, in the paper's units.
        alpha: α.
        spread: Of the starting noise: standard deviation of the scaled coefficients, or of pixels as a share of the
            range.
        scales: The picture is written down so many times smaller than it is seen, one after the other: (4, 2, 1) brings
            large shapes first. None to choose them by the depth of the layer (`depth_scales`).

    Raises:
        ConfigError: Scales that do not fall, a negative weight or spread, or a power below 1.
    """

    coordinates: Literal["fourier", "pixels"] = "fourier"
    tv_weight: float | None = None
    tv_power: float = 2.0
    alpha_weight: float = 0.0
    alpha: float = 6.0
    spread: float = 0.02
    scales: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.coordinates not in ("fourier", "pixels"):
            raise ConfigError(f"Prior: coordinates must be 'fourier' or 'pixels'; got {self.coordinates!r}.")
        for name in ("tv_weight", "alpha_weight", "spread"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Prior: {name} must be 0 or more; got {value}.")
        if self.scales is not None:
            object.__setattr__(self, "scales", tuple(self.scales))  # JSON has lists
            falling = list(self.scales) == sorted(set(self.scales), reverse=True)
            if not self.scales or not falling or self.scales[-1] < 1:
                raise ConfigError(f"Prior: scales must be falling whole numbers, at least 1; got {self.scales}.")
        for name in ("tv_power", "alpha"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 1):
                raise ConfigError(f"Prior: {name} must be 1 or more; got {value}.")

    def penalties(self, subject: Subject, size: tuple[int, int], tv_weight: float) -> dict[str, Objective]:
        """The terms by name, each to be made small; those of weight 0 are left out.

        Args:
            subject: Its pictures' channels and neutral color.
            size: `(h, w)` of the picture.
            tv_weight: λ_V, chosen.
        """
        scale = SIGMA**2 * subject.channels * size[0] * size[1]
        terms = {}
        if tv_weight:
            factor = tv_weight / 2 * 255 ** (self.tv_power - 2) / scale
            terms["tv"] = factor * total_variation(self.tv_power)
        if self.alpha_weight:
            factor = self.alpha_weight / 2 * 255 ** (self.alpha - 2) / scale
            terms["alpha"] = factor * alpha_norm(self.alpha, subject.neutral)
        return terms

    def start(self, subject: Subject, size: tuple[int, int], *, seed: int, dtype: torch.dtype) -> Parametrization:
        """One picture of noise, in the prior's coordinates."""
        generator = torch.Generator().manual_seed(seed)
        if self.coordinates == "fourier":
            return FourierImage.noise(
                1,
                size,
                generator=generator,
                channels=subject.channels,
                spread=self.spread,
                dtype=dtype,
                device=subject.device,
            )
        return PixelImage.noise(
            1,
            size,
            generator=generator,
            color=subject.neutral,
            spread=self.spread,
            limits=None,  # a clamp would break what L-BFGS remembers: the α-norm keeps the range
            dtype=dtype,
            device=subject.device,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


_PAPER = {"coordinates": "pixels", "alpha_weight": 8e-10, "spread": SIGMA, "scales": (1,)}

PRIORS: dict[str, Prior] = {
    "tv": Prior(),
    "pixels": Prior(coordinates="pixels", alpha_weight=8e-10, spread=0.05),
    "fourier": Prior(tv_weight=0.0),
    "alexnet-shallow": Prior(**_PAPER, tv_weight=1.0),  # type: ignore[arg-type]
    "alexnet-middle": Prior(**_PAPER, tv_weight=10.0),  # type: ignore[arg-type]
    "alexnet-deep": Prior(**_PAPER, tv_weight=100.0),  # type: ignore[arg-type]
}
"""By name: total variation, minimized over Fourier coefficients; the same with the α-norm over pixels; coefficients
alone; and the paper's for AlexNet up to the second convolution's ReLU, from there to the fourth's, and behind it."""


def find_prior(prior: str | Prior) -> Prior:
    """A prior, or that of `PRIORS` with this name.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if isinstance(prior, Prior):
        return prior
    if prior not in PRIORS:
        raise UnknownNameError(f"There is no prior '{prior}'. {nearest(prior, PRIORS)}")
    return PRIORS[prior]


def depth_weight(shape: Sequence[int], size: tuple[int, int]) -> float:
    """λ_V for a layer: (s / 8)^1.5, at most 3, where one place of its maps stands for s × s pixels.

    The deeper a layer, the more pixels share a place, and the less of them it tells; so the more has to come from the
    prior. Only shapes are needed, so that it holds for any network. At stride 8 it is the paper's value for those
    layers of AlexNet, 1; the paper's 10 and 100 for deeper ones balance noise that does not arise in Fourier
    coordinates.

    Args:
        shape: Of the layer's answer without the batch axis; what is not `c h w` counts as one place.
        size: `(h, w)` of the picture.

    >>> [round(depth_weight(shape, (224, 224)), 3) for shape in ((16, 112, 112), (40, 28, 28), (1000,))]
    [0.125, 1.0, 3.0]
    """
    return float(min((_stride(shape, size) / 8) ** 1.5, 3.0))


def depth_scales(shape: Sequence[int], size: tuple[int, int]) -> tuple[int, ...]:
    """The scales for a layer: (1,) where a place stands for less than 8 × 8 pixels, (4, 2, 1) there, (8, 4, 2) at 32.

    The deepest layers have nothing to say of single pixels, so that these would only be filled with noise that happens
    to please them. The smallest picture keeps 16 pixels a side.

    Args:
        shape: Of the layer's answer without the batch axis.
        size: `(h, w)` of the picture.

    >>> [depth_scales(shape, (224, 224)) for shape in ((16, 112, 112), (40, 28, 28), (1000,))]
    [(1,), (4, 2, 1), (8, 4, 2)]
    """
    stride = _stride(shape, size)
    wanted = (1,) if stride < 8 else (4, 2, 1) if stride < 32 else (8, 4, 2)
    return tuple(scale for scale in wanted if min(size) >= 16 * scale) or (1,)


def _stride(shape: Sequence[int], size: tuple[int, int]) -> float:
    """Side of the square of pixels that one place of a map stands for; the whole picture's for a vector."""
    places = shape[1] * shape[2] if len(shape) == 3 else 1
    return math.sqrt(size[0] * size[1] / max(places, 1))

"""Pictures bent as a hand would have drawn them otherwise: turned, sheared, stretched, and elastically distorted.

For each pixel of the result a map says where in the picture it comes from, between pixels by linear interpolation. Maps
are put one after the other before the picture is read once: two passes would blur it twice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striate.data.augment.batches import as_tensor, check_batch, check_range, one_channel
from striate.data.augment.draws import Draws
from striate.errors import ConfigError

__all__ = ["ElasticDistortion", "PlaceMap", "RandomAffine", "Warp"]


@runtime_checkable
class PlaceMap(Protocol):
    """Moves places: `n 2 h w`, x and y in pixels from the picture's center."""

    def __call__(self, places: Float[Tensor, "n 2 h w"], draws: Draws) -> Float[Tensor, "n 2 h w"]:
        """Where the pixels now at `places` come from."""
        ...

    def describe(self) -> str:
        """One phrase, for people."""
        ...


@dataclass(frozen=True)
class RandomAffine:
    """A random turn, shift, stretch and shear about the center.

    Attributes:
        degrees: The turn is drawn evenly from [−degrees, degrees].
        translate: The shift from [−translate, translate] of the side, down and across.
        scale: Least and largest stretch; across and down are drawn each for itself, evenly in the logarithm.
        shear: The slant from [−shear, shear] degrees.

    Raises:
        ConfigError: If a setting is outside its range.

    Source: Simard, Steinkraus and Platt 2003, Best Practices for Convolutional Neural Networks Applied to Visual
        Document Analysis, section 2 (affine distortions); LeCun et al. 1998, section III-C: shift, scale, squeeze and
        horizontal shear.
    """

    degrees: float = 10.0
    translate: float = 0.06
    scale: tuple[float, float] = (0.9, 1.1)
    shear: float = 10.0

    def __post_init__(self) -> None:
        check_range("RandomAffine: degrees", self.degrees, 0, 180)
        check_range("RandomAffine: translate", self.translate, 0, 1)
        check_range("RandomAffine: shear", self.shear, 0, 80)
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ConfigError(f"RandomAffine: scale must be two numbers, 0 < low ≤ high, got {self.scale}.")

    def __call__(self, places: Float[Tensor, "n 2 h w"], draws: Draws) -> Float[Tensor, "n 2 h w"]:
        """Where the pixels now at `places` come from."""
        matrix, shift = self.matrices(draws)
        h, w = places.shape[2:]
        inverse = np.linalg.inv(matrix)  # n 2 2
        back = inverse @ (shift * np.array([w, h]))[:, :, None]  # n 2 1
        moved = torch.baddbmm(as_tensor(-back, places), as_tensor(inverse, places), places.flatten(2))
        return moved.view_as(places)

    def matrices(self, draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """From a place in the picture to its place in the result: matrices `n 2 2`, then shifts `n 2` in sides."""
        turn, slant, log_x, log_y, x, y = (2 * draws.uniform("random-affine", 6) - 1).T
        angle, shear = np.radians(self.degrees * turn), np.tan(np.radians(self.shear * slant))
        log_low, log_high = math.log(self.scale[0]), math.log(self.scale[1])
        wide, tall = (np.exp((log_low + log_high + (log_high - log_low) * at) / 2) for at in (log_x, log_y))
        c, s = np.cos(angle), np.sin(angle)
        rotation = np.array([[c, -s], [s, c]]).transpose(2, 0, 1)
        one, zero = np.ones_like(shear), np.zeros_like(shear)
        sheared = np.array([[one, shear], [zero, one]]).transpose(2, 0, 1)
        stretched = np.array([[wide, zero], [zero, tall]]).transpose(2, 0, 1)
        return rotation @ sheared @ stretched, self.translate * np.stack([x, y], axis=1)

    def describe(self) -> str:
        """One phrase, for people."""
        low, high = (f"{100 * scale:.3g}" for scale in self.scale)
        return (
            f"turned by up to {self.degrees:g}°, slanted by up to {self.shear:g}°, moved by up to "
            f"{100 * self.translate:g} %, stretched to {low}–{high} %"
        )


@dataclass(frozen=True)
class ElasticDistortion:
    """Every place moves by its own amount, neighbors by nearly the same: as muscles shake.

    Attributes:
        alpha: Strength: the factor on the smoothed field.
        sigma: Of the Gaussian that smooths the field, in pixels.

    Places move by 0.163 · alpha ÷ sigma pixels (standard deviation, each direction): 1.4 pixels by default.

    Raises:
        ConfigError: If `alpha` is below 0 or `sigma` not above 0.

    Source: Simard, Steinkraus and Platt 2003, section 2: displacements even in [−1, 1], convolved with a Gaussian,
        α = 34 and σ = 4 for pictures of 29 × 29 pixels.
    Differs: near the border, where part of the Gaussian lies outside, the rest is scaled up so that places move as much
        there as in the middle.
    """

    alpha: float = 34.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        check_range("ElasticDistortion: alpha", self.alpha, 0, 1e6)
        check_range("ElasticDistortion: sigma", self.sigma, 0.1, 1e4)

    def __call__(self, places: Float[Tensor, "n 2 h w"], draws: Draws) -> Float[Tensor, "n 2 h w"]:
        """Where the pixels now at `places` come from."""
        n, _, h, w = places.shape
        field = as_tensor(2 * draws.coarse("elastic-distortion", 2 * h * w) - 1, places).view(n, 2, h, w)
        down, across = (as_tensor(_smoother(side, self.sigma), places) for side in (h, w))
        return (down * self.alpha) @ field @ across.mT + places

    def describe(self) -> str:
        """One phrase, for people."""
        return f"elastically distorted (α {self.alpha:g}, σ {self.sigma:g} px)"


@dataclass(frozen=True)
class Warp:
    """Pictures read through maps of places, in one pass.

    Attributes:
        maps: `RandomAffine`, `ElasticDistortion` or your own, the first to act on the picture first.
        background: What lies outside of the picture: a level in [0, 1], or `border`: the median of each channel along
            the picture's own border, which is right for ink on paper and for white digits on black.

    Raises:
        ConfigError: If the background is neither.
    """

    maps: Sequence[PlaceMap]
    background: float | Literal["border"] = "border"

    def __post_init__(self) -> None:
        if isinstance(self.background, str):
            if self.background != "border":
                raise ConfigError(f"Warp: background must be 'border' or a level in [0, 1], got '{self.background}'.")
        else:
            check_range("Warp: background", self.background, 0, 1)

    def __call__(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """New pictures of the same size; in floating point, nothing is rounded to levels."""
        check_batch(images, draws)
        full, images = images, one_channel(images)
        n, _, h, w = images.shape
        if n == 0:
            return full
        x = torch.arange(w, dtype=images.dtype, device=images.device) - (w - 1) / 2
        y = torch.arange(h, dtype=images.dtype, device=images.device) - (h - 1) / 2
        places = torch.stack(torch.meshgrid(x, y, indexing="xy")).expand(n, -1, -1, -1)  # n 2 h w
        for place_map in reversed(self.maps):  # the last to act is the first to be undone
            places = place_map(places, draws)
        grid = (places * images.new_tensor([2 / w, 2 / h]).view(2, 1, 1)).permute(0, 2, 3, 1)  # n h w 2, edges at ±1
        outside = self._outside(images)
        warped = F.grid_sample(images - outside, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return (warped + outside).expand(full.shape)

    def _outside(self, images: Tensor) -> Tensor:
        if not isinstance(self.background, str):
            return images.new_full((1, 1, 1, 1), self.background)
        border = torch.cat([images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]], dim=2)
        return border.median(dim=2).values[:, :, None, None]

    def describe(self) -> str:
        """One phrase, for people."""
        return ", ".join(place_map.describe() for place_map in self.maps)


@lru_cache(maxsize=16)
def _smoother(side: int, sigma: float) -> NDArray[np.float64]:
    """The Gaussian as a matrix `side side`, every row with the same sum of squares."""
    at = np.arange(side)
    weight = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma)
    whole = (np.exp(-0.5 * (np.arange(-8 * sigma, 8 * sigma + 1) / sigma) ** 2) ** 2).sum() / (2 * math.pi * sigma**2)
    return np.asarray(weight * np.sqrt(whole / (weight**2).sum(1, keepdims=True)))

"""Sizes from coarse to fine, and the way from one to the next.

A gradient paints what fits into a receptive field. On a small copy of the photo that is a large thing: so dreams begin
small, and each size adds what is finer. From one size to the next goes only what was painted, the detail; the photo
itself is taken fresh at every size, so that none of its own detail is lost.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = ["SMALLEST_PX", "octave_sizes", "resample"]

SMALLEST_PX = 32
"""Side below which a picture holds nothing for a network to see."""


def octave_sizes(height: int, width: int, *, octaves: int, scale: float) -> tuple[tuple[int, int], ...]:
    """`(h, w)` of each octave, the smallest first; those with a side below 32 pixels are left out.

    Raises:
        ConfigError: `octaves` below 1, or a `scale` of 1 or less.

    >>> octave_sizes(600, 800, octaves=3, scale=2)
    ((150, 200), (300, 400), (600, 800))
    """
    if octaves < 1:
        raise ConfigError(f"octaves must be at least 1; got {octaves}.")
    if not 1 < scale <= 8:
        raise ConfigError(f"scale, the factor from one octave to the next, must be above 1 and at most 8; got {scale}.")
    sizes = [(round(height / scale**k), round(width / scale**k)) for k in range(octaves)]
    kept = [size for number, size in enumerate(sizes) if number == 0 or min(size) >= SMALLEST_PX]
    return tuple(reversed(kept))


def resample(x: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c h2 w2"]:
    """Linear interpolation, averaging where it becomes smaller."""
    if tuple(x.shape[2:]) == size:
        return x
    with torch.no_grad():
        return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)

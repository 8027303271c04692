"""Photos on their way into a style transfer: read, checked, made as large as the work is."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from striate.data.images import Images, checked_tensor, read_photos
from striate.data.resize import resize_tensor
from striate.errors import ConfigError, ShapeError

__all__ = ["read_picture", "read_pictures", "scale_sizes", "sized", "to_channels"]

SMALLEST_PX = 32
"""Shorter side below which networks of five halvings see nothing."""
_LARGEST_RATIO = 16


def read_picture(image: Images, *, name: str) -> Float[Tensor, "1 3 h w"]:
    """One photo as a tensor in [0, 1].

    Raises:
        DataError: It cannot be read.
        ShapeError: Not one photo.
    """
    pictures = read_pictures(image)
    if len(pictures) != 1:
        raise ShapeError(f"{name} must be one photo; got {len(pictures)}.")
    return pictures[0]


def read_pictures(images: Images) -> list[Tensor]:
    """Photos of any sizes, each as a tensor `1 3 h w` in [0, 1]."""
    if isinstance(images, Tensor):
        x = checked_tensor(images).detach()
        with torch.inference_mode(False):
            x = x.clone() if x.is_inference() else x
        return [one[None].float().clamp(0, 1).contiguous() for one in x]
    return [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in read_photos(images)]


def sized(size: tuple[int, int], longer: int) -> tuple[int, int]:
    """`(h, w)` with this longer side in the same proportions; the shorter one has 32 pixels at least.

    Raises:
        ConfigError: `longer` below 32.
        ShapeError: A ribbon, more than 16 times as long as wide.

    >>> sized((600, 800), 400), sized((1, 1), 64)
    ((300, 400), (64, 64))
    """
    if longer < SMALLEST_PX:
        raise ConfigError(f"size must be at least {SMALLEST_PX} pixels, the longer side; got {longer}.")
    ratio = max(size) / min(size)
    if ratio > _LARGEST_RATIO:
        raise ShapeError(
            f"a picture of {size[0]} × {size[1]} pixels is more than {_LARGEST_RATIO} times as long as wide. Cut it."
        )
    factor = max(longer / max(size), SMALLEST_PX / min(size))
    return max(round(size[0] * factor), SMALLEST_PX), max(round(size[1] * factor), SMALLEST_PX)


def scale_sizes(longer: int, *, scales: int, factor: float, smallest: int = 96) -> tuple[int, ...]:
    """Longer sides from coarse to fine; those below `smallest` are left out, but never the last.

    Raises:
        ConfigError: `scales` below 1, or a `factor` of 1 or less.

    >>> scale_sizes(512, scales=3, factor=2.0), scale_sizes(100, scales=3, factor=2.0)
    ((128, 256, 512), (100,))
    """
    if scales < 1 or not (math.isfinite(factor) and factor > 1):
        raise ConfigError(f"scales must be at least 1 and scale_factor above 1; got {scales} and {factor}.")
    sides = [round(longer / factor**k) for k in range(scales)]
    return tuple(reversed([side for k, side in enumerate(sides) if k == 0 or side >= smallest]))


def resize(picture: Float[Tensor, "1 c h w"], size: tuple[int, int]) -> Float[Tensor, "1 c new_h new_w"]:
    """Bicubic, with antialias, within [0, 1]."""
    if tuple(picture.shape[2:]) == size:
        return picture
    return resize_tensor(picture, size, interpolation="bicubic").clamp(0, 1)


def to_channels(picture: Float[Tensor, "1 3 h w"], channels: int) -> Float[Tensor, "1 c h w"]:
    """As a network of one channel sees it; unchanged for three.

    Raises:
        ConfigError: Another number.
    """
    if channels == 3:
        return picture
    if channels != 1:
        raise ConfigError(f"style needs a network for pictures of 3 channels, or 1; this one takes {channels}.")
    return (picture * picture.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def check_weights(weights: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """Shares of the styles that add up to 1.

    Raises:
        ConfigError: Not one a style, negative, or all zero.
    """
    if weights is None:
        return (1 / count,) * count
    found = tuple(float(weight) for weight in weights)
    if len(found) != count or not all(math.isfinite(w) and w >= 0 for w in found) or sum(found) <= 0:
        raise ConfigError(
            f"style_weights must be one number of 0 or more for each of {count} style pictures, not all 0; got {found}."
        )
    return tuple(weight / sum(found) for weight in found)

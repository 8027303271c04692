"""The geometry of evaluation: resize the shorter side, cut the center.

All sizes are `(h, w)` and follow torchvision's rounding to the pixel, because one pixel of shift changes the answer of
a network by more than its published digits:

    shorter side → s,  longer side → int(s · long / short)          (truncated, not rounded)
    start of the crop → int(round((size − crop) / 2))               (Python's round: half to even)
    a side shorter than the crop → −⌊(crop − size) / 2⌋             (black is added around it)
"""

import math
from itertools import accumulate, repeat

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = ["crop_start", "cut", "middle", "resize_tensor", "resized_size", "whole_px"]

LONGEST_RATIO = 256


def resized_size(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """The size `(h, w)` after the shorter side has become `shorter`.

    >>> resized_size((427, 640), 256)
    (256, 383)
    """
    h, w = size
    return (int(shorter * h / w), shorter) if w <= h else (shorter, int(shorter * w / h))


def whole_px(length: float) -> int:
    """The nearest whole number of pixels, halves up, of a photo on a detector's canvas; at least 1.

    >>> whole_px(2.5), whole_px(64.0), whole_px(0.2)
    (3, 64, 1)
    """
    return max(math.floor(length + 0.5), 1)


def crop_start(size: int, crop: int) -> int:
    """Where a centered crop begins along one side; negative where the picture is smaller and has to be padded.

    >>> crop_start(383, 224), crop_start(100, 224)
    (80, -62)
    """
    return -((crop - size) // 2) if crop > size else round((size - crop) / 2)


def middle(size: tuple[int, int], crop: tuple[int, int], shorter: int) -> tuple[int, int, int, int]:
    """The part `(top, left, h, w)` of a photo that is worth resizing: all of it, but for extreme ribbons.

    A ribbon of 1 × 60,000 pixels would become 256 × 15,360,000 before almost all of it is cut away again. A photo whose
    sides differ by more than a factor of 256 loses its ends first, an even number of pixels, so that its center stays.
    """
    h, w = size
    ratio = max(LONGEST_RATIO, 2 * math.ceil(max(crop) / shorter))
    if max(h, w) <= ratio * min(h, w):
        return 0, 0, h, w
    margin = (max(h, w) - ratio * min(h, w)) // 2
    return (margin, 0, h - 2 * margin, w) if h > w else (0, margin, h, w - 2 * margin)


def resize_tensor(
    x: Float[Tensor, "n c h w"], size: tuple[int, int], *, interpolation: str
) -> Float[Tensor, "n c new_h new_w"]:
    """Resize values in [0, 1] as Pillow resizes levels in 0..255, but differentiably and without rounding.

    One side after the other, and both times clamped to [0, 1]: Pillow keeps the picture between the two passes in whole
    levels, where nothing below black or above white survives. One pass over both sides was off by 30 levels (bicubic)
    and 60 (Lanczos) on black and white noise, since those filters overshoot; two passes are within one.

    Source: Pillow 13, `Resample.c`: the columns come first, unless the height shrinks by more than twice as many pixels
        as the width. (Before 13 they always did; on noise that was a difference of 17 levels.)
    """
    h, w = x.shape[2], x.shape[3]
    rows_first = h > size[0] and h - size[0] > 2 * (w - size[1])
    for axis in (2, 3) if rows_first else (3, 2):
        if x.shape[axis] != size[axis - 2]:
            x = _resize_side(x, axis, size[axis - 2], interpolation).clamp(0, 1)
    return x


def cut(x: Float[Tensor, "n c h w"], crop: tuple[int, int]) -> Float[Tensor, "n c crop_h crop_w"]:
    """The centered crop, padded with zeros where `x` is smaller."""
    for axis in (2, 3):
        wanted, have = crop[axis - 2], x.shape[axis]
        start = crop_start(have, wanted)
        if wanted <= have:  # not `start >= 0`: one missing pixel is padded at the end, from start 0
            x = x.narrow(axis, start, wanted)
        else:
            before, after = -start, wanted - have + start
            x = F.pad(x, (before, after, 0, 0) if axis == 3 else (0, 0, before, after))
    return x


def _resize_side(x: Tensor, axis: int, count: int, interpolation: str) -> Tensor:
    if interpolation == "nearest":
        return x.index_select(axis, torch.tensor(_nearest(x.shape[axis], count), device=x.device))
    if axis == 2 and x.shape[3] == 1:  # torch 2.13 repeats the first row of a picture that is one pixel wide
        return _resize_side(x.mT, 3, count, interpolation).mT
    size = (count, x.shape[3]) if axis == 2 else (x.shape[2], count)
    try:
        return F.interpolate(x, size=size, mode=interpolation, antialias=True)
    except (NotImplementedError, ValueError) as error:
        raise ConfigError(
            f"This torch ({torch.__version__}) cannot resize a tensor with interpolation='{interpolation}'; "
            "give the photo as a file or as uint8 pixels, or use 'bicubic'."
        ) from error


def _nearest(size: int, count: int) -> list[int]:
    """The input pixel under the center of each output pixel, summed up as Pillow does: that decides the ties."""
    scale = size / count
    centers = accumulate(repeat(scale, count - 1), initial=scale / 2)
    return [min(int(center), size - 1) for center in centers]

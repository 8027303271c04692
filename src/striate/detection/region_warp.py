"""R-CNN's crops: each region, whatever its shape, warped to the one size that the network takes.

A classifier wants pictures of one size, and a proposal is a box of any. R-CNN stretches the box to a square, height and
width each by its own factor, with a little of what lies around it: at the network's size s, the box itself fills the
middle s − 2c pixels and c pixels on each side show its surroundings. What would lie outside of the picture is the mean
color, which is zero once the mean is subtracted.

    scale = s / (s − 2c)       box → round(center ± scale · half its sides)       then bilinear to s × s
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from striate.errors import ConfigError, ShapeError

__all__ = ["CONTEXT_PX", "CROP_PX", "context_for", "warp_regions"]

CROP_PX = 227
"""The side of AlexNet's input in the paper."""
CONTEXT_PX = 16
"""Its surroundings on each side, in the same pixels."""


class _Placement(NamedTuple):
    """Where the columns (or rows) of each crop look: `r s` places in pixels of the picture, and which are inside."""

    at: Tensor
    inside: Tensor


def context_for(crop_px: int) -> int:
    """The surroundings at another size of the crop, in the paper's proportion: 16 of 227."""
    return round(crop_px * CONTEXT_PX / CROP_PX)


def warp_regions(
    image: Float[Tensor, "c h w"],
    boxes: Float[Tensor, "r 4"],
    crop_px: int = CROP_PX,
    context_px: int = CONTEXT_PX,
    *,
    size: tuple[int, int] | None = None,
) -> Float[Tensor, "r c s s"]:
    """The crops of one picture's regions.

    Args:
        image: Normalized: 0 is the mean color.
        boxes: `xyxy` in its pixels; they may reach beyond it.
        crop_px: The side of a crop.
        context_px: How much of that, on each side, shows what lies around the box.
        size: `(h, w)` of the part of `image` that is a photo; what is right of it and below is outside. All by default.

    Returns:
        One crop a box; one that shows nothing of the picture, or has no area after rounding, is all zeros.

    Raises:
        ConfigError: If `crop_px` is below 1, or the context fills the crop.
        ShapeError: If the boxes are not `r 4`, one is NaN or infinite, or `size` is larger than the picture.

    Source: Girshick et al. 2014, arXiv:1311.2524, section 2.2 and appendix A ("warp with context"); rounding, borders
        and the resize without antialias are those of the authors' code.

    Differs: a box from 10 to 20 is 10 wide. The authors' code counts it as 11 and its center half a pixel farther.
    """
    _check(boxes, crop_px, context_px)
    h, w = (image.shape[1], image.shape[2]) if size is None else size
    if h > image.shape[1] or w > image.shape[2] or h < 1 or w < 1:
        raise ShapeError(
            f"warp_regions: size must be that of a part of the picture ({image.shape[1]}, {image.shape[2]}), "
            f"got {size}."
        )
    channels, count = len(image), len(boxes)
    if not count:
        return image.new_zeros(0, channels, crop_px, crop_px)
    scale = crop_px / (crop_px - 2 * context_px)
    x = _placed(boxes[:, 0].double(), boxes[:, 2].double(), w, crop_px, scale)
    y = _placed(boxes[:, 1].double(), boxes[:, 3].double(), h, crop_px, scale)
    # A place p lies in pixels counted by their centers; grid_sample wants −1 at the first center and 1 at the last.
    gx = (x.at * (2 / max(image.shape[2] - 1, 1)) - 1).to(image.dtype)
    gy = (y.at * (2 / max(image.shape[1] - 1, 1)) - 1).to(image.dtype)
    grid = torch.stack([gx[:, None].expand(-1, crop_px, -1), gy[:, :, None].expand(-1, -1, crop_px)], dim=3)  # r s s 2
    tall = grid.reshape(1, count * crop_px, crop_px, 2)  # all crops below one another: the picture is not copied
    warped = F.grid_sample(image[None], tall, mode="bilinear", padding_mode="border", align_corners=True)
    crops = warped.view(channels, count, crop_px, crop_px).transpose(0, 1)  # r c s s
    inside = y.inside[:, None, :, None] & x.inside[:, None, None, :]
    return crops * inside.to(image.dtype)


def _placed(low: Tensor, high: Tensor, length: int, crop_px: int, scale: float) -> _Placement:
    """One axis of the rule, for every box.

    The grown box is rounded to whole pixels, and its part inside of the picture gets its share of the crop's pixels,
    rounded, too. Those pixels look at that part alone, edge pixels repeated: what lies beside it does not blur in.
    """
    center, half = (low + high) / 2, (high - low).clamp(min=0.0) / 2
    first, last = _round(center - half * scale), _round(center + half * scale)  # edges, not pixels
    first_in, last_in = first.clamp(0, length), last.clamp(0, length)
    whole, part = last - first, last_in - first_in
    ratio = crop_px / whole.clamp(min=1).double()
    start = _round((first_in - first).double() * ratio)
    count = torch.minimum(_round(part.double() * ratio), crop_px - start)
    number = torch.arange(crop_px, device=low.device) - start[:, None]  # r s: the how-manieth pixel of the part
    inside = (number >= 0) & (number < count[:, None]) & (part > 0)[:, None]
    step = part.double() / count.clamp(min=1).double()
    at = (number.double() + 0.5) * step[:, None] - 0.5
    at = torch.minimum(at.clamp(min=0.0), (part[:, None] - 1).clamp(min=0).double()) + first_in[:, None].double()
    return _Placement(at, inside)


def _round(values: Tensor) -> Int64[Tensor, " r"]:
    """To the nearest whole number, halves up."""
    return (values + 0.5).floor().long()


def _check(boxes: Tensor, crop_px: int, context_px: int) -> None:
    if crop_px < 1 or context_px < 0 or 2 * context_px >= crop_px:
        raise ConfigError(
            f"warp_regions: crop_px must be 1 or more and more than twice context_px, got {crop_px} and {context_px}."
        )
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"warp_regions: boxes must be r 4 (xyxy), got {' '.join(map(str, boxes.shape))}.")
    if not bool(boxes.isfinite().all()):
        row = int((~boxes.isfinite().all(1)).nonzero()[0])
        raise ShapeError(f"warp_regions: box {row} is not finite: {boxes[row].tolist()}.")

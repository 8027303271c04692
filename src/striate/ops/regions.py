"""The regions (RoIs) that pooling takes: a list of boxes a picture, or one tensor whose first column is the picture."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.errors import ConfigError, ShapeError
from striate.ops.geometry import AxesArgument, per_axis

__all__ = ["RegionsArgument", "channels_last", "check_regions", "region_arguments"]

RegionsArgument = Tensor | Sequence[Tensor]
"""`r 5` (picture, left, top, right, bottom), or one `r 4` for each picture."""


def region_arguments(
    input: Tensor, boxes: RegionsArgument, output_size: AxesArgument, *, name: str
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Maps and `r 5` regions in the type that is computed in, and the bins along each axis.

    Half precision is computed in float32: its numbers are too coarse for places, and for sums.

    Raises:
        ShapeError: Maps that are not `n c h w`, boxes of another shape, or not one list entry a picture.
        ConfigError: An output size below 1, maps that are no floating-point numbers, or two devices.
    """
    if input.dim() != 4:
        raise ShapeError(f"{name} takes maps 'n c h w', got the shape {tuple(input.shape)}.")
    if not input.is_floating_point():
        raise ConfigError(f"{name} takes floating-point maps, got {input.dtype}; use input.float().")
    bins = per_axis("output_size", output_size, 2)
    regions = _joined(input, boxes, name)
    if regions.device != input.device:
        raise ConfigError(f"{name}: input and boxes must lie on one device, got {input.device} and {regions.device}.")
    computed = input.dtype if input.dtype in (torch.float32, torch.float64) else torch.float32
    return input.to(computed), regions.detach().to(computed).contiguous(), (bins[0], bins[1])


def _joined(input: Tensor, boxes: RegionsArgument, name: str) -> Tensor:
    if isinstance(boxes, Tensor):
        if boxes.dim() != 2 or boxes.shape[1] != 5:
            raise ShapeError(
                f"{name}: boxes as one tensor must be 'r 5' (picture, left, top, right, bottom), got the shape "
                f"{tuple(boxes.shape)}; a list has one 'r 4' for each picture."
            )
        return boxes
    if len(boxes) > input.shape[0]:
        raise ShapeError(f"{name}: the list has boxes for {len(boxes)} pictures, but there are {input.shape[0]} maps.")
    rows = []
    for number, of_one in enumerate(boxes):
        if of_one.dim() != 2 or of_one.shape[1] != 4:
            raise ShapeError(f"{name}: boxes[{number}] must be 'r 4', got the shape {tuple(of_one.shape)}.")
        wide = of_one if of_one.dtype in (torch.float32, torch.float64) else of_one.float()
        rows.append(torch.cat((torch.full_like(wide[:, :1], number), wide), dim=1))
    if not rows:
        return input.new_zeros((0, 5))
    return torch.cat(rows)


def check_regions(input: Tensor, regions: Tensor, name: str) -> None:
    """Refuse what torchvision answers with a crash or with numbers of elsewhere.

    Raises:
        ConfigError: A picture that is not there, or a corner that is not a finite number.
    """
    if len(regions) == 0:
        return
    pictures = regions[:, 0]
    wrong = (pictures < 0) | (pictures >= input.shape[0]) | (pictures != pictures.floor())
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise ConfigError(
            f"{name}: boxes[{row}] is of picture {float(pictures[row]):g}, but there are maps of {input.shape[0]} "
            "(counted from 0)."
        )
    if not bool(torch.isfinite(regions).all()):
        row = int((~torch.isfinite(regions)).any(1).nonzero()[0])
        raise ConfigError(
            f"{name}: every corner must be a finite number, got {regions[row, 1:].tolist()} in boxes[{row}]. "
            "Boxes that a network predicts become NaN when its training diverges."
        )


def channels_last(input: Tensor) -> NDArray[Any]:
    """Maps as `n h w c`, nothing copied where they lie so already."""
    return input.permute(0, 2, 3, 1).contiguous().numpy()

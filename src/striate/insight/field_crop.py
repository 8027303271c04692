"""Gradients of units, cut to what the units see, and computed from nothing else.

A unit's gradient is zero outside of its receptive field. So a part of the picture is enough: the field, begun at a
pixel where every layer's grid begins, so that each layer has its units at the same places as in the whole picture.
Padding that this adds inside the picture touches only units that the unit asked about does not depend on.

For a unit of VGG-16's conv3_3 that is 40 × 40 of 224 × 224 pixels: a thirtieth of the work.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.arithmetic import Field
from striate.errors import ConfigError
from striate.insight.target import Asked, OutsideError, score_targets
from striate.models import Network
from striate.probe import UnitAddress, summary

__all__ = ["Cut", "cut_to_fields"]

_Back = Callable[[Tensor, Sequence[int | UnitAddress | None]], tuple[Tensor, Asked]]
_WORTH = 0.6
"""A part that is larger than this share of the picture is not cut out."""
_PIXELS = 4
"""So many pictures' worth of pixels go through together."""


@dataclass(frozen=True)
class Cut:
    """Gradients inside of receptive fields.

    Attributes:
        values: `t c h w`, zero where the field reaches over the border.
        asked: The scores and targets, from the whole pictures.
        boxes: `t 4`, `xyxy` pixels of the picture.
    """

    values: Tensor
    asked: Asked
    boxes: NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """What of a picture goes through the network for one unit: `rows` and `columns`, and the unit's place there."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    unit: UnitAddress


def cut_to_fields(
    network: Network | nn.Module,
    module: nn.Module,
    x: Tensor,
    wanted: Sequence[int | UnitAddress | None],
    back: _Back,
) -> Cut:
    """The gradient of each unit inside its receptive field.

    Args:
        network: For messages.
        module: In evaluation mode.
        x: `n c h w`.
        wanted: Units of one layer: one for each picture, or any number for a single one.
        back: The pass there and back.

    Raises:
        ConfigError: A class, units of several layers, or a layer whose units see the whole picture.
    """
    layers = {item.layer if isinstance(item, UnitAddress) else None for item in wanted}
    layer = next(iter(layers))
    if len(layers) != 1 or layer is None:
        raise ConfigError("crop: all targets must be units of one layer, whose fields have one size; leave crop out.")
    with torch.no_grad():
        asked = score_targets(network, module, x, wanted)
    units = [UnitAddress.parse(str(target)) for target in asked.targets]
    field, grid = _field_of(module, x, layer)
    size = (x.shape[2], x.shape[3])
    fields = [_box(field, unit.position or (0, 0), size) for unit in units]
    # Worked out again on the part alone, the unit must come to what it is in the whole picture.
    values = torch.zeros(len(units), x.shape[1], *(end - first for first, end in fields[0]), device=x.device).to(x)
    left = list(range(len(units)))
    parts = [_part(field, grid, unit, box, size) for unit, box in zip(units, fields, strict=True)]
    shapes: dict[tuple[int, int], list[int]] = {}
    for place, part in enumerate(parts):
        if part is not None:
            shapes.setdefault((part.rows[1] - part.rows[0], part.columns[1] - part.columns[0]), []).append(place)
    for (height, width), places in shapes.items():
        at_once = max(1, _PIXELS * size[0] * size[1] // (height * width))
        for begin in range(0, len(places), at_once):
            some = [(place, part) for place in places[begin : begin + at_once] if (part := parts[place]) is not None]
            pixels = torch.stack([x[asked.images[i], :, slice(*p.rows), slice(*p.columns)] for i, p in some])
            try:
                gradient, again = back(pixels, [part.unit for _, part in some])
            except (OutsideError, RuntimeError):  # too small a part for this network; the whole picture will tell
                continue
            for (place, part), value, score in zip(some, gradient, again.scores.detach(), strict=True):
                if _same(score, asked.scores[place]):
                    _paste(values[place], fields[place], value, part.rows[0], part.columns[0])
                    left.remove(place)
    for place in left:
        image = asked.images[place]
        gradient, _ = back(x[image : image + 1], [units[place]])
        _paste(values[place], fields[place], gradient[0], 0, 0)
    boxes = np.array([(x0, y0, x1, y1) for (y0, y1), (x0, x1) in fields], dtype=np.int64)
    return Cut(values, asked, boxes)


def _field_of(module: nn.Module, x: Tensor, layer: str) -> tuple[Field, tuple[int, ...]]:
    """The field of the layer's units, and the pixels that the grids of all layers up to it have in common."""
    rows = summary(module, tuple(x.shape[1:])).rows
    place = next((i for i, row in enumerate(rows) if row.address == layer), None)
    field = None if place is None else rows[place].field
    if field is None or field.whole or not all(field.stride):
        raise ConfigError(
            f"crop: every unit of layer '{layer}' sees (or may see) the whole picture, so there is no field to cut to; "
            "leave crop out."
        )
    strides = [field.stride, *(row.field.stride for row in rows[:place] if row.field is not None)]
    grid = tuple(math.lcm(*(Fraction(s[axis]).numerator or 1 for s in strides)) for axis in (0, 1))
    return field, grid


def _box(field: Field, position: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The field of one unit, or all of an axis along which it is larger than the picture."""
    return tuple(
        (0, extent) if end - first >= extent else (first, end)
        for (first, end), extent in zip(field.box(*position), size, strict=True)
    )


def _part(
    field: Field, grid: tuple[int, ...], unit: UnitAddress, box: tuple[tuple[int, int], ...], size: tuple[int, int]
) -> _Part | None:
    """The part of the picture to work on, or None where it is nearly all of it."""
    edges, place = [], []
    for axis, ((first, end), extent, at) in enumerate(zip(box, size, unit.position or (0, 0), strict=True)):
        step = grid[axis]
        low = max(first, 0) // step * step
        # The part ends as the picture does on the grid: "same" padding depends on the remainder.
        high = min(end, extent)
        high += (extent - high) % step
        shift = Fraction(low) / Fraction(field.stride[axis])
        if shift.denominator != 1:
            return None
        edges.append((low, high))
        place.append(at - int(shift))
    (top, bottom), (left, right) = edges
    if (bottom - top) * (right - left) > _WORTH * size[0] * size[1]:
        return None
    return _Part((top, bottom), (left, right), UnitAddress(unit.layer, unit.channel, (place[0], place[1])))


def _same(score: Tensor, whole: Tensor) -> bool:
    """Whether two passes agree but for rounding."""
    scale = float(whole.abs().clamp(min=0.05))
    return bool((score - whole).abs() <= 1e3 * torch.finfo(whole.dtype).eps * scale)


def _paste(target: Tensor, box: tuple[tuple[int, int], ...], gradient: Tensor, top: int, left: int) -> None:
    """Copy what of `gradient` (which begins at pixel `top`, `left`) lies in the box."""
    (y0, y1), (x0, x1) = box
    height, width = gradient.shape[-2:]
    rows, columns = (max(y0, top), min(y1, top + height)), (max(x0, left), min(x1, left + width))
    target[:, rows[0] - y0 : rows[1] - y0, columns[0] - x0 : columns[1] - x0] = gradient[
        :, rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left
    ]

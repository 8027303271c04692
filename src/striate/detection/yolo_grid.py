"""The grid of YOLO: one object a cell, the cell that its middle lies in.

A picture is cut into `s t` cells. Whatever a network says about it hangs on a cell: a distribution over the k classes,
once a cell, and b boxes, each with a confidence. A box is four numbers,

    x, y    its middle, from the upper left corner of the cell, in cells: inside of the cell they are in [0, 1]
    u, v    the roots of its width and height, in canvases:  w = u² · canvas width,  h = v² · canvas height

Roots, because an error of 10 px is much for a small box and little for a large one, while squared errors of w would
count both alike. The network gives the roots themselves, as the authors' code has it: the paper's √w of a predicted w
is NaN as soon as the network says a negative width.

Source: Redmon, Divvala, Girshick and Farhadi 2016, You Only Look Once, arXiv:1506.02640, section 2; the authors'
    darknet, `src/detection_layer.c`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from striate.detection.detector import BoxTargets
from striate.errors import ShapeError

__all__ = ["CellTargets", "YoloCells", "assign_cells", "cell_boxes", "encode_boxes", "split_cells"]


class YoloCells(NamedTuple):
    """What a network says about the cells of some pictures.

    Attributes:
        classes: `n s t k`, for each cell, the probability of each class if there is an object.
        confidences: `n s t b`, for each box, P(object) · IoU with it.
        boxes: `n s t b 4`: x, y in cells from the cell's corner, roots of width and height in canvases.
    """

    classes: Float[Tensor, "n s t k"]
    confidences: Float[Tensor, "n s t b"]
    boxes: Float[Tensor, "n s t b 4"]


class CellTargets(NamedTuple):
    """What the cells of some pictures are to say.

    Attributes:
        has_object: `n s t`.
        is_asked: `n s t`: False in the padding beside a photo and where an ignored object lies: these learn nothing.
        classes: `n s t`; 0 where there is no object.
        boxes: `n s t 4`, as `YoloCells.boxes`; 0 where there is no object.
        collided: `n`: objects that no cell answers for, because another has its middle in the same cell.
    """

    has_object: Bool[Tensor, "n s t"]
    is_asked: Bool[Tensor, "n s t"]
    classes: Int64[Tensor, "n s t"]
    boxes: Float[Tensor, "n s t 4"]
    collided: Int64[Tensor, " n"]


def split_cells(raw: Float[Tensor, "n c s t"], *, num_classes: int, boxes: int) -> YoloCells:
    """Name the channels of a network's output: k classes, b confidences, b times x, y, u, v, as in darknet.

    Raises:
        ShapeError: If there are not k + 5 b channels.

    >>> cells = split_cells(torch.zeros(1, 30, 7, 7), num_classes=20, boxes=2)
    >>> cells.boxes.shape
    torch.Size([1, 7, 7, 2, 4])
    """
    if raw.ndim != 4 or raw.shape[1] != num_classes + 5 * boxes:
        raise ShapeError(
            f"raw must be n c s t with c = num_classes + 5 · boxes = {num_classes + 5 * boxes} channels, got "
            f"{tuple(raw.shape)}."
        )
    classes, confidences, corners = torch.split(raw.permute(0, 2, 3, 1), [num_classes, boxes, 4 * boxes], -1)
    return YoloCells(classes, confidences, corners.reshape(*corners.shape[:3], boxes, 4))  # n s t 4b → n s t b 4


def cell_boxes(boxes: Float[Tensor, "*n s t b 4"], *, canvas: tuple[int, int]) -> Float[Tensor, "*n s t b 4"]:
    """Boxes as cells say them, as `xyxy` pixels of a canvas of `(height, width)`; none is clipped."""
    rows, columns = boxes.shape[-4:-2]
    height, width = canvas
    x, y, u, v = boxes.unbind(-1)  # each *n s t b
    left = torch.arange(columns, device=boxes.device, dtype=boxes.dtype)[None, :, None]
    top = torch.arange(rows, device=boxes.device, dtype=boxes.dtype)[:, None, None]
    x, y = (x + left) * (width / columns), (y + top) * (height / rows)
    w, h = u**2 * width, v**2 * height
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=-1)


def encode_boxes(
    boxes: Float[Tensor, "m 4"], *, grid: tuple[int, int], canvas: tuple[int, int]
) -> tuple[Int64[Tensor, " m"], Float[Tensor, "m 4"]]:
    """The cell of each `xyxy` box, as row · t + column, and the box as that cell says it.

    A middle on the border between two cells belongs to the right or lower one; one on the canvas's right or lower edge,
    or outside, to the nearest cell, and then x, y are not in [0, 1).
    """
    rows, columns = grid
    height, width = canvas
    x, y = (boxes[:, 0] + boxes[:, 2]) * (columns / (2 * width)), (boxes[:, 1] + boxes[:, 3]) * (rows / (2 * height))
    column, row = x.floor().clamp(0, columns - 1), y.floor().clamp(0, rows - 1)
    sides = boxes[:, 2:] - boxes[:, :2]
    roots = (sides / sides.new_tensor([width, height])).sqrt()
    return (row * columns + column).long(), torch.cat([(x - column)[:, None], (y - row)[:, None], roots], dim=1)


def assign_cells(
    targets: Sequence[BoxTargets],
    sizes: Sequence[tuple[int, int]],
    *,
    grid: tuple[int, int],
    canvas: tuple[int, int],
) -> CellTargets:
    """Give each object to the cell that its middle lies in; a cell takes one.

    Where several middles lie in a cell, the smallest object wins, since it more often lies in front; of equal ones the
    first. The others are counted in `collided`. Cells without an object of their own are not asked where their middle,
    or the middle of the ignored object, lies in an ignored object, nor where they begin beside the photo.

    Args:
        targets: One a picture; boxes of positive sides.
        sizes: `(height, width)` of the photo within the canvas, one a picture.
        grid: `(s, t)`.
        canvas: `(height, width)`.

    Raises:
        ShapeError: If there is not one size a target, or a box has a side that is not positive (or NaN).

    Source: Redmon et al. 2016, section 2. Differs: darknet shuffles the objects of a picture and lets the first win;
        here the same picture gives the same cells every time.
    """
    if len(targets) != len(sizes):
        raise ShapeError(f"targets and sizes must be one a picture, got {len(targets)} targets and {len(sizes)} sizes.")
    each = [_assign(one, size, grid=grid, canvas=canvas) for one, size in zip(targets, sizes, strict=True)]
    return CellTargets(*(torch.stack(column) for column in zip(*each, strict=True)))


def _assign(
    target: BoxTargets, size: tuple[int, int], *, grid: tuple[int, int], canvas: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows, columns = grid
    boxes, device = target.boxes, target.boxes.device
    if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        bad = int((~(boxes[:, 2:] > boxes[:, :2]).all(1)).nonzero()[0])
        raise ShapeError(
            f"targets: boxes must be xyxy with positive width and height, but box {bad} is {boxes[bad].tolist()}; "
            "leave it out."
        )
    cells, encoded = encode_boxes(boxes, grid=grid, canvas=canvas)
    ignored = target.ignored.to(device=device, dtype=torch.bool)
    corner_x = torch.arange(columns, device=device) * (canvas[1] / columns)
    corner_y = torch.arange(rows, device=device) * (canvas[0] / rows)
    in_photo = (corner_y < size[0])[:, None] & (corner_x < size[1])  # s t

    # The rank of each object by size; a cell keeps the lowest. `amin` does not depend on the order of its terms.
    count = len(boxes)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    rank = torch.empty(count, dtype=torch.int64, device=device)
    order = area.argsort(stable=True)
    rank[order] = torch.arange(count, device=device)
    wanted = ~ignored
    lowest = torch.full((rows * columns,), count, dtype=torch.int64, device=device)
    lowest = lowest.scatter_reduce(0, cells[wanted], rank[wanted], "amin")
    has_object = lowest < count
    winner = order[lowest[has_object]]
    classes = torch.zeros(rows * columns, dtype=torch.int64, device=device)
    classes[has_object] = target.classes[winner]
    wanted_boxes = encoded.new_zeros(rows * columns, 4)
    wanted_boxes[has_object] = encoded[winner]

    hidden = torch.zeros(rows * columns, dtype=torch.bool, device=device)
    hidden[cells[ignored]] = True
    x, y = corner_x + canvas[1] / (2 * columns), corner_y + canvas[0] / (2 * rows)
    x1, y1, x2, y2 = boxes[ignored].unbind(1)
    inside_y = (y >= y1[:, None]) & (y < y2[:, None])  # m s
    inside_x = (x >= x1[:, None]) & (x < x2[:, None])  # m t
    hidden |= (inside_y.float().T @ inside_x.float() > 0).flatten()  # s t: whether any ignored object covers the cell
    is_asked = has_object | (in_photo.flatten() & ~hidden)
    return (
        has_object.view(rows, columns),
        is_asked.view(rows, columns),
        classes.view(rows, columns),
        wanted_boxes.view(rows, columns, 4),
        wanted.sum() - has_object.sum(),
    )

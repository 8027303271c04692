"""The loss and the boxes of YOLO v1 for one picture, cell by cell, number by number, as the paper tells it."""

import math
from collections.abc import Sequence

Numbers = Sequence[float]


def loss_of_picture(
    classes: Sequence[Sequence[Numbers]],
    confidences: Sequence[Sequence[Numbers]],
    boxes: Sequence[Sequence[Sequence[Numbers]]],
    objects: Sequence[tuple[float, float, float, float, int]],
    *,
    canvas: tuple[int, int],
) -> dict[str, float]:
    """Five sums with the paper's weights.

    Args:
        classes: `s t k`.
        confidences: `s t b`.
        boxes: `s t b 4`: x, y in cells from the corner, roots of width and height in canvases.
        objects: x1, y1, x2, y2 in pixels and class; of those in one cell the smallest counts, of equal ones the first.
        canvas: height, width.
    """
    rows, columns = len(classes), len(classes[0])
    height, width = canvas
    owners: dict[tuple[int, int], tuple[float, float, float, float, int]] = {}
    for thing in objects:
        x1, y1, x2, y2, _ = thing
        cell = (
            min(max(math.floor((y1 + y2) / 2 / height * rows), 0), rows - 1),
            min(max(math.floor((x1 + x2) / 2 / width * columns), 0), columns - 1),
        )
        if cell not in owners or (x2 - x1) * (y2 - y1) < _area(owners[cell]):
            owners[cell] = thing
    sums = dict.fromkeys(("coord", "size", "objectness", "noobj", "class"), 0.0)
    for row in range(rows):
        for column in range(columns):
            chosen = -1
            if (row, column) in owners:
                x1, y1, x2, y2, label = owners[row, column]
                drawn = [
                    box_of_cell(box, row, column, grid=(rows, columns), canvas=canvas) for box in boxes[row][column]
                ]
                overlaps = [_iou(one, (x1, y1, x2, y2)) for one in drawn]
                if max(overlaps) > 0:
                    chosen = overlaps.index(max(overlaps))
                else:
                    errors = [_distance(one, (x1, y1, x2, y2), canvas) for one in drawn]
                    chosen = errors.index(min(errors))
                x, y, u, v = boxes[row][column][chosen]
                true_x, true_y = (x1 + x2) / 2 / width * columns - column, (y1 + y2) / 2 / height * rows - row
                sums["coord"] += 5 * ((x - true_x) ** 2 + (y - true_y) ** 2)
                sums["size"] += 5 * ((u - math.sqrt((x2 - x1) / width)) ** 2 + (v - math.sqrt((y2 - y1) / height)) ** 2)
                sums["objectness"] += (confidences[row][column][chosen] - overlaps[chosen]) ** 2
                for k, probability in enumerate(classes[row][column]):
                    sums["class"] += (probability - (k == label)) ** 2
            for j, confidence in enumerate(confidences[row][column]):
                if j != chosen:
                    sums["noobj"] += 0.5 * confidence**2
    return sums


def box_of_cell(
    box: Numbers, row: int, column: int, *, grid: tuple[int, int], canvas: tuple[int, int]
) -> tuple[float, float, float, float]:
    """What a cell says, as corners in pixels."""
    x, y, u, v = box
    middle_x, middle_y = (column + x) / grid[1] * canvas[1], (row + y) / grid[0] * canvas[0]
    w, h = u * u * canvas[1], v * v * canvas[0]
    return middle_x - w / 2, middle_y - h / 2, middle_x + w / 2, middle_y + h / 2


def _area(box: Numbers) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _iou(one: Numbers, other: Numbers) -> float:
    w = min(one[2], other[2]) - max(one[0], other[0])
    h = min(one[3], other[3]) - max(one[1], other[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (_area(one) + _area(other) - w * h)


def _distance(one: Numbers, other: Numbers, canvas: tuple[int, int]) -> float:
    height, width = canvas
    terms = [
        ((one[0] + one[2]) - (other[0] + other[2])) / 2 / width,
        ((one[1] + one[3]) - (other[1] + other[3])) / 2 / height,
        ((one[2] - one[0]) - (other[2] - other[0])) / width,
        ((one[3] - one[1]) - (other[3] - other[1])) / height,
    ]
    return math.sqrt(sum(term * term for term in terms))

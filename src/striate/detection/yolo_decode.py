"""From what cells say to boxes: confidence times class, a threshold, and non-maximum suppression in each class.

A box carries P(object) · IoU, its cell P(class | object). Their product is the score of the box for that class:

    P(class | object) · P(object) · IoU = P(class) · IoU

It says both whether the class is there and how well the box fits. Large objects, and those near the border of cells,
are found by several cells; non-maximum suppression keeps one box of each (2 to 3 points of mAP in the paper).

Source: Redmon, Divvala, Girshick and Farhadi 2016, You Only Look Once, arXiv:1506.02640, equation 1 and section 2.3.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from striate.detection.detector import FoundBoxes
from striate.detection.yolo_grid import YoloCells, cell_boxes
from striate.errors import ConfigError
from striate.ops.nms import batched_nms

__all__ = ["candidate_boxes", "class_scores", "decode_cells", "suppress_boxes"]


def class_scores(cells: YoloCells) -> Float[Tensor, "n s t b k"]:
    """The score of every box for every class: equation 1."""
    return cells.confidences[..., :, None] * cells.classes[..., None, :]


def candidate_boxes(
    cells: YoloCells,
    sizes: Sequence[tuple[int, int]],
    *,
    canvas: tuple[int, int],
    score_threshold: float,
) -> list[FoundBoxes]:
    """The boxes that score at least `score_threshold` for a class, clipped to their photos, before suppression.

    A box comes once for each class that it scores enough for, as in darknet. Boxes whose middle lies beside the photo,
    and those without width or height, are left out. Equal scores are ordered by cell, box, class.
    """
    shown = [cell_boxes(cells.boxes, canvas=canvas), class_scores(cells)]
    found = []
    for boxes, scores, (height, width) in zip(*shown, sizes, strict=True):
        corners, every = boxes.reshape(-1, 4), scores.reshape(-1, scores.shape[-1])  # s·t·b 4, s·t·b k
        middle = (corners[:, :2] + corners[:, 2:]) / 2
        low = corners[:, :2].clamp(min=0)
        high = torch.minimum(corners[:, 2:], corners.new_tensor([width, height]))
        inside = (middle >= 0).all(1) & (middle <= middle.new_tensor([width, height])).all(1)
        usable = inside & (high > low).all(1)
        row, label = (usable[:, None] & (every >= score_threshold)).nonzero(as_tuple=True)
        chosen = every[row, label]
        order = chosen.argsort(descending=True, stable=True)
        clipped = torch.cat([low, high], dim=1)[row[order]]
        found.append(FoundBoxes(clipped, chosen[order], label[order]))
    return found


def suppress_boxes(found: FoundBoxes, *, iou_threshold: float, keep: int | None = None) -> FoundBoxes:
    """Non-maximum suppression in each class, then the `keep` surest boxes; None keeps all.

    Raises:
        ConfigError: If `iou_threshold` is outside [0, 1].
    """
    if not 0 <= iou_threshold <= 1:
        raise ConfigError(f"iou_threshold must be in [0, 1], got {iou_threshold}.")
    kept = batched_nms(found.boxes, found.scores, found.classes, iou_threshold)[:keep]
    return FoundBoxes(found.boxes[kept], found.scores[kept], found.classes[kept])


def decode_cells(
    cells: YoloCells,
    sizes: Sequence[tuple[int, int]],
    *,
    canvas: tuple[int, int],
    score_threshold: float = 0.05,
    iou_threshold: float = 0.5,
    keep: int | None = None,
) -> list[FoundBoxes]:
    """What is found on each picture, the surest first, in canvas pixels.

    Args:
        cells: Of n pictures, float32 or float64.
        sizes: `(height, width)` of each photo within its canvas.
        canvas: `(height, width)`.
        score_threshold: Lower scores are left out. Outputs are linear, so that scores are not strictly in [0, 1].
        iou_threshold: A box that overlaps a surer one of its class more than this is left out; darknet has .5.
        keep: At most so many boxes a picture; None for all, as in darknet.

    Raises:
        ConfigError: If `iou_threshold` is outside [0, 1].
    """
    candidates = candidate_boxes(cells, sizes, canvas=canvas, score_threshold=score_threshold)
    return [suppress_boxes(found, iou_threshold=iou_threshold, keep=keep) for found in candidates]

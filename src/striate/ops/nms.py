"""Non-maximum suppression: of boxes that mean the same object, only the surest stays.

    while boxes remain: pick the one with the highest score; remove every other whose IoU with it is above the threshold

`nms_steps` gives each step of that loop; the functions here give its end.
"""

import sys

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from striate.errors import ConfigError, ShapeError
from striate.ops.library import declare
from striate.ops.nms_rows import keep_by_blocks, keep_by_rows

__all__ = ["batched_nms", "nms"]

_FEW = 256


def nms(boxes: Shaped[Tensor, "n 4"], scores: Shaped[Tensor, " n"], iou_threshold: float) -> Int64[Tensor, " kept"]:
    """The boxes that stay, the surest first. Bit for bit what torchvision keeps on the CPU.

    Boxes of equal score come in the order that they were given in. The IoU is rounded to the boxes' own precision and
    compared with the threshold in double precision; one that equals it stays.

    What is not a number: a box with a NaN has no IoU, removes nothing and stays, and so do two boxes without area
    (0 / 0). A NaN score counts as the highest, as torch sorts.

    Args:
        boxes: `n 4`, `xyxy`.
        scores: `n`.
        iou_threshold: From 0 to 1, as a rule .3 to .7.

    Returns:
        Indices into `boxes`.

    Raises:
        ShapeError: Other shapes, or not one score for each box.
        ConfigError: The threshold is NaN, or boxes and scores lie on different devices.

    Source: Girshick et al. 2014, "Rich feature hierarchies", section 2.2 (greedy, by class); Felzenszwalb et al. 2010,
        "Object detection with discriminatively trained part-based models", section 7.2.

    Differs:
        Half precision and whole numbers, which torchvision's CPU operator refuses, are computed in float32 and float64.
        Boxes and scores may be of different types.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [20.0, 0, 30, 10]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5).tolist()
    [1, 2]
    """
    boxes, scores, threshold = _checked(boxes, scores, iou_threshold)
    kept: Tensor = torch.ops.striate.nms(boxes, scores, threshold)
    return kept


def batched_nms(
    boxes: Shaped[Tensor, "n 4"],
    scores: Shaped[Tensor, " n"],
    idxs: Shaped[Tensor, " n"],
    iou_threshold: float,
) -> Int64[Tensor, " kept"]:
    """`nms` among the boxes of each class (or picture, or level) by itself; what stays, the surest first.

    Args:
        boxes: `n 4`, `xyxy`.
        scores: `n`.
        idxs: `n`, whole numbers of any size and sign: boxes of different ones never remove each other.
        iou_threshold: As `nms`.

    Returns:
        Indices into `boxes`; equal scores in the order that they were given in.

    Raises:
        ShapeError: As `nms`.
        ConfigError: As `nms`.

    Differs:
        Below 1,000 boxes torchvision moves each class to a place of its own by adding an offset to its coordinates.
        That rounds them, and with negative coordinates it lets classes meet; here nothing is added.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10]])
    >>> batched_nms(boxes, torch.tensor([0.8, 0.9]), torch.tensor([0, 1]), 0.5).tolist()
    [1, 0]
    """
    boxes, scores, threshold = _checked(boxes, scores, iou_threshold)
    if idxs.shape != scores.shape:
        raise ShapeError(
            f"idxs must be one class for each of the {len(scores)} boxes, got the shape {tuple(idxs.shape)}."
        )
    if idxs.is_floating_point():
        idxs = idxs.double()
    kept: Tensor = torch.ops.striate.batched_nms(boxes, scores, idxs, threshold)
    return kept


def _checked(boxes: Tensor, scores: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor, float]:
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"boxes must be 'n 4' (left, top, right, bottom), got the shape {tuple(boxes.shape)}.")
    if scores.dim() != 1 or scores.shape[0] != boxes.shape[0]:
        raise ShapeError(
            f"scores must be one number for each of the {boxes.shape[0]} boxes, got the shape {tuple(scores.shape)}."
        )
    if boxes.device != scores.device:
        raise ConfigError(f"boxes and scores must lie on one device, got {boxes.device} and {scores.device}.")
    threshold = float(iou_threshold)
    if threshold != threshold:  # noqa: PLR0124 - NaN is what differs from itself
        raise ConfigError("iou_threshold must be a number, as a rule between 0 and 1, got nan.")
    if boxes.dtype not in (torch.float32, torch.float64):
        boxes = boxes.float() if boxes.is_floating_point() else boxes.double()
    return boxes.detach(), scores.detach(), threshold


def _by_score(scores: Tensor) -> Tensor:
    return scores.sort(stable=True, descending=True).indices


def _anywhere(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    order = _by_score(scores)
    return order[keep_by_blocks(boxes[order], None, iou_threshold)]


def _batched_anywhere(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    order = _by_score(scores)
    return order[keep_by_blocks(boxes[order], idxs[order], iou_threshold)]


def _cpu(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    order = _by_score(scores).numpy()
    corners = boxes.numpy().T.take(order, axis=1)
    if _compiler_is_worth_it(len(order)):
        from striate.ops.nms_kernels import keep_sorted, limits

        keep = keep_sorted(corners, np.array([0, len(order)]), limits(iou_threshold, corners.dtype))
    else:
        keep = keep_by_rows(corners, None, iou_threshold)
    return torch.from_numpy(order[keep])


def _batched_cpu(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    order = _by_score(scores).numpy()
    classes = idxs.numpy()[order]
    places = np.argsort(classes, kind="stable")
    sorted_classes = classes[places]
    corners = boxes.numpy().T.take(order[places], axis=1)
    keep = np.empty(len(places), np.bool_)
    if _compiler_is_worth_it(len(places)):
        from striate.ops.nms_kernels import keep_sorted, limits

        starts = np.concatenate(([0], np.flatnonzero(np.diff(sorted_classes)) + 1, [len(places)]))
        keep[places] = keep_sorted(corners, starts, limits(iou_threshold, corners.dtype))
    else:
        keep[places] = keep_by_rows(corners, sorted_classes, iou_threshold)
    return torch.from_numpy(order[keep])


def _compiler_is_worth_it(count: int) -> bool:
    """Not for few boxes, unless it is at hand already; the answer is the same either way."""
    return count > _FEW or "striate.ops.nms_kernels" in sys.modules


def _shapes(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    kept = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty(kept, dtype=torch.int64)


def _batched_shapes(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    return _shapes(boxes, scores, iou_threshold)


declare(
    "nms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor",
    anywhere=_anywhere,
    cpu=_cpu,
    shapes=_shapes,
)
declare(
    "batched_nms(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor",
    anywhere=_batched_anywhere,
    cpu=_batched_cpu,
    shapes=_batched_shapes,
)

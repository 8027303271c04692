"""Non-maximum suppression without a compiler: few boxes row by row in NumPy; other devices block by block in torch.

Row by row is the rule itself. Block by block there is no loop over boxes. Inside a block, M[i, j] says that i would
remove j; what the greedy rule keeps is the only answer of

    keep[j] = no i < j with keep[i] and M[i, j]

and repeating that line from "all" reaches it: after step s all is right that the first s links of a chain decide.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["keep_by_blocks", "keep_by_rows"]

_BLOCK = 1024


def keep_by_rows(
    corners: NDArray[np.floating], classes: NDArray[np.generic] | None, iou_threshold: float
) -> NDArray[np.bool_]:
    """Which of the boxes, the surest first, stay: `n` booleans.

    Args:
        corners: `4 n`, in falling order of scores.
        classes: `n`; boxes of different classes do not meet. None: all are of one.
        iou_threshold: Boxes of a larger IoU with one that stays are removed.
    """
    left, top, right, bottom = corners
    keep = np.ones(len(left), np.bool_)
    with np.errstate(all="ignore"):  # NaN and infinity compare as they should
        area = (right - left) * (bottom - top)
        for i in range(len(left)):
            if not keep[i]:
                continue
            width = np.maximum(np.minimum(right[i], right[i + 1 :]) - np.maximum(left[i], left[i + 1 :]), 0)
            height = np.maximum(np.minimum(bottom[i], bottom[i + 1 :]) - np.maximum(top[i], top[i + 1 :]), 0)
            overlap = width * height
            iou = overlap / (area[i] + area[i + 1 :] - overlap)
            over = iou.astype(np.float64) > iou_threshold
            keep[i + 1 :] &= ~over if classes is None else ~(over & (classes[i + 1 :] == classes[i]))
    return keep


def keep_by_blocks(boxes: Tensor, classes: Tensor | None, iou_threshold: float) -> Tensor:
    """Which of the boxes, the surest first, stay: `n` booleans.

    Args:
        boxes: `n 4`, float32 or float64, in falling order of their scores.
        classes: `n`; boxes of different classes do not meet. None: all are of one.
        iou_threshold: Boxes of a larger IoU with one that stays are removed.
    """
    kept_boxes, kept_classes = boxes[:0], None if classes is None else classes[:0]
    stays = []
    for start in range(0, len(boxes), _BLOCK):
        block = boxes[start : start + _BLOCK]
        block_classes = None if classes is None else classes[start : start + _BLOCK]
        free = ~_removes(kept_boxes, block, kept_classes, block_classes, iou_threshold).any(0)
        among = _removes(block, block, block_classes, block_classes, iou_threshold).triu(1)
        among &= free[:, None]
        keep = free
        while True:
            after = free & ~(among & keep[:, None]).any(0)
            if torch.equal(after, keep):
                break
            keep = after
        stays.append(keep)
        kept_boxes = torch.cat((kept_boxes, block[keep]))
        if kept_classes is not None and block_classes is not None:
            kept_classes = torch.cat((kept_classes, block_classes[keep]))
    return torch.cat(stays) if stays else torch.zeros(0, dtype=torch.bool, device=boxes.device)


def _removes(
    first: Tensor, second: Tensor, classes1: Tensor | None, classes2: Tensor | None, iou_threshold: float
) -> Tensor:
    """Whether each box of the first set would remove each of the second: `n m`."""
    x1, y1, x2, y2 = (c[:, None] for c in first.unbind(1))
    u1, v1, u2, v2 = second.unbind(1)
    width = (torch.minimum(x2, u2) - torch.maximum(x1, u1)).clamp_(min=0)
    height = (torch.minimum(y2, v2) - torch.maximum(y1, v1)).clamp_(min=0)
    overlap = width.mul_(height)
    union = ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1)).sub_(overlap)
    # torchvision compares a float quotient with a double threshold; torch would round the threshold first.
    over = overlap.div_(union).double() > iou_threshold
    return over if classes1 is None or classes2 is None else over & (classes1[:, None] == classes2)

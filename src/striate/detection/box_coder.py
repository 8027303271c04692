"""How a box is told by its difference from another one: what a regressor learns, and how its answer is read.

A network that corrects a box p (an anchor, a proposal) into t answers four numbers that do not depend on where p lies
and how large it is:

    dx = (t_x − p_x) / p_w,   dy = (t_y − p_y) / p_h      (centers, in units of the box)
    dw = ln(t_w / p_w),       dh = ln(t_h / p_h)

times one weight each. The weights (10, 10, 5, 5) are one over the deviations 0.1, 0.1, 0.2, 0.2 that these numbers
have for good proposals, so that the network learns numbers of about 1.

Source: Girshick et al. 2014, R-CNN, arXiv:1311.2524, appendix C, equations 1 to 9; Girshick 2015, Fast R-CNN,
section 2.3; the limit of the stretch is torchvision's and detectron's.
Differs: the papers' code counts a box from 10 to 20 as 11 wide; here it is 10.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ShapeError

__all__ = ["DELTA_WEIGHTS", "LARGEST_STRETCH", "decode_boxes", "encode_boxes"]

DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
LARGEST_STRETCH = math.log(1000 / 16)  # exp of more would be a box of no use, or infinity

Weights = tuple[float, float, float, float]


def encode_boxes(
    boxes: Float[Tensor, "n 4"],
    references: Float[Tensor, "n 4"],
    *,
    weights: Weights = (1.0, 1.0, 1.0, 1.0),
) -> Float[Tensor, "n 4"]:
    """What `boxes` are, told from `references`, row by row: (dx, dy, dw, dh) times `weights`.

    Args:
        boxes: `xyxy`, of positive width and height.
        references: `xyxy`; a side below a thousandth of a pixel is taken as that, so that nothing is divided by 0.
        weights: Factors.

    Raises:
        ShapeError: If the two differ in number.
    """
    if boxes.shape != references.shape:
        raise ShapeError(f"encode_boxes: one reference a box is needed, got {len(boxes)} and {len(references)}.")
    t_x, t_y, t_w, t_h = _centers(boxes)
    p_x, p_y, p_w, p_h = _centers(references)
    factors = torch.tensor(weights, dtype=boxes.dtype, device=boxes.device)
    deltas = torch.stack([(t_x - p_x) / p_w, (t_y - p_y) / p_h, (t_w / p_w).log(), (t_h / p_h).log()], dim=1)
    return deltas * factors


def decode_boxes(
    deltas: Float[Tensor, "n 4"],
    references: Float[Tensor, "n 4"],
    *,
    weights: Weights = (1.0, 1.0, 1.0, 1.0),
) -> Float[Tensor, "n 4"]:
    """The boxes that a network means: `encode_boxes` backwards, in at least single precision.

    Args:
        deltas: (dx, dy, dw, dh) times `weights`; a stretch above ln(1000 / 16) is cut to it.
        references: `xyxy`, row by row.
        weights: Factors.

    Raises:
        ShapeError: If the two differ in number.

    >>> decode_boxes(torch.tensor([[0.5, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 10.0, 20.0]])).tolist()
    [[5.0, 0.0, 15.0, 20.0]]
    """
    if deltas.shape != references.shape:
        raise ShapeError(f"decode_boxes: one reference a delta is needed, got {len(deltas)} and {len(references)}.")
    if deltas.dtype in {torch.bfloat16, torch.float16}:
        deltas = deltas.float()  # bfloat16 knows only every fourth pixel beyond 512
    references = references.to(deltas.dtype)
    # Divided, not multiplied by one over the weight: the last bit is then torchvision's.
    dx, dy, dw, dh = (column / weight for column, weight in zip(deltas.unbind(1), weights, strict=True))
    w, h = references[:, 2] - references[:, 0], references[:, 3] - references[:, 1]
    x, y = references[:, 0] + 0.5 * w, references[:, 1] + 0.5 * h
    x, y = dx * w + x, dy * h + y
    half_w = 0.5 * (dw.clamp(max=LARGEST_STRETCH).exp() * w)
    half_h = 0.5 * (dh.clamp(max=LARGEST_STRETCH).exp() * h)
    return torch.stack([x - half_w, y - half_h, x + half_w, y + half_h], dim=1)


def _centers(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    w = (boxes[:, 2] - boxes[:, 0]).clamp(min=1e-3)
    h = (boxes[:, 3] - boxes[:, 1]).clamp(min=1e-3)
    return boxes[:, 0] + 0.5 * w, boxes[:, 1] + 0.5 * h, w, h

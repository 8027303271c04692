"""Soft non-maximum suppression: a box that overlaps a surer one is not removed, its score is lowered.

A second object that hides behind the first is then still found, if late. Linear: s ← s (1 - IoU) above a threshold.
Gaussian: s ← s exp(-IoU² / σ), without a jump.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from striate.errors import ConfigError, ShapeError

__all__ = ["soft_nms"]


def soft_nms(
    boxes: Shaped[Tensor, "n 4"],
    scores: Shaped[Tensor, " n"],
    idxs: Shaped[Tensor, " n"] | None = None,
    *,
    method: Literal["linear", "gaussian"] = "gaussian",
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    score_threshold: float = 0.001,
) -> tuple[Int64[Tensor, " kept"], Shaped[Tensor, " kept"]]:
    """The boxes in the order in which they are picked, and their lowered scores. Exact, computed in double precision.

    Args:
        boxes: `n 4`, `xyxy`, on any device (the work is done on the CPU).
        scores: `n`, from 0 to 1.
        idxs: `n` classes: boxes of different ones do not touch each other. None: all are of one.
        method: `gaussian` or `linear`.
        iou_threshold: Of `linear`: only a larger IoU lowers a score.
        sigma: Of `gaussian`: the smaller, the harder.
        score_threshold: Boxes whose score sinks below it are dropped.

    Returns:
        Indices into `boxes`, and scores in the type of `scores`, falling. Equal scores: the first comes first. A box
        with a corner that is not finite overlaps nothing.

    Raises:
        ShapeError: Other shapes, or not one score and class for each box.
        ConfigError: An unknown method, a sigma that is not positive, or a score that is NaN.

    Source: Bodla, Singh, Chellappa, Davis 2017, "Soft-NMS: Improving object detection with one line of code", section 3
        and figure 2.

    Differs:
        The paper's code works in single precision, on boxes that are a pixel wider (+1), and swaps boxes among equals.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 8], [20.0, 0, 30, 10]])
    >>> soft_nms(boxes, torch.tensor([0.9, 0.8, 0.7]), method="linear")
    (tensor([0, 2, 1]), tensor([0.9000, 0.7000, 0.1600]))
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"boxes must be 'n 4' (left, top, right, bottom), got the shape {tuple(boxes.shape)}.")
    for name, values in (("scores", scores), ("idxs", idxs)):
        if values is not None and values.shape != boxes.shape[:1]:
            raise ShapeError(
                f"{name} must be one number for each of the {len(boxes)} boxes, got the shape {tuple(values.shape)}."
            )
    if method not in ("linear", "gaussian"):
        raise ConfigError(f"method must be 'linear' or 'gaussian', got {method!r}.")
    if not sigma > 0:
        raise ConfigError(f"sigma must be positive, as a rule .5, got {sigma!r}.")
    wide = scores.detach().cpu().double().numpy()
    if np.isnan(wide).any():
        raise ConfigError(f"scores must be numbers, got nan for boxes[{int(np.isnan(wide).argmax())}].")
    from striate.ops.soft_nms_kernels import sink_scores

    classes = torch.zeros(len(wide)) if idxs is None else idxs.detach().cpu()
    kinds = torch.unique(classes, return_inverse=True)[1].numpy()
    corners = np.ascontiguousarray(boxes.detach().cpu().double().numpy())
    settings = (method == "gaussian", float(iou_threshold), float(sigma), float(score_threshold))
    picked, final = sink_scores(corners, wide, kinds, settings)
    return torch.from_numpy(picked).to(boxes.device), torch.from_numpy(final).to(scores)

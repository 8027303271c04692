"""Non-maximum suppression step by step, as data: which box is picked, which are removed, and how much they overlap."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray
from torch import Tensor

from striate.errors import ConfigError, ShapeError
from striate.ops.boxes import box_iou

__all__ = ["NmsStep", "NmsSteps", "nms_steps"]


@dataclass(frozen=True)
class NmsStep:
    """One turn of the loop.

    Attributes:
        picked: The box with the highest score of those that were left.
        compared: The boxes that were left beside it, the surest first.
        ious: Their IoU with the picked one.
        removed: Those of them whose IoU is above the threshold.
        kept: All boxes picked so far, this one included.
    """

    picked: int
    compared: NDArray[np.int64]
    ious: NDArray[Any]
    removed: NDArray[np.int64]
    kept: NDArray[np.int64]


@dataclass(frozen=True)
class NmsSteps:
    """The whole loop.

    Attributes:
        boxes: `n 4`, `xyxy`.
        scores: `n`.
        iou_threshold: Boxes that overlap more are removed.
        score_threshold: Boxes of this score or less did not take part; None: all did.
        discarded: Those boxes.
        steps: The turns.
    """

    boxes: NDArray[Any]
    scores: NDArray[Any]
    iou_threshold: float
    score_threshold: float | None
    discarded: NDArray[np.int64]
    steps: tuple[NmsStep, ...]

    @property
    def kept(self) -> NDArray[np.int64]:
        """What stays in the end, the surest first: the answer of `nms`."""
        return self.steps[-1].kept if self.steps else np.zeros(0, np.int64)

    def to_text(self) -> str:
        """One line a step.

        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [20.0, 0, 30, 10]])
        >>> print(nms_steps(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5).to_text())
        1. pick box 1 (.90); remove box 0 (IoU .82); leave box 2 (.00)
        2. pick box 2 (.70); nothing is left
        """
        lines = []
        if len(self.discarded):
            which = ", ".join(f"{i} ({_short(self.scores[i])})" for i in self.discarded)
            lines.append(f"0. discard boxes of a score of at most {_short(self.score_threshold or 0)}: {which}")
        for number, step in enumerate(self.steps, start=1):
            gone = set(step.removed.tolist())
            parts = [f"{number}. pick box {step.picked} ({_short(self.scores[step.picked])})"]
            for verb, unit, wanted in (("remove", "IoU ", True), ("leave", "", False)):
                some = [
                    f"box {i} ({unit}{_short(iou)})"
                    for i, iou in zip(step.compared.tolist(), step.ious.tolist(), strict=True)
                    if (i in gone) == wanted
                ]
                if some:
                    parts.append(f"{verb} {', '.join(some)}")
            if not len(step.compared):
                parts.append("nothing is left")
            lines.append("; ".join(parts))
        return "\n".join(lines)


def nms_steps(
    boxes: Shaped[Tensor, "n 4"],
    scores: Shaped[Tensor, " n"],
    iou_threshold: float,
    *,
    score_threshold: float | None = None,
) -> NmsSteps:
    """Every step of `nms`, to read and to draw; what stays in the end is what `nms` keeps.

    Args:
        boxes: `n 4`, `xyxy`.
        scores: `n`, no NaN.
        iou_threshold: Boxes of a larger IoU with a picked one are removed.
        score_threshold: Boxes of this score or less are discarded before; None: none is.

    Raises:
        ShapeError: Other shapes, or not one score for each box.
        ConfigError: A score is NaN.

    Source: As `nms`; discarding first by score as in Redmon et al. 2016, "You only look once", and its course notes.
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ShapeError(
            f"boxes must be 'n 4' and scores 'n', got the shapes {tuple(boxes.shape)} and {tuple(scores.shape)}."
        )
    if bool(scores.isnan().any()):
        raise ConfigError(f"scores must be numbers, got nan for boxes[{int(scores.isnan().nonzero()[0])}].")
    ious = box_iou(boxes.detach(), boxes.detach()).cpu().numpy()
    sure = scores.detach().cpu().double().numpy()
    order = scores.detach().cpu().sort(stable=True, descending=True).indices.numpy()
    # In the type of the scores: a score of .6 in single precision is not above .6.
    low = scores.detach().cpu() <= (float("nan") if score_threshold is None else score_threshold)
    discarded, left = order[low.numpy()[order]], order[~low.numpy()[order]]
    steps: list[NmsStep] = []
    kept = np.zeros(0, np.int64)
    while len(left):
        picked, others = int(left[0]), left[1:]
        over = ious[picked, others]
        gone = over.astype(np.float64) > iou_threshold
        kept = np.append(kept, picked)
        steps.append(NmsStep(picked, others, over, others[gone], kept))
        left = others[~gone]
    corners = boxes.detach().cpu().double().numpy()
    return NmsSteps(corners, sure, float(iou_threshold), score_threshold, discarded, tuple(steps))


def _short(value: float) -> str:
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0.") else text

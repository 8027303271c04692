"""Which anchor or proposal is to find which object: by how much they overlap.

Each candidate looks at the object that it overlaps most (IoU, intersection over union):

    IoU ≥ high           it is to find that object
    low ≤ IoU < high     neither: a half-hit would teach the network the wrong thing either way
    IoU < low            background

An object that no anchor overlaps by `high` would have nothing to find it, so its best anchors (all that tie) are taken
however little they overlap. And where a person marked something that need not be found (difficult, crowd), what lies
on it is neither object nor background.

Source: Ren et al. 2015, Faster R-CNN, section 3.1.2; Girshick 2015, Fast R-CNN, section 2.3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from striate.detection.detector import BoxTargets
from striate.errors import ConfigError
from striate.ops import box_coverage, box_iou

__all__ = ["BACKGROUND", "NEITHER", "Matches", "match_boxes"]

BACKGROUND = -1
NEITHER = -2
_PAIRS = 4_000_000  # overlaps that are held at once: 16 MB, whatever the number of objects
_ON_IGNORED = 0.5  # share of a candidate that may lie on an object that need not be found


class Matches(NamedTuple):
    """What became of each candidate.

    Attributes:
        objects: `a`: row of the object that it is to find; `BACKGROUND` (−1) or `NEITHER` (−2).
        overlaps: `a`: IoU with the object that it overlaps most; 0 where there is none.
    """

    objects: Int64[Tensor, " a"]
    overlaps: Float[Tensor, " a"]


def match_boxes(
    candidates: Float[Tensor, "a 4"],
    targets: BoxTargets,
    *,
    high: float,
    low: float,
    lowest: float = 0.0,
    best_for_each: bool,
) -> Matches:
    """Match candidates to the objects of one picture.

    Args:
        candidates: Anchors or proposals, `xyxy`.
        targets: The objects; those that are `ignored` are found by nobody, and no candidate on them is background.
        high: IoU from which on a candidate is to find the object.
        low: IoU below which it is background.
        lowest: IoU below which it is not even background (Fast R-CNN's 0.1: only the hard ones are).
        best_for_each: Whether the best candidates of an object are to find it, however little they overlap.

    Raises:
        ConfigError: If not 0 ≤ lowest ≤ low ≤ high ≤ 1.

    Differs: from py-faster-rcnn and torchvision in that an object that overlaps *no* candidate has no best ones (there,
        all of them tie at 0 and become positive).
    """
    if not 0 <= lowest <= low <= high <= 1:
        raise ConfigError(f"Overlaps must be 0 ≤ lowest ≤ low ≤ high ≤ 1, got {lowest}, {low}, {high}.")
    real = torch.nonzero(~targets.ignored).flatten()
    overlaps, objects, is_best = _best_overlaps(candidates, targets.boxes[real].to(candidates.dtype))
    found = overlaps >= high
    if best_for_each:
        found = found | is_best
    result = torch.full_like(objects, NEITHER)
    result[(overlaps < low) & (overlaps >= lowest)] = BACKGROUND
    on_ignored = _on_ignored(candidates, targets.boxes[targets.ignored].to(candidates.dtype), low=low)
    result[on_ignored] = NEITHER
    if len(real):
        result[found] = real[objects[found]]
    return Matches(result, overlaps)


def _best_overlaps(candidates: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each candidate its largest IoU and whose it is; and whether it is the best (or ties) of any object."""
    count = len(candidates)
    overlaps = candidates.new_zeros(count)
    objects = torch.zeros(count, dtype=torch.int64, device=candidates.device)
    is_best = torch.zeros(count, dtype=torch.bool, device=candidates.device)
    rows = max(_PAIRS // max(count, 1), 1)
    for begin in range(0, len(boxes) if count else 0, rows):
        iou = box_iou(boxes[begin : begin + rows], candidates)  # m a
        most, whose = iou.max(dim=0)
        better = most > overlaps  # the first of equals stays
        overlaps = torch.where(better, most, overlaps)
        objects = torch.where(better, whose + begin, objects)
        top = iou.max(dim=1, keepdim=True).values  # m 1
        is_best |= ((iou == top) & (top > 0)).any(dim=0)
    return overlaps, objects, is_best


def _on_ignored(candidates: Tensor, ignored: Tensor, *, low: float) -> Tensor:
    """Whether a candidate lies on an object that need not be found: by IoU, or by the share of its own area."""
    on = torch.zeros(len(candidates), dtype=torch.bool, device=candidates.device)
    rows = max(_PAIRS // max(len(candidates), 1), 1)
    for begin in range(0, len(ignored) if len(candidates) else 0, rows):
        part = ignored[begin : begin + rows]
        share = box_coverage(candidates, part)  # a m
        near = box_iou(candidates, part) >= max(low, 1e-6)
        on |= ((share >= _ON_IGNORED) | near).any(dim=1)
    return on

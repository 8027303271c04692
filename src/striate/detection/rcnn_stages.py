"""What R-CNN does to one picture, stage by stage, as data: to be drawn, or looked at in a test.

    proposals → warped crops → scores → corrected boxes → boxes after suppression

Everything is in pixels of the canvas and lies on the CPU.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from striate.detection.detector import FoundBoxes
from striate.detection.rcnn import RCNN, RegionCandidates
from striate.detection.region_warp import warp_regions
from striate.errors import ConfigError, ShapeError
from striate.probe import evaluating

__all__ = ["CropStages", "look_at_crops"]


@dataclass(frozen=True, eq=False)
class CropStages:
    """The way of one picture through R-CNN.

    Attributes:
        size: `(height, width)` of the photo's part of the canvas.
        proposals: `r 4`, as given.
        regions: `c`: the proposals whose crops are shown, that of the surest candidate first.
        crops: `c 3 s s`: what the network saw of them, normalized.
        candidates: Boxes with their classes, corrected, before suppression.
        kept: Positions of `candidates` that are the answer, the surest first.
        found: What the detector answers.
    """

    size: tuple[int, int]
    proposals: Float[Tensor, "r 4"]
    regions: Int64[Tensor, " c"]
    crops: Float[Tensor, "c 3 s s"]
    candidates: RegionCandidates
    kept: Int64[Tensor, " kept"]
    found: FoundBoxes


@torch.no_grad()
def look_at_crops(
    detector: RCNN,
    image: Float[Tensor, "1 3 h w"],
    size: tuple[int, int],
    *,
    proposals: Float[Tensor, "r 4"],
    crops: int = 12,
    score_threshold: float = 0.05,
) -> CropStages:
    """Follow one picture through R-CNN, as it answers.

    Args:
        detector: As it is to be shown; its mode stays what it is.
        image: Normalized, one picture.
        size: `(height, width)` of the part of the canvas that the photo fills.
        proposals: `r 4`, `xyxy` in canvas pixels.
        crops: How many crops are shown, each region once.
        score_threshold: Boxes below it are left out.

    Raises:
        ShapeError: If it is not one picture.
        ConfigError: If `crops` is below 0.
    """
    if len(image) != 1:
        raise ShapeError(f"look_at_crops: image must be one picture, 1 3 h w, got {len(image)}.")
    if crops < 0:
        raise ConfigError(f"look_at_crops: crops must be 0 or more, got {crops}.")
    with evaluating(detector):
        candidates = detector.candidates(image[0], size, proposals, score_threshold)
        kept = detector.suppress(candidates)
    found = FoundBoxes(candidates.boxes[kept].cpu(), candidates.scores[kept].cpu(), candidates.classes[kept].cpu())
    order = candidates.regions[candidates.scores.argsort(descending=True, stable=True)].tolist()
    regions = torch.tensor(list(dict.fromkeys(order))[:crops], dtype=torch.int64)
    shown = warp_regions(image[0].cpu(), proposals.cpu()[regions], detector.crop_px, detector.context_px, size=size)
    return CropStages(
        size=size,
        proposals=proposals.cpu(),
        regions=regions,
        crops=shown,
        candidates=RegionCandidates(*(part.cpu() for part in candidates)),
        kept=kept.cpu(),
        found=found,
    )

"""What Fast and Faster R-CNN do to one picture, stage by stage, as data: to be drawn, saved, or looked at in a test.

    maps → anchors → objectness → candidates → proposals → regions with their bins → boxes before and after suppression

Everything is in pixels of the canvas and lies on the CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from striate.detection.box_coder import decode_boxes
from striate.detection.detector import BoxTargets, FoundBoxes
from striate.detection.fast_rcnn import FastRCNN
from striate.detection.faster_rcnn import FasterRCNN
from striate.detection.matching import Matches
from striate.detection.region_parts import check_pictures, clean_proposals
from striate.detection.region_proposal import Proposals, RpnAnswers
from striate.detection.roi_head import Candidates
from striate.detection.roi_pooling import RegionGrid
from striate.probe import evaluating

__all__ = ["AnchorMap", "AnchorMatches", "RegionStages", "look_at_anchors", "look_at_regions"]


@dataclass(frozen=True, eq=False)
class AnchorMap:
    """One map of the proposal network.

    Attributes:
        stride: Pixels from one cell to the next.
        anchors: `h w a 4`.
        objectness: `h w a` in [0, 1]: how likely each anchor holds an object.
        boxes: `h w a 4`: the anchors, corrected, not clipped.
    """

    stride: float
    anchors: Float[Tensor, "h w a 4"]
    objectness: Float[Tensor, "h w a"]
    boxes: Float[Tensor, "h w a 4"]


@dataclass(frozen=True, eq=False)
class AnchorMatches:
    """Which anchors are to find which object, while learning.

    Attributes:
        anchors: `a 4`, of all maps.
        objects: `a`: row of the object; −1 for background, −2 for neither (half-hits, on ignored objects, outside).
        overlaps: `a`: IoU with the object that each overlaps most.
        best: `m`: for each object the anchor that overlaps it most; −1 where it is ignored or none does.
    """

    anchors: Float[Tensor, "a 4"]
    objects: Int64[Tensor, " a"]
    overlaps: Float[Tensor, " a"]
    best: Int64[Tensor, " m"]


@dataclass(frozen=True, eq=False)
class RegionStages:
    """The way of one picture through the detector.

    Attributes:
        size: `(height, width)` of the photo's part of the canvas.
        maps: The proposal network's, the finest first; empty for Fast R-CNN.
        proposals: Before and after suppression; for Fast R-CNN what was given, with scores of 1.
        grids: The bins of the surest regions.
        candidates: Boxes with their classes before the final suppression; `candidates.kept` are those after it.
        found: What the detector answers.
    """

    size: tuple[int, int]
    maps: tuple[AnchorMap, ...]
    proposals: Proposals
    grids: tuple[RegionGrid, ...]
    candidates: Candidates
    found: FoundBoxes


@torch.no_grad()
def look_at_regions(
    detector: FastRCNN | FasterRCNN,
    image: Float[Tensor, "1 c h w"],
    size: tuple[int, int],
    *,
    proposals: Float[Tensor, "r 4"] | None = None,
    grids: int = 9,
    score_threshold: float = 0.05,
) -> RegionStages:
    """Follow one picture through the detector, as it answers.

    Args:
        detector: In evaluation mode, as it is to be shown.
        image: Normalized, one picture.
        size: `(height, width)` of the part of the canvas that the photo fills.
        proposals: `r 4`, for Fast R-CNN.
        grids: How many of the surest regions show their bins.
        score_threshold: Boxes below it are left out.

    Raises:
        ConfigError: If Fast R-CNN gets no proposals.
        ShapeError: If it is not one picture.
    """
    check_pictures(image, [size], None if proposals is None else [proposals])
    maps: tuple[AnchorMap, ...] = ()
    if isinstance(detector, FasterRCNN) and proposals is None:
        feature_maps = detector.backbone(image)
        answers = detector.rpn.answers(feature_maps, (image.shape[-2], image.shape[-1]))
        chosen = detector.rpn.propose(answers, [size], learning=False)[0]
        maps = _anchor_maps(detector, answers, feature_maps)
        candidates = detector.roi_heads.find(feature_maps, [chosen.boxes], [size], score_threshold=score_threshold)[0]
    else:
        given = None if proposals is None else [proposals]
        candidates = detector.candidates(image, [size], proposals=given, score_threshold=score_threshold)[0]
        boxes = clean_proposals(torch.zeros(0, 4) if proposals is None else proposals, size)
        ones = torch.ones(len(boxes))
        chosen = Proposals(boxes, ones, boxes, ones, torch.arange(len(boxes)))
    pooling = detector.roi_heads.box_roi_pool
    bins = tuple(pooling.grid(box) for box in chosen.boxes[:grids].cpu())
    candidates = Candidates(*(part.cpu() for part in candidates))
    return RegionStages(size, maps, Proposals(*(part.cpu() for part in chosen)), bins, candidates, candidates.found())


@torch.no_grad()
def look_at_anchors(
    detector: FasterRCNN, canvas: tuple[int, int], size: tuple[int, int], target: BoxTargets
) -> AnchorMatches:
    """Which anchors would learn to find which object of a picture; nothing of the network's answers is needed.

    Args:
        detector: Whose anchors.
        canvas: `(height, width)` of the tensor that the network takes.
        size: Of the photo's part of it.
        target: The objects.
    """
    parameter = next(detector.parameters())
    channels = next(p.shape[1] for p in detector.backbone.body.parameters() if p.ndim == 4)
    with evaluating(detector):  # a picture of nothing must not reach running statistics
        maps: Sequence[Tensor] = detector.backbone(torch.zeros(1, channels, *canvas, device=parameter.device))
    anchors = torch.cat(detector.rpn.anchors_on(maps, canvas)).cpu()
    matches: Matches = detector.rpn.match(anchors, size, target)
    best = torch.full((len(target.boxes),), -1, dtype=torch.int64)
    for row in range(len(target.boxes)):
        own = torch.where(matches.objects == row, matches.overlaps, -1.0)
        if len(own) and float(own.max()) >= 0:
            best[row] = own.argmax()
    return AnchorMatches(anchors, matches.objects, matches.overlaps, best)


def _anchor_maps(detector: FasterRCNN, answers: RpnAnswers, maps: Sequence[Tensor]) -> tuple[AnchorMap, ...]:
    per_cell = detector.rpn.settings.anchors.per_cell
    boxes = decode_boxes(answers.deltas[0], answers.anchors)
    result, begin = [], 0
    for place, one, count in zip(detector.rpn.places, maps, answers.levels, strict=True):
        shape = (one.shape[-2], one.shape[-1], per_cell)
        rows = slice(begin, begin + count)
        result.append(
            AnchorMap(
                stride=float(place.stride),
                anchors=answers.anchors[rows].reshape(*shape, 4).cpu(),
                objectness=answers.logits[0, rows].sigmoid().reshape(shape).cpu(),
                boxes=boxes[rows].reshape(*shape, 4).cpu(),
            )
        )
        begin += count
    return tuple(result)

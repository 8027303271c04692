"""One photo's way through a detector, whichever it is: what it looked at, what it thought of it, what it threw away.

Every family of detectors has stages of its own (`stages`, `rcnn_stages`, `yolo_steps`). This module brings a photo
there as `detect` does, so that what is seen is what is answered, and adds what people ask next: what exactly is on the
photo, and what the detector thinks of a few regions, class by class.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment import Draws
from striate.data.augment.box_cut import cut_detections, filled_size
from striate.data.augment.cut import Cut, render_cut
from striate.data.detections import Detections
from striate.detection.detector import BoxTargets, Detector, FoundBoxes
from striate.detection.fast_rcnn import FastRCNN
from striate.detection.faster_rcnn import FasterRCNN
from striate.detection.finding import as_detector, empty_beyond, found_on_photo, on_canvas, plain_augmentation
from striate.detection.proposals import ProposalSettings, propose
from striate.detection.rcnn import RCNN
from striate.detection.rcnn_stages import CropStages, look_at_crops
from striate.detection.region_warp import warp_regions
from striate.detection.stages import AnchorMatches, RegionStages, look_at_anchors, look_at_regions
from striate.detection.yolo_detector import YoloDetector
from striate.detection.yolo_steps import YoloStages, yolo_stages
from striate.errors import ConfigError
from striate.models import Network
from striate.probe import evaluating

__all__ = ["ClassScores", "PictureStages", "look_at_picture"]

Stages: TypeAlias = RegionStages | CropStages | YoloStages

_LOWEST = {YoloStages: 0.2, RegionStages: 0.05, CropStages: 0.05}  # the papers'; a lower `score` is followed


@dataclass(frozen=True, eq=False)
class ClassScores:
    """What the last layer says of some regions.

    Attributes:
        regions: `r`: rows of the proposals, those first that gave a box of the answer.
        scores: `r k`, of each class.
        background: `r`, or None where nothing says so (R-CNN's machines only say yes or no to each class).
    """

    regions: Int64[Tensor, " r"]
    scores: Float[Tensor, "r k"]
    background: Float[Tensor, " r"] | None


@dataclass(frozen=True, eq=False)
class PictureStages:
    """A photo's way through a detector.

    Attributes:
        photo: uint8 `h w 3`.
        cut: How it got onto the canvas.
        size: `(height, width)` of the part of the canvas that it fills.
        stages: The detector's own, in canvas pixels, with every box of at least `lowest`.
        lowest: The least score of a box that is followed.
        score: The least score of a box of the answer.
        answer: What `detect` answers, in photo pixels.
        scores: Of a few regions, or None where a detector has no regions.
        crops: `r 3 s s`: those regions as R-CNN's network saw them, normalized; None for others.
        anchors: Which anchors would learn which object; None without truth, or without anchors.
        truth: What is on the photo, in canvas pixels, or None where nobody said.
        proposals: How regions were proposed, for detectors that are told; None for others.
        proposal_seconds: What that took.
        seconds: What everything else took.
    """

    photo: NDArray[np.uint8]
    cut: Cut
    size: tuple[int, int]
    stages: Stages
    lowest: float
    score: float
    answer: Detections
    scores: ClassScores | None = None
    crops: Float[Tensor, "r 3 s s"] | None = None
    anchors: AnchorMatches | None = None
    truth: Detections | None = None
    proposals: ProposalSettings | None = None
    proposal_seconds: float = 0.0
    seconds: float = 0.0


def look_at_picture(
    network: Network,
    photo: NDArray[np.uint8],
    *,
    truth: Detections | None = None,
    score: float = 0.5,
    regions: int = 6,
    proposals: ProposalSettings | None = None,
) -> PictureStages:
    """Follow one photo through a detector, as `detect` answers.

    Args:
        network: With a detector as its module.
        photo: uint8 `h w 3`.
        truth: What is on it, in its pixels, of the detector's classes.
        score: The least score of a box of the answer, 0 to 1. Boxes with less are followed down to the papers' own
            thresholds (0.2 of YOLO, 0.05 of the others).
        regions: How many regions are shown with the scores of all classes.
        proposals: For R-CNN and Fast R-CNN: how regions are proposed; selective search by default.

    Raises:
        ConfigError: If the network is no detector or one whose stages nobody knows, a number is out of range, truth is
            of other classes, or proposals are given to a detector that makes its own.
    """
    module = as_detector(network)
    _check(network, module, truth, score=score, regions=regions, proposals=proposals)
    size = (photo.shape[0], photo.shape[1])
    cut = plain_augmentation(network.preprocessing).geometry.cut(size, Draws(0, 0, [0]), 0)
    filled = filled_size(cut, size)
    given, settings, began = None, None, perf_counter()
    if module.takes_proposals:
        settings = proposals or ProposalSettings()
        given = propose(photo, settings)
    proposal_seconds, began = perf_counter() - began, perf_counter()
    canvas = torch.from_numpy(np.array(render_cut(photo, cut))).permute(2, 0, 1)[None]  # 1 3 h w
    x = network.preprocessing.normalize(canvas.to(network.device).float().div(255))
    x = empty_beyond(x, [filled]).contiguous(memory_format=torch.channels_last)
    rows = None if given is None else on_canvas(given, cut, like=x)
    there = None if truth is None else cut_detections(truth, cut)
    target = None if there is None else _target(there, x)
    with evaluating(module), torch.no_grad():
        looked, lowest, shown, crops, anchors = _look(
            module, x, filled, proposals=rows, target=target, score=score, regions=regions
        )
    answer = looked.found if not isinstance(looked.found, Detections) else _found(looked.found)
    on_photo = found_on_photo(answer, cut, network.labels, size)
    sure = np.zeros(0, np.float32) if on_photo.scores is None else on_photo.scores
    return PictureStages(
        photo=photo,
        cut=cut,
        size=filled,
        stages=looked,
        lowest=lowest,
        score=score,
        answer=on_photo.pick(sure >= score),
        scores=shown,
        crops=crops,
        anchors=anchors,
        truth=there,
        proposals=settings,
        proposal_seconds=proposal_seconds if settings is not None else 0.0,
        seconds=perf_counter() - began,
    )


def _look(
    module: Detector,
    x: Tensor,
    size: tuple[int, int],
    *,
    proposals: Tensor | None,
    target: BoxTargets | None,
    score: float,
    regions: int,
) -> tuple[Stages, float, ClassScores | None, Tensor | None, AnchorMatches | None]:
    """The stages by what kind of detector it is, not by its name."""
    if isinstance(module, YoloDetector):
        lowest = min(score, _LOWEST[YoloStages])
        return yolo_stages(module, x[0], size=size, target=target, score_threshold=lowest), lowest, None, None, None
    lowest = min(score, _LOWEST[RegionStages])
    if isinstance(module, RCNN):
        given = x.new_zeros(0, 4) if proposals is None else proposals
        crops = look_at_crops(module, x, size, proposals=given, crops=0, score_threshold=lowest)
        order = _shown(crops.candidates.regions, crops.candidates.scores, crops.kept, len(given), regions)
        whole = [part.whole for part in module.describe(x[0], size, given[order.to(x.device)])] if len(order) else []
        scores = module.scores_of(torch.cat(whole)).cpu() if whole else torch.zeros(0, module.num_classes)
        boxes = crops.proposals[order]
        seen = warp_regions(x[0].cpu(), boxes, module.crop_px, module.context_px, size=size)
        return crops, lowest, ClassScores(order, scores, None), seen, None
    if isinstance(module, FastRCNN | FasterRCNN):
        stages = look_at_regions(module, x, size, proposals=proposals, grids=0, score_threshold=lowest)
        candidates = stages.candidates
        order = _shown(candidates.regions, candidates.scores, candidates.kept, len(stages.proposals.boxes), regions)
        boxes = stages.proposals.boxes[order].to(x.device)
        logits, _ = module.roi_heads.judge(module.backbone(x), [boxes])
        likely = logits.float().softmax(1).cpu()
        anchors = None
        if isinstance(module, FasterRCNN) and target is not None:
            on_cpu = BoxTargets(*(part.cpu() for part in target))
            anchors = look_at_anchors(module, (x.shape[2], x.shape[3]), size, on_cpu)
        return stages, lowest, ClassScores(order, likely[:, 1:], likely[:, 0]), None, anchors
    raise ConfigError(
        f"Nobody knows the stages of a {type(module).__name__}: they are known of RCNN, FastRCNN, FasterRCNN and "
        "YoloDetector."
    )


def _shown(regions: Tensor, scores: Tensor, kept: Tensor, count: int, most: int) -> Int64[Tensor, " r"]:
    """Regions to show, each once: those of the answer, then those that nearly were, then the most promising."""
    by_score = regions[scores.argsort(descending=True, stable=True)]
    order = [*regions[kept].tolist(), *by_score.tolist(), *range(count)]
    return torch.tensor(list(dict.fromkeys(order))[:most], dtype=torch.int64)


def _target(truth: Detections, like: Tensor) -> BoxTargets:
    return BoxTargets(
        torch.from_numpy(truth.boxes).to(like.device, torch.float32),
        torch.from_numpy(truth.classes).to(like.device),
        torch.from_numpy(truth.difficult | truth.crowd).to(like.device),
    )


def _found(boxes: Detections) -> FoundBoxes:
    scores = np.zeros(len(boxes), np.float32) if boxes.scores is None else boxes.scores
    return FoundBoxes(*(torch.from_numpy(part.copy()) for part in (boxes.boxes, scores, boxes.classes)))


def _check(
    network: Network,
    module: Detector,
    truth: Detections | None,
    *,
    score: float,
    regions: int,
    proposals: ProposalSettings | None,
) -> None:
    if not 0 <= score <= 1:
        raise ConfigError(f"score must be from 0 to 1, got {score}.")
    if regions < 0:
        raise ConfigError(f"regions must be 0 or more, got {regions}.")
    if proposals is not None and not module.takes_proposals:
        raise ConfigError(f"'{network.name}' makes its own proposals; leave them out.")
    if truth is not None and truth.labels != tuple(network.labels):
        raise ConfigError(
            f"truth is of other classes ({', '.join(truth.labels[:4])} …) than '{network.name}' "
            f"({', '.join(tuple(network.labels)[:4])} …)."
        )

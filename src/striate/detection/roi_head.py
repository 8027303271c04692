"""Two answers about every region: which class, and how its box must be corrected for that class.

The map under a region goes through full layers (or the last stage of the network); one layer then gives k + 1 scores,
background first, another 4 numbers for each class. Both learn at once, one loss:

    L = CE(p, u) + [u ≥ 1] smoothL1(t^u − v)

averaged over the regions drawn a picture, a quarter of which overlap an object by half. What is found: each class has
its own correction and its own non-maximum suppression.

Source: Girshick 2015, Fast R-CNN, arXiv:1504.08083, sections 2.1 to 2.3 and 3.
Differs: the constant deviations 0.1 and 0.2 scale what the corrections learn (py-faster-rcnn's, one over the weights),
where the paper measured them on the data set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from striate.detection.box_coder import DELTA_WEIGHTS, decode_boxes, encode_boxes
from striate.detection.detector import BoxTargets, FoundBoxes
from striate.detection.matching import BACKGROUND, match_boxes
from striate.detection.roi_pooling import PoolingSettings, RegionPooling
from striate.detection.sampling import check_sampling, sample
from striate.errors import ConfigError
from striate.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

__all__ = ["BoxPredictor", "Candidates", "FullLayers", "LastStage", "RoiHeads", "RoiSettings"]

_SMALLEST_PX = 1e-2  # a corrected box with a smaller side is none


@dataclass(frozen=True)
class RoiSettings:
    """How regions are judged and how that is learned.

    Attributes:
        pooling: How the map under a region is read.
        high: IoU from which on a region is to find an object.
        lowest: IoU from which on, below `high`, it is background: 0.1 leaves out the easy ones, Fast R-CNN's way.
        batch: Regions drawn a picture.
        positive_fraction: Share of them that may be positive.
        beta: Where smooth L1 turns from a parabola to a line.
        weights: Of the corrections.
        nms: IoU above which the less sure of two boxes of a class goes.
        per_picture: Boxes that are kept of all classes together.

    Raises:
        ConfigError: If a number makes no sense.
    """

    pooling: PoolingSettings = field(default_factory=PoolingSettings)
    high: float = 0.5
    lowest: float = 0.0
    batch: int = 128
    positive_fraction: float = 0.25
    beta: float = 1.0
    weights: tuple[float, float, float, float] = DELTA_WEIGHTS
    nms: float = 0.3
    per_picture: int = 100

    def __post_init__(self) -> None:
        check_sampling("RoiSettings", self.batch, self.positive_fraction)
        if not 0 <= self.lowest <= self.high <= 1 or not 0 < self.nms <= 1:
            raise ConfigError(
                f"RoiSettings: 0 ≤ lowest ≤ high ≤ 1 and 0 < nms ≤ 1 are needed, got lowest={self.lowest}, "
                f"high={self.high}, nms={self.nms}."
            )
        if self.per_picture < 1 or self.beta <= 0 or min(self.weights) <= 0:
            raise ConfigError(
                f"RoiSettings: per_picture must be at least 1, beta and weights above 0, got {self.per_picture}, "
                f"{self.beta}, {self.weights}."
            )


class FullLayers(nn.Module):
    """Two full layers with ReLU, and dropout where it is wanted: `r c p q` to `r f`.

    Args:
        in_features: c·p·q.
        hidden: outputs of each of the two.
        dropout: probability behind each.
    """

    def __init__(self, in_features: int, hidden: tuple[int, int], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.out_features = hidden[1]
        self.fc6: nn.Module = nn.Linear(in_features, hidden[0])
        self.fc7: nn.Module = nn.Linear(hidden[0], hidden[1])
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Both layers."""
        x = self.drop(F.relu(self.fc6(x.flatten(1))))
        result: Tensor = self.drop(F.relu(self.fc7(x)))
        return result


class LastStage(nn.Module):
    """The last stage of a classification network on every region, then its average: `r c p q` to `r f`.

    Args:
        stage: such as a ResNet's `layer4`.
        out_features: channels that it gives.

    Source: He et al. 2015, arXiv:1512.03385, appendix A (conv5_x behind RoI pooling).
    """

    def __init__(self, stage: nn.Module, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features
        self.stage = stage

    def forward(self, x: Tensor) -> Tensor:
        """The stage, and the mean over its bins."""
        if not len(x):
            return x.new_zeros(0, self.out_features)  # convolutions of nothing are not defined everywhere
        result: Tensor = self.stage(x).mean((2, 3))
        return result


class BoxPredictor(nn.Module):
    """k + 1 scores, background first, and 4 numbers for each of them.

    Args:
        in_features: of a region.
        num_classes: k, without background.

    Weights start normal, deviation 0.01 and 0.001 (the paper's), biases at 0.
    """

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_features, num_classes + 1)
        self.bbox_pred = nn.Linear(in_features, 4 * (num_classes + 1))
        for layer, deviation in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "r f"]) -> tuple[Tensor, Tensor]:
        """Scores `r k+1` and corrections `r 4(k+1)`, in single precision."""
        return self.cls_score(x).float(), self.bbox_pred(x).float()


class Candidates(NamedTuple):
    """Boxes of one picture before the final suppression: one a region and class that is likely enough.

    Attributes:
        boxes: `c 4`, corrected and clipped.
        scores: `c`.
        classes: `c`, from 0 to k − 1.
        regions: `c`: row of the region that it comes from.
        kept: `d`: rows that stay, the surest first.
    """

    boxes: Float[Tensor, "c 4"]
    scores: Float[Tensor, " c"]
    classes: Int64[Tensor, " c"]
    regions: Int64[Tensor, " c"]
    kept: Int64[Tensor, " d"]

    def found(self) -> FoundBoxes:
        """What stays."""
        return FoundBoxes(self.boxes[self.kept], self.scores[self.kept], self.classes[self.kept])


class RoiHeads(nn.Module):
    """Pooling, layers, the two answers, their losses, and what is found.

    Args:
        pooling: reads the maps.
        box_head: `r c p q` to `r f`.
        num_classes: k.
        settings: How.
    """

    def __init__(
        self, pooling: RegionPooling, box_head: FullLayers | LastStage, num_classes: int, settings: RoiSettings
    ) -> None:
        super().__init__()
        self.settings = settings
        self.box_roi_pool = pooling
        self.box_head = box_head
        self.box_predictor = BoxPredictor(box_head.out_features, num_classes)

    def judge(self, maps: Sequence[Tensor], regions: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Scores `r k+1` and corrections `r 4(k+1)` of the regions of all pictures, one after the other."""
        scores, corrections = self.box_predictor(self.box_head(self.box_roi_pool(maps, regions)))
        return scores, corrections

    def losses(
        self, maps: Sequence[Tensor], proposals: Sequence[Tensor], targets: Sequence[BoxTargets]
    ) -> dict[str, Float[Tensor, " n"]]:
        """`class` and `box`, one number a picture each."""
        regions, labels, wanted = [], [], []
        for boxes, target in zip(proposals, targets, strict=True):
            drawn, objects = self._draw(boxes, target)
            regions.append(drawn)
            positive = objects >= 0
            row = objects.clamp(min=0)
            label = torch.zeros_like(objects)
            label[positive] = target.classes[row[positive]] + 1
            labels.append(label)
            true = target.boxes.to(drawn.dtype)[row[positive]]
            wanted.append(encode_boxes(true, drawn[positive], weights=self.settings.weights))
        logits, corrections = self.judge(maps, regions)
        counts = [len(boxes) for boxes in regions]
        class_losses, box_losses = [], []
        for score, correction, label, delta in zip(
            torch.split(logits, counts), torch.split(corrections, counts), labels, wanted, strict=True
        ):
            count = max(len(label), 1)
            class_losses.append(F.cross_entropy(score, label, reduction="sum") / count)
            positive = torch.nonzero(label).flatten()
            own = correction.view(*score.shape, 4)[positive, label[positive]]  # of the true class
            box_losses.append(F.smooth_l1_loss(own, delta, beta=self.settings.beta, reduction="sum") / count)
        return {"class": torch.stack(class_losses), "box": torch.stack(box_losses)}

    def find(
        self,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
        *,
        score_threshold: float,
    ) -> list[Candidates]:
        """What the regions of each picture hold, before and after the final suppression."""
        merged = [self.box_roi_pool.read_once(boxes) for boxes in proposals]
        only = [boxes[first] for boxes, (first, _) in zip(proposals, merged, strict=True)]
        logits, corrections = self.judge(maps, only)
        counts = [len(boxes) for boxes in only]
        return [
            self._candidates(score[which], correction[which], boxes, size, score_threshold)
            for score, correction, boxes, size, (_, which) in zip(
                torch.split(logits.softmax(1), counts),
                torch.split(corrections, counts),
                proposals,
                sizes,
                merged,
                strict=True,
            )
        ]

    def _draw(self, proposals: Tensor, target: BoxTargets) -> tuple[Tensor, Tensor]:
        """Regions to learn from, and the object of each; what a person marked is among them."""
        settings = self.settings
        boxes = torch.cat([proposals, target.boxes[~target.ignored].to(proposals.dtype)])
        objects = match_boxes(
            boxes, target, high=settings.high, low=settings.high, lowest=settings.lowest, best_for_each=False
        ).objects
        positive, negative = sample(
            objects >= 0,
            objects == BACKGROUND,
            count=settings.batch,
            positive_fraction=settings.positive_fraction,
        )
        drawn = torch.cat([positive, negative])
        return boxes[drawn], objects[drawn]

    def _candidates(
        self, scores: Tensor, corrections: Tensor, regions: Tensor, size: tuple[int, int], threshold: float
    ) -> Candidates:
        likely = scores[:, 1:] >= threshold  # r k
        rows, classes = torch.nonzero(likely, as_tuple=True)
        deltas = corrections.view(*scores.shape, 4)[rows, classes + 1]
        boxes = decode_boxes(deltas, regions[rows], weights=self.settings.weights)
        boxes = clip_boxes_to_image(boxes, size)
        large = remove_small_boxes(boxes, _SMALLEST_PX)
        boxes, rows, classes = boxes[large], rows[large], classes[large]
        likelihood = scores[rows, classes + 1]
        kept = batched_nms(boxes, likelihood, classes, self.settings.nms)[: self.settings.per_picture]
        return Candidates(boxes, likelihood, classes, rows, kept)

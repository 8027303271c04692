"""R-CNN: regions with CNN features, the first detector that let a convolutional network look at objects.

Somebody proposes 2,000 boxes that may hold an object. Each is cut out, warped to the network's size and sent through
it, by itself; support vector machines judge the features, one a class, and regressors correct the box. Boxes of a class
that overlap a better one are dropped. Every region costs a whole pass of the network, although they show the same
pixels again and again: that is what Fast R-CNN does away with, and what makes this one 50 to 200 times slower.

Nothing here is learned by one loss. `rcnn_training` trains the parts one after another; this module holds them.

Source: Girshick, Donahue, Darrell, Malik 2014, "Rich feature hierarchies for accurate object detection and semantic
segmentation", arXiv:1311.2524.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from striate.detection.box_coder import decode_boxes
from striate.detection.crop_features import CropFeatures, CropNetwork, build_crop_network
from striate.detection.detector import BoxTargets, Detector, FoundBoxes
from striate.detection.region_warp import context_for, warp_regions
from striate.errors import ConfigError, ShapeError
from striate.ops.boxes import clip_boxes_to_image, remove_small_boxes
from striate.ops.nms import batched_nms
from striate.runtime.batching import best_batch_size

__all__ = ["RCNN", "RegionCandidates", "Scoring", "build_rcnn"]

Scoring: TypeAlias = Literal["svm", "softmax"]


class RegionCandidates(NamedTuple):
    """What R-CNN thinks of some regions of one picture.

    Attributes:
        boxes: `n 4`, corrected and clipped, `xyxy` in canvas pixels.
        scores: `n`.
        classes: `n`, from 0 to k − 1.
        regions: `n`: the proposal that each was.
    """

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]
    classes: Int64[Tensor, " n"]
    regions: Int64[Tensor, " n"]


class RCNN(Detector):
    """The parts of R-CNN, and how they answer.

    Args:
        network: What describes crops.
        num_classes: `k`.
        crop_px: The side of the crops.
        context_px: How much of it, on each side, shows the surroundings.
        scoring: Who judges: `svm`, as in the paper, or the `softmax` that the network was fine-tuned with.
        nms_threshold: Of two boxes of a class that overlap by more than this IoU, the better one stays.
        max_per_class: Boxes of a class that are looked at, the surest ones, on each picture.
        max_found: Boxes in the answer.

    Attributes:
        svm_weight, svm_bias: The machines, `k f` and `k`, for features as they are.
        svm_slope, svm_offset: `k` each: a margin m becomes the score 1 ÷ (1 + exp(−slope · m − offset)).
        softmax: A linear layer to 1 + k classes; the first is background.
        box_weight, box_bias: The regressors, `4k p` and `4k`.

    Everything that was learned is in `state_dict`: network, machines, regressors.
    """

    takes_proposals = True

    svm_weight: Tensor
    svm_bias: Tensor
    svm_slope: Tensor
    svm_offset: Tensor
    box_weight: Tensor
    box_bias: Tensor

    def __init__(
        self,
        network: CropNetwork,
        *,
        num_classes: int,
        crop_px: int,
        context_px: int,
        scoring: Scoring = "svm",
        nms_threshold: float = 0.3,
        max_per_class: int = 100,
        max_found: int = 300,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ConfigError(f"num_classes must be 1 or more, got {num_classes}.")
        if scoring not in {"svm", "softmax"}:
            raise ConfigError(f"scoring must be 'svm' or 'softmax', got {scoring!r}.")
        if not 0 <= nms_threshold <= 1 or max_per_class < 1 or max_found < 1:
            raise ConfigError(
                f"nms_threshold must be an IoU, max_per_class and max_found 1 or more; got {nms_threshold}, "
                f"{max_per_class} and {max_found}."
            )
        self.network = network
        self.num_classes, self.crop_px, self.context_px = num_classes, crop_px, context_px
        self.scoring, self.nms_threshold = scoring, nms_threshold
        self.max_per_class, self.max_found = max_per_class, max_found
        self.softmax = nn.Linear(network.features, 1 + num_classes)
        nn.init.normal_(self.softmax.weight, std=0.01)
        nn.init.zeros_(self.softmax.bias)
        self.register_buffer("svm_weight", torch.zeros(num_classes, network.features))
        self.register_buffer("svm_bias", torch.full((num_classes,), -1.0))
        self.register_buffer("svm_slope", torch.ones(num_classes))
        self.register_buffer("svm_offset", torch.zeros(num_classes))
        self.register_buffer("box_weight", torch.zeros(4 * num_classes, network.placed))
        self.register_buffer("box_bias", torch.zeros(4 * num_classes))
        self.crops_at_once = best_batch_size(network.network, torch.zeros(1, 3, crop_px, crop_px), most=64)
        self._quick: tuple[object, CropNetwork] | None = None

    def forward(
        self,
        images: Float[Tensor, "n 3 h w"],
        sizes: Sequence[tuple[int, int]],
        *,
        targets: Sequence[BoxTargets] | None = None,
        proposals: Sequence[Float[Tensor, "r 4"]] | None = None,
        score_threshold: float = 0.05,
    ) -> dict[str, Float[Tensor, " n"]] | list[FoundBoxes]:
        """What is found among the proposals; see `Detector.forward`.

        Raises:
            ConfigError: If `targets` are given (there is no loss to give back), or no proposals.
            ShapeError: If the numbers of pictures, sizes and proposals differ.
        """
        if targets is not None:
            raise ConfigError(
                "R-CNN has no loss: its network, machines and regressors are trained one after another. Train it with "
                "detection.train_rcnn, and leave targets out here."
            )
        if proposals is None:
            raise ConfigError("R-CNN answers about proposals; give one r 4 a picture (detection.propose finds them).")
        if not len(images) == len(sizes) == len(proposals):
            raise ShapeError(
                f"RCNN: one size and one list of proposals a picture are needed, got {len(images)} pictures, "
                f"{len(sizes)} sizes and {len(proposals)} lists."
            )
        rows = zip(images, sizes, proposals, strict=True)
        return [self._find(image, size, boxes, score_threshold) for image, size, boxes in rows]

    def describe(
        self, image: Float[Tensor, "3 h w"], size: tuple[int, int], boxes: Float[Tensor, "r 4"]
    ) -> Iterator[CropFeatures]:
        """The features of one picture's regions, some regions at a time.

        Args:
            image: Normalized, on a canvas.
            size: `(h, w)` of the part that the photo fills.
            boxes: `xyxy` in canvas pixels.
        """
        network = self._answering()
        at_once = self.crops_at_once * (8 if image.is_cuda else 1)
        for some in torch.split(boxes, at_once):
            crops = warp_regions(image, some.to(image), self.crop_px, self.context_px, size=size)
            yield network(crops.contiguous(memory_format=torch.channels_last))

    def scores_of(self, features: Float[Tensor, "r f"]) -> Float[Tensor, "r k"]:
        """How sure each class is of each region, from 0 to 1."""
        if self.scoring == "softmax":
            probabilities: Tensor = self.softmax(features).softmax(1)
            return probabilities[:, 1:]
        margins = features @ self.svm_weight.T + self.svm_bias
        return torch.sigmoid(margins * self.svm_slope + self.svm_offset)

    def candidates(
        self, image: Float[Tensor, "3 h w"], size: tuple[int, int], boxes: Float[Tensor, "r 4"], threshold: float
    ) -> RegionCandidates:
        """What each class thinks of its surest regions, with corrected boxes, before suppression.

        Args:
            image: Normalized, on a canvas.
            size: `(h, w)` of the part that the photo fills.
            boxes: Proposals, `xyxy` in canvas pixels.
            threshold: Of the scores.
        """
        boxes = boxes.to(image)
        scores, deltas = image.new_zeros(0, self.num_classes), image.new_zeros(0, 4 * self.num_classes)
        if len(boxes):
            found = [
                (self.scores_of(some.whole), some.placed @ self.box_weight.T + self.box_bias)
                for some in self.describe(image, size, boxes)
            ]
            scores, deltas = (torch.cat(part) for part in zip(*found, strict=True))
        # Each class looks at its surest regions: r k → at most max_per_class · k pairs.
        most = min(self.max_per_class, len(boxes))
        best, rows = scores.topk(most, dim=0)
        rows, classes = rows.flatten(), torch.arange(self.num_classes, device=rows.device).repeat(most)
        best = best.flatten()
        kept = best >= threshold
        rows, classes, best = rows[kept], classes[kept], best[kept]
        moved = decode_boxes(deltas.view(-1, self.num_classes, 4)[rows, classes], boxes[rows])
        moved = clip_boxes_to_image(moved, size)
        large = remove_small_boxes(moved, 1.0)
        return RegionCandidates(moved[large], best[large], classes[large], rows[large])

    def suppress(self, candidates: RegionCandidates) -> Int64[Tensor, " kept"]:
        """Which candidates are the answer, the surest first."""
        kept = batched_nms(candidates.boxes, candidates.scores, candidates.classes, self.nms_threshold)
        return kept[: self.max_found]

    def _find(self, image: Tensor, size: tuple[int, int], boxes: Tensor, threshold: float) -> FoundBoxes:
        found = self.candidates(image, size, boxes, threshold)
        kept = self.suppress(found)
        return FoundBoxes(found.boxes[kept], found.scores[kept], found.classes[kept])

    def _answering(self) -> CropNetwork:
        """The network to answer with: while nothing is learned, a folded copy, made anew whenever weights changed."""
        if self.training or torch.is_grad_enabled():
            return self.network
        state = list(self.network.state_dict(keep_vars=True).values())
        if any(value.is_inference() for value in state):
            return self.network  # such tensors do not count their changes
        now = tuple((value.data_ptr(), value._version, value.device, value.dtype) for value in state)
        if self._quick is None or self._quick[0] != now:
            self._quick = (now, self.network.folded())
        return self._quick[1]

    def __setattr__(self, name: str, value: object) -> None:
        # The folded copy is no part of the module: it must not appear in state_dict, nor move or be trained.
        if name == "_quick":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)  # type: ignore[arg-type]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_quick": None}


def build_rcnn(
    *,
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "efficientnet_lite0",
    weights: str | None = None,
    crop_px: int = 128,
    context_px: int | None = None,
    scoring: Scoring = "svm",
) -> RCNN:
    """Build R-CNN; what it learns is left at nothing found.

    Args:
        num_classes: `k`.
        in_channels: 3.
        backbone: A network of the catalogue. `alexnet` or `alexnet_2012` with `crop_px=227` is the paper's: fc7's 4096
            numbers for the machines, pool5's 9216 for the regressors.
        weights: Of the backbone, such as `in1k`; None for fresh ones.
        crop_px: The side of the crops. The paper has 227; 128 costs a third, so that two cores train in minutes.
        context_px: The surroundings in a crop, on each side; in the paper's proportion (16 of 227) by default.
        scoring: `svm` or `softmax`.

    Raises:
        UnknownNameError: If there is no such network.
        ConfigError: If a number is out of range, or the network does not fit.
    """
    if in_channels != 3:
        raise ConfigError(
            f"R-CNN's proposals and backbones look at color pictures: in_channels must be 3, got {in_channels}."
        )
    context = context_for(crop_px) if context_px is None else context_px
    if context < 0 or 2 * context >= crop_px:
        raise ConfigError(f"context_px must be 0 or more and less than half of crop_px {crop_px}, got {context}.")
    network = build_crop_network(backbone, weights=weights, crop_px=crop_px)
    return RCNN(network, num_classes=num_classes, crop_px=crop_px, context_px=context, scoring=scoring)

"""Faster R-CNN: the network proposes its own regions.

Selective search takes longer than everything else in Fast R-CNN. A small network on the same map (`region_proposal`)
makes proposals at almost no cost, and both learn together, four losses in one step:

    L = L_class^rpn + L_box^rpn + L_class + L_box

No gradient goes through where the proposals lie: that is what "approximate" means in approximate joint training. The
paper's four alternating steps are in `alternating`.

Source: Ren et al. 2015, Faster R-CNN, arXiv:1506.01497.
Differs: see the preset (`region_presets.toml`); `faster_rcnn_vgg16` has the paper's settings, and
`fasterrcnn_resnet50_fpn` is torchvision's network, with its names and answers.
"""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from striate.detection.detector import BoxTargets, Detector, FoundBoxes
from striate.detection.fpn import Backbone
from striate.detection.region_parts import adapt_preset, build_parts, check_pictures, clean_proposals
from striate.detection.region_presets import find_region_preset
from striate.detection.region_proposal import Proposals, RegionProposalNetwork
from striate.detection.roi_head import Candidates, RoiHeads
from striate.errors import ConfigError

__all__ = ["FasterRCNN", "Learns", "build_faster_rcnn"]

Learns = Literal["both", "rpn", "regions"]


class FasterRCNN(Detector):
    """Backbone, region proposals, region heads.

    Args:
        backbone: pictures to maps.
        rpn: maps to proposals.
        roi_heads: maps and proposals to classes and boxes.
        num_classes: k.

    Attributes:
        learns: Whose losses `forward` gives: those of `both` networks, of the `rpn`, or of the `regions`' heads.
    """

    def __init__(
        self, backbone: Backbone, rpn: RegionProposalNetwork, roi_heads: RoiHeads, *, num_classes: int
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.learns: Learns = "both"

    @property
    def frozen_parameters(self) -> tuple[str, ...]:
        """Names of the weights that never learn."""
        return tuple(f"backbone.body.{name}" for name in self.backbone.body.frozen_parameters)

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        sizes: Sequence[tuple[int, int]],
        *,
        targets: Sequence[BoxTargets] | None = None,
        proposals: Sequence[Float[Tensor, "r 4"]] | None = None,
        score_threshold: float = 0.05,
    ) -> dict[str, Float[Tensor, " n"]] | list[FoundBoxes]:
        """With `targets` the four losses, one number a picture each; without, what is found.

        Args:
            images: Normalized, the photo in the upper left corner of the canvas.
            sizes: `(height, width)` of the part that the photo fills; nothing is sought in the rest.
            targets: One a picture, while learning. What lies on `ignored` objects is neither positive nor background.
            proposals: One `r 4` a picture, instead of the network's own (alternating training keeps them).
            score_threshold: Boxes below it are left out.

        Returns:
            `rpn_class`, `rpn_box`, `class` and `box` (those that `learns` asks for), or `FoundBoxes` a picture.

        Raises:
            ShapeError: If sizes, targets or proposals are not one a picture.
        """
        check_pictures(images, sizes, targets, proposals)
        maps = self.backbone(images)
        if targets is None:
            regions = self._regions(maps, images, sizes, proposals)
            found = self.roi_heads.find(maps, regions, sizes, score_threshold=score_threshold)
            return [candidates.found() for candidates in found]
        losses: dict[str, Tensor] = {}
        canvas = (images.shape[-2], images.shape[-1])
        answers = self.rpn.answers(maps, canvas) if self.learns != "regions" or proposals is None else None
        if answers is not None and self.learns != "regions":
            losses |= self.rpn.losses(answers, sizes, targets)
        if self.learns != "rpn":
            if proposals is not None or answers is None:
                regions = self._given(proposals or [], sizes, images)
            else:
                regions = [found.boxes for found in self.rpn.propose(answers, sizes, learning=True)]
            losses |= self.roi_heads.losses(maps, regions, targets)
        return losses

    def propose(
        self, images: Float[Tensor, "n c h w"], sizes: Sequence[tuple[int, int]], *, learning: bool = False
    ) -> list[Proposals]:
        """The region proposals of each picture, with what they were chosen from.

        Args:
            images: Normalized.
            sizes: `(height, width)` of the part of each canvas that the photo fills.
            learning: As many as the heads learn from, instead of as many as they judge.
        """
        check_pictures(images, sizes)
        answers = self.rpn.answers(self.backbone(images), (images.shape[-2], images.shape[-1]))
        return self.rpn.propose(answers, sizes, learning=learning)

    def candidates(
        self,
        images: Float[Tensor, "n c h w"],
        sizes: Sequence[tuple[int, int]],
        *,
        proposals: Sequence[Float[Tensor, "r 4"]] | None = None,
        score_threshold: float = 0.05,
    ) -> list[Candidates]:
        """What `forward` finds, with the boxes that the final suppression takes away."""
        check_pictures(images, sizes, proposals)
        maps = self.backbone(images)
        regions = self._regions(maps, images, sizes, proposals)
        return self.roi_heads.find(maps, regions, sizes, score_threshold=score_threshold)

    def _regions(
        self,
        maps: Sequence[Tensor],
        images: Tensor,
        sizes: Sequence[tuple[int, int]],
        proposals: Sequence[Tensor] | None,
    ) -> list[Tensor]:
        if proposals is not None:
            return self._given(proposals, sizes, images)
        answers = self.rpn.answers(maps, (images.shape[-2], images.shape[-1]))
        return [found.boxes for found in self.rpn.propose(answers, sizes, learning=False)]

    @staticmethod
    def _given(proposals: Sequence[Tensor], sizes: Sequence[tuple[int, int]], images: Tensor) -> list[Tensor]:
        return [clean_proposals(boxes.to(images.device), size) for boxes, size in zip(proposals, sizes, strict=True)]


def build_faster_rcnn(
    *,
    num_classes: int,
    in_channels: int = 3,
    preset: str = "faster_rcnn",
    backbone: str | None = None,
    weights: str | None = None,
    maps: Sequence[int | str] | None = None,
    frozen: int | str | None = None,
    freeze_norm: bool | None = None,
) -> FasterRCNN:
    """Build Faster R-CNN.

    Args:
        num_classes: k, without background.
        in_channels: channels of the picture.
        preset: a row of `region_presets.toml`: `faster_rcnn` (small data), `faster_rcnn_vgg16` (the paper's),
            `fasterrcnn_resnet50_fpn` (torchvision's), `faster_rcnn_resnet18_fpn` and others.
        backbone: another network of the catalogue than the preset's.
        weights: a tag of trained weights of the backbone (`in1k`), or None for fresh ones.
        maps: other strides or layers than the preset's, the finest first.
        frozen: the last layer of the backbone that does not learn: a path, or a stride; 0 for none.
        freeze_norm: whether batch normalizations stay as they are; let them learn if the backbone starts afresh.

    Raises:
        UnknownNameError: No such preset, network, layer or weights.
        ConfigError: Settings that do not fit together, or a preset without region proposals.

    >>> detector = build_faster_rcnn(num_classes=3, backbone="squeezenet1_1", maps=[8, 16])
    >>> detector.rpn.settings.anchors.per_cell, detector.num_classes
    (12, 3)
    """
    row = adapt_preset(find_region_preset(preset), backbone=backbone, maps=maps, frozen=frozen, freeze_norm=freeze_norm)
    if row.rpn is None:
        raise ConfigError(f"Preset '{preset}' takes proposals from outside: build_fast_rcnn builds it.")
    trunk, heads = build_parts(row, num_classes=num_classes, in_channels=in_channels, weights=weights)
    return FasterRCNN(trunk, RegionProposalNetwork(trunk.places, row.rpn), heads, num_classes=num_classes)

"""Fast R-CNN: one pass over the picture for all regions, one loss for both answers.

R-CNN runs its network two thousand times a picture, on regions that overlap almost everywhere. Here the convolutions
see the picture once; every proposal, which comes from outside (selective search), reads its part of the map by RoI
pooling and goes through two full layers. Class and box are learned together with the convolutions, in one stage, from
pictures alone: no features on disk, no SVMs, no regressors fitted afterwards.

Source: Girshick 2015, Fast R-CNN, arXiv:1504.08083.
Differs: see the preset (`region_presets.toml`); `fast_rcnn_vgg16` has the paper's settings.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from striate.detection.detector import BoxTargets, Detector, FoundBoxes
from striate.detection.fpn import Backbone
from striate.detection.region_parts import adapt_preset, build_parts, check_pictures, clean_proposals
from striate.detection.region_presets import find_region_preset
from striate.detection.roi_head import Candidates, RoiHeads
from striate.errors import ConfigError

__all__ = ["FastRCNN", "build_fast_rcnn"]


class FastRCNN(Detector):
    """Backbone and region heads; proposals come from outside.

    Args:
        backbone: pictures to maps.
        roi_heads: maps and proposals to classes and boxes.
        num_classes: k.
    """

    takes_proposals = True

    def __init__(self, backbone: Backbone, roi_heads: RoiHeads, *, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = backbone
        self.roi_heads = roi_heads

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
        """With `targets` the losses `class` and `box`, one number a picture each; without, what is found.

        Args:
            images: Normalized, the photo in the upper left corner of the canvas.
            sizes: `(height, width)` of the part that the photo fills.
            targets: One a picture, while learning. Proposals on `ignored` objects are neither positive nor background.
            proposals: One `r 4` a picture, in pixels of the canvas; r may be 0.
            score_threshold: Boxes below it are left out.

        Raises:
            ConfigError: If there are no proposals.
            ShapeError: If sizes, targets or proposals are not one a picture.
        """
        cleaned = self._cleaned(images, sizes, targets, proposals)
        maps = self.backbone(images)
        if targets is not None:
            return self.roi_heads.losses(maps, cleaned, targets)
        found = self.roi_heads.find(maps, cleaned, sizes, score_threshold=score_threshold)
        return [candidates.found() for candidates in found]

    def candidates(
        self,
        images: Float[Tensor, "n c h w"],
        sizes: Sequence[tuple[int, int]],
        *,
        proposals: Sequence[Float[Tensor, "r 4"]] | None = None,
        score_threshold: float = 0.05,
    ) -> list[Candidates]:
        """What `forward` finds, with the boxes that the final suppression takes away."""
        cleaned = self._cleaned(images, sizes, None, proposals)
        return self.roi_heads.find(self.backbone(images), cleaned, sizes, score_threshold=score_threshold)

    def _cleaned(
        self,
        images: Tensor,
        sizes: Sequence[tuple[int, int]],
        targets: Sequence[BoxTargets] | None,
        proposals: Sequence[Tensor] | None,
    ) -> list[Tensor]:
        if proposals is None:
            raise ConfigError("Fast R-CNN judges regions that come from outside; give proposals, one r 4 a picture.")
        check_pictures(images, sizes, targets, proposals)
        return [clean_proposals(boxes.to(images.device), size) for boxes, size in zip(proposals, sizes, strict=True)]


def build_fast_rcnn(
    *,
    num_classes: int,
    in_channels: int = 3,
    preset: str = "fast_rcnn",
    backbone: str | None = None,
    weights: str | None = None,
    maps: Sequence[int | str] | None = None,
    frozen: int | str | None = None,
    freeze_norm: bool | None = None,
) -> FastRCNN:
    """Build Fast R-CNN.

    Args:
        num_classes: k, without background.
        in_channels: channels of the picture.
        preset: a row of `region_presets.toml`: `fast_rcnn` (small data), `fast_rcnn_vgg16` (the paper's) and others.
        backbone: another network of the catalogue than the preset's.
        weights: a tag of trained weights of the backbone (`in1k`), or None for fresh ones.
        maps: other strides or layers than the preset's, the finest first.
        frozen: the last layer of the backbone that does not learn: a path, or a stride; 0 for none.
        freeze_norm: whether batch normalizations stay as they are; let them learn if the backbone starts afresh.

    Raises:
        UnknownNameError: No such preset, network, layer or weights.
        ConfigError: Settings that do not fit together.

    >>> detector = build_fast_rcnn(num_classes=3, backbone="squeezenet1_1", maps=[8, 16])
    >>> detector.takes_proposals, detector.num_classes
    (True, 3)
    """
    row = adapt_preset(find_region_preset(preset), backbone=backbone, maps=maps, frozen=frozen, freeze_norm=freeze_norm)
    trunk, heads = build_parts(row, num_classes=num_classes, in_channels=in_channels, weights=weights)
    return FastRCNN(trunk, heads, num_classes=num_classes)

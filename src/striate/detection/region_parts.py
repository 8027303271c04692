"""The parts that Fast and Faster R-CNN share, built from one preset: backbone, pooling, what judges a region."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from striate.detection.backbones import build_trunk
from striate.detection.fpn import Backbone
from striate.detection.region_presets import HeadSettings, RegionPreset
from striate.detection.roi_head import FullLayers, LastStage, RoiHeads
from striate.detection.roi_pooling import RegionPooling
from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.layers.frozen_batch_norm import freeze_batch_norm

__all__ = ["adapt_preset", "build_parts", "check_pictures", "clean_proposals"]


def adapt_preset(
    preset: RegionPreset,
    *,
    backbone: str | None = None,
    maps: Sequence[int | str] | None = None,
    frozen: int | str | None = None,
    freeze_norm: bool | None = None,
) -> RegionPreset:
    """The preset with another backbone, other maps, or other layers that stay as they are.

    What a preset names by a path of its own network is named by its stride for another one.

    Raises:
        ConfigError: If the preset names layers that another network does not have, and none are given.
    """
    if backbone is not None and backbone != preset.backbone:
        by_path = [m for m in preset.maps if isinstance(m, str)]
        if by_path and maps is None:
            raise ConfigError(
                f"This preset uses the layers {by_path} of {preset.backbone}; for backbone '{backbone}' say which: "
                "maps=[16], or paths of its layers."
            )
        still = 2 if isinstance(preset.frozen, str) else preset.frozen
        preset = replace(preset, backbone=backbone, frozen=still)
    return replace(
        preset,
        maps=preset.maps if maps is None else tuple(maps),
        frozen=preset.frozen if frozen is None else frozen,
        freeze_norm=preset.freeze_norm if freeze_norm is None else freeze_norm,
    )


def build_parts(
    preset: RegionPreset, *, num_classes: int, in_channels: int, weights: str | None
) -> tuple[Backbone, RoiHeads]:
    """Backbone and region heads of a preset.

    Raises:
        ConfigError: If `num_classes` is below 1, or the head does not fit the network.
        UnknownNameError: No such network, layer or weights.
    """
    if num_classes < 1:
        raise ConfigError(f"num_classes must be at least 1 (background is not counted), got {num_classes}.")
    trunk, network = build_trunk(
        preset.backbone,
        in_channels=in_channels,
        maps=preset.maps,
        frozen=preset.frozen,
        weights=weights,
        freeze_norm=preset.freeze_norm,
    )
    pyramid = preset.pyramid
    if pyramid is None:
        if len(trunk.places) > 1:
            raise ConfigError(f"Without a pyramid there is one map, but the preset asks for {list(preset.maps)}.")
        backbone = Backbone(trunk)
    else:
        backbone = Backbone(trunk, channels=pyramid.channels, levels=pyramid.levels, extra=pyramid.extra)
    # The extra map is too coarse to read regions from; only anchors are laid on it.
    read = backbone.places[:-1] if pyramid is not None and pyramid.extra else backbone.places
    pooling = RegionPooling(read, preset.roi.pooling)
    head = _head(network, preset.head, pooling, freeze_norm=preset.freeze_norm)
    return backbone, RoiHeads(pooling, head, num_classes, preset.roi)


def check_pictures(images: Tensor, sizes: Sequence[tuple[int, int]], *others: Sequence[object] | None) -> None:
    """Refuse batches whose parts do not belong together.

    Raises:
        ShapeError: If the images are not `n c h w`, or sizes, targets or proposals are not one a picture, or a size is
            larger than the canvas.
    """
    if images.ndim != 4 or not len(images):
        raise ShapeError(f"images must be n c h w with at least one picture, got {tuple(images.shape)}.")
    h, w = images.shape[-2:]
    for what in (sizes, *others):
        if what is not None and len(what) != len(images):
            raise ShapeError(f"sizes, targets and proposals are one a picture: {len(images)} pictures, {len(what)}.")
    if any(not 0 < rows <= h or not 0 < columns <= w for rows, columns in sizes):
        raise ShapeError(f"sizes must lie within the canvas of {h}×{w} px, got {list(sizes)}.")


def clean_proposals(proposals: Tensor, size: tuple[int, int]) -> Tensor:
    """Proposals from outside, clipped to the picture, without those that are not finite, inverted or outside of it.

    A thin one stays: RoI pooling reads at least one cell.
    """
    h, w = size
    boxes = proposals.float().reshape(-1, 4)
    limit = torch.tensor([w, h, w, h], dtype=boxes.dtype, device=boxes.device)
    boxes = torch.minimum(boxes.clamp(min=0), limit)
    return boxes[boxes.isfinite().all(1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def _head(
    network: nn.Module, settings: HeadSettings, pooling: RegionPooling, *, freeze_norm: bool
) -> FullLayers | LastStage:
    if settings.stage is not None:
        try:
            stage = network.get_submodule(settings.stage)
        except AttributeError:
            raise UnknownNameError(f"The network has no stage '{settings.stage}' to judge regions with.") from None
        if freeze_norm:
            freeze_batch_norm(stage)
        bins, channels = pooling.settings.bins, pooling.places[0].channels
        try:
            probe = torch.zeros(1, channels, bins, bins, device=next(stage.parameters()).device)
            with torch.no_grad():
                features = stage.eval()(probe).shape[1]
        except RuntimeError as error:
            raise ConfigError(f"Stage '{settings.stage}' does not take {channels} maps: {error}") from error
        return LastStage(stage.train(), features)
    head = FullLayers(pooling.features, settings.hidden, dropout=settings.dropout)
    if settings.from_network:
        _copy_full_layers(network, head)
    return head


@torch.no_grad()
def _copy_full_layers(network: nn.Module, head: FullLayers) -> None:
    """Let the full layers start as the classifier's hidden ones."""
    theirs = [module for module in network.modules() if isinstance(module, nn.Linear)][:2]
    for own, their in zip((head.fc6, head.fc7), theirs, strict=False):
        if not isinstance(own, nn.Linear) or own.weight.shape != their.weight.shape:
            raise ConfigError(
                f"The region head's full layers do not fit the network's: {tuple(their.weight.shape)} there. Use "
                "head with from_network=false, or as many bins and outputs as the network has."
            )
        own.weight.copy_(their.weight)
        own.bias.copy_(their.bias)
    if len(theirs) < 2:
        raise ConfigError("The network has no two hidden full layers to start the region head from.")

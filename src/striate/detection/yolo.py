"""YOLO for small data: the grid of the first YOLO on a trunk that was trained on ImageNet.

The paper's network learns 272 million weights from 135 passes over 16 thousand pictures. With a few hundred pictures
and no accelerator, most of what it learns has to be there already: the trunk comes from the catalogue. The rest stays
the first YOLO: a grid, one class distribution a cell, boxes without anchors, confidence that learns the overlap, and
squared errors all through.

Source: Redmon, Divvala, Girshick and Farhadi 2016, You Only Look Once, arXiv:1506.02640.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.detection.backbones import Trunk, build_trunk, find_maps
from striate.detection.yolo_detector import YoloDetector
from striate.detection.yolo_loss import YoloLossWeights
from striate.errors import ConfigError, ShapeError
from striate.layers.conv_norm import conv_norm

__all__ = ["YoloGrid", "build_yolo"]

_SLOPE = 0.1
_NOOBJ = 0.1


class YoloGrid(nn.Module):
    """Maps of a trunk, some convolutions, and a 1×1 convolution that gives the grid; any size of canvas.

    Args:
        trunk: Gives maps of `stride`, and of 32 too where stride is finer.
        stride: Pixels a cell.
        channels: Of the convolutions.
        depth: 3×3 convolutions.
        outputs: Numbers a cell: k + 5 b.
    """

    holds_stages = True  # for rates and freezing its parts count as those of a network do

    def __init__(self, trunk: Trunk, *, stride: int, channels: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.trunk, self.stride = trunk, stride
        self.squeeze = nn.ModuleList(
            nn.Sequential(*conv_norm(place.channels, channels, 1), nn.LeakyReLU(_SLOPE)) for place in trunk.places
        )
        width = channels * len(trunk.places)
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [*conv_norm(width, channels, 3), nn.LeakyReLU(_SLOPE)]
            width = channels
        self.convolutions = nn.Sequential(*layers)
        self.cells = nn.Conv2d(width, outputs, 1)

    @property
    def frozen_parameters(self) -> tuple[str, ...]:
        """Names of the weights that never learn."""
        return tuple(f"trunk.{name}" for name in self.trunk.frozen_parameters)

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        """A cell for every `stride` pixels.

        Raises:
            ShapeError: If a side is no multiple of 32.
        """
        height, width = canvas
        if height % 32 or width % 32 or height < 32 or width < 32:
            raise ShapeError(
                f"images must have sides that are multiples of 32 px, got {height}×{width}: pad them first."
            )
        return height // self.stride, width // self.stride

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n o s t"]:
        """Give the grid: classes, confidences and boxes as channels."""
        grid = self.grid((x.shape[-2], x.shape[-1]))
        maps = [squeeze(one) for squeeze, one in zip(self.squeeze, self.trunk(x), strict=True)]
        same = [one if one.shape[-2:] == grid else _resized(one, grid) for one in maps]
        cells: Tensor = self.cells(self.convolutions(torch.cat(same, dim=1)))  # n m s t → n o s t
        return cells


def build_yolo(
    *,
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "efficientnet_lite0",
    weights: str | None = None,
    stride: Literal[16, 32] = 16,
    boxes: int = 2,
    channels: int = 192,
    depth: int = 2,
    frozen: int | str = 4,
    freeze_norm: bool = True,
    output: Literal["linear", "logistic"] = "linear",
    loss_weights: YoloLossWeights | None = None,
    keep: int | None = 300,
) -> YoloDetector:
    """A grid on the convolutions of a network of the catalogue; canvases with sides that are multiples of 32 px.

    At stride 16, 320 px give 20×20 cells. The maps of stride 32 are then laid under those of stride 16, four cells on
    each, so that a cell sees far and near.

    Args:
        num_classes: k.
        in_channels: channels of the images.
        backbone: name in the catalogue.
        weights: a tag of trained weights, such as `in1k`; None for random ones.
        stride: pixels a cell, 16 or 32.
        boxes: b.
        channels: of the convolutions behind the trunk.
        depth: 3×3 convolutions behind the trunk.
        frozen: the last layer that does not learn: its path, or a stride; 0 for none.
        freeze_norm: whether the trunk's batch normalizations keep what ImageNet taught them.
        output: as in `YoloDetector`.
        loss_weights: by default the paper's, but for λ_noobj = .1.
        keep: at most so many boxes a picture.

    Raises:
        UnknownNameError: No such network, weights or layer.
        ConfigError: A number is out of range, or the trunk has no maps of these strides.

    Source: Redmon et al. 2016. Differs: the trunk; convolutions instead of fully connected layers, so that a cell sees
        what lies around it and not the whole picture, and any canvas will do; batch normalization; cells of 16 px
        instead of 64, because the grid bounds how many objects can be found side by side. With eight times as many
        boxes as the paper's 98, most of them empty, λ_noobj is .1 instead of .5; confidences stay near 0 otherwise.
    """
    for name, value in (("num_classes", num_classes), ("boxes", boxes), ("channels", channels), ("depth", depth)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")
    if stride not in (16, 32):
        raise ConfigError(f"stride must be 16 or 32, got {stride}.")
    trunk, _ = build_trunk(
        backbone,
        in_channels=in_channels,
        maps=[stride] if stride == 32 or not _has_stride(backbone, 32) else [16, 32],
        frozen=frozen,
        weights=weights,
        freeze_norm=freeze_norm,
    )
    network = YoloGrid(trunk, stride=stride, channels=channels, depth=depth, outputs=num_classes + 5 * boxes)
    _initialize(network, boxes=boxes, num_classes=num_classes, output=output)
    return YoloDetector(
        network,
        num_classes=num_classes,
        boxes=boxes,
        output=output,
        loss_weights=YoloLossWeights(noobj=_NOOBJ) if loss_weights is None else loss_weights,
        keep=keep,
    )


def _resized(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    return nn.functional.interpolate(maps, size=grid, mode="bilinear", align_corners=False)


def _has_stride(backbone: str, stride: int) -> bool:
    try:
        find_maps(backbone, [stride])
    except ConfigError:  # networks such as SqueezeNet end at stride 16
        return False
    return True


@torch.no_grad()
def _initialize(network: YoloGrid, *, boxes: int, num_classes: int, output: str) -> None:
    for part in (network.squeeze, network.convolutions):
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=_SLOPE, mode="fan_in", nonlinearity="leaky_relu")
    nn.init.normal_(network.cells.weight, 0.0, 0.01)
    bias = network.cells.bias
    if bias is not None:
        # Every box starts in the middle of its cell with a fifth of the canvas's sides, and says that nothing is there.
        bias.zero_()
        start = bias.new_tensor([0.5, 0.5, 0.45, 0.45])
        bias[num_classes + boxes :].view(boxes, 4)[:] = start if output == "linear" else start.logit()
        if output == "logistic":
            bias[num_classes : num_classes + boxes] = -4.0

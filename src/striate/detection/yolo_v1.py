"""The networks of the first YOLO, each as somebody wrote it down.

- `yolo_v1`, the paper's figure 3: 24 convolutions, 4096 units, and 7·7·(20 + 2·5) = 1470 numbers.
- `yolo_v1_darknet`, released as `cfg/yolov1.cfg`: 24 convolutions with batch normalization, a locally connected layer
  instead of the 4096 units, three boxes a cell, and so 1715 numbers.
- `yolo_v1_tiny`, released as `cfg/yolov1-tiny.cfg`: 8 convolutions with batch normalization, and 1470 numbers from
  their map.

The paper's Fast YOLO has "9 convolutional layers instead of 24 and fewer filters", and no table of them; what was
released as tiny has 8 and one fully connected layer. That one is built here.

Everything shrinks 64-fold from picture to grid: 448 px give 7×7 cells. The fully connected end lets every cell see the
whole picture, at the price of one fixed size of picture and, in `yolo_v1`, 205 million of 272 million weights.

Source: Redmon, Divvala, Girshick and Farhadi 2016, You Only Look Once, arXiv:1506.02640, section 2.1 and figure 3;
    darknet, `cfg/yolov1.cfg`, `cfg/yolov1-tiny.cfg`.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.detection.yolo_detector import YoloDetector
from striate.errors import ConfigError, ShapeError, WeightsError
from striate.layers.checks import require_size
from striate.layers.locally_connected import LocallyConnected

__all__ = [
    "YoloV1",
    "YoloV1Trunk",
    "build_yolo_v1",
    "build_yolo_v1_darknet",
    "build_yolo_v1_tiny",
    "build_yolo_v1_trunk",
    "load_yolo_v1_trunk",
]

_SLOPE = 0.1  # of the leaky rectifier, below zero
_STRIDE = 64
_POOL = (0, 0, 0)
# (channels, kernel, stride), from 448: 224, pool 112, pool 56, pool 28, pool 14. The first 20 of 24 convolutions.
_TRUNK = (
    *((64, 7, 2), _POOL),
    *((192, 3, 1), _POOL),
    *((128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1), _POOL),
    *(4 * ((256, 1, 1), (512, 3, 1))),
    *((512, 1, 1), (1024, 3, 1), _POOL),
    *(2 * ((512, 1, 1), (1024, 3, 1))),
)
_NECK = ((1024, 3, 1), (1024, 3, 2), (1024, 3, 1), (1024, 3, 1))  # 14 → 7
_TINY = (
    *(row for channels in (16, 32, 64, 128, 256, 512) for row in ((channels, 3, 1), _POOL)),
    *((1024, 3, 1), (256, 3, 1)),
)


class YoloV1(nn.Module):
    """Convolutions, then layers over the whole map that give the grid.

    Args:
        trunk: The convolutions that are trained on ImageNet first.
        neck: The convolutions behind them.
        head: From the map to a flat answer, in darknet's order: the classes of all cells, all confidences, all boxes.
        num_classes: k.
        boxes: b.
        image_size: Height and width of every picture, px; a 64th of it is the side of the grid.
    """

    holds_stages = True  # for rates and freezing its parts count as those of a network do

    def __init__(
        self, trunk: nn.Module, neck: nn.Module, head: nn.Module, *, num_classes: int, boxes: int, image_size: int
    ) -> None:
        super().__init__()
        self.trunk, self.neck, self.head = trunk, neck, head
        self.num_classes, self.boxes, self.image_size = num_classes, boxes, image_size

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        """`(s, s)`.

        Raises:
            ShapeError: If the canvas is not square of the network's own size.
        """
        if canvas != (self.image_size, self.image_size):
            raise ShapeError(
                f"images must be {self.image_size}×{self.image_size} px, because fully connected layers have one size, "
                f"got {canvas[0]}×{canvas[1]}; resize them, or build the network with another image_size."
            )
        return self.image_size // _STRIDE, self.image_size // _STRIDE

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k+5*b s s"]:
        """Give the grid: k classes, b confidences, b boxes as channels."""
        side, _ = self.grid((x.shape[-2], x.shape[-1]))
        flat = self.head(self.neck(self.trunk(x)))  # n 3 448 448 → n 1024 14 14 → n 1024 7 7 → n 1470
        widths = [side * side * numbers for numbers in (self.num_classes, self.boxes, 4 * self.boxes)]
        parts = [
            part.reshape(-1, side, side, part.shape[1] // side**2) for part in torch.split(flat, widths, 1)
        ]  # n s s k, b, 4b
        return torch.cat(parts, dim=-1).permute(0, 3, 1, 2)


class YoloV1Trunk(nn.Module):
    """The first 20 convolutions as a classifier of 224 px pictures: what the paper trains on ImageNet first.

    Args:
        trunk: Named as in `YoloV1`, so that the weights move over.
        num_classes: number of answers.
    """

    def __init__(self, trunk: nn.Sequential, *, num_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.classifier = nn.Linear(1024, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image."""
        require_size(x, 32, "YoloV1Trunk")
        logits: Tensor = self.classifier(self.trunk(x).mean((2, 3)))  # n 1024 7 7 → n 1024 → n k
        return logits


def build_yolo_v1(*, num_classes: int, in_channels: int = 3, boxes: int = 2, image_size: int = 448) -> YoloDetector:
    """The paper's network: 24 convolutions and two fully connected layers, dropout .5 between them, linear output.

    Args:
        num_classes: k; 20 in the paper.
        in_channels: channels of the images.
        boxes: b.
        image_size: px, a multiple of 64; 448 in the paper gives 7×7 cells.

    Raises:
        ConfigError: If a number is below 1 or `image_size` no multiple of 64.

    Source: Redmon et al. 2016, figure 3 and section 2.2. Differs: random weights are He's normal distribution for slope
        .1 (the paper starts from ImageNet: `load_yolo_v1_trunk`), and .01 deviation in the last layer.
    """
    side = _side(image_size, num_classes=num_classes, in_channels=in_channels, boxes=boxes)
    head = nn.Sequential(
        *(nn.Flatten(), nn.Linear(1024 * side * side, 4096), nn.LeakyReLU(_SLOPE), nn.Dropout(0.5)),
        nn.Linear(4096, side * side * (num_classes + 5 * boxes)),
    )
    network = YoloV1(
        *(_convolutions(_TRUNK, in_channels, batch_norm=False), _convolutions(_NECK, 1024, batch_norm=False), head),
        num_classes=num_classes,
        boxes=boxes,
        image_size=image_size,
    )
    return _detector(network)


def build_yolo_v1_darknet(
    *, num_classes: int, in_channels: int = 3, boxes: int = 3, image_size: int = 448
) -> YoloDetector:
    """The network as released: batch normalization, a locally connected layer instead of 4096 units, three boxes.

    Args:
        num_classes: k; 20 as released.
        in_channels: channels of the images.
        boxes: b.
        image_size: px, a multiple of 64; 448 gives 7×7 cells.

    Raises:
        ConfigError: If a number is below 1 or `image_size` no multiple of 64.

    Source: darknet, `cfg/yolov1.cfg`. Differs: batch normalization divides by √(variance + 1e-5), darknet's CPU code by
        √variance + 1e-6.
    """
    side = _side(image_size, num_classes=num_classes, in_channels=in_channels, boxes=boxes)
    local = LocallyConnected(1024, 256, 3, size=(side, side))
    head = nn.Sequential(
        *(local, nn.LeakyReLU(_SLOPE), nn.Flatten(), nn.Dropout(0.5)),
        nn.Linear(256 * side * side, side * side * (num_classes + 5 * boxes)),
    )
    network = YoloV1(
        *(_convolutions(_TRUNK, in_channels, batch_norm=True), _convolutions(_NECK, 1024, batch_norm=True), head),
        num_classes=num_classes,
        boxes=boxes,
        image_size=image_size,
    )
    return _detector(network)


def build_yolo_v1_tiny(
    *, num_classes: int, in_channels: int = 3, boxes: int = 2, image_size: int = 448
) -> YoloDetector:
    """The fast network as released: 8 convolutions with batch normalization, and the grid straight from their map.

    Args:
        num_classes: k; 20 as released.
        in_channels: channels of the images.
        boxes: b.
        image_size: px, a multiple of 64; 448 gives 7×7 cells.

    Raises:
        ConfigError: If a number is below 1 or `image_size` no multiple of 64.

    Source: darknet, `cfg/yolov1-tiny.cfg`. Differs: as `build_yolo_v1_darknet`; the paper's Fast YOLO is said to have 9
        convolutions, and nobody has published which.
    """
    side = _side(image_size, num_classes=num_classes, in_channels=in_channels, boxes=boxes)
    head = nn.Sequential(nn.Flatten(), nn.Linear(256 * side * side, side * side * (num_classes + 5 * boxes)))
    network = YoloV1(
        *(_convolutions(_TINY, in_channels, batch_norm=True), nn.Identity(), head),
        num_classes=num_classes,
        boxes=boxes,
        image_size=image_size,
    )
    return _detector(network)


def build_yolo_v1_trunk(*, num_classes: int, in_channels: int = 3, batch_norm: bool = False) -> YoloV1Trunk:
    """The first 20 convolutions, an average and one layer, to be trained as a classifier at 224 px.

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        batch_norm: for `yolo_v1_darknet`.

    Source: Redmon et al. 2016, section 2.2. Differs: it is never said which rectifier this network has; here the
        detector's.
    """
    network = YoloV1Trunk(_convolutions(_TRUNK, in_channels, batch_norm=batch_norm), num_classes=num_classes)
    _initialize(network, last=network.classifier)
    return network


def load_yolo_v1_trunk(detector: YoloDetector, state: Mapping[str, Tensor]) -> None:
    """Start a detector from a classifier's convolutions, in place; the rest stays random.

    Args:
        detector: From `build_yolo_v1` or `build_yolo_v1_darknet`.
        state: `state_dict()` of a `YoloV1Trunk` of the same kind.

    Raises:
        WeightsError: If its layers do not fit those of the detector.
    """
    network = detector.network
    if not isinstance(network, YoloV1):
        raise WeightsError("detector has no trunk of YOLO v1; give one that build_yolo_v1 made.")
    trunk = {name.removeprefix("trunk."): value for name, value in state.items() if name.startswith("trunk.")}
    own = network.trunk.state_dict()
    if {name: value.shape for name, value in trunk.items()} != {name: value.shape for name, value in own.items()}:
        raise WeightsError(
            "state does not fit the detector's trunk; give the weights of build_yolo_v1_trunk, with batch_norm=True "
            "for build_yolo_v1_darknet."
        )
    network.trunk.load_state_dict(trunk)


def _convolutions(rows: tuple[tuple[int, int, int], ...], channels: int, *, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out_channels, kernel_size, stride in rows:
        if not out_channels:
            layers.append(nn.MaxPool2d(2))
            continue
        layers.append(
            nn.Conv2d(channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=not batch_norm)
        )
        layers += [nn.BatchNorm2d(out_channels)] if batch_norm else []
        layers.append(nn.LeakyReLU(_SLOPE))
        channels = out_channels
    return nn.Sequential(*layers)


def _detector(network: YoloV1) -> YoloDetector:
    detector = YoloDetector(network, num_classes=network.num_classes, boxes=network.boxes)
    last = list(network.head.modules())[-1]
    _initialize(network, last=last)
    return detector


@torch.no_grad()
def _initialize(network: nn.Module, *, last: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if module is last:
                nn.init.normal_(module.weight, 0.0, 0.01)
            else:
                nn.init.kaiming_normal_(module.weight, a=_SLOPE, mode="fan_in", nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _side(image_size: int, *, num_classes: int, in_channels: int, boxes: int) -> int:
    for name, value in (("num_classes", num_classes), ("in_channels", in_channels), ("boxes", boxes)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")
    if image_size < _STRIDE or image_size % _STRIDE:
        raise ConfigError(
            f"image_size must be a multiple of {_STRIDE} px, because a cell is {_STRIDE} px, got {image_size}."
        )
    return image_size // _STRIDE

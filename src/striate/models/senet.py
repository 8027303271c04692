"""Squeeze-and-Excitation networks: residual networks whose channels are turned up or down by the whole picture.

Behind the last convolution of every bottleneck a small network reads the average of each channel and scales the
channels (see `striate.layers.squeeze_excite`). It adds about a tenth of the parameters and almost no multiplications;
an ensemble with SENet-154 won the last ImageNet challenge, in 2017.

These are the authors' networks of 2017, with the names that timm keeps as `legacy_*` and pretrainedmodels had before.
The traps, each of which lets weights load without an error and answer worse: the max pool has no padding and counts the
cut windows at the border (Caffe's way), unlike torchvision's; SE-ResNet has its stride in the first 1×1, SE-ResNeXt and
SENet-154 in the 3×3. timm's newer `seresnet50` is another graph (padded pool, stride in the 3×3).

Source: Hu, Shen, Albanie, Sun and Wu 2017, Squeeze-and-Excitation Networks, arXiv:1709.01507, table 1, and the authors'
released network definitions (SENet-154).
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.bottleneck import Bottleneck, StrideIn
from striate.layers.checks import choose, require_size
from striate.layers.conv_norm import initialize_convolutions

__all__ = ["SENet", "build_senet"]

_STAGE_WIDTHS = (64, 128, 256, 512)

# (out channels, kernel, stride) of the stem's convolutions.
_STEMS = {
    "7x7": ((64, 7, 2),),
    "three_3x3": ((64, 3, 2), (64, 3, 1), (128, 3, 1)),
}


class SENet(nn.Module):
    """Stem, four stages of bottlenecks that squeeze and excite, global average, one full layer; timm's legacy names.

    Args:
        stem: layers of `layer0` by name.
        stages: the blocks of each of the four stages.
        features: channels that the last stage gives.
        dropout: probability that a feature is dropped in training.
        num_classes: number of answers.
    """

    def __init__(
        self,
        *,
        stem: OrderedDict[str, nn.Module],
        stages: Sequence[Sequence[nn.Module]],
        features: int,
        dropout: float,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.layer0 = nn.Sequential(stem)
        self.pool0 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # no padding: Caffe's
        self.layer1, self.layer2, self.layer3, self.layer4 = (nn.Sequential(*blocks) for blocks in stages)
        self.global_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(features, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image. The sizes below are those at 224×224."""
        require_size(x, 3, "SENet")
        x = self.layer0(x)  # n 64 112 112, SENet-154: n 128 112 112
        x = self.pool0(x)  # n 64 56 56
        x = self.layer1(x)  # n 256 56 56
        x = self.layer2(x)  # n 512 28 28
        x = self.layer3(x)  # n 1024 14 14
        x = self.layer4(x)  # n 2048 7 7
        x = self.global_pool(x).flatten(1)  # n 2048
        logits: Tensor = self.last_linear(self.dropout(x))  # n k
        return logits


def build_senet(
    *,
    num_classes: int,
    in_channels: int,
    depths: Sequence[int],
    stride_in: StrideIn,
    groups: int = 1,
    width_per_group: int = 64,
    halve_first: bool = False,
    projection_kernel: int = 1,
    stem: Literal["7x7", "three_3x3"] = "7x7",
    dropout: float = 0.0,
    reduction: int = 16,
) -> SENet:
    """Build an SE-ResNet, SE-ResNeXt or SENet-154 with random weights (He et al.'s normal, variance 2 / fan-out).

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        depths: blocks in each of the four stages.
        stride_in: the convolution of a bottleneck that halves the map.
        groups: groups of the 3×3.
        width_per_group: channels of one group in the first stage; the others double it.
        halve_first: give the first 1×1 half of the 3×3's channels (SENet-154).
        projection_kernel: side of the shortcut's kernel where the map is halved; 1 elsewhere.
        stem: one 7×7 convolution, or three of 3×3.
        dropout: probability in front of the last layer.
        reduction: how many times narrower the squeeze is.

    Raises:
        ConfigError: an unknown stem or place of the stride, or not four stages.

    Differs: timm's legacy class drops .2 of the features in training in *all* of these networks; here, as in the
    authors' definitions, only SENet-154 does. In evaluation there is no difference.
    """
    if len(depths) != 4:
        raise ConfigError(f"depths has one number for each of the four stages, but got {list(depths)}.")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = in_channels
    for number, (out, kernel, stride) in enumerate(choose("stem", stem, _STEMS), start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False)
        layers[f"bn{number}"] = nn.BatchNorm2d(out)
        layers[f"relu{number}"] = nn.ReLU()
        channels = out
    stages: list[list[nn.Module]] = []
    for stage, (depth, width) in enumerate(zip(depths, _STAGE_WIDTHS, strict=True)):
        blocks: list[nn.Module] = []
        inner = width * width_per_group // 64 * groups
        widths = (inner // 2 if halve_first else inner, inner, 4 * width)
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(
                Bottleneck(
                    channels,
                    widths,
                    stride=stride,
                    stride_in=stride_in,
                    groups=groups,
                    projection_kernel=projection_kernel if stride > 1 else 1,
                    reduction=reduction,
                )
            )
            channels = 4 * width
        stages.append(blocks)
    network = SENet(stem=layers, stages=stages, features=channels, dropout=dropout, num_classes=num_classes)
    initialize_convolutions(network)
    return network

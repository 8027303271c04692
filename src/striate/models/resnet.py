"""ResNet: networks of a hundred layers that still learn.

Beyond some twenty layers a plain network gets *worse* on its own training set, although the extra layers could simply
copy their input. So let every few layers learn the difference from a copy: y = relu(x + F(x)). Each of four stages has
twice the channels of the one before on a map half as large; the last maps are averaged and read by one full layer.
ResNet-18 and 34 have blocks of two 3×3 convolutions, the deeper ones bottlenecks. ResNeXt splits the bottleneck's 3×3
into 32 groups.

Two graphs share all names and shapes of parameters, and weights of one load into the other without an error and
answer worse. Where a bottleneck halves the map, *v1* (the paper, Caffe, Keras) has the stride in the first 1×1, *v1.5*
(torchvision, timm) in the 3×3. ResNet-18 and 34 have no 1×1: there the two are one.

Source: He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1.
"""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.basic_block import BasicBlock
from striate.layers.bottleneck import Bottleneck, StrideIn
from striate.layers.checks import require_size
from striate.layers.conv_norm import initialize_convolutions

__all__ = ["ResNet", "build_resnet"]

_STAGE_WIDTHS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, global average, one full layer; torchvision's names.

    Args:
        in_channels: channels of the images.
        stages: the blocks of each of the four stages.
        features: channels that the last stage gives.
        num_classes: number of answers.
    """

    def __init__(
        self, *, in_channels: int, stages: Sequence[Sequence[nn.Module]], features: int, num_classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (nn.Sequential(*blocks) for blocks in stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(features, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image, of any size. The sizes below are those of ResNet-50 at 224×224."""
        require_size(x, 1, "ResNet")
        x = self.relu(self.bn1(self.conv1(x)))  # n 64 112 112
        x = self.maxpool(x)  # n 64 56 56
        x = self.layer1(x)  # n 256 56 56
        x = self.layer2(x)  # n 512 28 28
        x = self.layer3(x)  # n 1024 14 14
        x = self.layer4(x)  # n 2048 7 7
        x = self.avgpool(x).flatten(1)  # n 2048
        logits: Tensor = self.fc(x)  # n k
        return logits


def build_resnet(
    *,
    num_classes: int,
    in_channels: int,
    block: Literal["basic", "bottleneck"],
    depths: Sequence[int],
    stride_in: StrideIn = "3x3",
    groups: int = 1,
    width_per_group: int = 64,
    zero_init_residual: bool = False,
) -> ResNet:
    """Build a ResNet or ResNeXt with random weights (He et al.'s normal distribution, variance 2 / fan-out).

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        block: two 3×3 convolutions, or a bottleneck.
        depths: blocks in each of the four stages.
        stride_in: where a bottleneck halves the map: `1x1` is the paper's v1, `3x3` is v1.5.
        groups: groups of the bottleneck's 3×3; ResNeXt has 32.
        width_per_group: channels of one group in the first stage; ResNeXt-50 32x4d has 4.
        zero_init_residual: start the last normalization of every block at 0, so that each block begins as a copy
            (Goyal et al. 2017, arXiv:1706.02677, section 5.1).

    Raises:
        ConfigError: an unknown block, not four stages, or a basic block with groups, another width or stride place.
    """
    if block not in {"basic", "bottleneck"}:
        raise ConfigError(f"block is 'basic' or 'bottleneck', but got {block!r}.")
    if len(depths) != 4:
        raise ConfigError(f"depths has one number for each of the four stages, but got {list(depths)}.")
    if block == "basic" and (groups, width_per_group, stride_in) != (1, 64, "3x3"):
        raise ConfigError(
            f"A basic block has no groups, no other width and no 1×1 convolution, but got groups={groups}, "
            f"width_per_group={width_per_group}, stride_in={stride_in!r}: use block='bottleneck'."
        )
    channels = 64
    stages: list[list[nn.Module]] = []
    for stage, (depth, width) in enumerate(zip(depths, _STAGE_WIDTHS, strict=True)):
        blocks: list[nn.Module] = []
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            if block == "basic":
                blocks.append(BasicBlock(channels, width, stride=stride))
                channels = width
            else:
                inner = width * width_per_group // 64 * groups
                widths = (inner, inner, 4 * width)
                blocks.append(Bottleneck(channels, widths, stride=stride, stride_in=stride_in, groups=groups))
                channels = 4 * width
        stages.append(blocks)
    network = ResNet(in_channels=in_channels, stages=stages, features=channels, num_classes=num_classes)
    initialize_convolutions(network)
    if zero_init_residual:
        for module in network.modules():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)
    return network

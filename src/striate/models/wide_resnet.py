"""Wide ResNet: fewer layers with more channels learn as well as hundreds of thin ones, and run in less time.

A thousand thin layers are a thousand small steps one after the other, which no processor does fast, and each adds
little. Take the ResNet for small pictures, with its normalization and ReLU in front of the convolutions, and multiply
the channels of its three stages by k. WRN-d-k has d = 6n + 4 layers: one 3×3 convolution with 16 maps, three stages of
n blocks with 16k, 32k and 64k maps, a last normalization and ReLU, the average, one full layer. (Counted are the
convolutions: two a block, the first, and the 1×1 shortcut that each of the stages begins with.)

Source: Zagoruyko and Komodakis 2016, Wide Residual Networks, arXiv:1605.07146, table 1, and the authors' code
(szagoruyko/wide-residual-networks).
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.checks import require_size
from striate.layers.conv_norm import initialize_convolutions
from striate.layers.preactivation_block import PreactivationBlock

__all__ = ["WideResNet", "build_wide_resnet"]

_STEM, _WIDTHS = 16, (16, 32, 64)


class WideResNet(nn.Module):
    """One convolution, three stages of pre-activation blocks, norm and ReLU, global average, one full layer.

    Args:
        in_channels: channels of the pictures.
        stages: the blocks of each of the three stages.
        features: channels that the last stage gives.
        num_classes: number of answers.
    """

    def __init__(
        self, *, in_channels: int, stages: Sequence[Sequence[nn.Module]], features: int, num_classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, _STEM, 3, padding=1, bias=False)
        self.layer1, self.layer2, self.layer3 = (nn.Sequential(*blocks) for blocks in stages)
        self.bn = nn.BatchNorm2d(features)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(features, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each picture, of any size. The sizes below are those of WRN-16-4 at 32×32."""
        require_size(x, 1, "Wide ResNet")
        x = self.conv1(x)  # n 16 32 32
        x = self.layer1(x)  # n 64 32 32
        x = self.layer2(x)  # n 128 16 16
        x = self.layer3(x)  # n 256 8 8
        x = self.relu(self.bn(x))
        x = self.avgpool(x).flatten(1)  # n 256
        logits: Tensor = self.fc(x)  # n k
        return logits


def build_wide_resnet(
    *, depth: int, width: int, num_classes: int = 10, in_channels: int = 3, dropout: float = 0.0
) -> WideResNet:
    """Build WRN-`depth`-`width` with random weights (He et al.'s normal distribution, variance 2 / fan-in).

    Args:
        depth: 6n + 4, for n blocks in each of the three stages.
        width: k, how many times wider than the ResNet for small pictures; at least 1.
        num_classes: number of answers.
        in_channels: channels of the pictures.
        dropout: probability between the two convolutions of a block, at least 0 and below 1; the paper also has 0.3.

    Raises:
        ConfigError: a depth that is not 6n + 4, a width below 1, or a dropout out of its range.

    Differs: the paper averages over 8×8, here the average is over the whole map, whatever its size; at 32×32 that is
    the same.

    >>> net = build_wide_resnet(depth=16, width=4)
    >>> len(net.layer1), sum(p.numel() for p in net.parameters())
    (2, 2748890)
    """
    if depth < 10 or depth % 6 != 4:
        lower = max(10, depth - (depth - 4) % 6)
        raise ConfigError(
            f"depth is 6n + 4, with n blocks in each of three stages, but got {depth}: use {lower} or {lower + 6}."
        )
    if width < 1:
        raise ConfigError(f"width multiplies the channels and is at least 1, but got {width}.")
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout is a probability, at least 0 and below 1, but got {dropout}.")
    channels = _STEM
    stages: list[list[nn.Module]] = []
    for stage, base in enumerate(_WIDTHS):
        blocks: list[nn.Module] = []
        for index in range((depth - 4) // 6):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(PreactivationBlock(channels, base * width, stride=stride, dropout=dropout))
            channels = base * width
        stages.append(blocks)
    network = WideResNet(in_channels=in_channels, stages=stages, features=channels, num_classes=num_classes)
    initialize_convolutions(network, mode="fan_in")
    nn.init.zeros_(network.fc.bias)
    return network

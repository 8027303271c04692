"""ResNet for small pictures: the networks with which the paper looked at depth itself.

Pictures of 32×32 leave no room for a stem that quarters them. One 3×3 convolution gives 16 maps of the picture's own
size; three stages of n basic blocks follow, with 16, 32 and 64 maps of 32×32, 16×16 and 8×8; their averages go into
one full layer. That is 6n + 2 layers with weights: 20, 32, 44, 56 and 110 for n = 3, 5, 7, 9 and 18. All shortcuts are
free of parameters (*option A*), so that a residual network has exactly the weights of the plain one that it is
compared with.

Source: He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition, arXiv:1512.03385, section 4.2.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.basic_block import BasicBlock, ShortcutKind
from striate.layers.checks import require_size
from striate.layers.conv_norm import initialize_convolutions

__all__ = ["SmallResNet", "build_small_resnet"]

_WIDTHS = (16, 32, 64)


class SmallResNet(nn.Module):
    """One convolution, three stages of residual blocks, global average, one full layer; named like the large ones.

    Args:
        in_channels: channels of the pictures.
        stages: the blocks of each of the three stages.
        num_classes: number of answers.
    """

    def __init__(self, *, in_channels: int, stages: Sequence[Sequence[nn.Module]], num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, _WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU()
        self.layer1, self.layer2, self.layer3 = (nn.Sequential(*blocks) for blocks in stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(_WIDTHS[-1], num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each picture, of any size. The sizes below are those at 32×32."""
        require_size(x, 1, "ResNet")
        x = self.relu(self.bn1(self.conv1(x)))  # n 16 32 32
        x = self.layer1(x)  # n 16 32 32
        x = self.layer2(x)  # n 32 16 16
        x = self.layer3(x)  # n 64 8 8
        x = self.avgpool(x).flatten(1)  # n 64
        logits: Tensor = self.fc(x)  # n k
        return logits


def build_small_resnet(
    *,
    depth: int,
    num_classes: int = 10,
    in_channels: int = 3,
    shortcut: ShortcutKind = "zeros",
    zero_init_residual: bool = False,
) -> SmallResNet:
    """Build a ResNet for small pictures with random weights (He et al.'s normal distribution, variance 2 / fan-out).

    Args:
        depth: layers with weights, 6n + 2: the paper has 20, 32, 44, 56, 110 and 1202.
        num_classes: number of answers.
        in_channels: channels of the pictures.
        shortcut: what fits the input of the two blocks that halve the map: `zeros` (option A, the paper's) has no
            parameters, `projection` (option B) is a 1×1 convolution with its normalization.
        zero_init_residual: start the last normalization of every block at 0, so that each block begins as a copy
            (Goyal et al. 2017, arXiv:1706.02677, section 5.1). The paper starts it at 1.

    Raises:
        ConfigError: a depth that is not 6n + 2, or an unknown shortcut.

    Differs: the last layer starts as PyTorch's do, because the paper names only the distribution of the convolutions.

    >>> net = build_small_resnet(depth=20, in_channels=1)
    >>> len(net.layer1), sum(p.numel() for p in net.parameters())
    (3, 269434)
    """
    if depth < 8 or depth % 6 != 2:
        lower = max(8, depth - (depth - 2) % 6)
        raise ConfigError(
            f"depth is 6n + 2, with n blocks in each of three stages, but got {depth}: use {lower} or {lower + 6}."
        )
    channels = _WIDTHS[0]
    stages: list[list[nn.Module]] = []
    for stage, width in enumerate(_WIDTHS):
        blocks: list[nn.Module] = []
        for index in range((depth - 2) // 6):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(BasicBlock(channels, width, stride=stride, shortcut=shortcut))
            channels = width
        stages.append(blocks)
    network = SmallResNet(in_channels=in_channels, stages=stages, num_classes=num_classes)
    initialize_convolutions(network)
    if zero_init_residual:
        for module in network.modules():
            if isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)
    return network

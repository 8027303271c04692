"""EfficientNet-Lite: depthwise-separable convolutions for phones, and this project's default network.

A convolution mixes space and channels at once. A depthwise one looks around within each channel (k² multiplications
a value), a 1×1 mixes the channels: together eight to nine times cheaper than a 3×3. The inverted residual block
(MobileNet-v2) widens six-fold, looks around channel by channel, and narrows again *without* an activation, so that the
narrow ends, between which the shortcut runs, lose nothing. EfficientNet scales width, depth and picture size together;
Lite leaves out squeeze and excite, replaces swish by ReLU6 = min(max(x, 0), 6), which 8-bit arithmetic likes, and keeps
stem and head unscaled.

Trap: the names and shapes of parameters are those of timm's `tf_efficientnet_lite*` *and* of its `efficientnet_lite*`,
which pad symmetrically and normalize with ε = 1e-5. Weights of one load into the other without an error and answer
worse.

Source: Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946, and
Google's release of the Lite variants (TensorFlow TPU models, 2020).
"""

import math

from jaxtyping import Float
from torch import Tensor, nn

from striate.layers.checks import require_size
from striate.layers.same_padding import same_conv2d

__all__ = ["EfficientNetLite", "build_efficientnet_lite"]

# Before scaling, a stage a row: blocks, kernel, stride of the first block, expansion, channels (table 1).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_EPSILON = 1e-3


class _SeparableBlock(nn.Module):
    """Depthwise convolution, then a 1×1 without activation: the block that does not widen."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = same_conv2d(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels, eps=_EPSILON)
        self.relu1 = nn.ReLU6()
        self.conv_pw = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=_EPSILON)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        out: Tensor = self.relu1(self.bn1(self.conv_dw(x)))  # n c h2 w2
        out = self.bn2(self.conv_pw(out))  # n c2 h2 w2
        return x + out if self.has_shortcut else out


class _InvertedResidual(nn.Module):
    """1×1 that widens, depthwise convolution, 1×1 that narrows without activation; plus x where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * in_channels
        self.conv_pw = nn.Conv2d(in_channels, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self.relu1 = nn.ReLU6()
        self.conv_dw = same_conv2d(wide, wide, kernel_size, stride=stride, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self.relu2 = nn.ReLU6()
        self.conv_pwl = nn.Conv2d(wide, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels, eps=_EPSILON)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        out: Tensor = self.relu1(self.bn1(self.conv_pw(x)))  # n 6c h w
        out = self.relu2(self.bn2(self.conv_dw(out)))  # n 6c h2 w2
        out = self.bn3(self.conv_pwl(out))  # n c2 h2 w2
        return x + out if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """Stem, seven stages of blocks, a 1×1 head, global average, one full layer; timm's names.

    Args:
        in_channels: channels of the images.
        stages: seven stages of blocks.
        features: channels that the last stage gives.
        dropout: probability that a feature is dropped in training.
        num_classes: number of answers.
    """

    def __init__(
        self, *, in_channels: int, stages: list[nn.Sequential], features: int, dropout: float, num_classes: int
    ) -> None:
        super().__init__()
        self.conv_stem = same_conv2d(in_channels, _STEM_CHANNELS, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM_CHANNELS, eps=_EPSILON)
        self.relu1 = nn.ReLU6()
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(features, _HEAD_CHANNELS, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(_HEAD_CHANNELS, eps=_EPSILON)
        self.relu2 = nn.ReLU6()
        self.global_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(_HEAD_CHANNELS, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image, of any size. The sizes below are those of Lite0 at 224×224."""
        require_size(x, 1, "EfficientNet-Lite")
        x = self.relu1(self.bn1(self.conv_stem(x)))  # n 32 112 112
        x = self.blocks(x)  # n 320 7 7
        x = self.relu2(self.bn2(self.conv_head(x)))  # n 1280 7 7
        x = self.global_pool(x).flatten(1)  # n 1280
        logits: Tensor = self.classifier(self.dropout(x))  # n k
        return logits


def build_efficientnet_lite(
    *, num_classes: int, in_channels: int, width: float = 1.0, depth: float = 1.0, dropout: float = 0.2
) -> EfficientNetLite:
    """Build EfficientNet-Lite0 to 4 with random weights (normal, variance 2 / fan-out; last layer uniform ±1/√k).

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        width: factor of every stage's channels, rounded to multiples of 8.
        depth: factor of every stage's blocks, rounded up; the first and the last stage keep one.
        dropout: probability in front of the last layer.

    Differs: without stochastic depth in training (TensorFlow's release drops blocks with probability up to .2), and
    running averages take .1 of each batch (PyTorch's usual, timm's too) instead of .01.
    """
    channels = _STEM_CHANNELS
    stages: list[nn.Sequential] = []
    for number, (repeats, kernel_size, first_stride, expansion, base_channels) in enumerate(_STAGES):
        out_channels = _round_channels(width * base_channels)
        count = repeats if number in {0, len(_STAGES) - 1} else math.ceil(depth * repeats)
        blocks: list[nn.Module] = []
        for index in range(count):
            stride = first_stride if index == 0 else 1
            if expansion == 1:
                blocks.append(_SeparableBlock(channels, out_channels, kernel_size=kernel_size, stride=stride))
            else:
                blocks.append(
                    _InvertedResidual(
                        channels, out_channels, kernel_size=kernel_size, stride=stride, expansion=expansion
                    )
                )
            channels = out_channels
        stages.append(nn.Sequential(*blocks))
    network = EfficientNetLite(
        in_channels=in_channels, stages=stages, features=channels, dropout=dropout, num_classes=num_classes
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)
    return network


def _round_channels(channels: float) -> int:
    """The nearest multiple of 8, or the next one where rounding down would take more than a tenth away."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded

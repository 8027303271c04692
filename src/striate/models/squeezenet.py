"""SqueezeNet: AlexNet's accuracy with a fiftieth of its weights.

Most weights of a network sit in 3×3 convolutions between many channels. A fire module first squeezes the channels with
1×1 convolutions, then expands them, half with 1×1 and half with 3×3 convolutions on the few squeezed ones. There are no
full layers: the last convolution has one map a class, and its mean is the class's logit.

Source: Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size,
arXiv:1602.07360, table 1; version 1.1 is the authors' own revision, 2.4 times less arithmetic.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.layers.checks import choose, require_size

__all__ = ["Fire", "SqueezeNet", "build_squeezenet"]


class Fire(nn.Module):
    """Squeeze with 1×1, then expand with 1×1 and 3×3 side by side.

    Args:
        in_channels: channels of the input.
        squeeze_channels: channels in between.
        expand_channels: channels of each of the two halves of the output.
    """

    def __init__(self, in_channels: int, squeeze_channels: int, expand_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze_channels, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze_channels, expand_channels, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze_channels, expand_channels, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        """Squeeze, expand, and put the two halves one after the other."""
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat(
            [self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], dim=1
        )


@dataclass(frozen=True)
class _Version:
    """One version: the first convolution, and the fire modules between poolings."""

    out_channels: int
    kernel_size: int
    squeezes: tuple[tuple[int, ...], ...]  # one tuple a run of fire modules, by the channels of their squeeze
    min_size: int


# Shapes from 224 × 224. A fire module's output has 8 times its squeezed channels, 4 a half.
_VERSIONS = {
    # n 96 109 109 → pool 54 → 128, 128, 256 → pool 27 → 256, 384, 384, 512 → pool 13 → 512
    "1.0": _Version(96, 7, ((16, 16, 32), (32, 48, 48, 64), (64,)), min_size=21),
    # n 64 111 111 → pool 55 → 128, 128 → pool 27 → 256, 256 → pool 13 → 384, 384, 512, 512
    "1.1": _Version(64, 3, ((16, 16), (32, 32), (48, 48, 64, 64)), min_size=17),
}


class SqueezeNet(nn.Module):
    """Convolutions with fire modules, one map a class, the mean of each.

    Args:
        features: the convolutions, `n c h w` → `n 512 h2 w2`.
        num_classes: number of answers.
        min_size: smallest height and width that run, pixels.
    """

    def __init__(self, features: nn.Sequential, *, num_classes: int, min_size: int) -> None:
        super().__init__()
        self.min_size = min_size
        self.features = features
        # The ReLU before the mean is the authors' (they give no reason): logits are never negative.
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(512, num_classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1))
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image."""
        require_size(x, self.min_size, "SqueezeNet")
        maps: Tensor = self.classifier(self.features(x))  # n 512 13 13 → n k 1 1
        return maps.flatten(1)


def build_squeezenet(*, num_classes: int, in_channels: int, version: str) -> SqueezeNet:
    """Build a SqueezeNet: torchvision's graph, `state_dict` keys and initialization.

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        version: "1.0", the paper's, or "1.1".

    Returns:
        A network with random weights: He's uniform distribution, deviation 0.01 in the last convolution, biases 0.

    Raises:
        ConfigError: `version` does not exist.

    Differs: Caffe's 1.0 pads its last 1×1 convolution by 1, which frames the class maps with plain biases; here, as in
        torchvision and in Caffe's 1.1, it is not padded.
    """
    row = choose("version", version, _VERSIONS)
    channels = row.out_channels
    layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, row.kernel_size, stride=2), nn.ReLU()]
    for run in row.squeezes:
        layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        for squeeze in run:
            layers.append(Fire(channels, squeeze, 4 * squeeze))
            channels = 8 * squeeze
    network = SqueezeNet(nn.Sequential(*layers), num_classes=num_classes, min_size=row.min_size)
    _initialize(network)
    return network


@torch.no_grad()
def _initialize(network: SqueezeNet) -> None:
    last = network.classifier[1]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            if module is last:
                nn.init.normal_(module.weight, 0.0, 0.01)
            else:
                nn.init.kaiming_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

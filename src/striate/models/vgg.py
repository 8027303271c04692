"""VGG: nothing but 3×3 convolutions, more and more of them.

Two 3×3 convolutions see what one 5×5 sees, three what one 7×7 sees, with fewer weights and a ReLU after each. Between
five stages the maximum over 2×2 halves the sides, and the number of channels doubles until 512.

Source: Simonyan and Zisserman 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition,
arXiv:1409.1556, table 1, configurations A, B, D and E.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.checks import choose, require_size

__all__ = ["VGG", "VGGFeatures", "build_vgg", "build_vgg_features"]

_CHANNELS = (64, 128, 256, 512, 512)
# Convolutions in each stage; with the three full layers 11, 13, 16 and 19 layers that have weights.
_CONVOLUTIONS = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}
_MIN_SIZE = 32  # five halvings


class VGG(nn.Module):
    """Convolutions, 7×7 bins, three full layers.

    Args:
        features: the convolutions, `n c h w` → `n 512 h/32 w/32`.
        num_classes: number of answers.
    """

    def __init__(self, features: nn.Sequential, *, num_classes: int) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image."""
        require_size(x, _MIN_SIZE, "VGG")
        x = self.avgpool(self.features(x))  # n 512 7 7
        logits: Tensor = self.classifier(x.flatten(1))  # n 25088 → n k
        return logits


class VGGFeatures(nn.Module):
    """The convolutions alone, under the names that they have in the whole network.

    Args:
        features: the convolutions, `n c h w` → `n 512 h/32 w/32`.
    """

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 512 h2 w2"]:
        """Give the maps after the last pooling (pool5); the layer before it is relu5_3, `features.29` in VGG-16."""
        require_size(x, _MIN_SIZE, "VGG")
        maps: Tensor = self.features(x)
        return maps


def build_vgg(*, num_classes: int, in_channels: int, configuration: str, batch_norm: bool = False) -> VGG:
    """Build a VGG network: torchvision's graph, `state_dict` keys and initialization.

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        configuration: the paper's letter, "A" (VGG-11), "B" (13), "D" (16) or "E" (19).
        batch_norm: normalize after every convolution, before its ReLU.

    Returns:
        A network with random weights: He's normal distribution over the fan-out for convolutions, deviation 0.01 for
        the full layers, biases 0.

    Raises:
        ConfigError: `configuration` does not exist.

    Differs: batch normalization and He's initialization came after the paper, which trained the deep configurations
        from the shallow one's weights. Inputs other than 224×224 are averaged into 7×7 bins before the full layers,
        where the paper slides them over the map as convolutions.
    """
    network = VGG(_features(configuration, in_channels, batch_norm=batch_norm), num_classes=num_classes)
    _initialize(network)
    return network


def build_vgg_features(
    *, num_classes: int = 0, in_channels: int, configuration: str, batch_norm: bool = False
) -> VGGFeatures:
    """Build the convolutions of a VGG network, without average and full layers.

    Raises:
        ConfigError: `configuration` does not exist, or `num_classes` is not 0: there is no classifier.
    """
    if num_classes != 0:
        raise ConfigError(
            f"num_classes must be 0, because this network is the convolutions of VGG without a classifier, but is "
            f"{num_classes}. The whole network has one: 'vgg16'."
        )
    network = VGGFeatures(_features(configuration, in_channels, batch_norm=batch_norm))
    _initialize(network)
    return network


def _features(configuration: str, in_channels: int, *, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, convolutions in zip(_CHANNELS, choose("configuration", configuration, _CONVOLUTIONS), strict=True):
        for _ in range(convolutions):
            layers.append(nn.Conv2d(in_channels, channels, 3, padding=1))  # n channels h w
            layers += [nn.BatchNorm2d(channels)] if batch_norm else []
            layers.append(nn.ReLU())
            in_channels = channels
        layers.append(nn.MaxPool2d(2))  # n channels h/2 w/2, rounded down
    return nn.Sequential(*layers)


@torch.no_grad()
def _initialize(network: nn.Module) -> None:
    # BatchNorm2d starts at scale 1 and shift 0 by itself.
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

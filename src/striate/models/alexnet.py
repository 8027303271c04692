"""AlexNet: five convolutions and three full layers, the network with which deep learning won ImageNet.

ReLUs that do not saturate, dropout in the wide full layers, and enough images and arithmetic: nothing in it was new in
1998, except the scale. Two networks go by the name:

- the one of 2012, split over two graphics cards: convolutions 2, 4 and 5 see only their own card's half of the maps
  (here `groups=2`), and local response normalization makes neighboring maps compete;
- the "one tower" of 2014, without groups and normalization, with narrower convolutions: what torchvision calls AlexNet.

Sources: Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural Networks;
Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.layers.checks import choose, require_size

__all__ = ["AlexNet", "build_alexnet"]


@dataclass(frozen=True)
class _Convolution:
    """One convolution of the table; ReLU follows it always."""

    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: float = 0.0  # what the bias starts at, 2012 only
    normalize: bool = False
    pool: bool = False


_CONVOLUTIONS = {
    # From 224 × 224: n 64 55 55 → 64 27 27 → 192 13 13 → 384 13 13 → 256 13 13 → 256 6 6
    "one_tower": (
        _Convolution(64, 11, stride=4, padding=2, pool=True),
        _Convolution(192, 5, padding=2, pool=True),
        _Convolution(384, 3, padding=1),
        _Convolution(256, 3, padding=1),
        _Convolution(256, 3, padding=1, pool=True),
    ),
    # From 227 × 227: n 96 55 55 → 96 27 27 → 256 13 13 → 384 13 13 → 384 13 13 → 256 6 6
    "2012": (
        _Convolution(96, 11, stride=4, normalize=True, pool=True),
        _Convolution(256, 5, padding=2, groups=2, bias=1.0, normalize=True, pool=True),
        _Convolution(384, 3, padding=1),
        _Convolution(384, 3, padding=1, groups=2, bias=1.0),
        _Convolution(256, 3, padding=1, groups=2, bias=1.0, pool=True),
    ),
}


class AlexNet(nn.Module):
    """Convolutions, 6×6 bins, three full layers.

    Args:
        features: the convolutions, `n c h w` → `n 256 h2 w2`.
        classifier: the full layers, `n 9216` → `n k`.
        min_size: smallest height and width that run, pixels.
    """

    def __init__(self, features: nn.Sequential, classifier: nn.Sequential, *, min_size: int) -> None:
        super().__init__()
        self.min_size = min_size
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = classifier

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image."""
        require_size(x, self.min_size, "AlexNet")
        x = self.avgpool(self.features(x))  # n 256 6 6
        logits: Tensor = self.classifier(x.flatten(1))  # n 9216 → n k
        return logits


def build_alexnet(*, num_classes: int, in_channels: int, variant: str = "one_tower") -> AlexNet:
    """Build AlexNet.

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        variant: "one_tower" (torchvision's `alexnet`: its graph, `state_dict` keys and initialization, which is
            PyTorch's default) or "2012" (`alexnet_2012`: the paper's, with layers named as in Caffe's port).

    Returns:
        A network with random weights. "2012" draws them as the paper does, from a normal distribution with deviation
        0.01, biases 1 in convolutions 2, 4, 5 and the hidden full layers and 0 elsewhere.

    Raises:
        ConfigError: `variant` does not exist.

    Differs: the paper prints an input of 224×224, but its own sizes (55 positions of an 11×11 window, 4 apart) need 227
        without padding, as in Caffe's port. There the average over 6×6 bins, which the paper does not have, does
        nothing; it lets other sizes run. The normalization runs over all maps, as in Caffe's port, which has one card.
    """
    table = choose("variant", variant, _CONVOLUTIONS)
    if variant == "2012":
        network = AlexNet(_named_features(table, in_channels), _named_classifier(num_classes), min_size=67)
        _initialize(network, table)
        return network
    return AlexNet(_plain_features(table, in_channels), _plain_classifier(num_classes), min_size=63)


def _plain_features(table: tuple[_Convolution, ...], in_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for row in table:
        layers += [_convolution(row, in_channels), nn.ReLU()]
        layers += [nn.MaxPool2d(3, stride=2)] if row.pool else []
        in_channels = row.out_channels
    return nn.Sequential(*layers)


def _plain_classifier(num_classes: int) -> nn.Sequential:
    # Dropout comes before the full layers: it also hides convolution maps, unlike in 2012.
    return nn.Sequential(
        *(nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()),
        nn.Linear(4096, num_classes),
    )


def _named_features(table: tuple[_Convolution, ...], in_channels: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, row in enumerate(table, start=1):
        layers[f"conv{i}"] = _convolution(row, in_channels)
        layers[f"relu{i}"] = nn.ReLU()
        if row.normalize:
            # The paper's α = 1e-4 multiplies the sum of the n = 5 squares; PyTorch's (and Caffe's) their mean.
            layers[f"norm{i}"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        if row.pool:
            layers[f"pool{i}"] = nn.MaxPool2d(3, stride=2)
        in_channels = row.out_channels
    return nn.Sequential(layers)


def _named_classifier(num_classes: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, in_features in ((6, 256 * 6 * 6), (7, 4096)):
        layers[f"fc{i}"] = nn.Linear(in_features, 4096)
        layers[f"relu{i}"] = nn.ReLU()
        layers[f"drop{i}"] = nn.Dropout()
    layers["fc8"] = nn.Linear(4096, num_classes)
    return nn.Sequential(layers)


def _convolution(row: _Convolution, in_channels: int) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels, row.out_channels, row.kernel_size, stride=row.stride, padding=row.padding, groups=row.groups
    )


@torch.no_grad()
def _initialize(network: AlexNet, table: tuple[_Convolution, ...]) -> None:
    biases = {f"features.conv{i}": row.bias for i, row in enumerate(table, start=1)}
    biases |= {"classifier.fc6": 1.0, "classifier.fc7": 1.0, "classifier.fc8": 0.0}
    for name, bias in biases.items():
        layer = network.get_submodule(name)
        for parameter_name, parameter in layer.named_parameters():
            if parameter_name == "weight":
                parameter.normal_(0.0, 0.01)
            else:
                parameter.fill_(bias)

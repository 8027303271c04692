"""The weights of the first convolution: what it looks for, as pictures.

Only the first layer's kernels live in the space of colors, so only they can be looked at directly; a deeper kernel
weighs channels of the layer before it, which have no color.

Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional networks", figure 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from striate import draw
from striate.errors import UnknownNameError
from striate.insight.heatmap import as_numpy
from striate.models import Network
from striate.probe import require_layer

__all__ = ["Kernels", "kernels"]


@dataclass(frozen=True)
class Kernels:
    """The weights of one convolution.

    Attributes:
        address: The layer, such as `features.0`.
        weights: `k c h w`, in the order in which the network takes its channels.
        channels: What the `c` axis means: `RGB`, `BGR`, `L`, or `maps` for a deeper layer.
    """

    address: str
    weights: NDArray[np.floating[Any]]
    channels: str

    def draw(self) -> NDArray[np.uint8]:
        """uint8 `k t h w 3`: color kernels as one picture each (`t` 1), others one picture an input channel."""
        return draw.draw_kernels(self.weights, channels=self.channels)


def kernels(network: Network | nn.Module, *, layer: str | None = None) -> Kernels:
    """The kernels of one convolution, the first by default.

    Args:
        network: A `Network` or any module.
        layer: Path of a convolution; by default the first that takes a picture (1 or 3 channels).

    Raises:
        UnknownNameError: There is no such layer, it is no convolution, or the module has none.
    """
    module = network.module if isinstance(network, Network) else network
    if layer is None:
        found = [(path, part) for path, part in module.named_modules() if isinstance(part, nn.Conv2d)]
        if not found:
            raise UnknownNameError(f"{type(module).__name__} has no 2-D convolution, so there are no kernels to see.")
        layer, convolution = next(((p, m) for p, m in found if m.in_channels in (1, 3)), found[0])
    else:
        part = require_layer(module, layer)
        if not isinstance(part, nn.Conv2d):
            raise UnknownNameError(
                f"layer '{layer}' is a {type(part).__name__}, not a convolution with kernels to see."
            )
        convolution = part
    takes_picture = convolution.in_channels * (1 if convolution.groups == 1 else 0) in (1, 3)
    channels = network.preprocessing.channels if isinstance(network, Network) else "RGB"
    return Kernels(
        address=layer,
        weights=as_numpy(convolution.weight).copy(),
        channels="L" if takes_picture and convolution.in_channels == 1 else channels if takes_picture else "maps",
    )

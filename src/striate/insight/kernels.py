"""The weights of a convolution as pictures: what the first layer looks for, and how deeper ones weigh their channels.

Only the first layer's kernels live in the space of colors, so only they can be looked at directly. A deeper kernel has
a plane of weights for each channel of the layer before it; these channels have no color and mean something else for
each network, so that its planes show how it is made and not what it looks for.

Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional networks", figure 3; on
deeper ones, Zeiler, Fergus 2014, "Visualizing and understanding convolutional networks", section 1.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from striate import draw
from striate.draw.kernel_sheet import draw_kernel_sheet
from striate.errors import ConfigError, UnknownNameError
from striate.insight.heatmap import as_numpy
from striate.insight.numbers_in_words import short
from striate.insight.store import pack_arrays, save_as, saved
from striate.models import Network
from striate.probe import require_layer

__all__ = ["Kernels", "kernels"]


@dataclass(frozen=True)
class Kernels:
    """The weights of one convolution.

    Attributes:
        address: The layer, such as `features.0`.
        weights: `k c h w`, in the order in which the network takes its channels; `c` is the number of input channels
            that one kernel reads: 1 in a depthwise convolution.
        channels: What the `c` axis means: `RGB`, `BGR`, `L`, or `maps` for a deeper layer.
        groups: Groups of channels that do not mix: kernel i reads those of group i · groups // k.
        transposed: Whether the layer writes its kernels (a transposed convolution) instead of reading with them.
    """

    address: str
    weights: NDArray[np.floating[Any]]
    channels: str
    groups: int = 1
    transposed: bool = False

    @property
    def interpretable(self) -> bool:
        """Whether the weights meet colors, so that a kernel can be looked at as a picture."""
        return self.channels != "maps"

    @property
    def depthwise(self) -> bool:
        """Whether each kernel reads one channel alone."""
        return self.weights.shape[1] == 1 and self.groups > 1

    def inputs_of(self, kernel: int) -> range:
        """The input channels that a kernel reads.

        >>> Kernels("here", np.zeros((6, 2, 3, 3)), "maps", groups=3).inputs_of(3)
        range(2, 4)
        """
        each = self.weights.shape[1]
        group = kernel * self.groups // len(self.weights)
        return range(group * each, (group + 1) * each)

    @property
    def words(self) -> str:
        """What one sees, and how far it can be read."""
        k, c, h, w = self.weights.shape
        if self.interpretable:
            order = {"RGB": "red, green and blue", "BGR": "blue, green and red"}.get(self.channels, "gray")
            top = short(float(np.abs(self.weights).max()))
            scale = f" Mid grey is 0, full color ±{top}." if c == 3 else ""
            return f"{k} kernels of {h} × {w} weights for {order}: they meet the picture's own colors.{scale}"
        reads = (
            "each reads one channel"
            if self.depthwise
            else f"each reads {c} of {c * self.groups} channels"
            if self.groups > 1
            else f"each reads all {c} channels"
        )
        return (
            f"{k} kernels of {h} × {w} weights; {reads} of the layer before. Not directly interpretable: these "
            "channels are no colors."
        )

    def draw(self) -> NDArray[np.uint8]:
        """uint8 `k t h w 3`: color kernels as one picture each (`t` 1), others one picture an input channel."""
        return draw.draw_kernels(self.weights, channels=self.channels)

    def draw_sheet(
        self,
        *,
        kernels: Sequence[int] | None = None,
        inputs: Sequence[int] | None = None,
        theme: str = "light",
        width: int = 1400,
    ) -> NDArray[np.uint8]:
        """Kernels with their numbers on one scale: pictures where they meet colors, else a row of planes each.

        Args:
            kernels: Which kernels; by default all whose planes are one, else the first 32.
            inputs: Which of the `c` channels that a kernel reads, for layers that are drawn as planes; by default the
                first 32.
            theme: `light` or `dark`.
            width: About, in pixels.

        Returns:
            uint8 `H W 3`.

        Raises:
            ConfigError: A number that the layer does not have.
        """
        k, c, h, w = self.weights.shape
        planes = not (self.interpretable or c == 1 or h == w == 1)
        rows = list(kernels) if kernels is not None else list(range(min(k, 32) if planes else k))
        columns = list(inputs) if inputs is not None else list(range(min(c, 32) if planes else c))
        for name, wanted, count in (("kernels", rows, k), ("inputs", columns, c)):
            wrong = [n for n in wanted if not 0 <= n < count]
            if wrong or not wanted:
                got = wrong[0] if wrong else "none"
                raise ConfigError(f"{name} must be numbers from 0 to {count - 1}; got {got}.")
        shown = f"{len(rows)} of {k} kernels" + (f", {len(columns)} of {c} channels" if planes else "")
        notes = [self.words, *([f"Shown: {shown}."] if len(rows) < k or len(columns) < c else [])]
        grouped = self.groups > 1 and planes
        return draw_kernel_sheet(
            self.weights[rows][:, columns],
            channels=self.channels,
            kernels=rows,
            inputs=[f"+{n}" if grouped else str(n) for n in columns],
            rows=[f"{n}: from {self.inputs_of(n).start}" if grouped else str(n) for n in rows],
            title=self.address,
            notes=notes,
            theme=theme,
            width=width,
        )

    def save(self, path: str | Path) -> Path:
        """Write the weights: `.npz` (`load` reads it) or `.png`.

        Raises:
            ConfigError: Another ending.
        """
        facts = {name: getattr(self, name) for name in ("address", "channels", "groups", "transposed")}
        return save_as(path, {".npz": lambda: pack_arrays(facts, {"weights": self.weights}), ".png": self._repr_png_})

    @classmethod
    def load(cls, path: str | Path) -> "Kernels":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "Kernels") as (facts, arrays):
            return cls(weights=arrays["weights"], **facts)

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw_sheet())


def kernels(network: Network | nn.Module, *, layer: str | None = None) -> Kernels:
    """The kernels of one convolution, the first by default.

    A layer meets the picture's colors when it has 1 or 3 input channels in one group and no convolution stands before
    it that makes something else of them.

    Args:
        network: A `Network` or any module.
        layer: Path of a convolution, plain, grouped, depthwise or transposed; by default the first that takes a picture
            (1 or 3 channels).

    Raises:
        UnknownNameError: There is no such layer, it is no 2-D convolution, or the module has none.
    """
    module = network.module if isinstance(network, Network) else network
    found = [(path, part) for path, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    if layer is None:
        if not found:
            raise UnknownNameError(f"{type(module).__name__} has no 2-D convolution, so there are no kernels to see.")
        layer, convolution = next(((p, m) for p, m in found if m.in_channels in (1, 3)), found[0])
    else:
        part = require_layer(module, layer)
        if not isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            inside = [path for path, _ in found if path.startswith(f"{layer}.")]
            hint = f" Its convolutions: {', '.join(inside[:6])}." if inside else ""
            raise UnknownNameError(
                f"layer '{layer}' is a {type(part).__name__}, not a convolution with kernels to see.{hint}"
            )
        convolution = part
    before = [part.in_channels for path, part in found][: [path for path, _ in found].index(layer)]
    narrow = convolution.in_channels in (1, 3) and convolution.groups == 1
    takes_picture = narrow and all(n == convolution.in_channels for n in before)
    channels = network.preprocessing.channels if isinstance(network, Network) else "RGB"
    weights = as_numpy(convolution.weight).copy()
    transposed = isinstance(convolution, nn.ConvTranspose2d)
    if transposed:  # c k/groups h w -> k c/groups h w
        c, each, h, w = weights.shape
        groups = convolution.groups
        weights = weights.reshape(groups, c // groups, each, h, w).swapaxes(1, 2).reshape(-1, c // groups, h, w)
    return Kernels(
        address=layer,
        weights=weights,
        channels="L" if takes_picture and convolution.in_channels == 1 else channels if takes_picture else "maps",
        groups=convolution.groups,
        transposed=transposed,
    )

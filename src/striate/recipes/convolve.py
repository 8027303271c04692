"""The arithmetic of a sequence of layers: sizes, cost, field, other ways to do the job, and every number on the way."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.arithmetic import (
    Comparison,
    Convolution,
    Layer,
    LayerMeasure,
    Measurement,
    NetworkTrace,
    compare,
    lost_pixels,
    parse_layers,
    small_filter_alternatives,
    trace_network,
)
from striate.arithmetic.checks import text_of
from striate.arithmetic.numbers import whole
from striate.arithmetic.window import check_amount
from striate.errors import ConfigError, ShapeError

__all__ = ["Sizes", "compare_convolutions", "parse_input", "read_layers", "say_sizes", "trace_layers"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How one layer's output size came about.

    Attributes:
        layer: Its notation.
        lines: The formula with its numbers, one line for both axes where they agree; and what is lost.
    """

    layer: str
    lines: tuple[str, ...]


def parse_input(text: str) -> tuple[int, int, int]:
    """The shape (c, h, w) of an input: `224`, `224x320` or `3x224x224`.

    Raises:
        ConfigError: It is none of these.

    >>> parse_input("224"), parse_input("3x224x320")
    ((1, 224, 224), (3, 224, 320))
    """
    text = text_of("INPUT", text, example="3x224x224")
    found = re.fullmatch(r"(?:(\d{1,99})[x×])?(?:(\d{1,99})[x×])?(\d{1,99})", text.strip().lower())
    sizes = [int(number) for number in found.groups() if number is not None] if found else []
    if not sizes or min(sizes) < 1:
        raise ConfigError(f"INPUT must be a size such as 224, 224x320 or 3x224x224 (channels first), got '{text}'.")
    if len(sizes) == 1:
        sizes *= 2
    channels, height, width = sizes if len(sizes) == 3 else (1, *sizes)
    return channels, height, width


def read_layers(words: Sequence[str]) -> tuple[Layer, ...]:
    """Layers from their notation, one or several in a word.

    Raises:
        StriateError: A layer that is none.
    """
    return tuple(layer for word in words for layer in parse_layers(word))


def say_sizes(measured: Measurement) -> list[Sizes]:
    """The formula of every layer with a window, with its numbers."""
    return [Sizes(row.text, tuple(_size_lines(row))) for row in measured.rows if row.sizes]


def _size_lines(row: LayerMeasure) -> list[str]:
    lines = []
    axes = ("rows", "columns") if len(row.sizes) == 2 else ("rows", "columns", "depth")[: len(row.sizes)]
    same = len(set(row.sizes)) == 1
    transposed = isinstance(row.layer, Convolution) and row.layer.transposed
    for axis, size in zip(axes, row.sizes, strict=True):
        where = "rows and columns" if same and len(row.sizes) == 2 else axis
        lines.append(f"o = {size.symbols} = {size.numbers}  ({where})")
        if not transposed and not size.overhang:
            lost = lost_pixels(
                size.input_size,
                size.kernel_size,
                stride=size.stride,
                padding=(size.padding.before, size.padding.after),
                dilation=size.dilation,
            )
            if lost:
                lines.append(f"{lost} of {size.input_size} are read by no window  ({where})")
        if size.overhang:
            lines.append(f"the last window hangs over by {size.overhang}  ({where})")
        if same:
            break
    return lines


def compare_convolutions(measured: Measurement) -> list[tuple[str, Comparison]]:
    """For each convolution, other ways to do its job, with a heading: all give the output shape that it gives.

    A convolution of an odd window of 5 and more that keeps the size has a second table: layers of 3×3 instead, with an
    activation after each.

    Raises:
        ConfigError: There is no convolution to compare.
    """
    from striate.probe.alternatives import AS_IT_IS, alternatives_to

    found = []
    for row in measured.rows:
        layer = row.layer
        if not isinstance(layer, Convolution) or layer.transposed:
            continue
        channels = row.input_shape[0]
        filters = channels if layer.out_channels is None else layer.out_channels
        first, *others = alternatives_to(layer, row.input_shape, groups=(2, 4, 8))
        if layer.groups == 1 and first.name == AS_IT_IS:
            first = replace(first, name="standard")
        found.append((f"{row.text}, {channels} channels in", Comparison(row.input_shape, (first, *others))))
        side = layer.kernel_size
        keeps_size = row.output_shape[1:] == row.input_shape[1:] and layer.stride == layer.dilation == layer.groups == 1
        if isinstance(side, int) and side >= 5 and side % 2 and keeps_size and layer.bias:
            small = small_filter_alternatives(in_channels=channels, out_channels=filters, kernel_size=side)
            found.append((f"{side}×{side} against 3×3 layers", compare(small, row.input_shape)))
    if not found:
        raise ConfigError("There is no convolution to compare; give one, such as 'conv f=3 n=64'.")
    return found


def trace_layers(
    input_shape: tuple[int, int, int],
    layers: Sequence[Layer],
    *,
    photo: Path | None = None,
    kernel: str | None = None,
    seed: int = 0,
) -> NetworkTrace:
    """Every number from the input to the last layer.

    Args:
        input_shape: c, h and w.
        layers: The layers.
        photo: An image file whose pixels (0 to 255), shrunk to the input's size, are the input; else small whole
            numbers from the seed.
        kernel: Numbers for every filter and channel of the first convolution, whose bias is 0 then.
        seed: Of all numbers that are not given.

    Raises:
        StriateError: As `trace_network`; a photo that cannot be read, or a kernel that does not fit.
    """
    channels, height, width = input_shape
    if photo is not None:
        values = _photo(photo, input_shape)
    else:
        check_amount(channels * height * width, "the input")
        values = np.random.default_rng(whole("seed", seed, at_least=0)).integers(0, 10, input_shape).astype(np.float64)
    parameters: dict[str, Any] = {}
    if kernel is not None:
        parameters = _given_kernel(kernel, layers, channels)
    return trace_network(values, layers, parameters=parameters, seed=seed)


def _photo(path: Path, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    from striate.data import read_image

    channels, height, width = shape
    if channels not in (1, 3):
        raise ConfigError(f"A photo has 1 channel (grey) or 3 (color); the input has {channels}.")
    image = Image.fromarray(read_image(path)).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(image.convert("L") if channels == 1 else image, dtype=np.float64)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _given_kernel(text: str, layers: Sequence[Layer], channels: int) -> dict[str, Any]:
    from striate.ops import parse_kernel

    kernel = parse_kernel(text).numpy()
    for at, layer in enumerate(layers):
        if isinstance(layer, Convolution):
            size = layer.kernel_size if isinstance(layer.kernel_size, tuple) else (layer.kernel_size,) * 2
            if kernel.shape != size:
                raise ShapeError(
                    f"--kernel must be {'×'.join(map(str, size))} as the first convolution's filter, "
                    f"got {'×'.join(map(str, kernel.shape))}."
                )
            groups = channels if layer.groups is None else layer.groups
            filters = channels if layer.out_channels is None else layer.out_channels
            return {str(at): (np.broadcast_to(kernel, (filters, max(channels // groups, 1), *size)), np.zeros(filters))}
        channels = getattr(layer, "out_channels", None) or channels
    raise ConfigError("--kernel needs a convolution among the layers, such as 'conv f=3 n=1'.")

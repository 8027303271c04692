"""The learnt kernels of the first layer, as pictures on one scale and each on its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.draw import SIGNED, draw_kernels, grid
from striate.insight import Explanation
from striate.report.embed import png_uri
from striate.report.numbers import format_shape, format_value
from striate.report.scale import Scale, build_scale

__all__ = ["KernelSection", "KernelTile", "build_kernels"]

MOST_TILES = 128
"""Kernels of one layer on a page."""


@dataclass(frozen=True)
class KernelTile:
    """One kernel."""

    address: str
    shared: str
    own: str
    strength: str


@dataclass(frozen=True)
class KernelSection:
    """All kernels of the first layer, and how to read them."""

    address: str
    count: int
    size: str
    tiles: tuple[KernelTile, ...]
    color: bool
    largest: str
    scale: Scale | None
    words: str


def build_kernels(explanation: Explanation) -> KernelSection | None:
    """Pictures and words of the fourth section, or None for a network without convolutions."""
    kernels = explanation.kernels
    if kernels is None:
        return None
    weights = kernels.weights
    count, channels, height, width = weights.shape
    shared, own = (
        _sheets(draw_kernels(weights, channels=kernels.channels, scale=scale)) for scale in ("shared", "each")
    )
    largest = float(np.abs(weights).max(initial=0.0))
    color = channels == 3 and kernels.channels in ("RGB", "BGR")
    order = "blue, green, red" if kernels.channels == "BGR" else "red, green, blue"
    size = format_shape((height, width))
    words = (
        f"{count} kernels of {size} weights for {order}, drawn as colors: mid grey is 0; a "
        f"full red, green or blue is +{format_value(largest)}, none of it −{format_value(largest)}."
        if color
        else f"{count} kernels of {size} weights for {channels} input channel{'s' if channels > 1 else ''}, each "
        "drawn by itself: white is 0, red above, blue below."
    )
    return KernelSection(
        address=kernels.address,
        count=count,
        size=size,
        tiles=tuple(
            KernelTile(
                address=f"{kernels.address}:{number}",
                shared=png_uri(shared[number]),
                own=png_uri(own[number]),
                strength=format_value(float(np.abs(weights[number]).max())),
            )
            for number in range(min(count, MOST_TILES))
        ),
        color=color,
        largest=format_value(largest),
        scale=None if color else build_scale(SIGNED, (-(largest or 1.0), largest or 1.0), unit="weight"),
        words=words,
    )


def _sheets(pictures: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """One picture a kernel: its color picture, or its input channels side by side with a pixel between."""
    return [tiles[0] if len(tiles) == 1 else grid(tiles, gap=1, background=(128, 128, 128)) for tiles in pictures]

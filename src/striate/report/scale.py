"""A color scale on the page: the bar, its numbers, and what happens beyond its ends."""

from dataclasses import dataclass

import numpy as np

from striate.draw import colormap_table
from striate.report.embed import png_uri
from striate.report.numbers import format_value

__all__ = ["Scale", "build_scale"]


@dataclass(frozen=True)
class Scale:
    """A scale bar.

    Attributes:
        colormap: The map's name.
        limits: Values of the first and the last color.
        ticks: The numbers at the left end, the middle and the right end.
        picture: The bar itself, a data URI.
        unit: What the numbers mean.
        note: What is said about values beyond the ends; empty if there are none.
    """

    colormap: str
    limits: tuple[float, float]
    ticks: tuple[str, str, str]
    picture: str
    unit: str
    note: str


def build_scale(colormap: str, limits: tuple[float, float], *, unit: str, note: str = "") -> Scale:
    """The scale bar of a map."""
    low, high = limits
    return Scale(
        colormap=colormap,
        limits=limits,
        ticks=(format_value(low), format_value((low + high) / 2), format_value(high)),
        picture=png_uri(np.array(colormap_table(colormap)[None])),
        unit=unit,
        note=note,
    )

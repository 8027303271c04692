"""What other methods say about the same answer: one plate a map, and how far each is to be trusted."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from striate.draw import SIGNED, limits_of
from striate.insight import Explanation, Heatmap, InputGradient
from striate.report.embed import block_of, pack, photo_uri
from striate.report.evidence import MOST_PIXELS, MapFigure, block_maxima, gradient_figure, map_figure
from striate.report.numbers import format_seconds, format_value
from striate.report.scale import build_scale

__all__ = ["TrustRow", "WaysSection", "build_ways", "title_of"]

GRADIENT_PERCENTILE = 99.9
"""Signed gradients have a few very large values; the colors end here."""


@lru_cache(maxsize=1)
def _methods() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("striate.report").joinpath("methods.toml").read_text(encoding="utf-8"))


def title_of(method: str) -> str:
    """What a method is called on a page."""
    return _methods().get(method, {}).get("title", method)


@dataclass(frozen=True)
class TrustRow:
    """One map's scores when pixels are taken away, or come back, in its order."""

    title: str
    deletion: str
    insertion: str
    chance: bool


@dataclass(frozen=True)
class WaysSection:
    """The plates, the table of trust, and the numbers for the pointer."""

    height: int
    width: int
    target: str
    sentence: str
    maps: tuple[MapFigure, ...]
    rows: tuple[TrustRow, ...]
    trust: str
    notes: tuple[str, ...]
    data: dict[str, Any]


def build_ways(explanation: Explanation) -> WaysSection | None:
    """Every map that does not stand in the section of evidence; None where there is nothing to show."""
    rows = _trust(explanation)
    maps: list[Heatmap | InputGradient] = [*explanation.maps]
    if explanation.occlusion is None and explanation.saliency is not None:
        maps.insert(0, explanation.saliency)
    if not maps and not rows:
        return None
    figures, packed, limits = [], {}, {}
    for found in maps:
        figure, packed[found.method], limits[found.method] = _plate(explanation, found)
        figures.append(figure)
    height, width = explanation.seen.shape[:2]
    return WaysSection(
        height=height,
        width=width,
        target=explanation.target.label,
        sentence=f"The same question, why “{explanation.target.label}”, put in other ways. No single map is the "
        "reason; what several of them show is likelier to be one.",
        maps=tuple(figures),
        rows=rows,
        trust=_trust_words(explanation) if rows else "",
        notes=explanation.notes,
        data={"maps": packed, "limits": limits},
    )


def _plate(explanation: Explanation, found: Heatmap | InputGradient) -> tuple[MapFigure, dict[str, Any], list[float]]:
    target = explanation.target.label
    if isinstance(found, InputGradient):
        return _gradient_plate(explanation, found)
    if found.method == "saliency":
        return gradient_figure(explanation.seen, found, target=target)
    height, width = explanation.seen.shape[:2]
    block = block_of(height, width, MOST_PIXELS)
    values = found.values[0]
    shown = block_maxima(values, block)
    percentile = 100.0 if found.grid is not None else GRADIENT_PERCENTILE
    limits = limits_of(values, signed=found.signed, percentile=percentile)
    figure = map_figure(
        explanation.seen,
        found,
        title=title_of(found.method),
        shown=shown,
        block=block,
        limits=limits,
        what=_what(found),
        shows=_methods().get(found.method, {}).get("shows", ""),
    )
    return figure, pack(shown), list(limits)


def _gradient_plate(explanation: Explanation, found: InputGradient) -> tuple[MapFigure, dict[str, Any], list[float]]:
    height, width = explanation.seen.shape[:2]
    block = block_of(height, width, MOST_PIXELS)
    magnitude = found.saliency().values[0]
    y, x = (int(n) for n in np.unravel_index(int(np.nanargmax(magnitude)), magnitude.shape))
    limits = found.limits(percentile=GRADIENT_PERCENTILE)
    shown = block_maxima(magnitude, block)
    if found.values.shape[1] in (1, 3):
        picture, colormap = found.draw(percentile=GRADIENT_PERCENTILE)[0], "gray"
    else:
        summed = found.heatmap("sum")
        picture, colormap = summed.draw()[0], SIGNED
    figure = MapFigure(
        key=found.method,
        title=title_of(found.method),
        tinted="",
        raw=photo_uri(picture[::block, ::block]),
        scale=build_scale(
            colormap, limits, unit=f"{found.unit}, each color channel; the number read is the largest size"
        ),
        largest=format_value(float(magnitude[y, x])),
        at=(y, x),
        what=_what(found),
        shows=_methods().get(found.method, {}).get("shows", ""),
        seconds=format_seconds(found.seconds),
    )
    return figure, pack(shown), list(limits)


def _what(found: Heatmap | InputGradient) -> str:
    """What was done, with the parameters it was done with."""
    parameters = found.parameters
    grid = "" if not isinstance(found, Heatmap) or found.grid is None else " × ".join(map(str, found.grid.shape[1:3]))
    facts: dict[str, Any] = {
        "layer": parameters.get("layer", "the last map"),
        "grid": grid,
        "samples": parameters.get("samples", ""),
        "noise": parameters.get("noise", ""),
        "steps": parameters.get("steps", ""),
        **{name: format_value(float(parameters[name][0])) for name in ("difference", "gap") if name in parameters},
    }
    words = _methods().get(found.method, {}).get("what", "").format(**facts)
    if parameters.get("rectifiers") == {}:
        words += " This network has no rectifier that the rule could change, so it is the plain gradient."
    return words


def _trust(explanation: Explanation) -> tuple[TrustRow, ...]:
    return tuple(
        TrustRow(
            title=title_of(method),
            deletion=f"{scores['deletion']:.2f}",
            insertion=f"{scores['insertion']:.2f}",
            chance=method == "random",
        )
        for method, scores in explanation.trust.items()
    )


def _trust_words(explanation: Explanation) -> str:
    return (
        "How far to trust a map: pixels are blanked in its order, most important first (deletion), or brought back "
        f"into a blurred picture (insertion); the score is the mean probability of “{explanation.target.label}” on "
        "the way. A good map has a low deletion and a high insertion score, and beats the random order (Petsiuk et "
        "al. 2018)."
    )

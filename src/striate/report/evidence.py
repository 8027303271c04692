"""Where the answer comes from: the occlusion and the saliency map over what the network saw, and how far they agree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw import SIGNED, UNSIGNED, colorize, limits_of, overlay
from striate.insight import Explanation, Heatmap
from striate.report.embed import block_of, pack, photo_uri, png_uri
from striate.report.numbers import format_percent, format_seconds, format_shape, format_value
from striate.report.scale import Scale, build_scale

__all__ = [
    "EvidenceSection",
    "MapFigure",
    "block_maxima",
    "build_evidence",
    "gradient_figure",
    "map_figure",
    "patch_color",
]

MOST_PIXELS = 400 * 400
"""A network that takes photos at their own size may see more pixels; the page then shows one value a block of them."""
SALIENCY_PERCENTILE = 99.5
"""Gradients have a few very large values; the scale ends here, so that they do not turn the rest of the map black."""
WEAK_DROP = 0.02
"""Below this largest drop in probability the reader is told that the colors stand for little."""


@dataclass(frozen=True)
class MapFigure:
    """One map: its pictures, its scale and its words."""

    key: str
    title: str
    tinted: str
    raw: str
    scale: Scale
    largest: str
    at: tuple[int, int]
    what: str
    shows: str
    seconds: str


@dataclass(frozen=True)
class ClassChoice:
    """A class whose occlusion map can be shown."""

    place: int
    label: str
    percent: str
    width: float
    chosen: bool


@dataclass(frozen=True)
class EvidenceSection:
    """Both maps, the classes to choose from, the checks, and the numbers for the pointer."""

    height: int
    width: int
    target: str
    occlusion: MapFigure
    saliency: MapFigure | None
    classes: tuple[ClassChoice, ...]
    checks: tuple[str, ...]
    data: dict[str, Any]


def build_evidence(explanation: Explanation) -> EvidenceSection | None:
    """Pictures, words and numbers of the second section; None where no patch was moved over the photo."""
    occlusion, saliency = explanation.occlusion, explanation.saliency
    if occlusion is None:
        return None
    height, width = explanation.seen.shape[:2]
    target = explanation.target.label
    place = explanation.occlusion_classes.index(explanation.target.index)
    baseline = _baseline(explanation, occlusion)
    block = block_of(height, width, MOST_PIXELS)
    shown = occlusion.values[0][::block, ::block]
    limits = {"occlusion": list(limits_of(occlusion.values[0], signed=occlusion.signed))}
    packed = {"occlusion": pack(shown)}
    figure = None
    if saliency is not None:
        figure, packed["saliency"], limits["saliency"] = gradient_figure(explanation.seen, saliency, target=target)
    return EvidenceSection(
        height=height,
        width=width,
        target=target,
        occlusion=map_figure(
            explanation.seen,
            occlusion,
            title="Occlusion",
            shown=shown,
            block=block,
            limits=limits_of(occlusion.values[0], signed=occlusion.signed),
            what=_occlusion_words(occlusion),
            shows="Red: hiding this place costs the answer probability. Blue: hiding it adds some. What a patch this "
            "size cannot cover, or what another place can stand in for, does not show; and the patch is itself a "
            "strange thing to see.",
        ),
        saliency=figure,
        classes=tuple(
            ClassChoice(
                place=number,
                label=label,
                percent=_say(occlusion)(float(baseline[number])),
                width=round(100 * float(np.clip(baseline[number], 0, 1)), 2),
                chosen=number == place,
            )
            for number, label in enumerate(explanation.occlusion_labels)
        ),
        checks=_checks(explanation, occlusion, baseline),
        data={
            "height": height,
            "width": width,
            "score": str(occlusion.parameters.get("score", "probability")),
            "labels": list(explanation.occlusion_labels),
            "place": place,
            "baseline": [float(v) for v in baseline],
            "window": [int(n) for n in occlusion.parameters["window"]],
            "stride": [int(n) for n in occlusion.parameters["stride"]],
            "fill": patch_color(explanation),
            "grid": None if occlusion.grid is None else pack(occlusion.grid[0]),
            "signed": occlusion.signed,
            "block": block,
            "maps": packed,
            "limits": limits,
        },
    )


def gradient_figure(
    seen: NDArray[np.uint8], saliency: Heatmap, *, target: str
) -> tuple[MapFigure, dict[str, Any], list[float]]:
    """The plate of a saliency map, its numbers for the pointer, and the limits of its scale."""
    height, width = seen.shape[:2]
    block = block_of(height, width, MOST_PIXELS)
    limits = limits_of(saliency.values[0], signed=False, percentile=SALIENCY_PERCENTILE)
    shown = block_maxima(saliency.values[0], block)
    top = float(np.nanmax(saliency.values[0], initial=0.0))
    beyond = (
        f"The {100 - SALIENCY_PERCENTILE:g}\u00a0% of pixels above the scale share its last color; "
        f"the largest is {format_value(top)}."
    )
    figure = map_figure(
        seen,
        saliency,
        title="Saliency",
        shown=shown,
        block=block,
        limits=limits,
        note=beyond if top > limits[1] else "",
        what=f"Size of the gradient of the logit of “{target}” at each pixel, the largest over the color channels; "
        "one backward pass."
        + (
            f" Drawn and read in blocks of {block}\u00a0×\u00a0{block}\u00a0px, by their largest value."
            if block > 1
            else ""
        ),
        shows="Where a very small change would move the score most: grainy by nature, drawn to edges, and blind to "
        "whether the change would help or hurt.",
    )
    return figure, pack(shown), list(limits)


def patch_color(explanation: Explanation) -> list[int]:
    """RGB bytes of the blank patch as it would look in the photo."""
    fill = None if explanation.occlusion is None else explanation.occlusion.parameters.get("fill")
    preprocessing = explanation.preprocessing
    if isinstance(fill, int | float):
        color = [float(fill)] * 3
    elif isinstance(fill, list | tuple):
        color = [float(part) for part in fill]
    else:  # the mean color, in the order and on the scale of the network's channels
        color = [float(part) / preprocessing.scale for part in preprocessing.mean]
        color = color[::-1] if preprocessing.channels == "BGR" else color
    color = color * 3 if len(color) == 1 else color
    return [int(np.clip(np.rint(255 * part), 0, 255)) for part in color[:3]]


def map_figure(
    seen: NDArray[np.uint8],
    heatmap: Heatmap,
    *,
    title: str,
    limits: tuple[float, float],
    shown: NDArray[Any],
    block: int,
    what: str,
    shows: str,
    note: str = "",
) -> MapFigure:
    """The plate of one map."""
    values = heatmap.values[0]
    colormap = SIGNED if heatmap.signed else UNSIGNED
    y, x = (int(n) for n in np.unravel_index(int(np.nanargmax(values)), values.shape))
    return MapFigure(
        key=heatmap.method,
        title=title,
        tinted=photo_uri(overlay(seen[::block, ::block], shown, colormap=colormap, limits=limits)),
        raw=png_uri(colorize(shown, colormap=colormap, limits=limits)),
        scale=build_scale(colormap, limits, unit=heatmap.unit, note=note),
        largest=format_value(float(values[y, x])),
        at=(y, x),
        what=what,
        shows=shows,
        seconds=format_seconds(heatmap.seconds),
    )


def block_maxima(values: NDArray[Any], block: int) -> NDArray[Any]:
    """The largest value of each block; blocks at the right and lower border may be cut."""
    rows = np.maximum.reduceat(values, np.arange(0, values.shape[0], block), axis=0)
    return np.asarray(np.maximum.reduceat(rows, np.arange(0, values.shape[1], block), axis=1))


def _occlusion_words(occlusion: Heatmap) -> str:
    parameters = occlusion.parameters
    height, width = parameters["window"]
    down, across = parameters["stride"]
    rows, columns = parameters["windows"]
    fill = "the network's mean color" if isinstance(parameters.get("fill"), str) else "a fixed color"
    step = f"{down}\u00a0px" if down == across else f"{down} and {across}\u00a0px"
    score = parameters.get("score", "probability")
    return (
        f"A patch of {format_shape((height, width))}\u00a0px in {fill} stands at {rows * columns:,} places, {step} "
        f"apart. Each pixel shows how much the {score} of the class falls, on average over the patches that cover it."
    )


def _baseline(explanation: Explanation, occlusion: Heatmap) -> NDArray[np.float64]:
    if occlusion.baseline is not None:
        return np.asarray(occlusion.baseline[0], np.float64)
    known = {answer.index: answer.probability for answer in (*explanation.answers, explanation.target)}
    return np.array([known[index] for index in explanation.occlusion_classes])


def _checks(explanation: Explanation, occlusion: Heatmap, baseline: NDArray[np.float64]) -> tuple[str, ...]:
    """What can be told from the data about how far to trust the maps."""
    if occlusion.grid is None:
        return ()
    grid = occlusion.grid[0].astype(np.float64)  # gh gw k
    place = explanation.occlusion_classes.index(explanation.target.index)
    score = grid[..., place]
    height, width = (int(n) for n in occlusion.parameters["window"])
    down, across = (int(n) for n in occlusion.parameters["stride"])
    y, x = (int(n) for n in np.unravel_index(int(score.argmin()), score.shape))
    say = _say(occlusion)
    fall = float(baseline[place] - score[y, x])
    before, after = say(float(baseline[place])), say(float(score[y, x]))
    change = f"from {before} to {after}" if before != after else f"down by {format_value(fall)} only"
    words = [
        f"The costliest patch, at row {y * down} and column {x * across}, takes “{explanation.target.label}” {change}."
        if fall > 0
        else f"No patch of this size lowers the {occlusion.parameters.get('score', 'probability')}."
    ]
    y, x = (int(n) for n in np.unravel_index(int(score.argmax()), score.shape))
    if score[y, x] - baseline[place] > max(fall, 0.0):
        words.append(
            f"Hiding the place at row {y * down} and column {x * across} does more: it raises it to "
            f"{say(float(score[y, x]))}. What stands there speaks against the class."
        )
    most = float(np.abs(occlusion.values[0]).max())
    if say is format_percent and 0 < most < WEAK_DROP:
        words.append(
            "Mind the scale: the deepest color of the occlusion map stands for "
            f"{format_value(100 * most)}\u00a0percentage points."
        )
    if baseline[place] >= baseline.max():
        lost = int((grid.max(axis=-1) > score).sum())
        words.append(
            f"One patch alone changes the answer at {lost:,} of {score.size:,} places."
            if lost
            else f"No single patch of this size changes the answer, at any of {score.size:,} places."
        )
    saliency = explanation.saliency
    agreement = (
        None
        if saliency is None
        else _rank_correlation(
            (baseline[place] - score).ravel(),
            _window_means(saliency.values[0], score.shape, (height, width), (down, across)).ravel(),
        )
    )
    if agreement is not None:
        verdict = "agree" if agreement >= 0.5 else "agree in part" if agreement >= 0.2 else "do not agree"
        words.append(
            f"The two maps {verdict} on which places matter: "
            + f"rank correlation {agreement:.2f} (1 is the same order, 0 is chance).".replace("-", "−")
        )
    return tuple(words)


def _say(occlusion: Heatmap) -> Callable[[float], str]:
    """How a score is said: a probability in percent, a logit as a number."""
    return format_percent if occlusion.parameters.get("score", "probability") == "probability" else format_value


def _window_means(
    values: NDArray[Any], grid: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int]
) -> NDArray[np.float64]:
    means = np.empty(grid[:2])
    for i in range(grid[0]):
        for j in range(grid[1]):
            top, left = i * stride[0], j * stride[1]
            means[i, j] = values[top : top + window[0], left : left + window[1]].mean()
    return means


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Spearman's coefficient; None where one side has no order."""
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    ranks = []
    for values in (a, b):
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        last = counts.cumsum()
        ranks.append((last - (counts - 1) / 2.0)[inverse])  # ties share their mean rank
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])

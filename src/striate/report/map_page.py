"""The page of a representation map: pan, zoom, search; who is next to whom, and how far to trust it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.draw import encode_jpeg
from striate.draw.class_colors import CLASS_COLORS, class_places, spread_colors
from striate.draw.thumbnails import resized_squares, sprite
from striate.insight.neighbors import Neighbors, nearest_neighbors
from striate.insight.representation_map import RepresentationMap
from striate.report.embed import data_uri, jpeg_uri, pack
from striate.report.numbers import format_percent, format_seconds, format_value
from striate.report.templates import render_page

__all__ = ["build_map_page"]

NEIGHBORS = 6
MOST_PAIRS = 12
ALIKE = 0.02


@dataclass(frozen=True)
class ClassKey:
    """One class of the legend."""

    name: str
    number: int
    color: int
    count: str


@dataclass(frozen=True)
class Score:
    """One number with its meaning; `low` is what chance gives, `width` and `low` in percent of a bar."""

    name: str
    value: str
    width: float
    low: float
    what: str


@dataclass(frozen=True)
class AlikePair:
    """Two pictures that are nearly one to the network."""

    first: int
    second: int
    words: str
    title: str


def build_map_page(
    found: RepresentationMap, neighbors: Neighbors | None = None, *, command: str = "", made: str = ""
) -> str:
    """One self-contained HTML page.

    Args:
        found: The map.
        neighbors: Of its pictures among themselves; computed here where it is not given.
        command: How to make it again.
        made: When it was made.

    Returns:
        The text of the file.
    """
    shown = found.representations
    near = neighbors or nearest_neighbors(shown, k=NEIGHBORS)
    keys = _classes(found)
    tile = _tile(len(found))
    sheet, columns = sprite(resized_squares(shown.thumbnails, tile))
    dark, light = (
        ["#{:02x}{:02x}{:02x}".format(*color) for color in CLASS_COLORS[theme]] for theme in ("dark", "light")
    )
    pairs = near.duplicates(ALIKE)
    return render_page(
        "map.html.j2",
        styles=("report.css", "scores.css", "map.css"),
        scripts=("theme.js", "decode.js", "map_view.js", "map.js"),
        data=_data(found, near=near, keys=keys, tile=tile, columns=columns, light=light, dark=dark),
        title=found.title,
        count=len(found),
        sentence=found.sentence,
        notes=[*found.notes],
        sprite=data_uri(encode_jpeg(sheet, quality=84 if len(found) <= 2000 else 76), "image/jpeg"),
        still=jpeg_uri(found.draw(side=1200), most_bytes=300_000),
        keys=keys,
        scores=_scores(found),
        pairs=[_pair(found, *pair) for pair in pairs[:MOST_PAIRS]],
        more_pairs=max(len(pairs) - MOST_PAIRS, 0),
        alike=ALIKE,
        light=light,
        dark=dark,
        facts=_facts(found),
        problems=shown.problems[:40],
        more_problems=max(len(shown.problems) - 40, 0),
        command=command,
        made=made,
        method=found.method,
    )


def _tile(count: int) -> int:
    """The more pictures, the smaller they are in the page, so that five thousand stay below about five megabytes."""
    return next((tile for most, tile in ((700, 64), (2500, 56), (6000, 48)) if count <= most), 32)


def _classes(found: RepresentationMap) -> list[ClassKey]:
    labels = found.representations.labels
    if not labels:
        return []
    colors = spread_colors(class_places(found.positions, labels), len(CLASS_COLORS["light"]))
    counts = {name: labels.count(name) for name in colors}
    return [ClassKey(name, i, color, f"{counts[name]:,}") for i, (name, color) in enumerate(colors.items())]


def _data(
    found: RepresentationMap,
    *,
    near: Neighbors,
    keys: list[ClassKey],
    tile: int,
    columns: int,
    light: list[str],
    dark: list[str],
) -> dict[str, Any]:
    shown = found.representations
    numbers = {key.name: key.number for key in keys}
    places = class_places(found.positions, shown.labels) if shown.labels else {}
    words = sorted(set(shown.answers or ()))
    index = {word: i for i, word in enumerate(words)}
    low, high = found.positions.min(0), found.positions.max(0)
    reach = float((high - low).max()) or 1.0
    unit = (found.positions - (low + high) / 2) / reach * [1.0, -1.0] + 0.5  # the longer side from 0 to 1, y downwards
    cells = found.grid()
    across = int(cells.max()) + 1 if len(cells) else 1
    return {
        "tile": tile,
        "columns": columns,
        "positions": pack(unit),
        "cells": pack((cells[:, ::-1] + 0.5) / across),
        "cell": 1 / across,
        "names": list(shown.names),
        "classes": [
            {"name": key.name, "color": key.color, "at": _unit_place(places[key.name], low, high, reach)}
            for key in keys
        ],
        "of": [numbers.get(label, -1) for label in shown.labels] if shown.labels else [],
        "words": words,
        "answers": [index[answer] for answer in shown.answers] if shown.answers else [],
        "sure": [] if shown.confidences is None else [round(float(c), 4) for c in shown.confidences],
        "near": near.indices.tolist(),
        "far": pack(near.distances) if near.distances.size else None,
        "added": np.flatnonzero(found.added).tolist(),
        "colors": {"light": light, "dark": dark},
    }


def _unit_place(place: tuple[float, float], low: Any, high: Any, reach: float) -> list[float]:
    x, y = ((place[axis] - (low[axis] + high[axis]) / 2) / reach for axis in (0, 1))
    return [round(float(x) + 0.5, 5), round(0.5 - float(y), 5)]


def _scores(found: RepresentationMap) -> list[Score]:
    quality = found.quality
    scores = []
    if quality.trustworthiness is not None and quality.neighbors_kept is not None:
        chance = quality.neighbors_kept_chance or 0.0
        scores = [
            Score(
                "Trustworthiness",
                f"{quality.trustworthiness:.3f}",
                round(100 * max(quality.trustworthiness, 0), 1),
                50.0,
                f"Are the {quality.k} nearest on the map near in truth? 1 is yes; a random map has about 0.5.",
            ),
            Score(
                "Neighbors kept",
                format_percent(quality.neighbors_kept),
                round(100 * quality.neighbors_kept, 1),
                round(100 * chance, 1),
                f"Of the {quality.k} nearest in the representation this share is among the {quality.k} nearest here; "
                f"by chance {format_percent(chance)}.",
            ),
        ]
    if quality.accuracy_before is not None and quality.accuracy_after is not None:
        chance = quality.accuracy_chance or 0.0
        for name, value, where in (
            ("Class from neighbors, before", quality.accuracy_before, "in the representation"),
            ("Class from neighbors, on the map", quality.accuracy_after, "on the map"),
        ):
            scores.append(
                Score(
                    name,
                    format_percent(value),
                    round(100 * value, 1),
                    round(100 * chance, 1),
                    f"The {quality.k} nearest {where} vote for a class; so often they are right. The largest class "
                    f"alone would be right in {format_percent(chance)}.",
                )
            )
    return scores


def _pair(found: RepresentationMap, first: int, second: int, distance: float) -> AlikePair:
    names = found.representations.names
    return AlikePair(
        first,
        second,
        "identical" if distance < 1e-9 else f"{distance:.4f}",
        f"{names[first]} and {names[second]}",
    )


def _facts(found: RepresentationMap) -> list[tuple[str, str]]:
    shown, settings = found.representations, found.parameters
    facts = [
        ("Network", shown.network),
        ("Read", shown.layer + (", mean over positions" if shown.averaged else "")),
        ("Numbers a picture", f"{shown.values.shape[1]:,}"),
        ("Pictures from", shown.source),
        ("Method", "t-SNE" if found.method == "tsne" else "PCA"),
        ("Near means", f"{found.metric} distance"),
    ]
    for name, words in (
        ("perplexity", "Perplexity"),
        ("dimensions", "Principal components before"),
        ("engine", "Computed by"),
        ("iterations", "Iterations"),
        ("seed", "Seed"),
    ):
        if name in settings:
            value = settings[name]
            facts.append((words, f"{value:.4g}" if isinstance(value, float) else str(value)))
    if found.kl is not None:
        facts.append(("KL divergence left", f"{format_value(found.kl)} nats"))
    shares = found.components.explained[:2]
    facts += [
        ("Variance, components 1 and 2", ", ".join(format_percent(float(share)) for share in shares)),
        ("Time", f"representations {format_seconds(shown.seconds)}, map {format_seconds(found.seconds)}"),
    ]
    return [(name, value) for name, value in facts if value]

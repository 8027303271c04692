"""The page of all activations: layers at the left, every channel as a tile, any of them larger with its numbers.

The page carries numbers and no pictures of maps: its script colors them. What is too large for a page is thinned out,
every second, third … unit along each side, and the page says so.
"""

from typing import Any

import numpy as np

from striate.draw import SIGNED, UNSIGNED, colormap_table
from striate.errors import ConfigError
from striate.insight.layer_activations import LayerActivations, LayerMaps
from striate.report.embed import pack, photo_uri, png_uri, smaller
from striate.report.numbers import format_shape, format_value
from striate.report.templates import render_page

__all__ = ["build_activation_sheet"]

SCRIPTS = ("theme.js", "decode.js", "activations.js")
MOST_VALUES = 12_000_000
"""Numbers that a page carries."""
MOST_OF_A_LAYER = 1_300_000
EXACT_VALUES = 60_000
"""Up to here a layer's numbers are kept in 16 bits, beyond it in 8."""
LARGEST_SEEN = 512


def build_activation_sheet(activations: LayerActivations, *, title: str | None = None) -> str:
    """One self-contained HTML page.

    The address of the open layer or unit stands in the page's own address (`#features.3:17@4,5`), so that a view can be
    kept and sent.

    Args:
        activations: From `layer_activations`, fresh or loaded.
        title: The heading; by default what was looked at.

    Returns:
        The text of the file.

    Raises:
        ConfigError: No layers.
    """
    if not activations.layers:
        raise ConfigError("activations must hold at least one layer to show; got none.")
    most = _most_of_a_layer([one.maps.shape for one in activations.layers.values()])
    height, width = activations.seen.shape[:2]
    data = {
        "height": height,
        "width": width,
        "layers": [_layer(one, most) for one in activations.layers.values()],
        "colormaps": {name: colormap_table(name).ravel().tolist() for name in (UNSIGNED, SIGNED)},
        "bars": {name: png_uri(np.array(colormap_table(name)[None])) for name in (UNSIGNED, SIGNED)},
    }
    what = f"{activations.network} on {activations.photo_name}" if activations.network else activations.photo_name
    return render_page(
        "activations.html.j2",
        styles=("report.css", "activations.css"),
        scripts=SCRIPTS,
        data=data,
        title=title or f"Activations of {what}",
        layers=[_line(one) for one in activations.layers.values()],
        seen=photo_uri(smaller(activations.seen, LARGEST_SEEN)),
        height=height,
        width=width,
    )


def _line(one: LayerMaps) -> dict[str, Any]:
    """What the list of layers says of one."""
    return {
        "address": one.layer,
        "kind": one.kind,
        "shape": format_shape(one.maps.shape) if one.maps.shape[1:] != (1, 1) else str(len(one.maps)),
    }


def _most_of_a_layer(shapes: list[tuple[int, ...]]) -> int:
    """The largest share of each layer with which all together fit: small layers stay whole, large ones give way."""
    most = MOST_OF_A_LAYER
    while most > 1000 and sum(_thinned(shape, _every(shape, most)) for shape in shapes) > MOST_VALUES:
        most = most * 9 // 10
    return most


def _every(shape: tuple[int, ...], most: int) -> int:
    """Of a layer with more than `most` values only every so-manieth unit along each side is drawn."""
    every = 1
    while _thinned(shape, every) > most and every < max(shape[1:]):
        every += 1
    return every


def _thinned(shape: tuple[int, ...], every: int) -> int:
    return shape[0] * -(-shape[1] // every) * -(-shape[2] // every)


def _layer(one: LayerMaps, most: int) -> dict[str, Any]:
    c, h, w = one.maps.shape
    every = _every(one.maps.shape, most)
    maps = np.asarray(one.maps[:, ::every, ::every], np.float64)
    zeros = float(one.zeros.mean())
    quiet = int((one.maximum <= 0).sum())
    facts = [
        f"{one.kind}{f' {one.detail}' if one.detail else ''}",
        f"{c} channels" + (f" of {format_shape((h, w))}" if (h, w) != (1, 1) else ""),
        f"values {format_value(float(one.maps.min()))} to {format_value(float(one.maps.max()))}",
        f"mean {format_value(float(one.mean.mean()))}",
        f"{100 * zeros:.0f}\u00a0% exact zeros",
    ]
    if quiet:
        facts.append(f"{quiet} channel{'s' if quiet > 1 else ''} nowhere above 0")
    if every > 1:
        facts.append(f"one unit in {every} along each side is drawn")
    return {
        "address": one.layer,
        "facts": facts,
        "shape": [c, h, w],
        "every": every,
        "maps": pack(maps, bits=16 if maps.size <= EXACT_VALUES else 8),
        "signed": one.signed,
        "colormap": SIGNED if one.signed else UNSIGNED,
        "limits": list(one.limits),
        "maximum": [_number(v) for v in one.maximum.tolist()],
        "mean": [_number(v) for v in one.mean.tolist()],
        "minimum": [_number(v) for v in one.minimum.tolist()],
        "zeros": [round(v, 3) for v in one.zeros.tolist()],
        "field": None
        if one.field is None or len(one.field.size) != 2 or not any(one.field.stride)
        else {
            "size": list(one.field.size),
            "stride": [float(n) for n in one.field.stride],
            "start": [float(n) for n in one.field.start],
            "whole": one.field.whole,
        },
    }


def _number(value: float) -> float:
    return float(f"{value:.5g}") if np.isfinite(value) else 0.0

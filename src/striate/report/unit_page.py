"""The page of unit portraits: a unit a section, with everything that says what it looks for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.draw import SIGNED, UNSIGNED, draw_kernels, enlarge, limits_of, overlay
from striate.draw.patch_rows import Patch
from striate.insight.input_gradient import InputGradient
from striate.insight.unit_portraits import UnitPortraits
from striate.probe import UnitAddress
from striate.report.embed import jpeg_uri, photo_uri, png_uri
from striate.report.numbers import format_seconds, format_shape, format_value
from striate.report.templates import render_page

__all__ = ["build_unit_page"]

TILE = 96
"""Patches are shown about this large, small ones pixel for pixel."""


@dataclass(frozen=True)
class Picture:
    """One picture of a portrait.

    Attributes:
        uri: The picture itself.
        title: What stands over it; empty for a patch.
        words: What stands below.
        hint: More, for the pointer.
        small: Whether pixels are enlarged as they are.
    """

    uri: str
    title: str
    words: str
    hint: str = ""
    small: bool = False


@dataclass(frozen=True)
class Portrait:
    """One unit."""

    address: str
    anchor: str
    facts: tuple[str, ...]
    leads: tuple[Picture, ...]
    patches: tuple[Picture, ...]
    silent: str


def build_unit_page(portraits: UnitPortraits) -> str:
    """One self-contained HTML page.

    Args:
        portraits: What was found; fresh, or `UnitPortraits.load(folder)`.

    Returns:
        The text of the file.
    """
    units = [_portrait(portraits, address) for address in portraits.addresses]
    return render_page(
        "unit_page.html.j2",
        styles=("report.css", "unit_page.css"),
        scripts=("theme.js", "ready.js"),
        data={},
        title=f"Units of {portraits.network}",
        sentences=_sentences(portraits),
        units=units,
        problems=_problems(portraits),
        provenance=_provenance(portraits),
    )


def _sentences(portraits: UnitPortraits) -> list[str]:
    said = []
    if portraits.pictures is not None:
        said.append(
            f"Made for it: a picture that excites the unit as much as possible ({portraits.pictures.sentence()}). "
            "It shows what the unit answers to most, not what it answers to usually."
        )
    if portraits.patches is not None:
        said.append(
            f"Patches: what excites the unit most in {portraits.patches.count:,} pictures, one place a picture, the "
            "strongest first, cut out to its receptive field; hatched where the unit sees beyond the picture."
        )
    if portraits.view is not None:
        said.append(
            "On the photo: the unit's own map, and which pixels moved its strongest place (guided back-propagation)."
        )
    return said


def _problems(portraits: UnitPortraits) -> list[str]:
    pictures = () if portraits.pictures is None else portraits.pictures.problems
    patches = () if portraits.patches is None else portraits.patches.problems
    more = [f"… and {len(patches) - 5:,} more."] if len(patches) > 5 else []
    return [*pictures, *patches[:5], *more]


def _portrait(portraits: UnitPortraits, address: str) -> Portrait:
    unit = UnitAddress.parse(address)
    row = portraits.summary.row(unit.layer)
    facts = [] if row is None else [f"{row.kind} {row.detail}".strip(), f"gives {format_shape(row.output_shape[1:])}"]
    silent = ""
    patches: tuple[Picture, ...] = ()
    if portraits.patches is not None and unit.layer in portraits.patches.layers:
        found = portraits.patches[unit.layer]
        place = found.place_of(unit.channel or 0)
        facts.append(found.sight.sentence())
        facts.append(
            f"largest value in a picture: {format_value(float(found.peak_mean[place]))} on average, "
            f"standard deviation {format_value(float(found.peak_std[place]))}"
        )
        if found.silent[place]:
            silent = "Never above zero on these pictures."
        names = [portraits.patches.names[i] for i in found.pictures[place].tolist() if i >= 0]
        drawn = portraits.patches.patches(unit.layer, unit.channel or 0, top=found.values.shape[1])
        patches = tuple(_patch(patch, name) for patch, name in zip(drawn, names, strict=False))
    return Portrait(
        address=address,
        anchor=address.replace(":", "-").replace("#", "-"),
        facts=tuple(facts),
        leads=tuple(_leads(portraits, address)),
        patches=patches,
        silent=silent,
    )


def _leads(portraits: UnitPortraits, address: str) -> list[Picture]:
    leads = []
    if address in portraits.kernels:
        kernel = portraits.kernels[address]
        tile = draw_kernels(kernel[None], channels="RGB" if len(kernel) == 3 else "L")[0, 0]
        leads.append(Picture(png_uri(tile), "Kernel", f"{format_shape(kernel.shape[1:])} weights", small=True))
    if portraits.pictures is not None:
        place = portraits.pictures.targets.index(address)
        value = float(portraits.pictures.activations[place])
        best = float(portraits.pictures.natural_best[place])
        if portraits.pictures.excited[place]:
            beside = f", {format_value(best)} by the best patch" if np.isfinite(best) else ""
            picture = portraits.pictures.pictures[place]
            leads.append(
                Picture(
                    jpeg_uri(picture, most_bytes=60_000), "Made for it", f"excites it to {format_value(value)}{beside}"
                )
            )
        else:
            leads.append(Picture("", "Made for it", "no picture could excite this unit"))
    view = portraits.view
    if view is not None and address in view.maps:
        values = view.maps[address]
        signed = bool(values.min() < 0)
        limits = limits_of(values, signed=signed)
        colormap = SIGNED if signed else UNSIGNED
        words = f"at most {format_value(float(values.max()))}"
        if values.shape == (1, 1):
            leads.append(Picture(photo_uri(view.seen), "On the photo", words, hint=view.name))
        else:
            height, width = view.seen.shape[:2]
            whole = np.asarray(
                Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.NEAREST)
            )
            leads.append(
                Picture(
                    photo_uri(overlay(view.seen, whole, colormap=colormap, limits=limits)),
                    "On the photo",
                    words,
                    hint=f"{view.name}; the map has {format_shape(values.shape)} values, enlarged without smoothing",
                )
            )
        if view.gradient is not None:
            leads.append(_moved(view.gradient, list(view.maps).index(address)))
    return leads


def _moved(found: InputGradient, row: int) -> Picture:
    """The gradient of a unit on a scale of its own; of one that sees a small part, that part alone."""
    picture = found.draw(each=True)[row]
    there = np.abs(found.values[row]).max(0) > 0
    words = "guided back-propagation, a scale of its own"
    if not there.any() or there.mean() > 0.25:
        return Picture(photo_uri(picture), "What moved it", words)
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    part = picture[top:bottom, left:right]
    factor = max(2 * TILE // max(part.shape[:2]), 1)
    return Picture(
        png_uri(enlarge(part, factor=factor)),
        "What moved it",
        f"{words}; rows {top} to {bottom - 1}, columns {left} to {right - 1}",
        small=True,
    )


def _patch(patch: Patch, name: str) -> Picture:
    image = _hatched(patch)
    factor = max(TILE // max(image.shape[:2]), 1)
    small = factor > 1
    if small:
        image = enlarge(image, factor=factor)
    uri = png_uri(image) if image.shape[0] * image.shape[1] < 4000 else jpeg_uri(image, most_bytes=12_000)
    return Picture(uri, "", patch.words, hint=name, small=small)


def _hatched(patch: Patch) -> NDArray[np.uint8]:
    """The patch, gray diagonals where it lies outside of the picture."""
    if patch.inside is None or patch.inside.all():
        return patch.image
    y, x = np.indices(patch.inside.shape)
    step = max(min(patch.inside.shape) // 16, 2)
    stripes = np.where(((y + x) // step) % 2 == 0, 200, 170).astype(np.uint8)
    return np.where(patch.inside[..., None], patch.image, stripes[..., None])


def _provenance(portraits: UnitPortraits) -> list[tuple[str, str]]:
    facts: dict[str, Any] = portraits.provenance
    rows = [
        ("Command", str(facts.get("command", ""))),
        ("Weights", portraits.weights),
        ("Made", str(facts.get("made", ""))),
    ]
    rows += [(f"Seconds: {name}", format_seconds(value)) for name, value in facts.get("seconds", {}).items()]
    rows += [("Versions", ", ".join(f"{name} {number}" for name, number in facts.get("versions", {}).items()))]
    return [(name, value) for name, value in rows if value]

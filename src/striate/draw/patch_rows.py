"""Rows of patches: a unit a row, its name at the left, then what excites it most, the strongest first.

A patch fills its tile: one that is enlarged to twice its size or more with hard pixel edges, others smoothly, as photos
are. What a unit sees beyond the picture is hatched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from striate.draw.checks import check_image
from striate.draw.font import load_font
from striate.draw.themes import RGB, theme_colors
from striate.errors import ConfigError, ShapeError

__all__ = ["Patch", "PatchRow", "draw_patch_rows"]

_MARGIN, _GAP, _LINE = 40, 8, 18
_LEAD_GAP = 24


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One patch.

    Attributes:
        image: uint8 `h w 3`.
        inside: `h w`, False where the patch lies outside of the picture; None where nothing does.
        words: A line below it.
    """

    image: NDArray[np.uint8]
    inside: NDArray[np.bool_] | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PatchRow:
    """One unit.

    Attributes:
        title: Its address.
        notes: Quieter lines below the title.
        patches: The strongest first.
        leads: Pictures set apart before the patches, such as a synthetic one; None leaves its place empty.
        section: What stands over this row and those that follow; empty where it goes on.
        section_notes: Quieter lines below that.
    """

    title: str
    notes: Sequence[str] = ()
    patches: Sequence[Patch] = ()
    leads: Sequence[NDArray[np.uint8] | None] = ()
    section: str = ""
    section_notes: Sequence[str] = ()


def draw_patch_rows(
    rows: Sequence[PatchRow],
    *,
    title: str = "",
    notes: Sequence[str] = (),
    leads: Sequence[str] = (),
    tile: int = 84,
    names: int = 190,
    theme: str = "light",
) -> NDArray[np.uint8]:
    """The sheet as uint8 `H W 3`.

    Args:
        rows: At least one.
        title: Above all.
        notes: Lines below the title; wrapped.
        leads: Headings of the pictures set apart, as many as the rows have.
        tile: Side of the square of a patch, in pixels.
        names: Width of the column of names, in pixels.
        theme: `light` or `dark`.

    Raises:
        ShapeError: No rows, or a patch that is no picture.
        ConfigError: `tile` below 16, or an unknown theme.
    """
    if not rows:
        raise ShapeError("rows must hold at least one unit; got none.")
    if tile < 16:
        raise ConfigError(f"tile must be at least 16 pixels; got {tile}.")
    colors = theme_colors(theme)
    large, head, words, small = load_font(22.0), load_font(15.0), load_font(13.0), load_font(11.0)
    apart = max(len(row.leads) for row in rows)
    most = max(len(row.patches) for row in rows)
    first = _MARGIN + names + apart * (tile + _GAP) + (_LEAD_GAP if apart else 0)
    width = max(first + most * (tile + _GAP) - _GAP + _MARGIN, 560)
    under = 16 if any(patch.words for row in rows for patch in row.patches) else 0
    lines = [line for note in notes for line in _wrapped(note, words, width - 2 * _MARGIN)]
    top = _MARGIN + (38 if title else 0) + _LINE * len(lines) + (26 if leads else 8)
    sections = {n: _section_height(row) for n, row in enumerate(rows) if row.section}
    height = top + sum(sections.values()) + len(rows) * (tile + under + 14) - 14 + _MARGIN
    sheet = Image.new("RGB", (width, height), colors["paper"])
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((_MARGIN, _MARGIN + 12), _fitted(title, large, width - 2 * _MARGIN), colors["ink"], large, anchor="lm")
    for number, line in enumerate(lines):
        y = _MARGIN + (38 if title else 0) + _LINE * (number + 0.5)
        pen.text((_MARGIN, y), line, colors["quiet"], words, anchor="lm")
    for number, heading in enumerate(leads):
        left = _MARGIN + names + number * (tile + _GAP)
        pen.text((left, top - 10), _fitted(heading, small, tile), colors["quiet"], small, anchor="lm")
    if leads:
        pen.text((first, top - 10), "strongest patches", colors["quiet"], small, anchor="lm")
    y = top
    for number, row in enumerate(rows):
        if number in sections:
            space = 20 if number else 0
            if number:
                pen.line([(_MARGIN, y + 4), (width - _MARGIN, y + 4)], fill=colors["line"])
            pen.text((_MARGIN, y + space + 8), row.section, colors["ink"], head, anchor="lm")
            for step, note in enumerate(row.section_notes):
                at = y + space + 28 + _LINE * step
                pen.text((_MARGIN, at), _fitted(note, words, width - 2 * _MARGIN), colors["quiet"], words, anchor="lm")
            y += sections[number] - (0 if number else 20)
        middle = y + tile / 2 - 8 * len(row.notes)
        pen.text((_MARGIN, middle), _fitted(row.title, words, names - 12), colors["ink"], words, anchor="lm")
        for step, note in enumerate(row.notes, start=1):
            pen.text(
                (_MARGIN, middle + 16 * step), _fitted(note, small, names - 12), colors["quiet"], small, anchor="lm"
            )
        for place, lead in enumerate(row.leads):
            left = _MARGIN + names + place * (tile + _GAP)
            if lead is not None:
                _paste(sheet, Patch(lead), (left, y), tile, colors)
        for place, patch in enumerate(row.patches):
            left = first + place * (tile + _GAP)
            _paste(sheet, patch, (left, y), tile, colors)
            if patch.words:
                pen.text((left, y + tile + 9), _fitted(patch.words, small, tile), colors["quiet"], small, anchor="lm")
        y += tile + under + 14
    return np.asarray(sheet)[: y - 14 + _MARGIN]


def _section_height(row: PatchRow) -> int:
    return 20 + 22 + _LINE * len(row.section_notes) + 12


def _paste(sheet: Image.Image, patch: Patch, at: tuple[int, int], tile: int, colors: dict[str, RGB]) -> None:
    left, top = at
    image = check_image(patch.image, name="patch")
    h, w = image.shape[:2]
    scale = tile / max(h, w)
    size = tuple(max(round(n * scale), 1) for n in (w, h))
    how = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    picture = np.array(Image.fromarray(np.ascontiguousarray(image)).resize((size[0], size[1]), how))
    if patch.inside is not None and not patch.inside.all():
        mask = Image.fromarray(patch.inside.astype(np.uint8) * 255).resize((size[0], size[1]), Image.Resampling.NEAREST)
        y, x = np.indices(picture.shape[:2])
        stripe = np.asarray((x + y) % 6 < 1)
        hatch = np.where(stripe[..., None], colors["line"], colors["pad"]).astype(np.uint8)
        seen = np.asarray(mask)[..., None] > 0
        picture = np.where(seen, picture, hatch)
    corner = (left + (tile - picture.shape[1]) // 2, top + (tile - picture.shape[0]) // 2)
    if picture.shape[:2] != (tile, tile):
        ImageDraw.Draw(sheet).rectangle((left, top, left + tile - 1, top + tile - 1), fill=colors["pad"])
    sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), corner)


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it would be too wide."""
    length = font.getlength
    if length(text) <= width:
        return text
    while text and length(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text on as many lines as it takes."""
    length = font.getlength
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines

"""Maps of numbers, signs and sentences on one picture: what the frames of a trace are drawn with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.arithmetic.trace_words import say_number
from striate.draw.colormap import SIGNED, colormap_table
from striate.draw.font import load_font
from striate.draw.themes import theme_colors
from striate.errors import ConfigError

__all__ = ["BETWEEN", "GAP", "TOP", "Board", "Easel", "check_readable", "peak"]

GAP = 28
"""Pixels around the boards and between them."""
TOP = GAP + 26
"""Where boards begin, below their titles."""
BETWEEN = 44
"""Pixels between a board and the one below it, whose title stands there."""
NARROWEST = 640
"""The least width, which a sentence needs."""


@dataclass(frozen=True, slots=True)
class Board:
    """A map of numbers at a place of the frame."""

    title: str
    left: int
    top: int
    cell: int
    rows: int
    columns: int

    @property
    def right(self) -> int:
        """The first pixel to the right of it."""
        return self.left + self.columns * self.cell

    @property
    def bottom(self) -> int:
        """The first pixel below it."""
        return self.top + self.rows * self.cell

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """The square of one number: left, top, right, bottom."""
        x, y = self.left + column * self.cell, self.top + row * self.cell
        return x, y, x + self.cell, y + self.cell


class Easel:
    """The colors and typefaces of one theme and size of numbers.

    Args:
        cell: Side of the square of one number, in pixels.
        theme: `light` or `dark`.

    Raises:
        ConfigError: A cell too small for its number, or an unknown theme.
    """

    def __init__(self, cell: int, theme: str) -> None:
        self.colors = theme_colors(theme)
        if cell < 20:
            raise ConfigError(f"cell_px must be at least 20, got {cell}.")
        self.cell = cell
        self.font = load_font(cell * 0.36)
        self.words = load_font(max(cell * 0.4, 12))
        self.head = load_font(max(cell * 0.36, 11))

    def paper(self, width: int, height: int) -> Image.Image:
        """An empty picture."""
        return Image.new("RGB", (width, height), self.colors["paper"])

    def paper_for(self, boards: Iterable[Board]) -> tuple[Image.Image, int]:
        """An empty picture with room for the boards and a sentence below them, and the row where that room begins."""
        listed = list(boards)
        width = max(max(board.right for board in listed) + GAP, NARROWEST)
        floor = max(board.bottom for board in listed) + 18
        return self.paper(width, floor + round(self.words.size * 4.6)), floor

    def title(self, pen: ImageDraw.ImageDraw, board: Board, text: str) -> None:
        """What stands over a board."""
        pen.text((board.left, board.top - 10), text, self.colors["quiet"], font=self.head, anchor="ls")

    def mark(self, pen: ImageDraw.ImageDraw, board: Board, row: int, column: int) -> None:
        """Outline one number."""
        pen.rectangle(board.box(row, column), outline=self.colors["accent"], width=3)

    def sign(self, pen: ImageDraw.ImageDraw, x: float, y: float, text: str) -> None:
        """A sign between two boards."""
        pen.text((x, y), text, self.colors["quiet"], font=load_font(self.cell * 0.6), anchor="mm")

    def sentence(self, pen: ImageDraw.ImageDraw, words: str, *, width: int, floor: int) -> None:
        """Words below `floor`, in at most three lines; of more, the first and the last are kept."""
        lines, line = [], ""
        for word in words.split(" "):
            longer = f"{line} {word}".strip()
            if pen.textlength(longer, font=self.words) > width - 2 * GAP:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
        if len(lines) > 3:
            lines = [lines[0], "…", lines[-1]]
        for number, text in enumerate(lines):
            at = (GAP, floor + round(self.words.size * (1.1 + 1.35 * number)))
            pen.text(at, text, self.colors["ink"], font=self.words, anchor="ls")

    def map(
        self,
        pen: ImageDraw.ImageDraw,
        board: Board,
        values: NDArray[Any],
        peak: float,
        *,
        real: tuple[int, int, int, int] | None = None,
    ) -> None:
        """The numbers of a board; those outside of `real` (top, bottom, left, right) are padding."""
        for (row, column), value in np.ndenumerate(values):
            pad = real is not None and not (real[0] <= row < real[1] and real[2] <= column < real[3])
            fill = self.colors["pad"] if pad else self.colors["paper"] if np.isnan(value) else self._tone(value / peak)
            pen.rectangle(board.box(row, column), fill=fill, outline=self.colors["line"])
            if not np.isnan(value):
                ink = self.colors["quiet"] if pad else self.colors["ink"]
                x0, y0, x1, y1 = board.box(row, column)
                text = say_number(float(value)) if float(value).is_integer() else say_number(float(f"{value:.2g}"))
                font = self.font
                if pen.textlength(text, font=font) > board.cell - 6:
                    font = load_font(max(self.font.size * 0.75, 9))
                pen.text(((x0 + x1) / 2, (y0 + y1) / 2), text, ink, font=font, anchor="mm")

    def _tone(self, share: float) -> tuple[int, int, int]:
        """The signed map, softened so that numbers stay readable."""
        end = colormap_table(SIGNED)[20 if share < 0 else 235].astype(np.float64)
        paper = np.array(self.colors["paper"], dtype=np.float64)
        mixed = paper + (end - paper) * 0.6 * min(abs(share), 1.0)
        return int(mixed[0]), int(mixed[1]), int(mixed[2])


def peak(values: NDArray[Any] | Sequence[float]) -> float:
    """The largest magnitude, above 0."""
    finite = np.abs(np.asarray(values))[np.isfinite(values)]
    return max(float(finite.max()) if finite.size else 0.0, 1e-12)


def check_readable(shape: tuple[int, ...]) -> None:
    """Refuse maps of more numbers than one can read in a picture.

    Raises:
        ConfigError: More than 24 rows or columns.
    """
    if max(shape) > 24:
        raise ConfigError(
            f"An animation shows at most 24×24 numbers, padding included, got {'×'.join(map(str, shape))}; "
            "take a smaller input, or the page, which has no such limit."
        )

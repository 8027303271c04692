"""A window sliding over real numbers: the frames of an animation.

Left the input with its padding, then the filter, their products, and the output as it fills; below, the sum in words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.arithmetic import ConvolutionTrace, PoolingTrace
from striate.arithmetic.trace_words import say_number, say_pool, say_sum
from striate.draw.colormap import SIGNED, colormap_table
from striate.draw.font import load_font
from striate.errors import ConfigError

__all__ = ["trace_frames"]

_THEMES = {
    "light": {
        "paper": "#fbfaf8",
        "ink": "#17181a",
        "quiet": "#5c5d61",
        "line": "#dedbd5",
        "pad": "#f1efeb",
        "accent": "#b4632a",
    },
    "dark": {
        "paper": "#131416",
        "ink": "#e9e7e2",
        "quiet": "#a3a099",
        "line": "#2e3034",
        "pad": "#1c1e21",
        "accent": "#e0935a",
    },
}
_GAP = 28


@dataclass(frozen=True, slots=True)
class _Board:
    """A map of numbers at a place of the frame."""

    title: str
    left: int
    top: int
    cell: int
    rows: int
    columns: int

    @property
    def right(self) -> int:
        return self.left + self.columns * self.cell

    @property
    def bottom(self) -> int:
        return self.top + self.rows * self.cell

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        x, y = self.left + column * self.cell, self.top + row * self.cell
        return x, y, x + self.cell, y + self.cell


def trace_frames(
    trace: ConvolutionTrace | PoolingTrace, *, max_frames: int = 120, cell_px: int = 32, theme: str = "light"
) -> Iterator[NDArray[np.uint8]]:
    """One picture for each place of the window, all of one size.

    Args:
        trace: What happened; at most three channels are drawn of those that one filter reads.
        max_frames: The places after these are left out.
        cell_px: Side of the square of one number, in pixels.
        theme: `light` or `dark`.

    Yields:
        uint8 `h w 3`.

    Raises:
        ConfigError: A number of frames below 1, a cell too small for its number, an unknown theme, or a map of more
            than 24 rows or columns, whose numbers nobody could read.
    """
    if theme not in _THEMES:
        raise ConfigError(f"theme must be 'light' or 'dark', got {theme!r}.")
    if max_frames < 1 or cell_px < 20:
        raise ConfigError(f"max_frames must be at least 1 and cell_px at least 20, got {max_frames} and {cell_px}.")
    if max(trace.padded.shape[1:]) > 24:
        raise ConfigError(
            "An animation shows at most 24×24 numbers, padding included, got "
            f"{'×'.join(map(str, trace.padded.shape[1:]))}; take a smaller input, or the page, which has no such limit."
        )
    scene = _Scene(trace, cell_px, theme)
    for number, place in enumerate(np.ndindex(*trace.output.shape)):
        if number == max_frames:
            break
        yield scene.frame(int(place[0]), int(place[1]), int(place[2]))


class _Scene:
    """Where everything stands, and how one frame is drawn."""

    def __init__(self, trace: ConvolutionTrace | PoolingTrace, cell: int, theme: str) -> None:
        self.trace, self.cell, self.colors = trace, cell, _THEMES[theme]
        self.dark = theme == "dark"
        self.font = load_font(cell * 0.36)
        self.words = load_font(max(cell * 0.4, 12))
        self.head = load_font(max(cell * 0.36, 11))
        rows, columns = trace.padded.shape[1:]
        is_convolution = isinstance(trace, ConvolutionTrace)
        read = min(trace.weight.shape[1], 3) if isinstance(trace, ConvolutionTrace) else 1
        tall, wide = trace.weight.shape[-2:] if isinstance(trace, ConvolutionTrace) else trace.kernel_size
        top, left = _GAP + 26, _GAP
        self.inputs = []
        for channel in range(read):
            at = top + channel * (rows * cell + 34)
            title = "input" if read == 1 else f"input, channel {channel}"
            self.inputs.append(_Board(title, left, at, cell, rows, columns))
        left = self.inputs[0].right + 2 * _GAP
        self.kernels: list[_Board] = []
        self.products: list[_Board] = []
        if is_convolution:
            for board in self.inputs:
                self.kernels.append(_Board("filter", left, board.top, cell, tall, wide))
                at = self.kernels[-1].right + 2 * _GAP
                self.products.append(_Board("products", at, board.top, round(cell * 1.25), tall, wide))
            left = self.products[0].right + 2 * _GAP
        out_rows, out_columns = trace.output.shape[1:]
        self.output = _Board("output", left, top, round(cell * 1.15), out_rows, out_columns)
        boards = [*self.inputs, *self.kernels, *self.products, self.output]
        self.width = max(max(board.right for board in boards) + _GAP, 640)
        self.floor = max(board.bottom for board in boards) + 18
        self.height = self.floor + round(self.words.size * 4.6)
        self.scales = {"in": _peak(trace.padded), "out": _peak(trace.output)}
        if isinstance(trace, ConvolutionTrace):
            self.scales["w"] = _peak(trace.weight)

    def frame(self, filter: int, row: int, column: int) -> NDArray[np.uint8]:  # noqa: A002 - the field's word
        """The picture of one place."""
        trace = self.trace
        window = trace.window(filter, row, column)
        image = Image.new("RGB", (self.width, self.height), self.colors["paper"])
        pen = ImageDraw.Draw(image)
        (above, _), (before, _) = trace.padding
        for board, channel in zip(self.inputs, window.channels, strict=False):
            real = (above, above + trace.input.shape[1], before, before + trace.input.shape[2])
            self._map(pen, board, trace.padded[channel], self.scales["in"], real=real)
            for y in window.rows:
                for x in window.columns:
                    pen.rectangle(board.box(y, x), outline=self.colors["accent"], width=3)
        if window.products is not None and window.weight is not None:
            for board, weight in zip(self.kernels, window.weight, strict=False):
                self._map(pen, board, weight, self.scales["w"])
                self._sign(pen, (self.inputs[0].right + board.left) / 2, (board.top + board.bottom) / 2, "⋆")
            for board, products in zip(self.products, window.products, strict=False):
                self._map(pen, board, products, _peak(products))
        written = trace.output[filter].copy()
        written[row, column + 1 :] = np.nan
        written[row + 1 :] = np.nan
        self._map(pen, self.output, written, self.scales["out"])
        pen.rectangle(self.output.box(row, column), outline=self.colors["accent"], width=3)
        last = (self.products or self.inputs)[0]
        self._sign(pen, (last.right + self.output.left) / 2, (last.top + last.bottom) / 2, "→")
        self._titles(pen, filter)
        words = say_sum(window) if isinstance(trace, ConvolutionTrace) else say_pool(window, trace.kind)
        self._sentence(pen, words)
        return np.asarray(image)

    def _titles(self, pen: ImageDraw.ImageDraw, filter: int) -> None:  # noqa: A002
        what = "filter" if isinstance(self.trace, ConvolutionTrace) else "channel"
        several = self.trace.output.shape[0] > 1
        titles = [(board, board.title) for board in [*self.inputs, *self.products[:1]]]
        titles += [(board, f"filter {filter}" if several else "filter") for board in self.kernels[:1]]
        titles.append((self.output, f"output of {what} {filter}" if several else "output"))
        for board, title in titles:
            pen.text((board.left, board.top - 10), title, self.colors["quiet"], font=self.head, anchor="ls")

    def _sign(self, pen: ImageDraw.ImageDraw, x: float, y: float, text: str) -> None:
        pen.text((x, y), text, self.colors["quiet"], font=load_font(self.cell * 0.6), anchor="mm")

    def _sentence(self, pen: ImageDraw.ImageDraw, words: str) -> None:
        """The sum below, in at most three lines."""
        lines, line = [], ""
        for word in words.split(" "):
            longer = f"{line} {word}".strip()
            if pen.textlength(longer, font=self.words) > self.width - 2 * _GAP:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
        if len(lines) > 3:
            lines = [lines[0], "…", lines[-1]]
        for number, text in enumerate(lines):
            at = (_GAP, self.floor + round(self.words.size * (1.1 + 1.35 * number)))
            pen.text(at, text, self.colors["ink"], font=self.words, anchor="ls")

    def _map(
        self,
        pen: ImageDraw.ImageDraw,
        board: _Board,
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
        paper = np.array([int(self.colors["paper"][i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)
        mixed = paper + (end - paper) * 0.6 * min(abs(share), 1.0)
        return int(mixed[0]), int(mixed[1]), int(mixed[2])


def _peak(values: NDArray[Any] | Sequence[float]) -> float:
    finite = np.abs(np.asarray(values))[np.isfinite(values)]
    return max(float(finite.max()) if finite.size else 0.0, 1e-12)

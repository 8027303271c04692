"""A window sliding over real numbers: the frames of an animation.

Left the input with its padding, then the filter, their products, and the output as it fills; below, the sum in words.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from striate.arithmetic import ConvolutionTrace, PoolingTrace
from striate.arithmetic.trace_words import say_pool, say_sum
from striate.draw.easel import GAP, TOP, Board, Easel, check_readable, peak
from striate.errors import ConfigError

__all__ = ["trace_frames"]


def trace_frames(
    trace: ConvolutionTrace | PoolingTrace,
    *,
    max_frames: int = 120,
    cell_px: int = 32,
    theme: str = "light",
    lead: str = "",
) -> Iterator[NDArray[np.uint8]]:
    """One picture for each place of the window, all of one size.

    Args:
        trace: What happened; at most three channels are drawn of those that one filter reads.
        max_frames: The places after these are left out.
        cell_px: Side of the square of one number, in pixels.
        theme: `light` or `dark`.
        lead: Words before those of each place.

    Yields:
        uint8 `h w 3`.

    Raises:
        ConfigError: A number of frames below 1, a cell too small for its number, an unknown theme, or a map of more
            than 24 rows or columns, whose numbers nobody could read.
    """
    if max_frames < 1:
        raise ConfigError(f"max_frames must be at least 1, got {max_frames}.")
    check_readable(trace.padded.shape[1:])
    scene = _Scene(trace, Easel(cell_px, theme), lead)
    for number, place in enumerate(np.ndindex(*trace.output.shape)):
        if number == max_frames:
            break
        yield scene.frame(int(place[0]), int(place[1]), int(place[2]))


class _Scene:
    """Where everything stands, and how one frame is drawn."""

    def __init__(self, trace: ConvolutionTrace | PoolingTrace, easel: Easel, lead: str) -> None:
        self.trace, self.easel, self.lead = trace, easel, lead
        cell = easel.cell
        rows, columns = trace.padded.shape[1:]
        is_convolution = isinstance(trace, ConvolutionTrace)
        read = min(trace.weight.shape[1], 3) if isinstance(trace, ConvolutionTrace) else 1
        tall, wide = trace.weight.shape[-2:] if isinstance(trace, ConvolutionTrace) else trace.kernel_size
        left = GAP
        self.inputs = []
        for channel in range(read):
            at = TOP + channel * (rows * cell + 34)
            title = "input" if read == 1 else f"input, channel {channel}"
            self.inputs.append(Board(title, left, at, cell, rows, columns))
        left = self.inputs[0].right + 2 * GAP
        self.kernels: list[Board] = []
        self.products: list[Board] = []
        if is_convolution:
            for board in self.inputs:
                self.kernels.append(Board("filter", left, board.top, cell, tall, wide))
                at = self.kernels[-1].right + 2 * GAP
                self.products.append(Board("products", at, board.top, round(cell * 1.25), tall, wide))
            left = self.products[0].right + 2 * GAP
        out_rows, out_columns = trace.output.shape[1:]
        self.output = Board("output", left, TOP, round(cell * 1.15), out_rows, out_columns)
        self.scales = {"in": peak(trace.padded), "out": peak(trace.output)}
        if isinstance(trace, ConvolutionTrace):
            self.scales["w"] = peak(trace.weight)

    def frame(self, filter: int, row: int, column: int) -> NDArray[np.uint8]:  # noqa: A002 - the field's word
        """The picture of one place."""
        trace = self.trace
        window = trace.window(filter, row, column)
        image, floor = self.easel.paper_for([*self.inputs, *self.kernels, *self.products, self.output])
        pen = ImageDraw.Draw(image)
        (above, _), (before, _) = trace.padding
        for board, channel in zip(self.inputs, window.channels, strict=False):
            real = (above, above + trace.input.shape[1], before, before + trace.input.shape[2])
            self.easel.map(pen, board, trace.padded[channel], self.scales["in"], real=real)
            for y in window.rows:
                for x in window.columns:
                    self.easel.mark(pen, board, y, x)
        if window.products is not None and window.weight is not None:
            for board, weight in zip(self.kernels, window.weight, strict=False):
                self.easel.map(pen, board, weight, self.scales["w"])
                self.easel.sign(pen, (self.inputs[0].right + board.left) / 2, (board.top + board.bottom) / 2, "⋆")
            for board, products in zip(self.products, window.products, strict=False):
                self.easel.map(pen, board, products, peak(products))
        written = trace.output[filter].copy()
        written[row, column + 1 :] = np.nan
        written[row + 1 :] = np.nan
        self.easel.map(pen, self.output, written, self.scales["out"])
        self.easel.mark(pen, self.output, row, column)
        last = (self.products or self.inputs)[0]
        self.easel.sign(pen, (last.right + self.output.left) / 2, (last.top + last.bottom) / 2, "→")
        self._titles(pen, filter)
        words = say_sum(window) if isinstance(trace, ConvolutionTrace) else say_pool(window, trace.kind)
        self.easel.sentence(pen, f"{self.lead} {words}".strip(), width=image.width, floor=floor)
        return np.asarray(image)

    def _titles(self, pen: ImageDraw.ImageDraw, filter: int) -> None:  # noqa: A002
        what = "filter" if isinstance(self.trace, ConvolutionTrace) else "channel"
        several = self.trace.output.shape[0] > 1
        titles = [(board, board.title) for board in [*self.inputs, *self.products[:1]]]
        titles += [(board, f"filter {filter}" if several else "filter") for board in self.kernels[:1]]
        titles.append((self.output, f"output of {what} {filter}" if several else "output"))
        for board, title in titles:
            self.easel.title(pen, board, title)

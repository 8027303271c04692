"""A convolution as a linear layer looped over space: frames of one product, row after row."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from striate.arithmetic import ConvolutionTrace
from striate.arithmetic.trace_words import say_number
from striate.draw.easel import GAP, TOP, Board, Easel, peak
from striate.errors import ConfigError

__all__ = ["linear_frames"]


def linear_frames(
    trace: ConvolutionTrace, *, max_frames: int = 60, cell_px: int = 30, theme: str = "light"
) -> Iterator[NDArray[np.uint8]]:
    """One picture for each place: its row of patches, the weights that are always the same, and what comes out.

    Args:
        trace: What happened, in one group.
        max_frames: The places after these are left out.
        cell_px: Side of the square of one number, in pixels.
        theme: `light` or `dark`.

    Yields:
        uint8 `h w 3`, all of one size.

    Raises:
        ConfigError: A convolution in groups; a number of frames below 1, a cell too small for its number, an unknown
            theme; more than 40 numbers under the window or 100 places, which nobody could read.
    """
    if max_frames < 1:
        raise ConfigError(f"max_frames must be at least 1, got {max_frames}.")
    view, easel = trace.as_linear(), Easel(cell_px, theme)
    places, inputs = view.patches.shape
    if places > 100 or inputs > 40:
        raise ConfigError(
            f"An animation shows at most 100 places of 40 numbers, got {places} of {inputs}; take a smaller input or "
            "filter, or the page, which has no such limit."
        )
    filters = view.weight.shape[1]
    patches = Board(f"patches, {places}×{inputs}", GAP, TOP, cell_px, places, inputs)
    weights = Board("weights", patches.right + 2 * GAP, TOP, cell_px, inputs, filters)
    output = Board("output", weights.right + 3 * GAP, TOP, cell_px, places, filters)
    middle = TOP + 2 * cell_px
    for place in range(min(places, max_frames)):
        image, floor = easel.paper_for((patches, weights, output))
        pen = ImageDraw.Draw(image)
        easel.map(pen, patches, view.patches, peak(view.patches))
        easel.map(pen, weights, view.weight, peak(view.weight))
        written = np.where(np.arange(places)[:, None] <= place, view.output, np.nan)
        easel.map(pen, output, written, peak(view.output))
        for board, row, columns in ((patches, place, inputs), (output, place, filters)):
            left, upper, _, lower = board.box(row, 0)
            pen.rectangle((left, upper, left + columns * board.cell, lower), outline=easel.colors["accent"], width=3)
        for board in (patches, weights, output):
            easel.title(pen, board, board.title)
        easel.sign(pen, (patches.right + weights.left) / 2, middle, "×")
        easel.sign(pen, (weights.right + output.left) / 2, middle, "+ b =")
        row, column = divmod(place, trace.output.shape[2])
        bias, numbers = (", ".join(say_number(float(v)) for v in values) for values in (view.bias, view.output[place]))
        words = (
            f"Place ({row}, {column}): the numbers under the window in one row, times the same weights, "
            f"plus the bias {bias}: {numbers}."
        )
        easel.sentence(pen, words, width=image.width, floor=floor)
        yield np.asarray(image)

"""A picture on its way through a network, with every number: the frames of one animation, layer after layer."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from striate.arithmetic import ConvolutionTrace, FlattenTrace, LinearTrace, NetworkTrace, PoolingTrace
from striate.arithmetic.layer_traces import ElementTrace
from striate.arithmetic.trace_words import say_factor, say_number
from striate.draw.easel import BETWEEN, GAP, TOP, Board, Easel, check_readable, peak
from striate.draw.trace_frames import trace_frames
from striate.errors import ConfigError

__all__ = ["network_frames"]

_SHOWN = 3  # maps of a layer that are drawn
_SAME = "as a convolution, whose filter covers the whole map:"
_LINE = 12  # numbers of a row that stand in one line


def network_frames(
    trace: NetworkTrace, *, max_frames: int = 40, cell_px: int = 32, theme: str = "light"
) -> Iterator[NDArray[np.uint8]]:
    """The window at work in every layer that has one; the other layers with their numbers.

    A fully connected layer over a map that was flattened is drawn as a convolution too, at its first output.

    Args:
        trace: What happened; of an activation or `flatten` the first three maps are drawn, of a window as
            `trace_frames`.
        max_frames: Of each layer.
        cell_px: Side of the square of one number, in pixels.
        theme: `light` or `dark`.

    Yields:
        uint8 `h w 3`, all of one size.

    Raises:
        ConfigError: As `trace_frames`; more than 96 numbers in a row.
    """
    easel = Easel(cell_px, theme)
    frames: list[NDArray[np.uint8]] = []
    for layer in trace.layers:
        match layer:
            case ConvolutionTrace() | PoolingTrace():
                frames += trace_frames(layer, max_frames=max_frames, cell_px=cell_px, theme=theme)
            case LinearTrace():
                outputs = range(min(len(layer.output), max_frames))
                frames += [_linear(easel, layer, number) for number in outputs]
                if layer.shape[1] * layer.shape[2] > 1:  # and once more, as the convolution that it is
                    frames += trace_frames(
                        layer.as_convolution(), max_frames=1, cell_px=cell_px, theme=theme, lead=f"{layer.name} {_SAME}"
                    )
            case ElementTrace() | FlattenTrace():
                frames.append(_whole(easel, layer))
    height, width = (max(frame.shape[axis] for frame in frames) for axis in (0, 1)) if frames else (0, 0)
    for frame in frames:
        sheet = np.asarray(easel.paper(width, height)).copy()
        sheet[: frame.shape[0], : frame.shape[1]] = frame
        yield sheet


def _rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A row of numbers in lines; what is left over of the last one is empty."""
    if values.size > 96:
        raise ConfigError(f"An animation shows at most 96 numbers in a row, got {values.size}; take a smaller input.")
    columns = min(values.size, _LINE)
    lines = np.full(-(-values.size // columns) * columns, np.nan)
    lines[: values.size] = values
    return lines.reshape(-1, columns)


def _maps(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    if values.ndim != 3:
        return [_rows(values)]
    check_readable(values.shape[1:])
    return list(values[:_SHOWN])


def _whole(easel: Easel, layer: ElementTrace | FlattenTrace) -> NDArray[np.uint8]:
    """One frame: what goes in above, what comes out below."""
    cell = easel.cell
    titles = ("input", "output" if isinstance(layer, FlattenTrace) else f"{layer.function} of it")
    boards: list[tuple[Board, NDArray[np.float64], float]] = []
    top = TOP
    for title, values in zip(titles, (layer.input, layer.output), strict=True):
        left = GAP
        for number, values_2d in enumerate(_maps(values)):
            rows, columns = values_2d.shape
            boards.append((Board(title if not number else "", left, top, cell, rows, columns), values_2d, peak(values)))
            left += columns * cell + GAP
        top = boards[-1][0].bottom + BETWEEN
    image, floor = easel.paper_for(board for board, _, _ in boards)
    pen = ImageDraw.Draw(image)
    for board, values_2d, most in boards:
        easel.map(pen, board, values_2d, most)
        easel.title(pen, board, board.title)
    sizes = "×".join(map(str, layer.input.shape))
    words = (
        f"flatten: {sizes} numbers in one row of {layer.output.size}."
        if isinstance(layer, FlattenTrace)
        else f"{layer.function}: each of {sizes} numbers by itself."
    )
    easel.sentence(pen, words, width=image.width, floor=floor)
    return np.asarray(image)


def _linear(easel: Easel, layer: LinearTrace, number: int) -> NDArray[np.uint8]:
    """One frame an output: input, weights, products, and the outputs so far."""
    parts = {
        "input": layer.input,
        f"weights of output {number}": layer.weight[number],
        "products": layer.input * layer.weight[number],
    }
    top, boards = TOP, []
    for title, values in parts.items():
        lines = _rows(values)
        boards.append((Board(title, GAP, top, easel.cell, *lines.shape), lines))
        top = boards[-1][0].bottom + BETWEEN
    answers = _rows(np.where(np.arange(layer.output.size) <= number, layer.output, np.nan))
    output = Board("output", boards[0][0].right + 2 * GAP, TOP, round(easel.cell * 1.3), *answers.shape[::-1])
    image, floor = easel.paper_for([output, *(board for board, _ in boards)])
    pen = ImageDraw.Draw(image)
    for board, lines in boards:
        easel.map(pen, board, lines, peak(lines))
        easel.title(pen, board, board.title)
    easel.map(pen, output, answers.T, peak(layer.output))
    easel.title(pen, output, "output")
    easel.mark(pen, output, number % _LINE, number // _LINE)
    bias = f" + {say_factor(float(layer.bias[number]))} (bias)" if layer.bias[number] else ""
    total = say_number(float((layer.input * layer.weight[number]).sum()))
    words = f"Sum of the products {total}{bias} = {say_number(float(layer.output[number]))}, output {number}."
    easel.sentence(pen, words, width=image.width, floor=floor)
    return np.asarray(image)

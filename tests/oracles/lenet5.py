"""LeNet-5 one unit at a time, in NumPy: what the paper's sentences say, without a convolution routine."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["lenet5_logits", "slow_distance", "slow_subsample", "slow_table_convolution"]


def slow_subsample(x: np.ndarray, coefficient: np.ndarray, bias: np.ndarray, window: int = 2) -> np.ndarray:
    """`c h w`: the inputs of a window are added, multiplied by a coefficient and added to a bias."""
    c, h, w = x.shape
    y = np.zeros((c, h // window, w // window))
    for channel, row, column in np.ndindex(y.shape):
        inputs = [x[channel, row * window + dy, column * window + dx] for dy in range(window) for dx in range(window)]
        y[channel, row, column] = sum(inputs) * coefficient[channel] + bias[channel]
    return y


def slow_table_convolution(
    x: np.ndarray, table: Sequence[Sequence[int]], weight: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """`c h w`: every output unit adds up the windows of the maps that its row names; `weight` is one kernel a link."""
    _, h, w = x.shape
    side = weight.shape[-1]
    y = np.zeros((len(table), h - side + 1, w - side + 1))
    for row, column in np.ndindex(y.shape[1:]):
        link = 0
        for output, sources in enumerate(table):
            total = bias[output]
            for source in sources:
                total += (x[source, row : row + side, column : column + side] * weight[link]).sum()
                link += 1
            y[output, row, column] = total
    return y


def slow_distance(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Squared distance of a vector to each code."""
    return np.array([sum((float(a) - float(b)) ** 2 for a, b in zip(x, code, strict=True)) for code in codes])


def lenet5_logits(image: np.ndarray, state: Mapping[str, np.ndarray], table: Sequence[Sequence[int]]) -> np.ndarray:
    """Minus the penalties of one 32×32 image `c h w`."""

    def squash(a: np.ndarray) -> np.ndarray:
        return 1.7159 * np.tanh(2 / 3 * a)

    def convolve(x: np.ndarray, name: str, rows: Sequence[Sequence[int]]) -> np.ndarray:
        weight = state[f"{name}.weight"]
        return squash(slow_table_convolution(x, rows, weight.reshape(-1, *weight.shape[-2:]), state[f"{name}.bias"]))

    def everything(outputs: int, inputs: int) -> list[range]:
        return [range(inputs)] * outputs

    x = convolve(image, "c1", everything(6, len(image)))
    x = squash(slow_subsample(x, state["s2.coefficient"], state["s2.bias"]))
    x = convolve(x, "c3", table)
    x = squash(slow_subsample(x, state["s4.coefficient"], state["s4.bias"]))
    x = convolve(x, "c5", everything(120, 16))
    x = convolve(x, "f6", everything(84, 120))
    return -slow_distance(x.ravel(), state["output.codes"])

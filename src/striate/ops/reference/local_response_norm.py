"""Local response normalization, by the formula and nothing else."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["local_response_norm"]


def local_response_norm(input: NDArray[Any], size: int, *, alpha: float, beta: float, k: float) -> NDArray[np.float64]:
    """a[c] / (k + alpha / size · Σ a[j]²)^beta over the channels j from c − ⌊size/2⌋ to c + ⌊(size − 1)/2⌋.

    Args:
        input: Maps, `n c` and the axes of space.
        size: Channels of the window.
        alpha: What the mean square is multiplied with.
        beta: The power.
        k: What is added before the power is taken.

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3, with alpha divided by the size.
    """
    out = np.zeros(input.shape)
    channels = input.shape[1]
    for at in product(*map(range, input.shape)):
        picture, channel, *place = at
        squares = 0.0
        for neighbor in range(max(channel - size // 2, 0), min(channel + (size - 1) // 2 + 1, channels)):
            squares += float(input[picture, neighbor, *place]) ** 2
        out[at] = float(input[at]) / (k + alpha / size * squares) ** beta
    return out

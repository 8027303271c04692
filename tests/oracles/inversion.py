"""The paper's inversion as its own code does it, in plain loops and in gray levels: slow, and with nothing shared."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIGMA_GRAY = 27098 / math.sqrt(227 * 227 * 3)


def total_variation(x: NDArray[np.float64], beta: float) -> float:
    """Sum over c h w of ((x[i, j+1] - x[i, j])² + (x[i+1, j] - x[i, j])²)^(β/2), the border repeated."""
    total = 0.0
    channels, height, width = x.shape
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                across = x[c, i, min(j + 1, width - 1)] - x[c, i, j]
                down = x[c, min(i + 1, height - 1), j] - x[c, i, j]
                total += (across**2 + down**2) ** (beta / 2)
    return total


def total_variation_gradient(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of β = 2: twice the sum of the differences to the neighbors that there are."""
    gradient = np.zeros_like(x)
    channels, height, width = x.shape
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        gradient[c, i, j] += 2 * (x[c, i, j] - x[c, i + di, j + dj])
    return gradient


def invert_as_the_paper(
    network: Callable[[Tensor], Tensor],
    wanted: Tensor,
    start: NDArray[np.float64],
    *,
    tv_weight: float,
    alpha_weight: float,
    rates: list[float],
) -> NDArray[np.float64]:
    """Momentum steps on gray levels around 0, `c h w`; `network` takes `1 c h w` in gray levels."""
    x = start.copy()
    momentum = np.zeros_like(x)
    size = float(wanted.square().sum())
    scale = SIGMA_GRAY**2 * x.size
    last = 0.0
    for rate in rates:
        leaf = torch.tensor(x[None], requires_grad=True)
        loss = (network(leaf) - wanted).square().sum()
        loss.backward()
        assert leaf.grad is not None
        data = leaf.grad[0].numpy()
        prior = tv_weight / 2 * total_variation_gradient(x) + alpha_weight / 2 * 6 * x**5
        if rate != last:
            momentum = np.zeros_like(x)
            last = rate
        momentum = 0.9 * momentum - rate * prior - rate * scale / size * data
        x = x + momentum
    return x

"""What lies beyond the border of a map.

| border | beyond `a b c d` | also called |
|---|---|---|
| `zeros` | 0 0 0 | SciPy `constant`, OpenCV `BORDER_CONSTANT` |
| `reflect` | b c d, mirrored at the last pixel, which is not repeated | SciPy `mirror`, OpenCV `BORDER_REFLECT_101` |
| `symmetric` | a b c, mirrored behind the last pixel, which is repeated | SciPy `reflect`, OpenCV `BORDER_REFLECT` |
| `replicate` | a a a | SciPy `nearest`, OpenCV `BORDER_REPLICATE`, NumPy `edge` |
| `circular` | d c b: the other end | SciPy `wrap`, OpenCV `BORDER_WRAP` |
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional as F

from striate.arithmetic.numbers import whole
from striate.errors import ConfigError, ShapeError, nearest

__all__ = ["Border", "pad"]

Border = Literal["zeros", "reflect", "symmetric", "replicate", "circular"]


def pad(
    input: Shaped[Tensor, "n c *spatial"],
    padding: Sequence[tuple[int, int]],
    *,
    border: Border = "zeros",
    value: float = 0.0,
) -> Shaped[Tensor, "n c *padded"]:
    """The map with places added around it.

    Args:
        input: Maps with any number of axes of space.
        padding: (before, after) for each axis of space; any size, also more than the map has.
        border: What the places hold.
        value: What they hold under `zeros`.

    Raises:
        ConfigError: Another number of axes, a padding below 0, or an unknown border.
        ShapeError: A map without places to mirror or repeat.

    Differs:
        `torch.nn.functional.pad` has no `symmetric`, lists the last axis first, and mirrors once at most.

    >>> pad(torch.arange(4.0).reshape(1, 1, 4), [(2, 1)], border="reflect").flatten().tolist()
    [2.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0]
    """
    axes = input.dim() - 2
    if len(padding) != axes:
        raise ConfigError(f"padding must be (before, after) for each of {axes} axes, got {tuple(padding)}.")
    for pair in padding:
        for side in pair:
            whole("padding", side, at_least=0)
    if border == "zeros":
        flat = [side for pair in reversed(padding) for side in pair]
        return F.pad(input, flat, value=value) if any(flat) else input
    if border not in get_args(Border):
        raise ConfigError(f"border has no choice {border!r}. {nearest(border, get_args(Border))}")
    for axis, (before, after) in enumerate(padding, start=2):
        if before or after:
            if input.shape[axis] == 0:
                raise ShapeError(f"border '{border}' needs a pixel to start from, got the shape {tuple(input.shape)}.")
            index = _sources(input.shape[axis], before, after, border, device=input.device)
            input = input.index_select(axis, index)
    return input


def _sources(size: int, before: int, after: int, border: Border, *, device: torch.device) -> Tensor:
    """The place that each place of the padded axis repeats."""
    place = torch.arange(-before, size + after, device=device)
    if border == "replicate":
        return place.clamp(0, size - 1)
    if border == "circular":
        return place % size
    if border == "symmetric":
        place = place % (2 * size)
        return torch.minimum(place, 2 * size - 1 - place)
    period = max(2 * (size - 1), 1)
    place = place % period
    return torch.minimum(place, period - place) if size > 1 else torch.zeros_like(place)

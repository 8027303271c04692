"""A filter as a person types it: numbers in rows, `1 0 -1; 1 0 -1; 1 0 -1`."""

import math
import re

import torch
from jaxtyping import Float
from torch import Tensor

from striate.arithmetic.checks import text_of
from striate.errors import ConfigError, ShapeError

__all__ = ["parse_kernel"]


def parse_kernel(text: str) -> Float[Tensor, "h w"]:
    """The filter that a text means: rows divided by `;` or lines, numbers by spaces or commas; fractions as `1/9`.

    Raises:
        ConfigError: No numbers, one that is no finite number, or a division by zero.
        ShapeError: Rows of different lengths.

    >>> parse_kernel("1 0 -1; 2 0 -2; 1 0 -1")
    tensor([[ 1.,  0., -1.],
            [ 2.,  0., -2.],
            [ 1.,  0., -1.]], dtype=torch.float64)
    """
    text = text_of("kernel", text, example="1 0 -1; 1 0 -1; 1 0 -1")
    rows = [re.split(r"[\s,]+", row.strip()) for row in re.split(r"[;\n]", text.strip().strip("[]; \n")) if row.strip()]
    if not rows:
        raise ConfigError(f"kernel must hold numbers in rows, such as '1 0 -1; 1 0 -1; 1 0 -1', got {text!r}.")
    numbers = [[_number(word) for word in row] for row in rows]
    for place, row in enumerate(numbers, start=1):
        if len(row) != len(numbers[0]):
            raise ShapeError(
                f"kernel must have rows of one length: row 1 has {len(numbers[0])} numbers, row {place} has {len(row)}."
            )
    return torch.tensor(numbers, dtype=torch.float64)


def _number(word: str) -> float:
    word = word.strip("[]")
    upper, _, lower = word.replace("−", "-").partition("/")
    try:
        value = float(upper) / (float(lower) if lower else 1.0)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"kernel must hold finite numbers, got '{word}'.")
    return value

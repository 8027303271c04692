"""Checks at the public door of a network: what a person can get wrong, said before PyTorch says it in its own words."""

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor

from striate.errors import ConfigError, ShapeError, nearest

__all__ = ["choose", "require_size"]

T = TypeVar("T")


def require_size(x: Tensor, minimum: int, name: str) -> None:
    """Refuse images that are too small for a network.

    Only sizes are read, never values: it works on the meta device, and `torch.export` turns it into the lower bound
    of a dynamic height or width.

    Args:
        x: the images that the network was given, `n c h w`.
        minimum: the smallest height and width that run, pixels.
        name: the network's name, for the message.

    Raises:
        ShapeError: `x` is not a batch, or an image is lower or narrower than `minimum`.
    """
    if x.ndim != 4:
        raise ShapeError(
            f"{name} takes a batch of images n c h w, but got the shape {tuple(x.shape)}: one image is x[None]."
        )
    height, width = x.shape[-2:]
    if height < minimum or width < minimum:
        raise ShapeError(
            f"{name} needs images of at least {minimum}×{minimum} pixels (height×width), but got {height}×{width}: "
            "enlarge them first."
        )


def choose(argument: str, value: str, table: Mapping[str, T]) -> T:
    """Look up the row of `table` that an argument names.

    Raises:
        ConfigError: no row has that name; the message gives the argument, the value and the nearest names.

    >>> choose("depth", "deep", {"deep": 19, "shallow": 11})
    19
    """
    if value not in table:
        raise ConfigError(f"{argument} has no choice {value!r}. {nearest(value, table)}")
    return table[value]

"""A few candidates of each kind to learn from, because most of them are background.

Of twenty thousand anchors a handful lies on objects. If all of them counted, "background" would always be nearly right.
So a fixed number is drawn, of which at most a given share finds an object; what is missing is filled with background.

Source: Girshick 2015, Fast R-CNN, section 2.3 (64 a picture, a quarter of them objects); Ren et al. 2015, Faster R-CNN,
section 3.1.3 (256 a picture, half).
"""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from striate.errors import ConfigError

__all__ = ["check_sampling", "sample"]


def sample(
    positive: Bool[Tensor, " a"], negative: Bool[Tensor, " a"], *, count: int, positive_fraction: float
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " q"]]:
    """Rows of the positive and of the negative candidates that are learned from, drawn by torch's default generator.

    Args:
        positive: Which candidates are to find an object.
        negative: Which are background.
        count: How many are drawn at most, of both kinds together.
        positive_fraction: Share of `count` that the positive ones may have.

    >>> import torch
    >>> rows = torch.arange(10)
    >>> positive, negative = sample(rows < 2, rows >= 2, count=6, positive_fraction=0.5)
    >>> len(positive), len(negative)
    (2, 4)
    """
    chosen = _draw(positive, int(count * positive_fraction))
    return chosen, _draw(negative, count - len(chosen))


def check_sampling(name: str, count: int, positive_fraction: float) -> None:
    """Refuse numbers that draw nothing.

    Raises:
        ConfigError: If `count` is below 1 or `positive_fraction` is outside [0, 1].
    """
    if count < 1 or not 0 <= positive_fraction <= 1:
        raise ConfigError(
            f"{name}: batch must be at least 1 and positive_fraction in [0, 1], got {count} and {positive_fraction}."
        )


def _draw(mask: Tensor, most: int) -> Tensor:
    rows = torch.nonzero(mask).flatten()
    if len(rows) <= most:
        return rows
    # In the order of rows, not of the draw: neighboring memory is read together.
    return rows[torch.randperm(len(rows), device=mask.device)[:most]].sort().values

"""A picture bent to a torus: what leaves at one side comes in at the other, so that nothing of it is ever lost.

A network's grid of strides stays where it is while the picture moves under it, and its traces in the gradient average
out over the steps. Gradients come back unrolled by themselves: rolling is its own adjoint with the sign turned.

Source: Mordvintsev, Olah, Tyka 2015, google/deepdream, `dream.ipynb`: `np.roll` by -jitter…jitter, and back.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError

__all__ = ["Roll", "Tiles"]


@dataclass(frozen=True)
class Roll:
    """A roll by -size_px to size_px pixels in either direction; all pictures of a batch alike.

    >>> x = torch.arange(12.0).view(1, 1, 3, 4)
    >>> sorted(Roll(2)(x, generator=torch.Generator().manual_seed(0)).flatten().tolist()) == x.flatten().tolist()
    True
    """

    size_px: int

    def __post_init__(self) -> None:
        if self.size_px < 0:
            raise ConfigError(f"Roll: size_px must be 0 or more; got {self.size_px}.")

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Roll rows and columns."""
        down, right = torch.randint(-self.size_px, self.size_px + 1, (2,), generator=generator).tolist()
        return x.roll((down, right), (2, 3)) if down or right else x


@dataclass(frozen=True)
class Tiles:
    """A picture cut into equal tiles of at most `size_px` a side, which cover it once or a little more.

    Where the sides are no multiples, the last row and column go around the torus and meet the first again, by less
    pixels than there are tiles in that direction. With a `Roll` before it by up to a tile, seams lie elsewhere at every
    step. Seen through `Dream(views_at_once=1)`, the network never holds more than a tile.
    """

    size_px: int

    def __post_init__(self) -> None:
        if self.size_px < 1:
            raise ConfigError(f"Tiles: size_px must be 1 or more; got {self.size_px}.")

    def count(self, height: int, width: int) -> tuple[int, int]:
        """Tiles in either direction."""
        return math.ceil(height / self.size_px), math.ceil(width / self.size_px)

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Cut `n·k c th tw`, the k tiles of a picture together, row by row."""
        n, c, height, width = x.shape
        rows, columns = self.count(height, width)
        if rows * columns == 1:
            return x
        tall, wide = math.ceil(height / rows), math.ceil(width / columns)
        x = torch.cat([x, x[:, :, : rows * tall - height]], 2) if rows * tall > height else x
        x = torch.cat([x, x[:, :, :, : columns * wide - width]], 3) if columns * wide > width else x
        x = x.view(n, c, rows, tall, columns, wide).permute(0, 2, 4, 1, 3, 5)  # n rows columns c th tw
        return x.reshape(n * rows * columns, c, tall, wide)

"""What is pasted into scenes: the interface of everything that gives pictures of objects with their outline."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.scene_dice import Dice

__all__ = ["ALPHA_OF_OBJECT", "SpriteSource", "trimmed"]

ALPHA_OF_OBJECT = 128
"""From this alpha on (a half of 255) a pixel belongs to the object, in every mask and box."""


@dataclass(frozen=True, eq=False)
class SpriteSource(ABC):
    """Objects of `k` classes.

    Attributes:
        classes: Names of the classes.
    """

    classes: tuple[str, ...]

    @abstractmethod
    def draw(self, kind: int, dice: Dice, *, part: str) -> NDArray[np.uint8]:
        """An object of a class as uint8 `h w 4`, RGB and alpha, nothing but clear pixels cut away around it.

        Args:
            kind: Position in `classes`.
            dice: Decides which of the class's objects it is.
            part: `train`, `val`, `test` or `unseen`; parts may have other objects.
        """

    def kinds(self, part: str) -> tuple[int, ...]:
        """The classes of which a part has objects: all of them, unless a source says otherwise."""
        del part
        return tuple(range(len(self.classes)))

    @abstractmethod
    def describe(self) -> str:
        """One phrase, for people."""


def trimmed(sprite: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The sprite without its clear margins; what has no pixel of the object becomes `0 0 4`."""
    solid = sprite[..., 3] >= ALPHA_OF_OBJECT
    if not solid.any():
        return sprite[:0, :0]
    seen = sprite[..., 3] > 8
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return sprite[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

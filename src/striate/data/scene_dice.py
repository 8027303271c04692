"""Random numbers that belong to one purpose in one scene, so that nothing that is drawn before changes them."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dice"]

T = TypeVar("T")


class Dice:
    """A generator whose seed is a hash of what it is for: seed of the set, part, number of the scene, purpose.

    Only NumPy's plain uniform stream is used, which is the same in every version.

    >>> Dice(0, "test", 7).within(0, 1) == Dice(0, "test", 7).within(0, 1)
    True
    """

    def __init__(self, *purpose: str | int) -> None:
        self.purpose = purpose
        text = "\0".join(f"{type(word).__name__}{word}" for word in purpose)
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
        self._stream = np.random.Generator(np.random.PCG64(key))

    def of(self, *purpose: str | int) -> "Dice":
        """Dice for a purpose inside of this one; what was drawn from this one does not matter."""
        return Dice(*self.purpose, *purpose)

    def within(self, low: float, high: float) -> float:
        """A number from [low, high)."""
        return float(low + (high - low) * self._stream.random())

    def ratio(self, low: float, high: float) -> float:
        """A number from [low, high), even in its logarithm."""
        return float(low * (high / low) ** self._stream.random())

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._stream.random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True in a share of the cases."""
        return bool(self._stream.random() < share)

    def one(self, things: Sequence[T]) -> T:
        """One of some things, each as likely."""
        return things[int(self._stream.random() * len(things))]

    def field(self, *shape: int) -> NDArray[np.float32]:
        """Numbers from [0, 1), float32."""
        return self._stream.random(shape, dtype=np.float32)

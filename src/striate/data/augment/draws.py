"""Random numbers that belong to a picture and not to the order in which pictures happen to be asked for.

A generator with a state gives other numbers as soon as the number of workers, the size of the batch or the share of a
process changes. Here every number is a hash of what it is for:

    number = hash(seed, epoch, index of the picture, name of the draw, counter)

so the same seed gives the same pictures however the work is cut up, and any epoch can be entered in the middle. The
hash is the finalizer of splitmix64; for one picture and one name the counter runs through splitmix64's own sequence.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError

__all__ = ["Draws"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: the step of splitmix64's counter
_MASK = (1 << 64) - 1
_KEPT_COUNT = 64  # so many numbers a picture are remembered: geometry asks for all of them again for each row


class Draws:
    """The random numbers of some pictures in one epoch; NumPy, vectorized over the pictures, safe in many threads.

    Args:
        seed: Of the run, any whole number from 0.
        epoch: From 0.
        indices: `n` positions of the pictures in their set.

    Raises:
        ConfigError: If `seed`, `epoch` or an index is below 0.

    Source: Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number Generators, figure 16 (splitmix64);
        counter-based: Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3.

    >>> whole = Draws(0, 3, range(100)).uniform("flip")
    >>> part = Draws(0, 3, [41, 17]).uniform("flip")
    >>> bool((part == whole[[41, 17]]).all())
    True
    """

    def __init__(self, seed: int, epoch: int, indices: ArrayLike) -> None:
        rows = np.asarray(indices, dtype=np.int64).reshape(-1)
        for name, value in (("seed", seed), ("epoch", epoch), ("indices", int(rows.min()) if rows.size else 0)):
            if value < 0:
                raise ConfigError(f"Draws: {name} must be 0 or more, got {value}.")
        self.seed, self.epoch, self.indices = seed, epoch, rows
        start = np.array([(seed ^ (seed >> 64)) & _MASK], dtype=np.uint64)
        start = _mixed(_mixed(start + _GOLDEN) ^ np.array([epoch & _MASK], dtype=np.uint64))
        self._rows = _mixed(start ^ _mixed(rows.view(np.uint64) + _GOLDEN))
        self._kept: dict[tuple[str, str, int, float], NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def uniform(self, name: str, count: int = 1) -> NDArray[np.float64]:
        """Numbers in [0, 1), `n count`, multiples of 2^-53."""
        return self._remembered("uniform", name, count, lambda: _fractions(self._bits(name, count)))

    def coarse(self, name: str, count: int = 1) -> NDArray[np.float32]:
        """Cheap numbers for fields of noise, in [0, 1), float32 `n count`: four of each hash, multiples of 2^-16."""
        words = self._bits(name, -(-count // 4)).astype("<u8", copy=False).view("<u2")
        return words[:, :count].astype(np.float32) * np.float32(2.0**-16)

    def normal(self, name: str, count: int = 1) -> NDArray[np.float64]:
        """Standard normal numbers, `n count` (Box and Muller 1958)."""

        def compute() -> NDArray[np.float64]:
            radius, angle = np.split(_fractions(self._bits(name, 2 * count)), 2, axis=1)
            return np.asarray(np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle))

        return self._remembered("normal", name, count, compute)

    def integers(self, name: str, high: int, count: int = 1) -> NDArray[np.int64]:
        """Whole numbers in [0, high), `n count`; `high` up to 2^32, where the bias is below 2^-21.

        Raises:
            ConfigError: If `high` is outside 1 to 2^32.
        """
        if not 1 <= high <= 1 << 32:
            raise ConfigError(f"Draws.integers: high must be from 1 to 2^32, got {high}.")
        return (self.uniform(name, count) * high).astype(np.int64)

    def beta(self, name: str, alpha: float) -> NDArray[np.float64]:
        """Numbers from the symmetric distribution Beta(alpha, alpha), `n 1`, by the inverse of its integral."""

        def compute() -> NDArray[np.float64]:
            from scipy.special import betaincinv

            return np.asarray(betaincinv(alpha, alpha, self.uniform(name)), dtype=np.float64)

        return self._remembered("beta", name, 1, compute, extra=alpha)

    def only(self, row: int) -> "Draws":
        """The random numbers of one of these pictures alone."""
        return Draws(self.seed, self.epoch, self.indices[row : row + 1])

    def seeds(self, name: str) -> NDArray[np.int64]:
        """One seed a picture for a generator of somebody else's, `n`, in [0, 2^63)."""
        return (self._bits(name, 1)[:, 0] >> np.uint64(1)).astype(np.int64)

    def batch_seed(self, name: str) -> int:
        """One seed for all of these pictures together, in [0, 2^63); it changes with every one of them."""
        text = self._bits(name, 1).tobytes()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1

    def _bits(self, name: str, count: int) -> NDArray[np.uint64]:
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        start = _mixed(self._rows ^ np.array([key], dtype=np.uint64))[:, None]
        return _mixed(start + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)

    def _remembered(
        self, kind: str, name: str, count: int, compute: Callable[[], NDArray[np.float64]], extra: float = 0.0
    ) -> NDArray[np.float64]:
        key = (kind, name, count, extra)
        if (found := self._kept.get(key)) is not None:
            return found
        numbers = compute()
        numbers.flags.writeable = False  # one array for all who ask
        if count <= _KEPT_COUNT:
            self._kept[key] = numbers
        return numbers


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finalizer: every bit of the result depends on every bit of `x`. Arithmetic is modulo 2^64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _fractions(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

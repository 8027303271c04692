"""In which order pictures are seen: a function of seed and epoch, so that a resumed run needs no memory of it.

The pictures of an epoch are shuffled and dealt into batches of nearly equal size. A last batch of one picture, on which
batch normalization cannot work, does not exist, and no picture is left out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError

__all__ = ["count_batches", "epoch_batches", "share_of"]


def count_batches(pictures: int, batch_size: int) -> int:
    """Steps an epoch.

    >>> count_batches(100, 32)
    4
    """
    return -(-pictures // batch_size)


def epoch_batches(pictures: int, batch_size: int, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The pictures of every batch of one epoch, by their index.

    Args:
        pictures: How many there are, at least 1.
        batch_size: The largest batch.
        seed: Of the run.
        epoch: From 0.

    >>> [len(batch) for batch in epoch_batches(100, 32, seed=0, epoch=0)]
    [25, 25, 25, 25]
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    shuffled = generator.permutation(pictures).astype(np.int64)
    return np.array_split(shuffled, count_batches(pictures, batch_size))


def share_of(batches: list[NDArray[np.int64]], *, rank: int, size: int, parts: int = 1) -> Iterator[NDArray[np.int64]]:
    """The part of every batch that process number `rank` of `size` computes; together they are the batch.

    Args:
        batches: Of one epoch.
        rank: From 0.
        size: Processes.
        parts: That a batch is computed in, one after the other: each of them is shared.

    Raises:
        ConfigError: If a batch has fewer pictures than there are processes.

    >>> [share.tolist() for share in share_of([np.arange(8)], rank=0, size=2, parts=2)]
    [[0, 1, 4, 5]]
    """
    smallest = min(map(len, batches))
    if smallest < size:
        raise ConfigError(f"{size} processes cannot share batches of {smallest} pictures; give a larger batch_size.")
    return (
        np.concatenate([np.array_split(part, size)[rank] for part in np.array_split(batch, parts)]) for batch in batches
    )

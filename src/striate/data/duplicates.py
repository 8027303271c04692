"""The same picture twice: the same bytes, or the same photo at another size or quality.

Copies are found by a hash. For near duplicates, difference hashes within two bits of each other are candidates: cut
into four bands of 16 bits, two such hashes agree in at least two bands, so that it is enough to compare those which
share a pair of bands. Candidates are confirmed on thumbnails of 32 × 32 pixels, since flat pictures have like hashes:

    √mean((a − b)²) ≤ max(3, 0.08 · (σ(a) + σ(b)) / 2)        in gray levels, over all pixels and colors
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_CANDIDATES",
    "Fingerprints",
    "coarse_thumbnail",
    "largest_distance",
    "near_hash_pairs",
    "near_pairs",
    "same_digest",
]

MAX_CANDIDATES = 10_000
"""So many pictures with like hashes are compared with each other; more are too flat to tell apart by them."""

_FAR_BITS = 2
_MASKS = [np.uint64(sum(0xFFFF << (16 * band) for band in pair)) for pair in combinations(range(4), 2)]


def same_digest(digests: Iterable[bytes]) -> list[list[int]]:
    """The positions of equal digests, where there is more than one.

    >>> same_digest([b"a", b"b", b"a"])
    [[0, 2]]
    """
    found: dict[bytes, list[int]] = {}
    for index, digest in enumerate(digests):
        found.setdefault(digest, []).append(index)
    return [indices for indices in found.values() if len(indices) > 1]


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What is compared of `n` pictures.

    Attributes:
        hashes: The difference hashes.
        coarse: The thumbnails averaged to 4 × 4 pixels, as rows of 48 numbers. Averaging makes no distance larger, so
            that pictures which are far apart here need no closer look.
        spread: σ of each thumbnail.
        load: Gives the thumbnail `32 32 3` of the picture at a position.
    """

    hashes: NDArray[np.uint64]
    coarse: NDArray[np.float32]
    spread: NDArray[np.float32]
    load: Callable[[int], NDArray[np.uint8]]


def coarse_thumbnail(thumbnail: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A thumbnail of 32 × 32 pixels averaged to 4 × 4, as 48 numbers."""
    coarse: NDArray[np.float32] = thumbnail.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3), dtype=np.float32).ravel()
    return coarse


def largest_distance(spread: NDArray[np.float32], other: float) -> NDArray[np.float32]:
    """How far apart thumbnails with these σ may be and still show the same, in gray levels."""
    allowed: NDArray[np.float32] = np.maximum(np.float32(3.0), np.float32(0.04) * (spread + np.float32(other)))
    return allowed


def near_hash_pairs(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The pairs of different hashes within two bits of each other, as positions, `m 2`, the smaller one first.

    >>> near_hash_pairs(np.array([0b0, 0b11, 0b1111], dtype=np.uint64)).tolist()
    [[0, 1], [1, 2]]
    """
    found: list[NDArray[np.int64]] = [np.empty((0, 2), dtype=np.int64)]
    for mask in _MASKS:
        masked = hashes & mask
        order = np.argsort(masked, kind="stable")
        for run in np.split(order, np.flatnonzero(np.diff(masked[order])) + 1):
            for place in range(1, len(run)):
                before = run[:place]
                near = before[_bit_count(hashes[before] ^ hashes[run[place]]) <= _FAR_BITS]
                if len(near):
                    pairs = np.stack([near, np.full_like(near, run[place])], axis=1)
                    found.append(np.sort(pairs, axis=1).astype(np.int64))
    return np.unique(np.concatenate(found), axis=0)


def near_pairs(prints: Fingerprints) -> tuple[list[tuple[int, int]], int]:
    """Pictures that look like an earlier one.

    Returns:
        Pairs (picture, the first one before it that it looks like), and the number of pictures that were not compared,
        since more than `MAX_CANDIDATES` have like hashes.
    """
    values, inverse = np.unique(prints.hashes, return_inverse=True)
    sizes = np.bincount(inverse, minlength=len(values))
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(sizes)[:-1])
    near: list[list[int]] = [[value] for value in range(len(values))]
    for low, high in near_hash_pairs(values).tolist():
        near[low].append(high)
        near[high].append(low)
    pairs: list[tuple[int, int]] = []
    skipped = 0
    for value, around in enumerate(near):
        if len(around) == 1 and sizes[value] == 1:
            continue
        candidates = np.sort(np.concatenate([members[other] for other in around]))
        if len(candidates) > MAX_CANDIDATES:
            skipped += len(members[value])
            continue
        for index in members[value].tolist():
            first = _first_like(index, candidates[: np.searchsorted(candidates, index)], prints)
            if first is not None:
                pairs.append((index, first))
    return sorted(pairs), skipped


def _first_like(index: int, before: NDArray[np.int64], prints: Fingerprints) -> int | None:
    allowed = largest_distance(prints.spread[before], float(prints.spread[index]))
    coarse = np.sqrt(np.mean((prints.coarse[before] - prints.coarse[index]) ** 2, axis=1))
    possible = np.flatnonzero(coarse <= allowed)
    if not len(possible):
        return None
    here = prints.load(index).astype(np.float32)
    for place in possible.tolist():
        distance = np.sqrt(np.mean((prints.load(int(before[place])) - here) ** 2))
        if distance <= allowed[place]:
            return int(before[place])
    return None


def _bit_count(values: NDArray[np.uint64]) -> NDArray[np.integer]:
    """How many bits are set."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2, and fifty times as fast
        return np.asarray(np.bitwise_count(values))
    counts: NDArray[np.integer] = np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(
        axis=1, dtype=np.int64
    )
    return counts

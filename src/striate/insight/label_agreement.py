"""Do observers give the same label? Cohen's kappa for two, Fleiss' for many: agreement beyond what luck gives.

    κ = (P_o − P_e) / (1 − P_e)

Two observers (Cohen): P_o is the share of pictures with the same label, P_e = Σ_j p_j q_j with the shares of label j of
each. Many (Fleiss): P_o is the mean share of pairs of observers that agree on a picture, P_e = Σ_j p_j² with the shares
of all their labels together. κ has no value where everybody gives one and the same label throughout.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ShapeError

__all__ = ["cohen_kappa", "fleiss_kappa"]


def cohen_kappa(a: ArrayLike, b: ArrayLike) -> float:
    """Agreement of the labels of two observers beyond luck; NaN where it has no value.

    Args:
        a: int `n`, the labels of the first observer.
        b: The same of the second, in the same order.

    Raises:
        ShapeError: If they are not as many, none, or not whole numbers.

    Source: Cohen 1960, Educational and Psychological Measurement 20(1), unweighted.

    >>> cohen_kappa([0, 0, 1, 1], [0, 1, 1, 1])
    0.5
    """
    first, second = _labels(a), _labels(b)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ShapeError(
            f"a and b must be labels of the same pictures, at least one; got {first.shape}, {second.shape}."
        )
    values, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    n, k = len(first), len(values)
    p, q = (np.bincount(part, minlength=k) for part in (places[:n], places[n:]))
    agreed, chance = n * int((first == second).sum()), int(p @ q)  # both times n²: exact, also where 1 − P_e = 0
    return (agreed - chance) / (n * n - chance) if n * n != chance else float("nan")


def fleiss_kappa(labels: ArrayLike) -> float:
    """Agreement of the labels of several observers beyond luck; NaN where it has no value.

    Args:
        labels: int `observers n`, at least two observers of at least one picture. Everybody has labeled every picture.

    Raises:
        ShapeError: If there are fewer, or they are not whole numbers.

    Source: Fleiss 1971, Psychological Bulletin 76(5).

    >>> round(fleiss_kappa([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 0]]), 3)
    0.333
    """
    given = _labels(labels)
    if given.ndim != 2 or given.shape[0] < 2 or not given.shape[1]:
        raise ShapeError(f"labels must be observers × pictures, at least 2 × 1; got {given.shape}.")
    observers, n = given.shape
    _, places = np.unique(given, return_inverse=True)
    k = int(places.max()) + 1
    counts = np.zeros((n, k), dtype=np.int64)
    np.add.at(counts, (np.tile(np.arange(n), observers), places.ravel()), 1)  # how many gave picture i the label j
    agreed = float((counts * (counts - 1)).sum()) / (n * observers * (observers - 1))
    chance = float(((counts.sum(axis=0) / (n * observers)) ** 2).sum())
    return (agreed - chance) / (1 - chance) if (counts.sum(axis=0) > 0).sum() > 1 else float("nan")


def _labels(values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise ShapeError(f"Labels must be whole numbers, got {array.dtype}.")
    return array.astype(np.int64, copy=False)

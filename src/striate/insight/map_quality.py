"""How far a map can be trusted: two dimensions cannot show what thousands do.

trustworthiness    are neighbors on the map neighbors in truth?  1 for yes, about 0.5 for a random map
neighbors kept     which share of the true k neighbors is among the k on the map
right by neighbors leave-one-out: the share of pictures that the vote of their k neighbors gives their own class,
                   in the representation and on the map
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, ShapeError
from striate.insight.neighbors import Metric, as_metric, search, squared_distances

__all__ = ["MapQuality", "map_quality", "neighbor_accuracy", "trustworthiness"]

MOST_ROWS = 3000
"""Of larger maps as many pictures, drawn at random, stand for all: ranks among all others are needed for each."""


@dataclass(frozen=True, slots=True)
class MapQuality:
    """The scores of one map.

    Attributes:
        k: Neighbors that were compared, or 0 where there are too few pictures to say anything.
        trustworthiness: 0 to 1.
        neighbors_kept: 0 to 1; `neighbors_kept_chance` is that of a random map.
        neighbors_kept_chance: k / (n − 1).
        accuracy_before: Right by neighbors in the representation, or None without classes.
        accuracy_after: Right by neighbors on the map, or None without classes.
        accuracy_chance: The share of the largest class.
        rows: How many pictures the scores were measured on.
    """

    k: int
    trustworthiness: float | None
    neighbors_kept: float | None
    neighbors_kept_chance: float | None
    accuracy_before: float | None
    accuracy_after: float | None
    accuracy_chance: float | None
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def map_quality(
    values: NDArray[np.floating[Any]],
    positions: NDArray[np.floating[Any]],
    *,
    labels: tuple[str, ...] | None = None,
    k: int = 10,
    metric: Metric = "euclidean",
    seed: int = 0,
) -> MapQuality:
    """Scores of a map (`n 2`) of representations (`n d`).

    `k` is lowered to (n − 1) / 2 where there are few pictures. Pictures without a class are left out of the accuracy.

    Raises:
        ConfigError: `k` below 1.
        ShapeError: Not one position a picture.
    """
    n = len(values)
    if k < 1:
        raise ConfigError(f"k must be at least 1; got {k}.")
    if positions.shape != (n, 2):
        raise ShapeError(f"positions must be ({n}, 2); got {positions.shape}.")
    bound = min(k, (n - 1) // 2)
    if bound < 1:
        return MapQuality(0, None, None, None, None, None, None, n)
    rows = np.arange(n)
    if n > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(n, MOST_ROWS, replace=False))
    trust, kept = _ranks(values, positions, bound, metric, rows)
    named = np.array([bool(label) for label in labels]) if labels else np.zeros(n, bool)
    before = after = chance = None
    if named.sum() > 2 and labels is not None and len({labels[i] for i in np.flatnonzero(named)}) > 1:
        given = [labels[i] for i in np.flatnonzero(named)]
        before = neighbor_accuracy(values[named], given, k=bound, metric=metric)
        after = neighbor_accuracy(positions[named], given, k=bound)
        chance = float(np.unique(given, return_counts=True)[1].max() / len(given))
    return MapQuality(bound, trust, kept, bound / (n - 1), before, after, chance, len(rows))


def trustworthiness(
    values: NDArray[np.floating[Any]],
    positions: NDArray[np.floating[Any]],
    *,
    k: int = 5,
    metric: Metric = "euclidean",
) -> float:
    """The penalty for false neighbors on a map, from 1 (none) downwards.

        T(k) = 1 − 2 / (n k (2n − 3k − 1)) · Σ_i Σ_(j among the k neighbors of i on the map, not in truth) (r(i, j) − k)

    with r(i, j) the rank of j among the true neighbors of i.

    Raises:
        ConfigError: `k` is not between 1 and n / 2.

    Source:
        Venna, Kaski 2001, "Neighborhood preservation in nonlinear projection methods", equation 2.
    """
    n = len(values)
    if not 1 <= k < n / 2:
        raise ConfigError(f"k must be from 1 to below half of the {n} pictures; got {k}.")
    return _ranks(values, positions, k, metric, np.arange(n))[0]


def _ranks(
    values: NDArray[np.floating[Any]],
    positions: NDArray[np.floating[Any]],
    k: int,
    metric: Metric,
    rows: NDArray[np.int64],
) -> tuple[float, float]:
    n = len(values)
    points = as_metric(values, metric)
    on_map = search(positions, k=k)[0][rows]
    penalty = kept = 0.0
    for part, squares in squared_distances(points, points[rows]):
        here = rows[part]
        line = np.arange(len(here))
        squares[line, here] = -1.0  # each is first in its own row: the others' ranks begin at 1
        order = np.argsort(squares, axis=1, kind="stable")
        ranks = np.empty_like(order)
        ranks[line[:, None], order] = np.arange(n)
        mine = ranks[line[:, None], on_map[part]]  # rows k
        penalty += float(np.maximum(mine - k, 0).sum())
        kept += float((mine <= k).sum())
    scale = 2.0 / (len(rows) * k * (2.0 * n - 3.0 * k - 1.0))
    return 1.0 - penalty * scale, kept / (len(rows) * k)


def neighbor_accuracy(
    values: NDArray[np.floating[Any]],
    labels: Sequence[Any] | NDArray[Any],
    *,
    k: int = 10,
    metric: Metric = "euclidean",
) -> float:
    """Leave-one-out: the share of rows whose class is the most frequent one among their `k` nearest.

    Of classes that are equally frequent the one with the nearest member wins.

    Raises:
        ShapeError: Not one label a row.

    >>> neighbor_accuracy(np.array([[0.0], [0.1], [5.0], [5.1]]), ["a", "a", "b", "b"], k=1)
    1.0
    """
    names, given = np.unique(np.asarray(labels), return_inverse=True)
    if len(given) != len(values):
        raise ShapeError(f"labels must be one a row, {len(values)}; got {len(given)}.")
    near = given[search(values, k=k, metric=metric)[0]]  # n k
    if not near.size:
        return 0.0
    right = 0
    for own, votes in zip(given.tolist(), near, strict=True):
        counts = np.bincount(votes, minlength=len(names))
        right += int(votes[int((counts[votes] == counts.max()).argmax())] == own)
    return right / len(given)

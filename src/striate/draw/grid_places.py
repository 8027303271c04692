"""A cell for every point: a cloud is straightened into a grid, so that no picture hides another.

The sum of squared distances between points and their cells is the least there is (linear assignment). The points are
brought to the shape of a square first, half of the way by rank: dense places need room, and empty ones have it.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["grid_places"]

EXACT = 1500
"""Up to so many points are assigned at once; more are cut into parts of equal number first."""


def grid_places(positions: ArrayLike, *, columns: int | None = None) -> NDArray[np.int64]:
    """Row and column of a cell for each of `n` points, no two in one cell.

    Args:
        positions: `n 2`, x to the right and y upwards.
        columns: Of the grid; by default it is as square as can be. It has ⌈n / columns⌉ rows.

    Returns:
        `n 2`, (row from above, column).

    Raises:
        ShapeError: Not `n 2`, or not finite.
        ConfigError: `columns` below 1.

    Differs: of more than 1,500 points the assignment is exact in each of several parts of the plane, not over all.

    >>> grid_places([[0.0, 1.0], [5.0, 1.1], [0.1, -3.0], [4.0, -3.0]]).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    points = np.asarray(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ShapeError(f"positions must be finite numbers 'n 2'; got {points.shape}.")
    count = len(points)
    wide = columns if columns is not None else max(math.ceil(math.sqrt(count)), 1)
    if wide < 1:
        raise ConfigError(f"columns must be at least 1; got {wide}.")
    tall = max(-(-count // wide), 1)
    spread = np.stack([_straightened(points[:, 0]), _straightened(-points[:, 1])], 1) * [wide, tall]
    cells = np.stack(np.divmod(np.arange(wide * tall), wide), 1)  # row, column
    middles = cells[:, ::-1] + 0.5
    found = np.zeros((count, 2), np.int64)
    for rows, places in _parts(spread, middles, np.arange(count), np.arange(len(cells))):
        found[rows] = cells[places]
    return found


def _straightened(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half of the way from the place to the rank, from 0 to 1."""
    reach = np.ptp(line)
    place = (line - line.min()) / reach if len(line) and reach > 0 else np.full(len(line), 0.5)
    order = np.argsort(np.argsort(line, kind="stable"), kind="stable")
    return (place + (order + 0.5) / max(len(line), 1)) / 2


def _parts(
    points: NDArray[np.float64], middles: NDArray[np.float64], rows: NDArray[np.int64], places: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Points and their cells, part by part: each half gets the cells of its side."""
    from scipy.optimize import linear_sum_assignment

    if len(rows) <= EXACT:
        cost = ((points[rows, None] - middles[places][None]) ** 2).sum(-1)
        first, second = linear_sum_assignment(cost)
        return [(rows[first], places[second])]
    axis = int(np.ptp(middles[places], axis=0).argmax())
    ordered_points = rows[np.argsort(points[rows, axis], kind="stable")]
    ordered_cells = places[np.lexsort((middles[places, 1 - axis], middles[places, axis]))]
    half_cells = len(places) // 2
    half = min(max(round(len(rows) * half_cells / len(places)), len(rows) - (len(places) - half_cells)), half_cells)
    return _parts(points, middles, ordered_points[:half], ordered_cells[:half_cells]) + _parts(
        points, middles, ordered_points[half:], ordered_cells[half_cells:]
    )

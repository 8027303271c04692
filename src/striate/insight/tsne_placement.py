"""New pictures into a finished t-SNE map: each is put where the map's own objective wants it, and nothing else moves.

With the old places y_j fixed and Z the map's own normalizer Σ_i Σ_(j≠i) 1 / (1 + |y_i − y_j|²), what t-SNE minimizes
depends on the place y of one new picture as

    L(y) = (2 / n) Σ_j p_j log(1 + |y − y_j|²) + log(Z + 2 Σ_j 1 / (1 + |y − y_j|²))

where p_j is the share of old picture j in the new picture's neighborhood, of the map's perplexity. New pictures do not
see each other: adding them together or one after the other gives the same places.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ShapeError
from striate.insight.neighbors import search

__all__ = ["neighborhood", "normalizer", "place_points", "placement_loss"]

_PAIRS = 2_000_000


def neighborhood(squares: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """Conditional probabilities `q k` of neighbors at squared distances `q k`, of the given perplexity.

    The width of each Gaussian is found by bisection. Where all neighbors are equally far, they share equally.

    Source:
        van der Maaten, Hinton 2008, equation 1 and the paragraph after it.
    """
    nearest = squares.min(1, keepdims=True)
    shifted = squares - nearest  # the nearest has weight 1, whatever its distance: nothing vanishes
    scale = shifted.mean(1, keepdims=True)
    scaled = shifted / np.where(scale > 0, scale, 1)
    low, high = np.full(len(squares), -40.0), np.full(len(squares), 40.0)  # of log beta
    wanted = np.log(min(perplexity, squares.shape[1]))
    for _ in range(80):
        middle = (low + high) / 2
        weights = np.exp(-np.exp(middle)[:, None] * scaled)
        total = weights.sum(1)
        entropy = np.log(total) + np.exp(middle) * (weights * scaled).sum(1) / total
        wide = entropy > wanted
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    weights = np.exp(-np.exp((low + high) / 2)[:, None] * scaled)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def normalizer(positions: NDArray[np.float64]) -> float:
    """The map's own Z = Σ_i Σ_(j≠i) 1 / (1 + |y_i − y_j|²)."""
    total = 0.0
    step = max(_PAIRS // max(len(positions), 1), 1)
    for start in range(0, len(positions), step):
        total += float(_weights(positions[start : start + step], positions)[0].sum())
    return total - len(positions)


def _weights(y: NDArray[np.float64], old: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """1 / (1 + |y − y_j|²) as `q n`, and the differences as `q n 2`."""
    away = y[:, None] - old[None]
    return 1.0 / (1.0 + (away**2).sum(-1)), away


def placement_loss(
    y: NDArray[np.float64], old: NDArray[np.float64], near: NDArray[np.int64], p: NDArray[np.float64], z: float
) -> NDArray[np.float64]:
    """L of each of `q` places `q 2`; `near` and `p` (`q k`) are the neighbors and their shares."""
    weights, _ = _weights(y, old)
    pull = (p * -np.log(np.take_along_axis(weights, near, 1))).sum(1)
    return np.asarray(2 / len(old) * pull + np.log(z + 2 * weights.sum(1)))


def place_points(
    old_values: NDArray[np.floating[Any]],
    old_positions: NDArray[np.float64],
    values: NDArray[np.floating[Any]],
    *,
    perplexity: float,
    z: float | None = None,
    steps: int = 100,
) -> NDArray[np.float64]:
    """Places `m 2` for new vectors `m d` in a map of `n`.

    From three starts (the weighted mean of the neighbors' places, and the places of the two nearest) L is brought down
    by steps of fixed-point length, halved until they help; the best end wins.

    Args:
        old_values: `n d`, as the map was made from (the same principal components).
        old_positions: `n 2`.
        values: `m d`.
        perplexity: The map's.
        z: `normalizer(old_positions)`, where it is known.
        steps: At most.

    Raises:
        ShapeError: The vectors have another length than the map's, or there is no map.

    Source:
        The out-of-sample idea of Poličar, Stražar, Zupan 2023, "Embedding to reference t-SNE space",
        doi:10.1007/s10994-021-06043-1.
        Differs: the normalizer is the map's own, not one of the new pictures, so that an old picture wants to stay
        where it is; and each place is brought to its minimum instead of a number of gradient steps.
    """
    if not len(old_values) or values.shape[1] != old_values.shape[1]:
        raise ShapeError(f"new vectors must have the map's length {old_values.shape[1:]}; got {values.shape}.")
    old = np.asarray(old_positions, dtype=np.float64)
    z = normalizer(old) if z is None else z
    count = min(len(old), max(int(3 * perplexity), 1))
    near, far = search(old_values, values, k=count)
    p = neighborhood(far**2, perplexity)
    placed = np.zeros((len(values), 2))
    step = max(_PAIRS // (3 * len(old)), 1)
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        placed[rows] = _minimize(old, near[rows], p[rows], z, steps)
    return placed


def _minimize(
    old: NDArray[np.float64], near: NDArray[np.int64], p: NDArray[np.float64], z: float, steps: int
) -> NDArray[np.float64]:
    q = len(near)
    mean = (p[..., None] * old[near]).sum(1)
    starts = [mean, old[near[:, 0]], old[near[:, min(1, near.shape[1] - 1)]]]
    y = np.concatenate(starts)
    near, p = np.tile(near, (3, 1)), np.tile(p, (3, 1))
    loss = placement_loss(y, old, near, p, z)
    length = np.ones(len(y))
    scale = max(float(np.ptp(old, axis=0).max()), 1e-12)
    moving = np.arange(len(y))
    for _ in range(steps):
        here, beside, share = y[moving], near[moving], p[moving]
        weights, away = _weights(here, old)
        pull = share * np.take_along_axis(weights, beside, 1)  # q k
        stiffness = pull.sum(1, keepdims=True)
        toward = (pull[..., None] * (old[beside] - here[:, None])).sum(1)
        apart = (weights**2)[..., None] * away
        push = len(old) * apart.sum(1) / (z + 2 * weights.sum(1))[:, None]
        move = (toward + push) / np.maximum(stiffness, 1e-300)
        trial = here + length[moving, None] * move
        after = placement_loss(trial, old, beside, share, z)
        better = after < loss[moving]
        y[moving[better]] = trial[better]
        gained = loss[moving] - after
        loss[moving[better]] = after[better]
        length[moving] = np.where(better, np.minimum(1.3 * length[moving], 1.0), 0.5 * length[moving])
        small = np.abs(length[moving, None] * move).max(1) < 1e-6 * scale
        moving = moving[~(small | (better & (gained < 1e-13)))]
        if not len(moving):
            break
    best = loss.reshape(3, q).argmin(0)
    return np.asarray(y.reshape(3, q, 2)[best, np.arange(q)])

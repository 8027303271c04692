"""Principal component analysis: the directions in which representations differ most.

With the mean taken off, `X = U S V^T`; the rows of `V^T` are the components, `U S` the places along them, and
`S² / (n − 1)` the variance that each explains. The sign of a component means nothing; it is fixed here, so that the
same representations give the same picture.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["PrincipalComponents", "principal_components"]


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Directions and what they explain.

    Attributes:
        mean: `d`.
        components: `k d`, orthonormal rows, the one that explains most first.
        variance: `k`, the variance along each.
        total_variance: Of all `d` directions.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variance: NDArray[np.float64]
    total_variance: float

    @property
    def explained(self) -> NDArray[np.float64]:
        """`k`: the share of the variance that each component explains; 0 where nothing differs."""
        return self.variance / self.total_variance if self.total_variance > 0 else np.zeros_like(self.variance)

    def transform(self, values: ArrayLike) -> NDArray[np.float64]:
        """Places `n k` of vectors `n d`, also of vectors that were not there when the components were found."""
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != len(self.mean):
            raise ShapeError(f"values must be 'n {len(self.mean)}'; got {array.shape}.")
        return (array - self.mean) @ self.components.T


def principal_components(values: ArrayLike, count: int = 2) -> PrincipalComponents:
    """The first `count` principal components of vectors `n d`.

    Args:
        values: `n d`, finite.
        count: How many; where `n` or `d` is smaller, the others are zero and explain nothing.

    Raises:
        ConfigError: `count` below 1.
        ShapeError: Not `n d`, or not finite.

    Source:
        Jolliffe 2002, "Principal component analysis", section 3.5. Sign: the entry of a component with the largest
        absolute value is positive (scikit-learn's `svd_flip(u_based_decision=False)`).

    >>> found = principal_components([[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]], 1)
    >>> found.components.tolist(), found.explained.tolist()
    ([[0.0, 1.0]], [1.0])
    """
    array: NDArray[Any] = np.asarray(values, dtype=np.float64)
    if count < 1:
        raise ConfigError(f"count must be at least 1; got {count}.")
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise ShapeError(f"values must be finite numbers 'n d', not empty; got {array.shape}.")
    n, d = array.shape
    mean = array.mean(0)
    centered = array - mean
    total = float((centered**2).sum()) / max(n - 1, 1)
    components = np.zeros((count, d))
    variance = np.zeros(count)
    rank = min(count, n, d)
    found, spread = _directions(centered, rank)
    # Of what is left over after the last real direction, only rounding remains, and its direction is noise.
    real = spread > 1e-12 * max(spread[0], 1e-300) if len(spread) else spread
    kept = np.flatnonzero(real)
    components[kept] = found[kept]
    variance[kept] = spread[kept] / max(n - 1, 1)
    largest = np.abs(components).argmax(1)
    signs = np.where(components[np.arange(count), largest] < 0, -1.0, 1.0)
    return PrincipalComponents(mean, components * signs[:, None], variance, total)


def _directions(centered: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right singular vectors `count d` and squared singular values, by the smaller of the two Gram matrices."""
    from scipy.linalg import eigh

    n, d = centered.shape
    small = centered.T @ centered if d <= n else centered @ centered.T
    side = len(small)
    squares, vectors = eigh(small, subset_by_index=(side - count, side - 1))
    squares, vectors = np.clip(squares[::-1], 0, None), vectors[:, ::-1]
    if d <= n:
        return np.ascontiguousarray(vectors.T), squares
    right = vectors.T @ centered  # count n · n d
    norms = np.linalg.norm(right, axis=1, keepdims=True)
    return right / np.where(norms > 0, norms, 1), squares

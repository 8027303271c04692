"""R-CNN's correction of boxes: from the features of a proposal to where the object really is.

A proposal p overlaps its object t by some 60 to 90 percent, and its features tell on which side something is cut off.
For every class, four ridge regressions learn the move and the stretch that take p to t (see `box_coder`). The four
targets are centered and whitened first, so that one penalty suits all of them:

    T = V diag(1 / √(D + .001)) Vᵀ   of the targets' covariance V D Vᵀ
    w = argmin Σ (T(t − μ) − wᵀφ)² + λ |w|²,     λ = 1000,  φ the features and a constant 1

The covariance turns back at the end, so that what is kept is one matrix and one bias a class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from striate.errors import ConfigError, ShapeError

__all__ = ["RIDGE", "BoxRegression", "fit_box_regression", "solve_ridge"]

RIDGE = 1000.0
"""λ of the paper, chosen on VOC's validation pictures."""
_WHITENING_FLOOR = 0.001

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BoxRegression:
    """The regression of one class: deltas = features · weight + bias.

    Attributes:
        weight: float32 `p 4`.
        bias: float32 `4`.
        pairs: How many proposals it learned from; 0: it corrects nothing.
        error: Mean squared error of the whitened targets on them, 1 being that of no correction but the mean one.
    """

    weight: Floats
    bias: Floats
    pairs: int
    error: float


def fit_box_regression(features: Floats, deltas: NDArray[np.float64], *, ridge: float = RIDGE) -> BoxRegression:
    """Learn to correct the boxes of one class.

    Args:
        features: `n p`, of proposals that overlap an object of the class well (in the paper IoU > 0.6).
        deltas: `n 4`, what takes each proposal to its object.
        ridge: λ.

    Raises:
        ShapeError: If the numbers of rows differ.
        ConfigError: If `ridge` is not above 0, or something is not finite.

    Source: Girshick et al. 2014, arXiv:1311.2524, appendix C; whitening and the penalized constant are the authors'
        code's.

    Differs: solved for whichever is fewer, features or pairs; the answer is the same.
    """
    if deltas.shape != (len(features), 4) or features.ndim != 2:
        raise ShapeError(f"fit_box_regression: features {features.shape} need deltas n 4, got {deltas.shape}.")
    if not 0 < ridge < np.inf:
        raise ConfigError(f"fit_box_regression: ridge must be above 0, got {ridge}.")
    if not (np.isfinite(features).all() and np.isfinite(deltas).all()):
        raise ConfigError("fit_box_regression: features and deltas must be finite.")
    size = features.shape[1]
    if not len(features):
        return BoxRegression(np.zeros((size, 4), np.float32), np.zeros(4, np.float32), 0, 1.0)
    mean = deltas.mean(0)
    centered = deltas - mean
    values, vectors = linalg.eigh(centered.T @ centered / len(deltas))
    roots = np.sqrt(np.maximum(values, 0.0) + _WHITENING_FLOOR)
    whiten, unwhiten = (vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T
    targets = centered @ whiten
    with_one = np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], axis=1)
    solution = solve_ridge(with_one, targets, ridge)  # p+1 4
    error = float(((with_one @ solution - targets) ** 2).mean()) / max(float((targets**2).mean()), 1e-12)
    turned = solution @ unwhiten
    return BoxRegression(turned[:-1].astype(np.float32), (turned[-1] + mean).astype(np.float32), len(features), error)


def solve_ridge(x: NDArray[np.float64], y: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """The w of least |x w − y|² + λ |w|²: (xᵀx + λ)⁻¹ xᵀy, or what is the same, xᵀ (x xᵀ + λ)⁻¹ y, by Cholesky."""
    if x.shape[0] < x.shape[1]:
        gram = x @ x.T
        gram[np.diag_indices_from(gram)] += ridge
        return np.asarray(x.T @ linalg.cho_solve(linalg.cho_factor(gram, overwrite_a=True), y))
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += ridge
    return np.asarray(linalg.cho_solve(linalg.cho_factor(gram, overwrite_a=True), x.T @ y))

"""From a machine's margin to a probability: so that the scores of different classes mean the same.

A support vector machine says on which side of its plane a region lies and how far off, in units of its own. Platt's
sigmoid of that distance, fitted to regions whose answer is known, is a probability. Within a class it changes no order.

    p(object | m) = 1 / (1 + exp(−(a m + b)))
"""

import numpy as np
from numpy.typing import NDArray

from striate.errors import ShapeError

__all__ = ["fit_sigmoid"]


def fit_sigmoid(
    margins: NDArray[np.float64], is_object: NDArray[np.bool_], *, rounds: int = 100
) -> tuple[float, float]:
    """The slope a and offset b of greatest likelihood, by Newton's method.

    Args:
        margins: `n`.
        is_object: `n`.
        rounds: The most steps.

    Returns:
        a and b; (1, 0) where there is only one kind, or larger margins do not mean objects.

    Raises:
        ShapeError: If the two differ in number.

    Source: Platt 1999, "Probabilistic outputs for support vector machines", with his targets (n⁺ + 1) / (n⁺ + 2) and
        1 / (n⁻ + 2) instead of 1 and 0; the steps are halved until they help, as Lin, Lin, Weng 2007 advise.
    """
    if margins.shape != is_object.shape:
        raise ShapeError(f"fit_sigmoid: one answer a margin is needed, got {margins.shape} and {is_object.shape}.")
    yes = int(is_object.sum())
    no = len(margins) - yes
    if not yes or not no:
        return 1.0, 0.0
    targets = np.where(is_object, (yes + 1) / (yes + 2), 1 / (no + 2))
    x = np.stack([margins, np.ones_like(margins)], axis=1)
    now = np.array([0.0, np.log((yes + 1) / (no + 1))])
    value = _cost(x @ now, targets)
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(x @ now, -500, 500)))
        gradient = x.T @ (p - targets)
        if np.abs(gradient).max() < 1e-5:
            break
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-10 and _cost(x @ (now - size * step), targets) > value - 1e-4 * size * float(gradient @ step):
            size /= 2
        if size <= 1e-10:
            break
        now = now - size * step
        value = _cost(x @ now, targets)
    return (float(now[0]), float(now[1])) if now[0] > 0 and np.isfinite(now).all() else (1.0, 0.0)


def _cost(z: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    return float((np.logaddexp(0, z) - targets * z).sum())

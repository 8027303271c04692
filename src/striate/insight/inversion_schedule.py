"""How a reconstruction is searched: which optimizer for how many steps, at which scale, and when it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from striate.dreams.optimizers import LBFGS, SGD, Adam, Optimizer
from striate.insight.inversion_prior import SIGMA

__all__ = ["Method", "Phase", "build_phases", "is_flat"]

Method = Literal["auto", "lbfgs", "adam", "reference"]
_WINDOW = 10  # steps over which a plateau is measured
_RATE = 0.004
_RATES = ((1.0, 100), (0.1, 200), (0.01, 100))  # of the paper: factor of the learning rate, steps


@dataclass(frozen=True)
class Phase:
    """Steps of one optimizer at one scale; a new phase forgets momentum and curvature.

    Attributes:
        steps: How many at most.
        optimizer: Which.
        divisor: The picture is written down so many times smaller than it is seen.
    """

    steps: int
    optimizer: Optimizer
    divisor: int


def build_phases(
    method: Method, steps: int, *, scales: Sequence[int], coordinates: Literal["fourier", "pixels"], values: int
) -> list[Phase]:
    """What is run one after the other.

    Args:
        method: As `invert` has it.
        steps: Of all phases together; the last scale gets twice as many as each of the others.
        scales: Falling divisors of the picture's size; `reference` has its three rates instead.
        coordinates: In which the picture is written down.
        values: Numbers of a picture, channels included.

    Source: Mahendran, Vedaldi 2015; their `experiments/experiment_cnn.m` for the rates of `reference`.
    """
    if method == "reference":
        # The paper steps by the gradient of σ²N·objective with respect to gray levels.
        rates: list[Optimizer] = [SGD(_RATE * factor * SIGMA**2 * values, momentum=0.9) for factor, _ in _RATES]
        return _share_out(steps, [count for _, count in _RATES], rates, [1] * len(rates))
    # A start that excites hardly any unit has hardly a gradient: Adam walks on, where L-BFGS finds that it is done.
    adam: Optimizer = Adam(0.02 if coordinates == "pixels" else 0.05, schedule="cosine")
    by_name: dict[str, Sequence[Optimizer]] = {
        "auto": [adam if divisor > 1 else LBFGS() for divisor in scales],
        "adam": [adam] * len(scales),
        "lbfgs": [LBFGS()] * len(scales),
    }
    return _share_out(steps, [1] * (len(scales) - 1) + [2], by_name[method], scales)


def is_flat(curve: Sequence[float], optimizer: Optimizer, tolerance: float) -> bool:
    """Whether L-BFGS gains next to nothing any more; the other optimizers have schedules, which go to their end.

    Args:
        curve: The objective at every step of this phase, to be made small.
        optimizer: Of this phase.
        tolerance: Share that ten steps have to gain; 0 for never.
    """
    if not isinstance(optimizer, LBFGS) or not tolerance or len(curve) <= 2 * _WINDOW:
        return False
    return curve[-1 - _WINDOW] - curve[-1] < tolerance * abs(curve[-1])


def _share_out(
    steps: int, shares: Sequence[int], optimizers: Sequence[Optimizer], divisors: Sequence[int]
) -> list[Phase]:
    """Phases whose steps are in proportion to `shares`; those that get none are left out."""
    phases, done = [], 0
    for number, (optimizer, divisor) in enumerate(zip(optimizers, divisors, strict=True)):
        end = round(steps * sum(shares[: number + 1]) / sum(shares))
        if end > done:
            phases.append(Phase(end - done, optimizer, divisor))
        done = end
    return phases

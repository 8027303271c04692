"""How the parameters follow the gradient: settings that build a torch optimizer for given parameters.

An optimizer here is a value, so that a saved picture can say which one made it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from striate.errors import ConfigError

__all__ = ["LBFGS", "SGD", "Adam", "NAdam", "Optimizer", "Schedule", "learning_rate_factor"]

Schedule = Literal["constant", "cosine", "linear"]


@runtime_checkable
class Optimizer(Protocol):
    """Settings of an optimizer."""

    @property
    def lr(self) -> float:
        """Learning rate at the first step."""
        ...

    @property
    def schedule(self) -> Schedule:
        """How the rate goes on."""
        ...

    def build(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """A fresh optimizer of these leaves."""
        ...


@dataclass(frozen=True)
class Adam:
    """Adam; 0.05 is lucid's rate for Fourier coefficients.

    Source: Kingma, Ba 2015, arXiv:1412.6980.
    """

    lr: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        _check(self.lr, self.schedule)

    def build(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """A fresh `torch.optim.Adam`."""
        return torch.optim.Adam(parameters, lr=self.lr, betas=self.betas, eps=self.eps, foreach=False)


@dataclass(frozen=True)
class NAdam:
    """Adam with Nesterov's momentum: MaCo's, at rate 1 for phases.

    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam".
    """

    lr: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-7
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        _check(self.lr, self.schedule)

    def build(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """A fresh `torch.optim.NAdam`."""
        return torch.optim.NAdam(parameters, lr=self.lr, betas=self.betas, eps=self.eps, foreach=False)


@dataclass(frozen=True)
class SGD:
    """Plain gradient steps, with momentum if wanted.

    Attributes:
        lr: The rate.
        momentum: 0 for none.
        normalize: What each picture's gradient is divided by first: `mean` of its absolute values (DeepDream's), its
            root mean square (`rms`), its largest absolute value (`max`), its sum of squares (`progress`: the rate is
            then what the objective should rise by, to first order), or nothing.
        largest_rate: What the rate is at most after that.
        schedule: How the rate goes on.
    """

    lr: float = 1.0
    momentum: float = 0.0
    normalize: Literal["mean", "rms", "max", "progress"] | None = None
    largest_rate: float = math.inf
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        _check(self.lr, self.schedule)
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"SGD: momentum must be from 0 to below 1; got {self.momentum}.")

    def build(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """A fresh `torch.optim.SGD`."""
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum, foreach=False)


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with a strong-Wolfe line search; one step is one iteration.

    All pictures of a batch share the line search: they are not independent.

    Source: Liu, Nocedal 1989, "On the limited memory BFGS method for large scale optimization".
    """

    lr: float = 1.0
    history_size: int = 20
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        _check(self.lr, self.schedule)
        if self.history_size < 1:
            raise ConfigError(f"LBFGS: history_size must be at least 1; got {self.history_size}.")

    def build(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """A fresh `torch.optim.LBFGS`."""
        return torch.optim.LBFGS(
            parameters,
            lr=self.lr,
            max_iter=1,
            max_eval=1000,  # a line search ends by its own rule
            tolerance_grad=0.0,  # when to stop is said by the number of steps
            tolerance_change=0.0,
            history_size=self.history_size,
            line_search_fn="strong_wolfe",
        )


def learning_rate_factor(schedule: Schedule, progress: float) -> float:
    """What the rate is multiplied by, when `progress` of the run (0 to 1) is over.

    >>> [round(learning_rate_factor("cosine", p), 2) for p in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - progress if schedule == "linear" else 1.0


def _check(lr: float, schedule: str) -> None:
    if not (math.isfinite(lr) and lr > 0):
        raise ConfigError(f"lr must be a number above 0; got {lr}.")
    if schedule not in ("constant", "cosine", "linear"):
        raise ConfigError(f"schedule must be 'constant', 'cosine' or 'linear'; got {schedule!r}.")

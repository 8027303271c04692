"""The two optimizers, made for groups of weights; their rate is set anew before every step."""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from striate.training.settings import TrainSettings

__all__ = ["build_optimizer", "highest_rate", "set_rate"]

# Goyal et al. 2017 (arXiv:1706.02677), section 2.1: 0.1 for 256 pictures, in proportion to the batch. Networks without
# normalization were published with a tenth of it (Krizhevsky 2012, Simonyan 2014: 0.01).
_SGD_RATE, _SGD_BATCH = 0.1, 256
_ADAMW_RATE = 1e-3


def highest_rate(settings: TrainSettings, module: nn.Module, *, fine_tuning: bool) -> float:
    """The rate that was asked for, or one that suits the optimizer, the batch and the network."""
    if settings.lr is not None:
        return settings.lr
    if settings.optimizer == "adamw":
        return _ADAMW_RATE * (0.5 if fine_tuning else 1.0)
    rate = _SGD_RATE * settings.batch_size / _SGD_BATCH
    normalized = any(isinstance(part, _BatchNorm | nn.GroupNorm | nn.LayerNorm) for part in module.modules())
    return rate * (1.0 if normalized else 0.1) * (0.1 if fine_tuning else 1.0)


def build_optimizer(
    settings: TrainSettings, groups: list[dict[str, Any]], *, fused: bool = True
) -> torch.optim.Optimizer:
    """SGD with momentum (Nesterov's or Polyak's), or AdamW (Loshchilov and Hutter 2017); one pass over memory a step.

    Args:
        settings: Which one, and how.
        groups: Of `parameter_groups`.
        fused: One kernel for all of it; shares of weights have none for `sgd`.
    """
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=(settings.momentum, 0.999), fused=fused)
    nesterov = settings.nesterov and settings.momentum > 0
    return torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, nesterov=nesterov, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]

"""A way back through units that are switched off: ReLU gradients that are redirected where nothing comes through.

A unit that answers 0 to the start picture has no gradient, and the picture would stay gray. For the first steps, and
only for a picture whose whole gradient is zero at a ReLU, the ReLU lets through what would switch a unit on again: the
gradient that pushes its input up where it is below zero (and down where it is above the ceiling of a ReLU6).

The rule is applied to torch's backward operators, not to modules: functional, in-place and shared activations obey it.

Source: lucid, `misc/redirected_relu_grad.py`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["RedirectedRelu"]


class RedirectedRelu(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context for a backward pass of a loss that is to become small."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Rewrite the gradients of ReLU and ReLU6, pass on everything else."""
        gradient = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.threshold_backward.default:
            arriving, x, low = args[:3]
            return _redirect(gradient, arriving, x <= low, None)
        if func is torch.ops.aten.hardtanh_backward.default:
            arriving, x, low, high = args[:4]
            return _redirect(gradient, arriving, x <= low, x >= high)
        return gradient


def _redirect(gradient: Tensor, arriving: Tensor, below: Tensor, above: Tensor | None) -> Tensor:
    """`gradient` where an example has any; elsewhere `arriving` without what would push units further off."""
    if gradient.dim() < 2 or not gradient.numel():
        return gradient
    silent = gradient.flatten(1).abs().amax(1) == 0
    if not bool(silent.any()):
        return gradient
    kept = arriving.masked_fill(below & (arriving > 0), 0)  # a positive gradient of a loss pushes down
    if above is not None:
        kept = kept.masked_fill(above & (arriving < 0), 0)
    return torch.where(silent.view(-1, *[1] * (gradient.dim() - 1)), kept, gradient)

"""A way up for units that are off and ought to be on, at the layer whose answer is matched.

A unit behind a ReLU that is off has no gradient, however much the photo switches it on. With a thousand units of which
few are on anywhere, nearly all that has to be found is out of reach: the search ends in gray. So, where what arrives at
such a unit pushes it up, it is let through; likewise down at the ceiling of a ReLU6. That is the gradient of a loss
with the same solutions, in which a unit that is off is further away the lower its input is.

Only the last rectifier is opened, the one that gives the layer's answer: further down, units are on often enough.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from striate.dreams import Objective, Seen

__all__ = ["open_rectifier"]

_RECTIFIERS = ("ReluBackward", "HardtanhBackward", "ThresholdBackward")
_KEEPS = ("CloneBackward", "AliasBackward", "ViewBackward", "ContiguousBackward")  # ways of handing an answer on


def open_rectifier(objective: Objective, layer: str) -> Objective:
    """The same objective, with another gradient where the layer's answer comes straight from a ReLU or ReLU6.

    Nothing is changed in the network: the gradient is taken as it passes through the graph of this one evaluation.

    Args:
        objective: To be made small; the layer is what it needs.
        layer: As the objective names it.
    """

    def value(seen: Seen) -> Tensor:
        _open(seen.activations[layer])
        return objective(seen)

    return replace(objective, function=value)


def _open(answer: Tensor) -> None:
    node: Any = answer.grad_fn
    while node is not None and node.name().startswith(_KEEPS) and node.next_functions:
        node = node.next_functions[0][0]
    if node is None or not node.name().startswith(_RECTIFIERS):
        return
    shown = answer.detach()

    def pass_on(inward: tuple[Tensor | None, ...], outward: tuple[Tensor | None, ...]) -> Any:
        gradient, arriving = inward[0], outward[0]
        if gradient is None or arriving is None or arriving.shape != shown.shape:
            return None
        off = shown <= shown.amin()  # where none is off, the least one passes its gradient anyway
        full = (shown >= shown.amax()) & node.name().startswith("Hardtanh")
        stuck = (off & (arriving < 0)) | (full & (arriving > 0))
        return (torch.where(stuck, arriving, gradient), *inward[1:])

    node.register_hook(pass_on)

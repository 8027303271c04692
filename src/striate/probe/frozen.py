"""Run a module as if its weights were constants, without touching their flags.

A gradient to the picture needs no gradient of a weight. Setting `requires_grad` to False on somebody's module would be
seen by another thread that trains it, and is easily forgotten after an error. Here each operation gets its weights
detached as it is called, so that what autograd records leads to the picture alone.
"""

from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["FrozenWeights"]


class FrozenWeights(TorchFunctionMode):
    """While active, every leaf that asks for a gradient is a constant, but for `leaf`.

    After a pass under this mode a tensor requires a gradient exactly if it depends on `leaf` in a differentiable way.

    Args:
        leaf: The picture.

    >>> import torch
    >>> picture, layer = torch.ones(1, 2, requires_grad=True), torch.nn.Linear(2, 2)
    >>> with FrozenWeights(picture):
    ...     layer(picture).requires_grad, (layer.weight * 2).requires_grad
    (True, False)
    """

    def __init__(self, leaf: Tensor) -> None:
        super().__init__()
        self.leaf = leaf

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` with its weights detached."""
        if getattr(func, "__name__", "") in {"__set__", "__delete__"}:  # `weight.data = …` means the weight itself
            return func(*args, **(kwargs or {}))
        return func(*self._constant(args), **self._constant(kwargs or {}))

    def _constant(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            if value.is_inference():  # a module made in inference mode: autograd takes no such tensors
                return value.clone()
            weight = value.requires_grad and value.is_leaf and value is not self.leaf
            return value.detach() if weight else value
        if type(value) in (list, tuple):
            return type(value)([self._constant(item) for item in value])
        if type(value) is dict:
            return {key: self._constant(item) for key, item in value.items()}
        return value

"""Which nonlinearities a pass goes through, and which of them a backward rule would miss.

The rules of guided back-propagation and the deconvnet change the operators of rectifiers. A network can also mask by
other means, `clamp(x, min=0)` or `torch.where(x > 0, x, 0)`, whose way back consists of ordinary arithmetic: the rule
would silently be the plain derivative there, and the map would be called guided and be none. So the pass is watched, as
it happens, at the level of operators, and a mask that the rule cannot reach is refused by its name.

What is followed besides the picture's own numbers is what was *decided* from them: the result of a comparison, its
negation, its cast to a number. A decision that multiplies, selects or fills is a mask, also `x * (x > 0)`.

Not detected: masks that are neither compared nor clamped, such as `(x + x.abs()) / 2` or `x.square().sqrt() + x`, and
smooth ones put together by hand, such as `x * x.sigmoid()`. They take the plain derivative.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from striate.errors import ConfigError
from striate.probe.backward_rules import SmoothRule
from striate.probe.watcher import tensors_in

__all__ = ["MaskWatch"]


class MaskWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class is untyped
    """Watches a pass for nonlinearities on the way from the picture; to be entered inside of `FrozenWeights`.

    Args:
        method: The method's name, for messages.
        smooth: `refuse` refuses SiLU, GELU, ELU and their like by name.

    Attributes:
        rectifiers: How often each rectifier with a rule was met.
        derivatives: How often each nonlinearity was met that takes its plain derivative.

    Raises:
        ConfigError: In the middle of the pass, at the first mask that no rule reaches.
    """

    def __init__(self, method: str, *, smooth: SmoothRule = "refuse") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.method = method
        self.smooth = smooth
        self.rectifiers: Counter[str] = Counter()
        self.derivatives: Counter[str] = Counter()
        self.hidden: Counter[str] = Counter()
        self.followed: dict[int, StorageWeakRef] = {}
        self.decided: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator and look at what it does to the picture's numbers."""
        kwargs = kwargs or {}
        tensors = list(tensors_in((args, kwargs)))
        decisions = [t for t in tensors if _holds(self.decided, t)]
        values = [t for t in tensors if not _holds(self.decided, t) and (t.requires_grad or _holds(self.followed, t))]
        if values or decisions:
            name = func._schema.name.removeprefix("aten::").removesuffix("_")
            if values:
                self._look(name, args, kwargs, values, decisions)
        out = func(*args, **kwargs)
        if values or decisions:
            for tensor in tensors_in(out):
                _hold(self.followed, tensor)
                if not values or tensor.dtype == torch.bool or name in _DECIDING:
                    _hold(self.decided, tensor)
        return out

    def check(self, scores: Tensor) -> None:
        """Refuse rectifiers inside of a custom autograd function, whose way back is its own.

        Raises:
            ConfigError: There are some on the way to `scores`.
        """
        if not self.hidden or scores.grad_fn is None:
            return
        waiting, seen = [scores.grad_fn], {scores.grad_fn}
        while waiting:
            node = waiting.pop()
            if isinstance(node, torch.autograd.function.BackwardCFunction):
                name = type(node).__name__.removesuffix("Backward")
                inside = ", ".join(f"'{mask}'" for mask in self.hidden)
                raise ConfigError(
                    f"{self.method}: the autograd function '{name}' is on the way and computes {inside} inside: its "
                    "backward is its own, which no rule reaches. Use insight.input_gradient, or call torch.relu."
                )
            for follower, _ in node.next_functions:
                if follower is not None and follower not in seen:
                    seen.add(follower)
                    waiting.append(follower)

    def _look(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], values: list[Tensor], decisions: list[Tensor]
    ) -> None:
        if not any(t.requires_grad for t in values):
            return
        mask = _mask(name, args, kwargs, values, decisions)
        if not torch.is_grad_enabled():  # inside of a custom function, or of no_grad, where nothing comes back
            if mask or _is_rectifier(name, args, kwargs):
                self.hidden[mask or name] += 1
            return
        if mask:
            raise ConfigError(
                f"{self.method}: the network masks its values with '{mask}', whose way back no rule of a rectifier "
                "reaches, so the map would be wrong without a sign of it. Write it as a rectifier (torch.relu, "
                "ReLU6, leaky_relu), or use insight.input_gradient, which takes the derivative of anything."
            )
        if _is_rectifier(name, args, kwargs):
            self.rectifiers[name] += 1
        elif name in _SMOOTH:
            if self.smooth == "refuse":
                raise ConfigError(
                    f"{self.method}: the network has the smooth activation '{name}', which has no mask, and the paper "
                    "no rule for it. Use insight.input_gradient, or say what is to be done there: smooth='rectify' "
                    "takes the positive part of what comes back, smooth='plain' the derivative."
                )
            (self.rectifiers if self.smooth == "rectify" else self.derivatives)[name] += 1
        elif name in _SQUASHING:
            self.derivatives[name] += 1


def _mask(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], values: list[Tensor], decisions: list[Tensor]
) -> str | None:
    """The name of the mask that this operator is, or None."""
    if name in _CLAMPS:
        low = kwargs.get("min", args[1] if len(args) > 1 and name != "clamp_max" else None)
        high = kwargs.get("max", args[2] if len(args) > 2 else args[1] if name == "clamp_max" else None)
        return None if _is_guard(args[0], low, high) else "clamp"
    if name == "threshold":
        return None if args[1] == 0 and args[2] == 0 else "threshold"
    if name in _PAIRS:  # of two maps that both come from the picture it is a choice, as in max pooling
        return name if sum(any(t is value for value in values) for t in args[:2]) == 1 else None
    if name in _SHRINKING:
        return name
    if name == "rrelu_with_noise" and bool(kwargs.get("training", args[4] if len(args) > 4 else False)):
        return "rrelu in training"
    if decisions and name in _CHOOSING:
        return _CHOOSING[name]
    return None


def _is_guard(x: Tensor, low: Any, high: Any) -> bool:
    """A clamp that keeps a number away from zero and does nothing now, as `norm.clamp(min=1e-12)`: no rectifier."""
    if isinstance(low, Tensor) or isinstance(high, Tensor) or low == 0:
        return False
    below = low is not None and bool((x < low).any())
    return not below and not (high is not None and bool((x > high).any()))


def _is_rectifier(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if name == "hardtanh":
        low = kwargs.get("min_val", args[1] if len(args) > 1 else -1)
        return bool(low >= 0)
    return name in _RECTIFYING


def _holds(marks: dict[int, StorageWeakRef], tensor: Tensor) -> bool:
    mark = marks.get(tensor.untyped_storage()._cdata) if marks and tensor.layout is torch.strided else None
    return mark is not None and not mark.expired()  # type: ignore[no-untyped-call]


def _hold(marks: dict[int, StorageWeakRef], tensor: Tensor) -> None:
    """Views share their storage, so a mark holds for them too; a weak reference keeps its place from being reused."""
    if tensor.layout is not torch.strided:
        return
    storage = tensor.untyped_storage()
    if not _holds(marks, tensor):
        marks[storage._cdata] = StorageWeakRef(storage)  # type: ignore[no-untyped-call]


_RECTIFYING = {"relu", "threshold", "leaky_relu", "_prelu_kernel", "rrelu_with_noise"}
_SMOOTH = {"celu", "elu", "gelu", "hardswish", "mish", "selu", "silu", "softplus"}
_SQUASHING = {"glu", "hardsigmoid", "hardtanh", "log_sigmoid_forward", "sigmoid", "tanh", "_softmax", "_log_softmax"}
_SHRINKING = {"hardshrink", "softshrink"}
_CLAMPS = {"clamp", "clamp_max", "clamp_min", "clip"}
_PAIRS = {"fmax", "fmin", "maximum", "minimum"}
_DECIDING = {"heaviside", "sgn", "sign"}
_CHOOSING = {
    "copysign": "copysign",
    "div": "a division by a comparison",
    "index_put": "an assignment x[mask] = …",
    "_index_put_impl": "an assignment x[mask] = …",
    "masked_fill": "masked_fill",
    "masked_scatter": "masked_scatter",
    "mul": "a product with a comparison, x * (x > 0)",
    "where": "where",
}

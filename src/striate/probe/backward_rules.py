"""Other rules for the way back through a rectifier: guided back-propagation and the deconvnet.

A rectifier y = max(x, 0) lets a gradient g through where its input was positive. Two papers change that, and only that:

    back-propagation    [x > 0] g             the derivative
    deconvnet           max(g, 0)             the rectifier itself, applied to what comes back
    guided              [x > 0] max(g, 0)     both

Hooks on `nn.ReLU` modules do this where every rectifier is a module, works on a tensor that nobody else reads, and does
not write in place. Here the operators of the backward pass are rewritten instead (`threshold_backward` and its
relatives), as autograd calls them: the same for modules, functions, methods, in place or not, shared or not, and there
is nothing to remove afterwards.

For the other rectifiers the same two ideas are applied, the unit's derivative and the unit on what comes back:

| rectifier | back-propagation | deconvnet | guided |
|---|---|---|---|
| ReLU | [x > 0] g | max(g, 0) | [x > 0] max(g, 0) |
| ReLU6, any hardtanh with a lower end of 0 or more | [0 < x < 6] g | max(g, 0) | [0 < x < 6] max(g, 0) |
| LeakyReLU, PReLU, RReLU: slope s below zero | d g, d = 1 or s | l(g) = g or s g | d l(g) |

The upper end of ReLU6 is a height of activations, so it does not bound a gradient (deconvnet); a unit that sits on it
does not answer to its input, so nothing passes (guided), as at zero. The leaky rules are those of ReLU at s = 0 and
leave g alone at s = 1, where the unit is no rectifier at all.

Max pooling goes back through the places of its maxima in ordinary back-propagation: those are the deconvnet's switches.

Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, "Striving for simplicity: the all convolutional net",
arXiv:1412.6806, section 4 and figure 1 (all three rules for ReLU); Zeiler, Fergus 2013, arXiv:1311.2901, section 2.1.
Differs: the rules for other rectifiers than ReLU are ours; the papers have none.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["BackwardRule", "RewrittenBackward", "SmoothRule"]

BackwardRule = Literal["plain", "guided", "deconvnet"]
SmoothRule = Literal["refuse", "plain", "rectify"]

_Call = Callable[..., Any]
_Rewrite = Callable[[str, _Call, tuple[Any, ...]], Any]


class RewrittenBackward(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class is untyped
    """While active, a backward pass goes through rectifiers by `rule`.

    Args:
        rule: `plain` changes nothing.
        smooth: At smooth relatives of the rectifier (SiLU, GELU, ELU …), of which the papers know nothing: `rectify`
            takes what is positive of what comes back, as at a rectifier; else their derivative is used.

    >>> x = torch.tensor([2.0, 3.0, -1.0], requires_grad=True)
    >>> y = torch.relu(x)
    >>> with RewrittenBackward("guided"):
    ...     torch.autograd.grad(y, x, torch.tensor([1.0, -1.0, 1.0]))[0]
    tensor([1., 0., 0.])
    """

    def __init__(self, rule: BackwardRule, *, smooth: SmoothRule = "refuse") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rule = rule
        self.rewrites: dict[str, _Rewrite] = {}
        if rule != "plain":
            self.rewrites |= _RECTIFIERS
            if smooth == "rectify":
                self.rewrites |= dict.fromkeys(_SMOOTH, _smooth)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator, or what the rule puts in its place."""
        rewrite = self.rewrites.get(func._schema.name)
        if rewrite is None:
            return func(*args, **(kwargs or {}))
        return rewrite(self.rule, partial(func, **(kwargs or {})), args)


def _relu(rule: str, derivative: _Call, args: tuple[Any, ...]) -> Any:
    """`(g, x, threshold)`."""
    g, *rest = args
    rectified = g.clamp(min=0)
    return rectified if rule == "deconvnet" else derivative(rectified, *rest)


def _hardtanh(rule: str, derivative: _Call, args: tuple[Any, ...]) -> Any:
    """`(g, x, low, high)`: a rectifier where it gives nothing negative, else a squashing function like tanh."""
    return derivative(*args) if args[2] < 0 else _relu(rule, derivative, args)


def _leaky(rule: str, derivative: _Call, args: tuple[Any, ...]) -> Any:
    """`(g, x, slope, x_is_result)`."""
    g, _, slope, *_ = args
    passed = torch.where(g > 0, g, g * slope)
    return passed if rule == "deconvnet" else derivative(passed, *args[1:])


def _rrelu(rule: str, derivative: _Call, args: tuple[Any, ...]) -> Any:
    """`(g, x, noise, lower, upper, training, x_is_result)`: in evaluation its slope is the middle of its range."""
    g, _, _, lower, upper, *_ = args
    passed = torch.where(g > 0, g, g * ((lower + upper) / 2))
    return passed if rule == "deconvnet" else derivative(passed, *args[1:])


def _prelu(rule: str, derivative: _Call, args: tuple[Any, ...]) -> Any:
    """`(g, x, slopes)` → the gradients of x and of the slopes; nobody asks for the latter."""
    g, x, slopes = args
    passed = torch.where(g > 0, g, g * slopes)
    plain, of_slopes = derivative(passed, x, slopes)
    return (passed if rule == "deconvnet" else plain), of_slopes


def _smooth(rule: str, derivative: _Call, args: tuple[Any, ...]) -> Any:
    g: Tensor = args[0].clamp(min=0)
    return g if rule == "deconvnet" else derivative(g, *args[1:])


_RECTIFIERS: dict[str, _Rewrite] = {
    "aten::threshold_backward": _relu,
    "aten::hardtanh_backward": _hardtanh,
    "aten::leaky_relu_backward": _leaky,
    "aten::rrelu_with_noise_backward": _rrelu,
    "aten::_prelu_kernel_backward": _prelu,
}
_SMOOTH = (
    "aten::elu_backward",
    "aten::gelu_backward",
    "aten::hardswish_backward",
    "aten::mish_backward",
    "aten::silu_backward",
    "aten::softplus_backward",
)

"""Masks that no rule reaches are seen while the pass runs; what is no mask passes."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.errors import ConfigError
from striate.probe.frozen import FrozenWeights
from striate.probe.masks import MaskWatch

Function = Callable[[Tensor], Tensor]
ZERO = torch.zeros(())


def watched(function: Function, x: Tensor | None = None, **settings: str) -> MaskWatch:
    leaf = (torch.randn(2, 4, 6, 6) if x is None else x).requires_grad_()
    watch = MaskWatch("guided_backprop", **settings)  # type: ignore[arg-type]
    with FrozenWeights(leaf):
        with watch:
            out = function(leaf.clone())
        watch.check(out)
    return watch


def assigned(x: Tensor) -> Tensor:
    x[x < 0] = 0
    return x


class CustomReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        return x.relu()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, g: Tensor) -> Tensor:
        return g


MASKS: dict[str, tuple[Function, str]] = {
    "clamp": (lambda x: x.clamp(min=0), "clamp"),
    "clamp_": (lambda x: x.clamp_(0, 6), "clamp"),
    "clip": (lambda x: torch.clip(x, 0, 1), "clamp"),
    "clamp_min": (lambda x: x.clamp_min(0), "clamp"),
    "clamp_max": (lambda x: torch.clamp_max(x, 0.1), "clamp"),
    "clamp-of-tensors": (lambda x: x.clamp(ZERO, ZERO + 1), "clamp"),
    "clamp-from-below": (lambda x: x.clamp(min=-0.1), "clamp"),
    "maximum": (lambda x: torch.maximum(x, ZERO), "maximum"),
    "max": (lambda x: torch.max(ZERO, x), "maximum"),
    "minimum": (lambda x: x.minimum(ZERO + 6), "minimum"),
    "fmax": (lambda x: torch.fmax(x, ZERO), "fmax"),
    "where": (lambda x: torch.where(x > 0, x, 0.0), "where"),
    "where-of-detached": (lambda x: torch.where(x.detach().ge(0), x, 0.1 * x), "where"),
    "threshold": (lambda x: F.threshold(x, 0.5, 0.0), "threshold"),
    "product": (lambda x: x * (x > 0), r"x \* \(x > 0\)"),
    "product-of-numbers": (lambda x: x * (1 - (x <= 0).float()).expand_as(x), r"x \* \(x > 0\)"),
    "product-in-place": (lambda x: x.mul_(x > 0), r"x \* \(x > 0\)"),
    "product-of-signs": (lambda x: x * torch.heaviside(x.detach(), ZERO), r"x \* \(x > 0\)"),
    "masked_fill": (lambda x: x.masked_fill(x < 0, 0), "masked_fill"),
    "masked_fill_": (lambda x: x.masked_fill_(~(x > 0), 0), "masked_fill"),
    "assignment": (assigned, r"x\[mask\] = "),
    "hardshrink": (F.hardshrink, "hardshrink"),
    "softshrink": (F.softshrink, "softshrink"),
    "rrelu-in-training": (lambda x: F.rrelu(x, training=True), "rrelu in training"),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_refused_by_name(name: str) -> None:
    function, words = MASKS[name]
    with pytest.raises(ConfigError, match=f"guided_backprop: the network masks its values with '.*{words}"):
        watched(function)


def test_a_custom_function_with_a_rectifier_inside_is_refused() -> None:
    with pytest.raises(ConfigError, match="the autograd function 'CustomReLU' is on the way and computes 'relu'"):
        watched(lambda x: CustomReLU.apply(x) * 2)


SMOOTH = [F.silu, F.gelu, F.elu, F.selu, F.celu, F.mish, F.softplus, F.hardswish]


@pytest.mark.parametrize("function", SMOOTH, ids=lambda f: f.__name__)
def test_smooth_activations_are_refused_by_name_and_can_be_allowed(function: Function) -> None:
    with pytest.raises(ConfigError, match=r"smooth activation '\w+'.*smooth='rectify'.*smooth='plain'"):
        watched(function)
    assert sum(watched(function, smooth="plain").derivatives.values()) == 1
    assert sum(watched(function, smooth="rectify").rectifiers.values()) == 1


NO_MASKS: dict[str, Function] = {
    "an-epsilon": lambda x: x / x.norm(dim=1, keepdim=True).clamp(min=1e-12),
    "F.normalize": F.normalize,
    "a-choice-of-two-maps": lambda x: torch.maximum(x, x.flip(1)),
    "a-mask-that-is-always-the-same": lambda x: torch.where(torch.eye(6) > 0, x, 0.0),
    "a-product-with-a-constant-mask": lambda x: x * (torch.eye(6) > 0),
    "pooling": lambda x: F.max_pool2d(x, 2),
    "indices": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "dropout": lambda x: F.dropout(x, training=False),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "a-decision-that-only-leads-elsewhere": lambda x: x + (x > 0).float().mean() * 0.1,
    "weights-that-are-clamped": lambda x: x * torch.nn.Parameter(torch.randn(6)).clamp(min=0),
    "a-stopped-gradient": lambda x: x * x.detach(),
    "statistics": lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4)),
}


@pytest.mark.parametrize("name", NO_MASKS)
def test_what_is_no_mask_passes(name: str) -> None:
    assert not watched(NO_MASKS[name]).rectifiers


def test_what_was_met_is_counted() -> None:
    watch = watched(lambda x: F.leaky_relu(F.relu6(F.relu(x)).relu_()).sigmoid().tanh())
    assert dict(watch.rectifiers) == {"relu": 2, "hardtanh": 1, "leaky_relu": 1}
    assert dict(watch.derivatives) == {"sigmoid": 1, "tanh": 1}


def test_what_cannot_be_seen_is_documented() -> None:
    """These are rectifiers all the same; the module's docstring and the guide say that they pass."""
    for function in (lambda x: (x + x.abs()) / 2, lambda x: x * x.sigmoid()):
        watched(function)


def test_frozen_weights_keep_their_flags_and_record_nothing() -> None:
    layer, leaf = torch.nn.Conv2d(4, 2, 3), torch.randn(1, 4, 6, 6, requires_grad=True)
    with FrozenWeights(leaf):
        out = layer(leaf)
        constant = layer.weight.square().sum()
        layer.weight.data = layer.weight.data * 2  # assignments mean the weight itself
    assert out.requires_grad
    assert not constant.requires_grad
    assert layer.weight.requires_grad
    seen, waiting = set(), [out.grad_fn]
    while waiting:
        node = waiting.pop()
        seen.add(getattr(node, "variable", None))
        waiting += [n for n, _ in node.next_functions if n is not None]
    assert leaf in seen
    assert layer.weight not in seen

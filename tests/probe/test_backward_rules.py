"""The rules of the way back through rectifiers, against their formulas, in every way a rectifier can be written."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.probe.backward_rules import RewrittenBackward

X = torch.tensor([-8.0, -2, -0.5, 0, 0.5, 2, 6, 9], dtype=torch.float64)
UP = torch.tensor([1.5, -2, 3, 1, -1, 2, 1, 1], dtype=torch.float64)
SLOPES = torch.tensor([0.2], dtype=torch.float64)

# name → (function, slope below zero, upper end)
RECTIFIERS: dict[str, tuple[Callable[[Tensor], Tensor], float, float]] = {
    "F.relu": (F.relu, 0, torch.inf),
    "relu_": (lambda x: x.clone().relu_(), 0, torch.inf),
    "nn.ReLU": (nn.ReLU(), 0, torch.inf),
    "nn.ReLU-inplace": (lambda x: nn.ReLU(inplace=True)(x.clone()), 0, torch.inf),
    "threshold": (lambda x: F.threshold(x, 0.0, 0.0), 0, torch.inf),
    "relu6": (F.relu6, 0, 6),
    "nn.ReLU6-inplace": (lambda x: nn.ReLU6(inplace=True)(x.clone()), 0, 6),
    "hardtanh-0-2": (lambda x: F.hardtanh(x, 0.0, 2.0), 0, 2),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1), 0.1, torch.inf),
    "leaky_relu_": (lambda x: F.leaky_relu_(x.clone(), 0.1), 0.1, torch.inf),
    "nn.LeakyReLU": (nn.LeakyReLU(0.3), 0.3, torch.inf),
    "prelu": (lambda x: F.prelu(x, SLOPES), 0.2, torch.inf),
    "rrelu": (lambda x: F.rrelu(x, 0.1, 0.3), 0.2, torch.inf),
    "nn.RReLU": (nn.RReLU(0.1, 0.3).eval(), 0.2, torch.inf),
}


def by_hand(rule: str, slope: float, top: float) -> Tensor:
    """The table of the module's docstring, number by number."""
    rows = []
    for x, g in zip(X.tolist(), UP.tolist(), strict=True):
        derivative = (1.0 if x > 0 else slope) if x < top else 0.0
        passed = g if g > 0 else slope * g
        rows.append({"plain": derivative * g, "deconvnet": passed, "guided": derivative * passed}[rule])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("rule", ["plain", "deconvnet", "guided"])
@pytest.mark.parametrize("name", RECTIFIERS)
def test_rule(name: str, rule: str) -> None:
    function, slope, top = RECTIFIERS[name]
    x = X.clone().requires_grad_()
    y = function(x)
    with RewrittenBackward(rule):
        (got,) = torch.autograd.grad(y, x, UP)
    torch.testing.assert_close(got, by_hand(rule, slope, top), atol=1e-15, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes_stay(dtype: torch.dtype) -> None:
    x = X.to(dtype).requires_grad_()
    for function in (F.relu, F.relu6, F.leaky_relu):
        with RewrittenBackward("guided"):
            assert torch.autograd.grad(function(x), x, UP.to(dtype))[0].dtype == dtype


@pytest.mark.parametrize("rule", ["plain", "deconvnet", "guided"])
def test_a_hardtanh_that_gives_negative_numbers_is_no_rectifier(rule: str) -> None:
    x = X.clone().requires_grad_()
    with RewrittenBackward(rule):
        (got,) = torch.autograd.grad(F.hardtanh(x), x, UP)
    torch.testing.assert_close(got, UP * (X.abs() < 1))


@pytest.mark.parametrize("function", [F.silu, F.gelu, F.elu, F.selu, F.celu, F.mish, F.softplus, F.hardswish])
def test_smooth_activations_are_rectified_on_demand(function: Callable[[Tensor], Tensor]) -> None:
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x).sum(), x)
    positive = UP.clamp(min=0)
    expected = {"guided": slope * positive, "deconvnet": positive, "plain": slope * UP}
    for rule, wanted in expected.items():
        with RewrittenBackward(rule, smooth="rectify"):
            (got,) = torch.autograd.grad(function(x), x, UP)
        torch.testing.assert_close(got, wanted)
        with RewrittenBackward(rule, smooth="plain"):
            (got,) = torch.autograd.grad(function(x), x, UP)
        torch.testing.assert_close(got, slope * UP)


def test_leaky_rules_end_at_the_relu_and_at_the_identity() -> None:
    for rule in ("guided", "deconvnet"):
        x = X.clone().requires_grad_()
        with RewrittenBackward(rule):
            as_relu, relu, identity = (
                torch.autograd.grad(f(x), x, UP)[0]
                for f in (lambda t: F.leaky_relu(t, 0.0), F.relu, lambda t: F.leaky_relu(t, 1.0))
            )
        torch.testing.assert_close(as_relu, relu)
        torch.testing.assert_close(identity, UP)


def test_many_targets_at_once_take_the_rule_too() -> None:
    x, many = X.clone().requires_grad_(), torch.stack([UP, -UP, UP.flip(0)])
    for function in (F.relu, F.relu6, F.leaky_relu):
        for rule in ("guided", "deconvnet"):
            y = function(x)
            with RewrittenBackward(rule):
                (together,) = torch.autograd.grad(y, x, many, is_grads_batched=True, retain_graph=True)
                apart = [torch.autograd.grad(y, x, one, retain_graph=True)[0] for one in many]
            torch.testing.assert_close(together, torch.stack(apart))


def test_max_pooling_goes_back_through_its_switches() -> None:
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    y, switches = F.max_pool2d(x, 2, return_indices=True)
    up = torch.randn_like(y)
    with RewrittenBackward("deconvnet"):
        (got,) = torch.autograd.grad(y, x, up)
    torch.testing.assert_close(got, F.max_unpool2d(up, switches, 2))

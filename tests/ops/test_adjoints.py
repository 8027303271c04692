"""Explicit adjoints against autograd, over random geometry; 1e-10 in float64."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from striate import ops
from striate.errors import ConfigError, ShapeError
from tests.ops.geometry import fits, random_settings

CASES = 250


def _double(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def _close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", range(4))
def test_adjoints_are_autograds(batch: int, record_property: Callable[[str, object], None]) -> None:
    draw = random.Random(f"adjoints {batch}")
    for _ in range(CASES):
        size, kernel, settings = random_settings(draw)
        groups = draw.choice([1, 1, 2, 3])
        n, c, m = draw.randint(1, 2), groups * draw.randint(1, 2), groups * draw.randint(1, 2)
        x, w, b = _double(n, c, *size), _double(m, c // groups, *kernel), _double(m)
        out = ops.cross_correlation(x, w, b, groups=groups, **settings)
        v = torch.randn_like(out)
        by_x, by_w, by_b = torch.autograd.grad(out, [x, w, b], v)
        _close(ops.input_adjoint(v, w, input_size=size, groups=groups, **settings), by_x)
        _close(ops.weight_adjoint(v, x, kernel_size=kernel, groups=groups, **settings), by_w)
        _close(ops.bias_adjoint(v), by_b)
    record_property("counted", ("random cases of adjoints against autograd", CASES))


@pytest.mark.parametrize("batch", range(2))
def test_adjoints_of_the_transposed_convolution_are_autograds(
    batch: int, record_property: Callable[[str, object], None]
) -> None:
    draw = random.Random(f"transposed {batch}")
    done = 0
    while done < CASES:
        size, kernel, settings = random_settings(draw)
        extra = [draw.randint(0, max(s, d) - 1) for s, d in zip(settings["stride"], settings["dilation"], strict=True)]
        if not fits(size, kernel, extra, settings):
            continue
        done += 1
        groups = draw.choice([1, 1, 2])
        n, c, m = draw.randint(1, 2), groups * draw.randint(1, 2), draw.randint(1, 2)
        x, w = _double(n, c, *size), _double(c, m, *kernel)
        out = ops.transposed_convolution(x, w, output_padding=extra, groups=groups, **settings)
        v = torch.randn_like(out)
        by_x, by_w = torch.autograd.grad(out, [x, w], v)
        _close(ops.transposed_input_adjoint(v, w, input_size=size, groups=groups, **settings), by_x)
        _close(ops.transposed_weight_adjoint(v, x, kernel_size=kernel, groups=groups, **settings), by_w)
    record_property("counted", ("random cases of adjoints of transposed convolutions against autograd", CASES))


def test_input_adjoint_is_the_transposed_convolution() -> None:
    v, w = torch.randn(2, 4, 5, 6, dtype=torch.float64), torch.randn(4, 3, 3, 2, dtype=torch.float64)
    size = ops.transposed_convolution(v, w, stride=2, padding=1, output_padding=1).shape[2:]
    _close(
        ops.input_adjoint(v, w, input_size=tuple(size), stride=2, padding=1),
        ops.transposed_convolution(v, w, stride=2, padding=1, output_padding=1),
    )


def test_adjoints_meet_the_definition_of_an_adjoint() -> None:
    """<conv(x), v> = <x, adjoint(v)>, without any autograd."""
    x, w = torch.randn(1, 2, 7, 8, dtype=torch.float64), torch.randn(3, 2, 3, 3, dtype=torch.float64)
    out = ops.cross_correlation(x, w, stride=(2, 3), padding=((1, 0), (2, 1)))
    v = torch.randn_like(out)
    back = ops.input_adjoint(v, w, input_size=(7, 8), stride=(2, 3), padding=((1, 0), (2, 1)))
    by_w = ops.weight_adjoint(v, x, kernel_size=3, stride=(2, 3), padding=((1, 0), (2, 1)))
    _close((out * v).sum(), (x * back).sum())
    _close((out * v).sum(), (w * by_w).sum())


def test_the_rule_of_the_notes() -> None:
    """Stride 1, no padding: v̄ · ∂conv/∂x is v̄ convolved in full with the filter turned around."""
    w, v = torch.randn(1, 1, 3, 3, dtype=torch.float64), torch.randn(1, 1, 5, 5, dtype=torch.float64)
    _close(ops.input_adjoint(v, w, input_size=(7, 7)), ops.cross_correlation(v, ops.flip_kernel(w), padding="full"))
    _close(ops.input_adjoint(v, w, input_size=(7, 7)), ops.convolution(v, w, padding="full"))


def test_second_derivatives() -> None:
    v, w, x = _double(1, 2, 3), _double(2, 2, 2), _double(1, 2, 6)
    settings = {"stride": 2, "padding": 1, "dilation": 2}
    assert torch.autograd.gradcheck(lambda v, w: ops.input_adjoint(v, w, input_size=[6], **settings), (v, w))
    assert torch.autograd.gradcheck(lambda v, x: ops.weight_adjoint(v, x, kernel_size=2, **settings), (v, x))


@pytest.mark.parametrize("shape", [(1, 2, 6), (1, 3, 5), (1, 2, 5, 5)])
def test_gradients_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    weight: Any = torch.randn(2, 2, 3)
    with pytest.raises(ShapeError, match=r"grad_output must have the shape of the output, n×2×5, got"):
        ops.input_adjoint(torch.randn(shape), weight, input_size=[7])


@pytest.mark.parametrize("groups", [0, -1, 4, 1.5])
def test_groups_that_do_not_divide_are_refused(groups: Any) -> None:
    x, weight, grad = torch.randn(1, 2, 7), torch.randn(2, 2, 3), torch.randn(1, 2, 5)
    with pytest.raises(ConfigError, match=r"^groups must"):
        ops.input_adjoint(grad, weight, input_size=[7], groups=groups)
    with pytest.raises(ConfigError, match=r"^groups must"):
        ops.weight_adjoint(grad, x, kernel_size=3, groups=groups)


def test_sizes_that_no_transposed_convolution_had_are_refused() -> None:
    grad, weight = torch.randn(1, 2, 9), torch.randn(3, 2, 3)
    assert ops.transposed_input_adjoint(grad, weight, input_size=[4], stride=2).shape == (1, 3, 4)
    for size in (3, 5):  # 3 was cut off without a word
        with pytest.raises(ShapeError, match=rf"input_size must be 4 along axis 2 .*\(1, 2, 9\), got {size}"):
            ops.transposed_input_adjoint(grad, weight, input_size=[size], stride=2)
    with pytest.raises(ShapeError, match=r"input_size must be from 1 to 3 along axis 2"):
        ops.transposed_input_adjoint(grad, weight, input_size=[8], dilation=3)


def test_pictures_that_do_not_match_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"as many pictures as input, got 2 and 1"):
        ops.weight_adjoint(torch.randn(2, 1, 5), torch.randn(1, 1, 7), kernel_size=3)

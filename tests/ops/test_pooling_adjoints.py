"""Scatter and spread against autograd."""

import random
from collections.abc import Callable

import pytest
import torch

from striate import ops
from striate.errors import ShapeError
from tests.ops.geometry import random_settings

CASES = 300


def test_adjoints_are_autograds(record_property: Callable[[str, object], None]) -> None:
    draw, done = random.Random("pooling adjoints"), 0
    while done < CASES:
        size, kernel, settings = random_settings(draw)
        spans = [d * (f - 1) + 1 for d, f in zip(settings["dilation"], kernel, strict=True)]
        if any(max(p) >= span for p, span in zip(settings["padding"], spans, strict=True)):
            continue
        settings["ceil_mode"] = draw.random() < 0.5
        x = torch.randn(draw.randint(1, 2), draw.randint(1, 3), *size, dtype=torch.float64, requires_grad=True)
        counted = draw.random() < 0.5
        average = ops.average_pool(x, kernel, count_padding=counted, **settings)
        if not average.isfinite().all():  # windows with nothing to count
            continue
        done += 1
        v = torch.randn_like(average)
        (expected,) = torch.autograd.grad(average, x, v)
        ours = ops.average_pool_adjoint(v, input_size=size, kernel_size=kernel, count_padding=counted, **settings)
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
        for with_indices in (ops.max_pool_with_indices, ops.min_pool_with_indices):
            values, indices = with_indices(x, kernel, **settings)
            real = values.isfinite()
            (expected,) = torch.autograd.grad(values.where(real, 0.0), x, v)
            ours = ops.max_pool_adjoint(v.where(real, 0.0), indices, input_size=size)
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
        for p in (1.0, 2.0, 3.5):
            (expected,) = torch.autograd.grad(ops.lp_pool(x, kernel, p=p, **settings), x, v)
            ours = ops.lp_pool_adjoint(v, x, kernel_size=kernel, p=p, **settings)
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    record_property("counted", ("random cases of pooling's adjoints against autograd", CASES))


def test_the_first_of_several_winners_gets_it_all() -> None:
    x = torch.tensor([[[2.0, 2.0, 1.0]]], requires_grad=True)
    values, indices = ops.max_pool_with_indices(x, 3)
    assert indices.tolist() == [[[0]]]
    assert ops.max_pool_adjoint(torch.ones(1, 1, 1), indices, input_size=[3]).tolist() == [[[1.0, 0.0, 0.0]]]
    values.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[1.0, 0.0, 0.0]]]


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"must have one shape, got \(1, 1, 2\) and \(1, 1, 3\)"):
        ops.max_pool_adjoint(torch.ones(1, 1, 2), torch.zeros(1, 1, 3, dtype=torch.int64), input_size=[9])
    with pytest.raises(ShapeError, match=r"shape of the output, n×c×4, got \(1, 1, 3\)"):
        ops.average_pool_adjoint(torch.ones(1, 1, 3), input_size=[8], kernel_size=2)

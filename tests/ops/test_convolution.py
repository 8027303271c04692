"""The operators themselves: meaning, gradients, export, and one sentence for each mistake."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from striate import ops
from striate.errors import ConfigError, ShapeError


def _double(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_the_two_agree_exactly_when_a_half_turn_leaves_the_kernel_unchanged() -> None:
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64)
    turned = torch.tensor([[1.0, 2, 3], [4, 5, 4], [3, 2, 1]], dtype=torch.float64)[None, None]
    assert ops.flip_kernel(turned).equal(turned)
    torch.testing.assert_close(ops.convolution(x, turned), ops.cross_correlation(x, turned))
    transposed = torch.tensor([[1.0, 2], [2, 3]], dtype=torch.float64)[None, None]  # K = Kᵀ is not enough
    assert transposed.equal(transposed.mT)
    assert not torch.allclose(ops.convolution(x, transposed), ops.cross_correlation(x, transposed))


def test_true_convolution_commutes_and_associates() -> None:
    x, k, q = (torch.randn(1, 1, size, dtype=torch.float64) for size in (9, 4, 3))
    torch.testing.assert_close(ops.convolution(x, k, padding="full"), ops.convolution(k, x, padding="full"))
    left = ops.convolution(ops.convolution(x, k, padding="full"), q, padding="full")
    right = ops.convolution(x, ops.convolution(k, q, padding="full"), padding="full")
    torch.testing.assert_close(left, right)


def test_moving_the_picture_moves_the_output() -> None:
    x, w = torch.randn(1, 2, 8, 8, dtype=torch.float64), torch.randn(3, 2, 3, 3, dtype=torch.float64)
    out = ops.cross_correlation(x, w, padding=1, border="circular")
    moved = ops.cross_correlation(x.roll((2, 3), (2, 3)), w, padding=1, border="circular")
    torch.testing.assert_close(moved, out.roll((2, 3), (2, 3)))


def test_separable_is_one_convolution_with_filters_that_are_products() -> None:
    x, d, p, b = _double(2, 3, 7, 6), _double(6, 1, 3, 3), _double(4, 6), _double(4)
    whole = torch.einsum("km,mhw->kmhw", p, d[:, 0])  # on six channels: each input channel twice
    ours = ops.separable_convolution(x, d, p, b, stride=2, padding=1)
    theirs = F.conv2d(x.repeat_interleave(2, dim=1), whole, b, 2, 1)
    torch.testing.assert_close(ours, theirs)


def test_pointwise_mixes_channels_at_each_place() -> None:
    for axes in (1, 2, 3):
        x, w, b = _double(2, 3, *(4,) * axes), _double(5, 3), _double(5)
        expected = torch.einsum("kc,nc...->nk...", w, x) + b.reshape(-1, *(1,) * axes)
        torch.testing.assert_close(ops.pointwise_convolution(x, w, b), expected)


def test_grouped_is_each_group_by_itself() -> None:
    x, w = _double(1, 4, 6, 6), _double(6, 2, 3, 3)
    parts = [ops.cross_correlation(x[:, 2 * g : 2 * g + 2], w[3 * g : 3 * g + 3]) for g in range(2)]
    torch.testing.assert_close(ops.cross_correlation(x, w, groups=2), torch.cat(parts, dim=1))


def test_named_padding_is_torchs() -> None:
    x, w = _double(1, 2, 7, 8), _double(3, 2, 4, 3)
    torch.testing.assert_close(ops.cross_correlation(x, w, padding="same"), F.conv2d(x, w, padding="same"))
    torch.testing.assert_close(ops.cross_correlation(x, w, padding="valid"), F.conv2d(x, w))
    torch.testing.assert_close(ops.cross_correlation(x, w, padding="full"), F.conv2d(x, w, padding=(3, 2)))


@pytest.mark.parametrize("border", ["reflect", "replicate", "circular"])
def test_borders_are_torchs(border: Any) -> None:
    x, w = _double(2, 3, 6, 7), _double(4, 3, 3, 3)
    module = torch.nn.Conv2d(3, 4, 3, padding=2, padding_mode=border, dtype=torch.float64, bias=False)
    module.weight.data.copy_(w.detach())
    torch.testing.assert_close(ops.cross_correlation(x, w, padding=2, border=border), module(x))


def test_symmetric_border_is_numpys() -> None:
    import numpy as np

    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    ours = ops.pad(x, [(5, 4), (7, 9)], border="symmetric")
    np.testing.assert_array_equal(ours[0, 0].numpy(), np.pad(x[0, 0].numpy(), ((5, 4), (7, 9)), mode="symmetric"))
    for border, mode in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        ours = ops.pad(x, [(5, 4), (7, 9)], border=border)
        np.testing.assert_array_equal(ours[0, 0].numpy(), np.pad(x[0, 0].numpy(), ((5, 4), (7, 9)), mode=mode))


def test_output_size_chooses_among_those_that_lead_back() -> None:
    x, w = _double(1, 2, 4), _double(2, 3, 3)
    for size in (9, 10):
        assert ops.transposed_convolution(x, w, stride=2, output_size=size).shape[-1] == size
        torch.testing.assert_close(
            ops.transposed_convolution(x, w, stride=2, output_size=size),
            F.conv_transpose1d(x, w, stride=2, output_padding=size - 9),
        )


def test_gradients_and_second_derivatives() -> None:
    x, w, b = _double(1, 2, 4), _double(2, 1, 2), _double(2)
    settings = {"stride": 2, "padding": ((1, 0),), "groups": 2}
    for operator in (ops.cross_correlation, ops.convolution):
        assert torch.autograd.gradcheck(lambda *t, op=operator: op(*t, **settings), (x, w, b))
        assert torch.autograd.gradgradcheck(lambda *t, op=operator: op(*t, **settings), (x, w, b))
    assert torch.autograd.gradcheck(lambda *t: ops.transposed_convolution(*t, **settings), (x, w, b))


def test_nan_and_infinity_go_through_as_in_torch() -> None:
    x, w = torch.ones(1, 1, 5), torch.ones(1, 1, 2)
    x[0, 0, 2] = torch.nan
    torch.testing.assert_close(ops.cross_correlation(x, w), F.conv1d(x, w), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_precisions_layouts_and_empty_batches(dtype: torch.dtype) -> None:
    x, w = torch.randn(2, 3, 6, 6).to(dtype), torch.randn(4, 3, 3, 3).to(dtype)
    out = ops.cross_correlation(x, w, padding=1)
    assert out.dtype == dtype
    torch.testing.assert_close(
        ops.cross_correlation(x.contiguous(memory_format=torch.channels_last), w, padding=1), out
    )
    torch.testing.assert_close(ops.cross_correlation(x.mT, w, padding=1), F.conv2d(x.mT, w, padding=1))
    assert ops.cross_correlation(x[:0], w, padding=1).shape == (0, 4, 6, 6)


class _Module(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = ops.cross_correlation(x, self.weight, stride=2, padding=((0, 1), (0, 1)))
        x = ops.max_pool(x, 2, stride=1, padding="same")
        x = ops.average_pool(x, 3, padding=1, count_padding=False)
        return ops.local_response_norm(ops.lp_pool(x, 2, dilation=1), 3)


def test_operators_can_be_exported_and_know_shapes_without_numbers() -> None:
    module, x = _Module(), torch.randn(2, 3, 24, 24)
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(exported.module()(x), module(x))
    assert module.to("meta")(x.to("meta")).shape == exported.module()(x).shape


@pytest.mark.gpu
def test_the_gpu_gives_the_same_numbers() -> None:
    x, w = torch.randn(2, 3, 9, 9, dtype=torch.float64), torch.randn(6, 1, 3, 3, dtype=torch.float64)
    for run in (
        lambda x, w: ops.convolution(x, w, groups=3, padding=2, border="symmetric"),
        lambda x, w: ops.average_pool(x, 3, dilation=2, padding=((1, 0), (0, 1))),
        lambda x, w: ops.max_pool(x, 3, padding=((2, 0), (0, 1))),
        lambda x, w: ops.input_adjoint(x.repeat(1, 2, 1, 1), w, input_size=(19, 19), stride=2, padding=1, groups=3),
        lambda x, w: ops.convolution_matrix(w, (9, 9), groups=3).apply(x),
    ):
        torch.testing.assert_close(run(x.cuda(), w.cuda()).cpu(), run(x, w))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, w: ops.cross_correlation(x[0], w), ShapeError, r"takes an input 'n c h w', got .*input\[None\]"),
        (lambda x, w: ops.cross_correlation(x, w[:, :1]), ShapeError, r"reads 1 channels, but the input has 4"),
        (
            lambda x, w: ops.cross_correlation(x, w, groups=3),
            ConfigError,
            r"groups must divide the 4 channels .* got 3\.",
        ),
        (
            lambda x, w: ops.cross_correlation(x, w[:5, :2], groups=2),
            ConfigError,
            r"divide the 5 filters of the weight",
        ),
        (lambda x, w: ops.cross_correlation(x, w, groups=0), ConfigError, r"groups must be at least 1, got 0"),
        (lambda x, w: ops.cross_correlation(x, w, stride=0), ConfigError, r"stride must be at least 1, got 0"),
        (lambda x, w: ops.cross_correlation(x, w, stride=(1, 2, 3)), ConfigError, r"one number or 2 \(one an axis\)"),
        (
            lambda x, w: ops.cross_correlation(x, w, dilation=9),
            ShapeError,
            r"with dilation 9, which spans 19, does not",
        ),
        (lambda x, w: ops.cross_correlation(x, w, padding=-1), ConfigError, r"padding must be at least 0, got -1"),
        (lambda x, w: ops.cross_correlation(x, w, padding=1.5), ConfigError, r"padding must be a whole number .* 1\.5"),
        (lambda x, w: ops.cross_correlation(x, w, padding=[("a", 1), (1, 1)]), ConfigError, r"whole number .* got 'a'"),
        (
            lambda x, w: ops.cross_correlation(x, w, stride=2**63),
            ConfigError,
            r"stride must be at most 2147483647, got",
        ),
        (lambda x, w: ops.cross_correlation(x, w, padding=10**30), ConfigError, r"padding must be at most 2147483647"),
        (lambda x, w: ops.cross_correlation(x, w, padding="sane"), ConfigError, r"padding has no choice 'sane'"),
        (lambda x, w: ops.cross_correlation(x, w, border="mirror", padding=1), ConfigError, r"border has no choice"),
        (
            lambda x, w: ops.cross_correlation(x.int(), w.int()),
            ConfigError,
            r"sums of int32 overflow .* input\.float\(\)",
        ),
        (lambda x, w: ops.cross_correlation(x[:, :, :0], w), ShapeError, r"at least one channel and one place"),
        (
            lambda x, w: ops.cross_correlation(x, w, torch.ones(3)),
            ShapeError,
            r"bias must hold one number for each of 6",
        ),
        (lambda x, w: ops.cross_correlation(x, w[0, 0]), ShapeError, r"two axes of channels and one to three of space"),
        (lambda x, w: ops.depthwise_convolution(x, w), ShapeError, r"weight of a depthwise convolution must be 'm 1"),
        (lambda x, w: ops.pointwise_convolution(x, w), ShapeError, r"weight of a pointwise convolution must be 'm c'"),
        (lambda x, w: ops.transposed_convolution(x, w), ShapeError, r"reads 6 channels, but the input has 4"),
        (
            lambda x, w: ops.transposed_convolution(x, w[:4], padding="same"),
            ConfigError,
            r"must be numbers, got 'same'",
        ),
        (
            lambda x, w: ops.transposed_convolution(x, w[:4], padding=9),
            ShapeError,
            r"padding cuts off all of the output",
        ),
        (lambda x, w: ops.transposed_convolution(x, w[:4], output_padding=1), ConfigError, r"smaller than stride"),
        (lambda x, w: ops.transposed_convolution(x, w[:4], output_size=99), ShapeError, r"from 10 to 10 .* got 99"),
        (
            lambda x, w: ops.transposed_convolution(x, w[:4], stride=2, output_padding=1, output_size=18),
            ConfigError,
            r"say the same thing twice",
        ),
    ],
)
def test_mistakes_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.randn(1, 4, 8, 8), torch.randn(6, 4, 3, 3))

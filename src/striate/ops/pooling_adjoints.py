"""The backward pass of pooling: a maximum hands its gradient to the winner, a mean spreads it over its window."""

from collections.abc import Sequence
from math import prod

from jaxtyping import Float, Int
from torch import Tensor

from striate.arithmetic.checks import finite
from striate.errors import ShapeError
from striate.ops.adjoints import input_adjoint
from striate.ops.average_pooling import lp_pool
from striate.ops.geometry import AxesArgument, PaddingArgument, places_of
from striate.ops.pooling_window import PoolingWindow

__all__ = ["average_pool_adjoint", "lp_pool_adjoint", "max_pool_adjoint"]


def max_pool_adjoint(
    grad_output: Float[Tensor, "n c *out"], indices: Int[Tensor, "n c *out"], *, input_size: Sequence[int]
) -> Float[Tensor, "n c *spatial"]:
    """The gradient by the input of `max_pool` (and of `min_pool`): each number is added where its winner lay.

    Args:
        grad_output: Gradient by the output.
        indices: Places of the winners, from `max_pool_with_indices` or `min_pool_with_indices`.
        input_size: Places of the input along each axis.

    Raises:
        ShapeError: Gradient and places of different shapes, or places outside of the input.
        ConfigError: A size below 1.

    >>> import torch
    >>> max_pool_adjoint(torch.tensor([[[5.0, 7.0]]]), torch.tensor([[[1, 1]]]), input_size=[3])
    tensor([[[ 0., 12.,  0.]]])
    """
    if grad_output.shape != indices.shape:
        raise ShapeError(
            f"grad_output and indices must have one shape, got {tuple(grad_output.shape)} and {tuple(indices.shape)}."
        )
    size = places_of("input_size", input_size)
    n, c, *out = grad_output.shape
    if len(size) != len(out):
        raise ShapeError(f"input_size must have {len(out)} axes as the gradient, got {size}.")
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < prod(size):
        raise ShapeError(
            f"indices must lie in a map of {prod(size)} places, got {int(indices.min())} to {int(indices.max())}."
        )
    flat = grad_output.new_zeros(n, c, prod(size))
    return flat.scatter_add(2, indices.flatten(2), grad_output.flatten(2)).reshape(n, c, *size)


def average_pool_adjoint(
    grad_output: Float[Tensor, "n c *out"],
    *,
    input_size: Sequence[int],
    kernel_size: AxesArgument,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
    count_padding: bool = True,
) -> Float[Tensor, "n c *spatial"]:
    """The gradient by the input of `average_pool`: each number in equal parts to all that its window counted.

    That is a transposed depthwise convolution with a filter of ones.

    Args:
        grad_output: Gradient by the output.
        input_size: Places of the input along each axis.
        kernel_size: Of the pooling.
        stride: Of the pooling.
        padding: Of the pooling.
        dilation: Of the pooling.
        ceil_mode: Of the pooling.
        count_padding: Of the pooling.

    Raises:
        ShapeError: A gradient of another shape than the output.
        ConfigError: As `average_pool`.

    >>> import torch
    >>> average_pool_adjoint(torch.tensor([[[6.0, 8.0]]]), input_size=[4], kernel_size=2)
    tensor([[[3., 3., 4., 4.]]])
    """
    window = PoolingWindow(
        input_size, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    _check(window, grad_output)
    counts = window.counts(grad_output, count_padding=count_padding)
    return _spread(window, grad_output / counts)


def lp_pool_adjoint(
    grad_output: Float[Tensor, "n c *out"],
    input: Float[Tensor, "n c *spatial"],
    *,
    kernel_size: AxesArgument,
    p: float = 2.0,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
) -> Float[Tensor, "n c *spatial"]:
    """The gradient by the input of `lp_pool`: to each place by its share, v · sign(x) |x|^(p-1) / norm^(p-1).

    Args:
        grad_output: Gradient by the output.
        input: What the pooling was given.
        kernel_size: Of the pooling.
        p: The power.
        stride: Of the pooling.
        padding: Of the pooling.
        dilation: Of the pooling.
        ceil_mode: Of the pooling.

    Raises:
        ShapeError: A gradient of another shape than the output.
        ConfigError: As `lp_pool`.
    """
    window = PoolingWindow(
        input.shape[2:], kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    _check(window, grad_output)
    p = finite("p", p, above=0)
    norm = lp_pool(input, kernel_size, p=p, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    zero = norm == 0
    part = (grad_output / norm.masked_fill(zero, 1.0).pow(p - 1)).masked_fill(zero, 0.0)
    return _spread(window, part) * input.sign() * input.abs().pow(p - 1)


def _check(window: PoolingWindow, grad_output: Tensor) -> None:
    if tuple(grad_output.shape[2:]) != window.output_size:
        raise ShapeError(
            f"grad_output must have the shape of the output, n×c×{'×'.join(map(str, window.output_size))}, "
            f"got {tuple(grad_output.shape)}."
        )


def _spread(window: PoolingWindow, grad_output: Tensor) -> Tensor:
    """Every number to all places of its window."""
    c = grad_output.shape[1]
    pads = []
    for i, o, f, s, p, d in zip(
        window.size, window.output_size, window.kernel, window.stride, window.pads, window.dilation, strict=True
    ):
        # So much padding after that the windows come out even, those too that hang over.
        pads.append((p.before, max((o - 1) * s + d * (f - 1) + 1 - i - p.before, 0)))
    return input_adjoint(
        grad_output,
        grad_output.new_ones(c, 1, *window.kernel),
        input_size=window.size,
        stride=window.stride,
        padding=pads,
        dilation=window.dilation,
        groups=c,
    )

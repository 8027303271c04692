"""The backward pass of pooling: a maximum hands its gradient to the winner, a mean spreads it over its window."""

from collections.abc import Sequence
from math import prod

from jaxtyping import Float, Int
from torch import Tensor

from striate.arithmetic import pool_output_size
from striate.errors import ShapeError
from striate.ops.adjoints import input_adjoint
from striate.ops.geometry import AxesArgument, PaddingArgument, per_axis, resolve_pads
from striate.ops.pooling import lp_pool, window_counts

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
        ShapeError: Gradient and places of different shapes.

    >>> import torch
    >>> max_pool_adjoint(torch.tensor([[[5.0, 7.0]]]), torch.tensor([[[1, 1]]]), input_size=[3])
    tensor([[[ 0., 12.,  0.]]])
    """
    if grad_output.shape != indices.shape:
        raise ShapeError(
            f"grad_output and indices must have one shape, got {tuple(grad_output.shape)} and {tuple(indices.shape)}."
        )
    n, c = grad_output.shape[:2]
    flat = grad_output.new_zeros(n, c, prod(input_size))
    return flat.scatter_add(2, indices.flatten(2), grad_output.flatten(2)).reshape(n, c, *input_size)


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
    window = _Windows(input_size, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    window.check(grad_output)
    counts = window_counts(
        window.size,
        window.out,
        kernel_size=window.kernel,
        stride=window.stride,
        padding=window.pads,
        dilation=window.dilation,
        count_padding=count_padding,
    )
    return window.spread(grad_output / counts.to(grad_output))


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
    window = _Windows(
        input.shape[2:], kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    window.check(grad_output)
    norm = lp_pool(input, kernel_size, p=p, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    zero = norm == 0
    part = (grad_output / norm.masked_fill(zero, 1.0).pow(p - 1)).masked_fill(zero, 0.0)
    return window.spread(part) * input.sign() * input.abs().pow(p - 1)


class _Windows:
    """The settings of the pooling whose adjoint is asked for."""

    def __init__(
        self,
        input_size: Sequence[int],
        kernel_size: AxesArgument,
        *,
        stride: AxesArgument | None,
        padding: PaddingArgument,
        dilation: AxesArgument,
        ceil_mode: bool,
    ) -> None:
        axes = len(input_size)
        self.size = tuple(input_size)
        self.kernel = per_axis("kernel_size", kernel_size, axes)
        self.stride = self.kernel if stride is None else per_axis("stride", stride, axes)
        self.dilation = per_axis("dilation", dilation, axes)
        self.pads = resolve_pads(
            padding, input_size=self.size, kernel_size=self.kernel, stride=self.stride, dilation=self.dilation
        )
        self.out = tuple(
            pool_output_size(i, f, stride=s, padding=(p.before, p.after), dilation=d, ceil_mode=ceil_mode).size
            for i, f, s, p, d in zip(self.size, self.kernel, self.stride, self.pads, self.dilation, strict=True)
        )

    def check(self, grad_output: Tensor) -> None:
        """Hold a gradient to the shape of the output.

        Raises:
            ShapeError: It has another.
        """
        if tuple(grad_output.shape[2:]) != self.out:
            raise ShapeError(
                f"grad_output must have the shape of the output, n×c×{'×'.join(map(str, self.out))}, "
                f"got {tuple(grad_output.shape)}."
            )

    def spread(self, grad_output: Tensor) -> Tensor:
        """Every number to all places of its window."""
        c = grad_output.shape[1]
        pads = []
        for i, o, f, s, p, d in zip(
            self.size, self.out, self.kernel, self.stride, self.pads, self.dilation, strict=True
        ):
            # So much padding after that the windows come out even, those too that hang over.
            pads.append((p.before, max((o - 1) * s + d * (f - 1) + 1 - i - p.before, 0)))
        return input_adjoint(
            grad_output,
            grad_output.new_ones(c, 1, *self.kernel),
            input_size=self.size,
            stride=self.stride,
            padding=pads,
            dilation=self.dilation,
            groups=c,
        )

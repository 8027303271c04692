"""The backward pass of a convolution, written as convolutions.

Along one axis, with `O[y] = sum over k of W[k] I[y s + k d - p]` and v the gradient of a loss by O:

    by the input    dI[x] = sum over k of  W[k] v[(x + p - k d) / s]          where the division comes out even
    by the weight   dW[k] = sum over y of  v[y] I[y s + k d - p]

The first is a cross-correlation of v, its numbers spread s apart, with the filter turned around: v̄ conv-by-x =
conv(v̄, flip(W)), and d(f - 1) - p places of padding. The second is a cross-correlation of the input with v, in which
stride and dilation have changed places: the filter's taps lie d apart in the result, and v's lie s apart.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.arithmetic import Padding
from striate.errors import ShapeError
from striate.ops.convolution import cross_correlation, flip_kernel
from striate.ops.geometry import AxesArgument, PaddingArgument, check_groups, per_axis, places_of, resolve_pads

__all__ = [
    "bias_adjoint",
    "input_adjoint",
    "spread",
    "transposed_input_adjoint",
    "transposed_weight_adjoint",
    "weight_adjoint",
]


def input_adjoint(
    grad_output: Float[Tensor, "n m *out"],
    weight: Float[Tensor, "m cg *kernel"],
    *,
    input_size: Sequence[int],
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
) -> Float[Tensor, "n c *spatial"]:
    """The gradient by the input of `cross_correlation`: what a transposed convolution computes.

    Args:
        grad_output: Gradient by the output.
        weight: The filters of the convolution.
        input_size: Places of the input along each axis: several sizes lead to one output size.
        stride: Of the convolution.
        padding: Of the convolution.
        dilation: Of the convolution.
        groups: Of the convolution.

    Raises:
        ShapeError: A gradient of another shape than the output.
        ConfigError: As `cross_correlation`.

    Source: Dumoulin, Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.

    >>> import torch
    >>> weight = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> input_adjoint(torch.tensor([[[1.0, 10.0]]]), weight, input_size=[4])
    tensor([[[ 1., 12., 23., 30.]]])
    """
    groups = check_groups(groups, channels=None, filters=weight.shape[0])
    g = _Geometry(weight.shape[2:], input_size, stride=stride, padding=padding, dilation=dilation)
    g.check(grad_output, weight.shape[0])
    sides = []
    for i, f, s, p, d, o in zip(g.size, g.kernel, g.stride, g.pads, g.dilation, g.out, strict=True):
        sides.append((d * (f - 1) - p.before, i + p.before - 1 - (o - 1) * s))
    m, cg = weight.shape[:2]
    back = flip_kernel(weight).reshape(groups, m // groups, cg, *g.kernel).transpose(1, 2)
    back = back.reshape(groups * cg, m // groups, *g.kernel)  # m cg k -> c m/g k, group by group
    return cross_correlation(_fit(spread(grad_output, g.stride), sides), back, dilation=g.dilation, groups=groups)


def weight_adjoint(
    grad_output: Float[Tensor, "n m *out"],
    input: Float[Tensor, "n c *spatial"],
    *,
    kernel_size: AxesArgument,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
) -> Float[Tensor, "m cg *kernel"]:
    """The gradient by the weight of `cross_correlation`: the input, correlated with the gradient by the output.

    Pictures take the place of channels (they are what is summed over) and channels that of pictures.

    Args:
        grad_output: Gradient by the output.
        input: What the convolution was given.
        kernel_size: Taps of its filters: several sizes lead to one output size.
        stride: Of the convolution.
        padding: Of the convolution.
        dilation: Of the convolution.
        groups: Of the convolution.

    Raises:
        ShapeError: A gradient of another shape than the output.
        ConfigError: As `cross_correlation`.

    Source: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition" (shared weights add up
        their gradients); the form as a convolution follows from the sum above.

    >>> import torch
    >>> weight_adjoint(torch.tensor([[[1.0, 10.0]]]), torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), kernel_size=3)
    tensor([[[21., 32., 43.]]])
    """
    axes = input.dim() - 2
    kernel = per_axis("kernel_size", kernel_size, axes)
    g = _Geometry(kernel, input.shape[2:], stride=stride, padding=padding, dilation=dilation)
    n, c = input.shape[:2]
    m = grad_output.shape[1]
    g.check(grad_output, m)
    groups = check_groups(groups, channels=c, filters=m)
    if n != grad_output.shape[0]:
        raise ShapeError(f"grad_output must have as many pictures as input, got {grad_output.shape[0]} and {n}.")
    sides = []
    for i, f, s, p, d, o in zip(g.size, g.kernel, g.stride, g.pads, g.dilation, g.out, strict=True):
        sides.append((p.before, (f - 1) * d + (o - 1) * s + 1 - i - p.before))
    # n (g cg) i -> cg (g n) i;  n (g mg) o -> (g mg) n o
    maps = input.reshape(n, groups, c // groups, *g.size).movedim(2, 0).transpose(1, 2)
    maps = maps.reshape(c // groups, groups * n, *g.size)
    taps = grad_output.transpose(0, 1)
    found = cross_correlation(_fit(maps, sides), taps, stride=g.dilation, dilation=g.stride, groups=groups)
    return found.transpose(0, 1)  # cg m k -> m cg k


def bias_adjoint(grad_output: Float[Tensor, "n m *out"]) -> Float[Tensor, " m"]:
    """The gradient by the bias: a bias is added at every place of every picture, so all of them add up."""
    return grad_output.sum([0, *range(2, grad_output.dim())])


def transposed_input_adjoint(
    grad_output: Float[Tensor, "n m *out"],
    weight: Float[Tensor, "c mg *kernel"],
    *,
    input_size: Sequence[int],
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
) -> Float[Tensor, "n c *spatial"]:
    """The gradient by the input of `transposed_convolution`: the convolution that it turned around.

    Args:
        grad_output: Gradient by the output.
        weight: The filters of the transposed convolution.
        input_size: Places of its input along each axis.
        stride: Of the transposed convolution.
        padding: Of the transposed convolution.
        dilation: Of the transposed convolution.
        groups: Of the transposed convolution.

    Raises:
        ShapeError: A size that does not lead to a gradient of this shape; else as `cross_correlation`.
        ConfigError: As `cross_correlation`.
    """
    out = cross_correlation(grad_output, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    axes = weight.dim() - 2
    sizes = per_axis("input_size", places_of("input_size", input_size), axes)
    steps, gaps = per_axis("stride", stride, axes), per_axis("dilation", dilation, axes)
    for axis, (size, s, d) in enumerate(zip(sizes, steps, gaps, strict=True), start=2):
        places = out.shape[axis]
        least = max(places - (max(s, d) - 1) // s, 1)  # an output padding of a stride or more makes room for more
        if not least <= size <= places:
            raise ShapeError(
                f"input_size must be {places if least == places else f'from {least} to {places}'} along axis {axis} "
                f"for a gradient of the shape {tuple(grad_output.shape)}, got {size}."
            )
        out = out.narrow(axis, 0, size)
    return out


def transposed_weight_adjoint(
    grad_output: Float[Tensor, "n m *out"],
    input: Float[Tensor, "n c *spatial"],
    *,
    kernel_size: AxesArgument,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
) -> Float[Tensor, "c mg *kernel"]:
    """The gradient by the weight of `transposed_convolution`: `weight_adjoint` with input and output exchanged.

    Args:
        grad_output: Gradient by the output.
        input: What the transposed convolution was given.
        kernel_size: Taps of its filters.
        stride: Of the transposed convolution.
        padding: Of the transposed convolution.
        dilation: Of the transposed convolution.
        groups: Of the transposed convolution.

    Raises:
        ShapeError: As `weight_adjoint`.
        ConfigError: As `weight_adjoint`.
    """
    axes = input.dim() - 2
    kernel = per_axis("kernel_size", kernel_size, axes)
    g = _Geometry(kernel, grad_output.shape[2:], stride=stride, padding=padding, dilation=dilation)
    # Where the output padding made room for more places than the input has, those got nothing: a gradient of zero.
    room = [(0, o - i) for o, i in zip(g.out, input.shape[2:], strict=True)]
    return weight_adjoint(
        _fit(input, room),
        grad_output,
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def spread(x: Float[Tensor, "n c *spatial"], stride: Sequence[int]) -> Float[Tensor, "n c *spread"]:
    """The numbers of a map `stride` apart, zeros between them.

    >>> import torch
    >>> spread(torch.tensor([[[1.0, 2.0]]]), [3])
    tensor([[[1., 0., 0., 2.]]])
    """
    for axis, s in enumerate(stride, start=2):
        if s > 1:
            size = x.shape[axis]
            last = F.pad(x.movedim(axis, -1)[..., None], (0, s - 1)).flatten(-2)  # … o -> … o s
            x = last[..., : (size - 1) * s + 1].movedim(-1, axis)
    return x


def _fit(x: Tensor, sides: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros added on each side, or places cut off where the number is negative."""
    x = F.pad(x, [max(side, 0) for pair in reversed(sides) for side in pair])
    # Cut afterwards: what is cut before the first may be more than the map had.
    for axis, (before, after) in enumerate(sides, start=2):
        if before < 0 or after < 0:
            x = x.narrow(axis, max(-before, 0), x.shape[axis] + min(before, 0) + min(after, 0))
    return x


class _Geometry:
    """The settings of the convolution whose adjoint is asked for."""

    def __init__(
        self,
        kernel: Sequence[int],
        input_size: Sequence[int],
        *,
        stride: AxesArgument,
        padding: PaddingArgument,
        dilation: AxesArgument,
    ) -> None:
        axes = len(kernel)
        self.kernel = tuple(kernel)
        self.size = per_axis("input_size", places_of("input_size", input_size), axes)
        self.stride = per_axis("stride", stride, axes)
        self.dilation = per_axis("dilation", dilation, axes)
        self.pads: tuple[Padding, ...] = resolve_pads(
            padding, input_size=self.size, kernel_size=self.kernel, stride=self.stride, dilation=self.dilation
        )
        self.out = tuple(
            (i + p.total - d * (f - 1) - 1) // s + 1
            for i, f, s, p, d in zip(self.size, self.kernel, self.stride, self.pads, self.dilation, strict=True)
        )

    def check(self, grad_output: Tensor, channels: int) -> None:
        """Hold a gradient to the shape of the output.

        Raises:
            ShapeError: It has another.
        """
        if tuple(grad_output.shape[1:]) != (channels, *self.out):
            raise ShapeError(
                f"grad_output must have the shape of the output, n×{'×'.join(map(str, (channels, *self.out)))}, "
                f"got {tuple(grad_output.shape)}."
            )

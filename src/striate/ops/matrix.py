"""A convolution as the matrix that it is.

Written out, with the map as one long column (channel by channel, row by row), a convolution is a product

    vec(O) = M vec(I)

Each row of M holds one filter at one place: few numbers, and the same ones in every row. In one dimension M is a band
(a Toeplitz matrix), in two a band of bands, and with groups it falls into blocks along the diagonal. Its transpose is
the transposed convolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from striate.arithmetic import Padding
from striate.arithmetic.numbers import whole
from striate.errors import ConfigError, ShapeError
from striate.ops.geometry import AxesArgument, PaddingArgument, check_groups, per_axis, places_of, resolve_pads
from striate.ops.pooling_window import window_counts

__all__ = ["LARGEST", "ConvolutionMatrix", "average_pool_matrix", "convolution_matrix"]

LARGEST = 20_000_000
"""Entries that a matrix may have: 400 MB in float32 with their places."""


@dataclass(frozen=True, slots=True, eq=False)
class ConvolutionMatrix:
    """A linear map between feature maps as a sparse matrix.

    Sparse in torch's COO form: gradients flow through it to the weight, it moves to a GPU, and its entries are listed
    with their rows and columns.

    Attributes:
        matrix: Sparse, outputs × inputs.
        input_shape: c and the places of the input.
        output_shape: m and the places of the output.
        groups: Blocks along the diagonal.
    """

    matrix: Tensor
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    groups: int = 1

    def apply(self, input: Float[Tensor, "n c *spatial"]) -> Float[Tensor, "n m *out"]:
        """The product with each picture as a column.

        Raises:
            ShapeError: Pictures of another shape.
        """
        if tuple(input.shape[1:]) != self.input_shape:
            raise ShapeError(
                f"input must be n×{'×'.join(map(str, self.input_shape))} for this matrix, got {tuple(input.shape)}."
            )
        columns: Tensor = torch.sparse.mm(self.matrix, input.flatten(1).T)
        return columns.T.reshape(input.shape[0], *self.output_shape)

    def transpose(self) -> "ConvolutionMatrix":
        """The transposed matrix, from outputs to inputs."""
        turned = self.matrix.t().coalesce()
        return replace(self, matrix=turned, input_shape=self.output_shape, output_shape=self.input_shape)

    def to_dense(self) -> Float[Tensor, "outputs inputs"]:
        """All numbers, the zeros too."""
        dense: Tensor = self.matrix.to_dense()
        return dense


def convolution_matrix(
    weight: Float[Tensor, "m cg *kernel"],
    input_size: Sequence[int],
    *,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
) -> ConvolutionMatrix:
    """The matrix of `cross_correlation` with this weight over maps of this size.

    Args:
        weight: Filters, `m c/groups` and the axes of space.
        input_size: Places of the map along each axis.
        stride: As `cross_correlation`.
        padding: As `cross_correlation`.
        dilation: As `cross_correlation`.
        groups: As `cross_correlation`.

    Raises:
        ShapeError: A filter larger than the padded map.
        ConfigError: A setting that is too small, groups that do not divide the filters, or more than `LARGEST` entries.

    Source: Dumoulin, Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.1.

    >>> convolution_matrix(torch.tensor([[[1.0, 2.0]]]), [4]).to_dense()
    tensor([[1., 2., 0., 0.],
            [0., 1., 2., 0.],
            [0., 0., 1., 2.]])
    """
    m, cg, *kernel = weight.shape
    axes = len(kernel)
    groups = check_groups(groups, channels=None, filters=m)
    size = per_axis("input_size", places_of("input_size", input_size), axes)
    step, gap = per_axis("stride", stride, axes), per_axis("dilation", dilation, axes)
    pads = resolve_pads(padding, input_size=size, kernel_size=kernel, stride=step, dilation=gap)
    out = tuple(
        (i + p.total - d * (f - 1) - 1) // s + 1 for i, f, s, p, d in zip(size, kernel, step, pads, gap, strict=True)
    )
    along = [
        _taps(i, o, f, stride=s, before=p.before, dilation=d, device=weight.device)
        for i, o, f, s, p, d in zip(size, out, kernel, step, pads, gap, strict=True)
    ]
    _check_entries(m * cg * prod(len(axis[0]) for axis in along))
    place, tap, source = _combine(along, out, kernel, size)
    filters = torch.arange(m, device=weight.device)[:, None, None]
    channels = torch.arange(cg, device=weight.device)[None, :, None]
    first = filters // (m // groups) * cg
    rows = (filters * prod(out) + place).expand(m, cg, -1)
    columns = (first + channels) * prod(size) + source
    values = weight.flatten(2)[:, :, tap]  # m cg entries
    matrix = torch.sparse_coo_tensor(
        torch.stack([rows.flatten(), columns.flatten()]),
        values.flatten(),
        (m * prod(out), cg * groups * prod(size)),
        check_invariants=False,
    ).coalesce()
    return ConvolutionMatrix(matrix, (cg * groups, *size), (m, *out), groups)


def average_pool_matrix(
    channels: int,
    input_size: Sequence[int],
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    count_padding: bool = True,
    dtype: torch.dtype = torch.float32,
) -> ConvolutionMatrix:
    """The matrix of `average_pool`: one block a channel, each row 1/count where its window lies.

    A maximum has no matrix: it is not linear.

    Args:
        channels: Channels of the map.
        input_size: Places of the map along each axis.
        kernel_size: Places of the window.
        stride: Step of the window; None: its size.
        padding: As `average_pool`.
        dilation: As `average_pool`.
        count_padding: As `average_pool`.
        dtype: Of the numbers.

    Raises:
        ShapeError: As `convolution_matrix`.
        ConfigError: As `convolution_matrix`.
    """
    size, channels = places_of("input_size", input_size), whole("channels", channels, at_least=1)
    axes = len(size)
    kernel = per_axis("kernel_size", kernel_size, axes)
    step = kernel if stride is None else per_axis("stride", stride, axes)
    ones = torch.ones(channels, 1, *kernel, dtype=dtype)
    sums = convolution_matrix(ones, size, stride=step, padding=padding, dilation=dilation, groups=channels)
    gap = per_axis("dilation", dilation, axes)
    pads: tuple[Padding, ...] = resolve_pads(padding, input_size=size, kernel_size=kernel, stride=step, dilation=gap)
    counts = window_counts(
        size,
        sums.output_shape[1:],
        kernel_size=kernel,
        stride=step,
        padding=pads,
        dilation=gap,
        count_padding=count_padding,
    ).to(dtype)
    places, values = sums.matrix.indices(), sums.matrix.values()
    share = values / counts.flatten()[places[0] % counts.numel()]
    return replace(
        sums, matrix=torch.sparse_coo_tensor(places, share, sums.matrix.shape, check_invariants=False).coalesce()
    )


def _taps(
    size: int, outputs: int, kernel_size: int, *, stride: int, before: int, dilation: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Every (place of the output, tap, place of the input) along one axis that meets a pixel."""
    place = torch.arange(outputs, device=device)[:, None].expand(-1, kernel_size)
    tap = torch.arange(kernel_size, device=device).expand(outputs, -1)
    source = place * stride + tap * dilation - before
    inside = (source >= 0) & (source < size)
    return place[inside], tap[inside], source[inside]


def _combine(
    along: Sequence[tuple[Tensor, Tensor, Tensor]],
    out: Sequence[int],
    kernel: Sequence[int],
    size: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for all axes at once, as places in flattened maps and filters."""
    place = tap = source = torch.zeros(1, dtype=torch.int64, device=along[0][0].device)
    for (p, t, x), o, f, i in zip(along, out, kernel, size, strict=True):
        place = (place[:, None] * o + p).flatten()
        tap = (tap[:, None] * f + t).flatten()
        source = (source[:, None] * i + x).flatten()
    return place, tap, source


def _check_entries(entries: int) -> None:
    if entries > LARGEST:
        raise ConfigError(
            f"The matrix would have {entries:,} entries, about {entries * 20 / 1e9:.1f} GB, and at most {LARGEST:,} "
            "are made; take a smaller map or fewer channels: the structure is the same."
        )

"""Which pixels a unit can see.

Going up through a network, one unit of a layer sees a box of the picture. Along one axis the boxes of neighboring units
have the same `size` and lie `stride` pixels apart; the box of unit 0 begins at pixel `start` (below zero where it
reaches into the padding). A window of kernel k, stride s, padding p and dilation d on top of such a layer sees

    size'   = size + (k - 1) * d * stride
    stride' = stride * s
    start'  = start - p * stride

Source: Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks", Distill, equations 2-4.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

__all__ = ["Field", "merge_fields", "span_field", "upsample_field", "window_field"]

Number = int | Fraction


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of the units of one layer, per spatial axis (height, width).

    Attributes:
        size: Pixels that one unit sees along each axis, padding included.
        stride: Pixels between the fields of neighboring units; a fraction after upsampling.
        start: First pixel of unit 0's field; negative where it reaches into the padding.
        whole: True where every unit also depends on the whole picture (global pooling, a fully connected layer, or a
            squeeze-and-excitation gate); `size` then tells what the local path alone sees.
    """

    size: tuple[int, ...]
    stride: tuple[Number, ...]
    start: tuple[Number, ...]
    whole: bool = False

    @classmethod
    def of_input(cls, axes: int = 2) -> "Field":
        """The field of the picture's own pixels: each sees itself.

        >>> Field.of_input()
        Field(size=(1, 1), stride=(1, 1), start=(0, 0), whole=False)
        """
        return cls((1,) * axes, (1,) * axes, (0,) * axes)

    def box(self, *position: int) -> tuple[tuple[int, int], ...]:
        """Half-open pixel interval `(first, end)` per axis that the unit at `position` sees, padding included.

        >>> Field((3, 3), (2, 2), (-1, -1)).box(0, 2)
        ((-1, 2), (3, 6))
        """
        edges = []
        for at, size, stride, start in zip(position, self.size, self.stride, self.start, strict=True):
            first = start + at * stride
            floor = first.numerator // first.denominator
            edges.append((floor, floor + size))
        return tuple(edges)


def window_field(
    field: Field,
    *,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Field:
    """The field after a sliding window: convolution or pooling. `padding` is the one before the first pixel.

    >>> layer = window_field(Field.of_input(), kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), dilation=(1, 1))
    >>> layer.size, layer.stride, layer.start
    ((7, 7), (2, 2), (-3, -3))
    """
    axes = range(len(field.size))
    return replace(
        field,
        size=tuple(
            -int(-(field.size[a] + (kernel_size[a] - 1) * dilation[a] * Fraction(field.stride[a])) // 1) for a in axes
        ),
        stride=tuple(_whole_if_it_is(field.stride[a] * stride[a]) for a in axes),
        start=tuple(_whole_if_it_is(field.start[a] - padding[a] * field.stride[a]) for a in axes),
    )


def upsample_field(
    field: Field,
    *,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Field:
    """The field after a transposed convolution: the smallest box that covers what any phase of the output sees."""
    axes = range(len(field.size))
    reach = [(kernel_size[a] - 1) * dilation[a] for a in axes]
    step = [Fraction(field.stride[a]) / stride[a] for a in axes]
    return replace(
        field,
        size=tuple(field.size[a] - int(-(reach[a] * step[a]) // 1) for a in axes),
        stride=tuple(_whole_if_it_is(step[a]) for a in axes),
        start=tuple(_whole_if_it_is(field.start[a] + (padding[a] - reach[a]) * step[a]) for a in axes),
    )


def span_field(field: Field, extent: tuple[int, ...]) -> Field:
    """The field of something computed from all units of a map of `extent`: global pooling, a fully connected layer.

    >>> span_field(Field((3, 3), (2, 2), (0, 0)), (5, 5)).size
    (11, 11)
    """
    axes = range(len(field.size))
    return Field(
        size=tuple(field.size[a] - int(-(max(extent[a] - 1, 0) * Fraction(field.stride[a])) // 1) for a in axes),
        stride=(0,) * len(field.size),
        start=field.start,
        whole=True,
    )


def merge_fields(fields: list[Field]) -> Field:
    """The field of a sum or concatenation: the smallest box that covers every branch.

    A branch without extent (stride 0: a gate, one number for the whole picture) leaves the box of the local branches as
    it is and marks the result `whole`.
    """
    local = [f for f in fields if any(f.stride)] or fields
    axes = range(len(local[0].size))
    start = tuple(min(f.start[a] for f in local) for a in axes)
    end = [max(f.start[a] + f.size[a] for f in local) for a in axes]
    return Field(
        size=tuple(-int(-Fraction(end[a] - start[a]) // 1) for a in axes),
        stride=tuple(max(f.stride[a] for f in local) for a in axes),
        start=start,
        whole=any(f.whole for f in fields),
    )


def _whole_if_it_is(number: Number) -> Number:
    return int(number) if isinstance(number, int) or number.denominator == 1 else number

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

__all__ = ["Field", "merge_fields", "read_field", "span_field", "upsample_field", "window_field"]

Number = int | Fraction


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of the units of one layer, per spatial axis (height, width).

    Attributes:
        size: Pixels that one unit sees along each axis, padding included.
        stride: Pixels between the fields of neighboring units; a fraction after upsampling.
        start: First pixel of unit 0's field; negative where it reaches into the padding.
        whole: True where every unit also depends on the whole picture (global pooling, a fully connected layer, a
            squeeze-and-excitation gate, statistics over the map), or may depend on it because its way there cannot be
            followed; `size` then tells what the local path alone sees.
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


def read_field(field: Field, *, step: tuple[Number, ...], first: tuple[Number, ...], last: tuple[Number, ...]) -> Field:
    """The field of units that each read a run of the units below: unit i from i * step + first to i * step + last.

    Every layer that works at places is one of these, along each axis: a convolution, a pooling, a cut, a resize. Where
    the runs do not lie exactly `step` apart, `first` and `last` are the widest, so that the box covers every unit's.

    >>> read_field(Field.of_input(1), step=(2,), first=(-3,), last=(3,))
    Field(size=(7,), stride=(2,), start=(-3,), whole=False)
    """
    axes = range(len(field.size))
    return replace(
        field,
        size=tuple(_ceiling(field.size[a] + (last[a] - first[a]) * Fraction(field.stride[a])) for a in axes),
        stride=tuple(_whole_if_it_is(field.stride[a] * step[a]) for a in axes),
        start=tuple(_whole_if_it_is(field.start[a] + first[a] * field.stride[a]) for a in axes),
    )


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
    reach = _reach(kernel_size, dilation)
    return read_field(
        field,
        step=stride,
        first=tuple(-p for p in padding),
        last=tuple(r - p for r, p in zip(reach, padding, strict=True)),
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
    reach = _reach(kernel_size, dilation)
    return read_field(
        field,
        step=tuple(Fraction(1, s) for s in stride),
        first=tuple(Fraction(p - r, s) for p, r, s in zip(padding, reach, stride, strict=True)),
        last=tuple(Fraction(p, s) for p, s in zip(padding, stride, strict=True)),
    )


def span_field(field: Field, extent: tuple[int, ...]) -> Field:
    """The field of something computed from all units of a map of `extent`: global pooling, a fully connected layer.

    >>> span_field(Field((3, 3), (2, 2), (0, 0)), (5, 5)).size
    (11, 11)
    """
    axes = range(len(field.size))
    return Field(
        size=tuple(field.size[a] + _ceiling(max(extent[a] - 1, 0) * field.stride[a]) for a in axes),
        stride=(0,) * len(field.size),
        start=field.start,
        whole=True,
    )


def merge_fields(fields: list[Field], *, extent: tuple[int, ...] | None = None) -> Field:
    """The field of a sum or concatenation: the smallest box that covers every branch.

    A branch without extent (stride 0: a gate, one number for the whole picture) leaves the box of the local branches as
    it is and marks the result `whole`.

    Args:
        fields: One a branch.
        extent: Units along each axis. Branches whose units lie differently far apart (a resized map of another size)
            drift away from each other, the more the more units there are; without it only unit 0 is covered.
    """
    local = [f for f in fields if any(f.stride)] or fields
    axes = range(len(local[0].size))
    stride = tuple(max(f.stride[a] for f in local) for a in axes)
    last = [(extent[a] if extent else 1) - 1 for a in axes]
    # How far a branch's box lies from the merged one's place: constant where the strides agree, else largest at an end.
    drift = [[(0, last[a] * (f.stride[a] - stride[a])) for a in axes] for f in local]
    start = tuple(min(f.start[a] + min(d[a]) for f, d in zip(local, drift, strict=True)) for a in axes)
    end = [max(f.start[a] + f.size[a] + max(d[a]) for f, d in zip(local, drift, strict=True)) for a in axes]
    return Field(
        size=tuple(_ceiling(end[a] - start[a]) for a in axes),
        stride=stride,
        start=tuple(_whole_if_it_is(s) for s in start),
        whole=any(f.whole for f in fields),
    )


def _reach(kernel_size: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    return [(k - 1) * d for k, d in zip(kernel_size, dilation, strict=True)]


def _ceiling(number: Number) -> int:
    return -int(-Fraction(number) // 1)


def _whole_if_it_is(number: Number) -> Number:
    return int(number) if isinstance(number, int) or number.denominator == 1 else number

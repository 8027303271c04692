"""The receptive field against a slow twin that follows single pixels up through the windows."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.arithmetic import Field, merge_fields, span_field, upsample_field, window_field

windows = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))


def up(field: Field, kernel: int, stride: int, padding: int, dilation: int) -> Field:
    return window_field(field, kernel_size=(kernel,), stride=(stride,), padding=(padding,), dilation=(dilation,))


def seen_by(unit: int, stack: list[tuple[int, int, int, int]]) -> set[int]:
    """Every input index (padding included) that one unit on top of the stack reads: the definition, step by step."""
    units = {unit}
    for kernel, stride, padding, dilation in reversed(stack):
        units = {u * stride - padding + tap * dilation for u in units for tap in range(kernel)}
    return units


@given(st.lists(windows, min_size=1, max_size=4), st.integers(0, 4))
def test_field_is_the_box_around_what_a_unit_reads(stack: list[tuple[int, int, int, int]], unit: int) -> None:
    field = Field.of_input(1)
    for kernel, stride, padding, dilation in stack:
        field = up(field, kernel, stride, padding, dilation)
    reads = seen_by(unit, stack)
    assert field.box(unit) == ((min(reads), max(reads) + 1),)


def test_three_small_kernels_see_as_much_as_one_large() -> None:
    three = Field.of_input(1)
    for _ in range(3):
        three = up(three, 3, 1, 1, 1)
    assert three == up(Field.of_input(1), 7, 1, 3, 1)


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.integers(0, 6))
def test_upsampling_covers_every_input_that_reaches_an_output(
    kernel: int, stride: int, padding: int, dilation: int, unit: int
) -> None:
    field = upsample_field(
        Field.of_input(1), kernel_size=(kernel,), stride=(stride,), padding=(padding,), dilation=(dilation,)
    )
    # Transposed convolution writes input i to outputs i * stride - padding + tap * dilation.
    reads = [i for i in range(-40, 40) for tap in range(kernel) if i * stride - padding + tap * dilation == unit]
    ((first, end),) = field.box(unit)
    assert all(first <= i < end for i in reads)
    assert field.stride == (Fraction(1, stride) if stride > 1 else 1,)
    assert field.size[0] <= -(-(kernel - 1) * dilation // stride) + 2


@given(st.integers(1, 9), st.integers(1, 4), st.integers(-5, 0), st.integers(1, 30))
def test_span_reaches_from_the_first_unit_to_the_last(size: int, stride: int, start: int, extent: int) -> None:
    field = Field((size,), (stride,), (start,))
    whole = span_field(field, (extent,))
    ((first, _),), ((_, end),) = field.box(0), field.box(extent - 1)
    assert (whole.start[0], whole.start[0] + whole.size[0]) == (first, end)
    assert whole.whole


def test_merging_covers_every_branch() -> None:
    narrow, wide = Field((3,), (2,), (-1,)), Field((9,), (2,), (-2,))
    merged = merge_fields([narrow, wide])
    assert (merged.size, merged.stride, merged.start, merged.whole) == ((9,), (2,), (-2,), False)


def test_a_gate_marks_the_whole_picture_and_keeps_the_local_box() -> None:
    local, gate = Field((11,), (4,), (-3,)), span_field(Field((11,), (4,), (-3,)), (56,))
    merged = merge_fields([local, gate])
    assert merged == Field((11,), (4,), (-3,), whole=True)


def test_box_counts_the_axes() -> None:
    with pytest.raises(ValueError, match="zip"):
        Field.of_input(2).box(1)

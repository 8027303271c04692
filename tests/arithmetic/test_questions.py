"""The inverse questions, each held to trying every value."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from striate.arithmetic import (
    conv_output_size,
    input_sizes_for,
    kernel_sizes_for,
    lossless_input_sizes,
    lost_pixels,
    paddings_for,
    split_padding,
    strides_for,
)
from striate.errors import ConfigError, ShapeError

O, I, F, S, P, D = (
    st.integers(1, 14),
    st.integers(1, 30),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(0, 4),
    st.integers(1, 3),
)


def _size(i: int, f: int, **settings: object) -> int | None:
    try:
        return conv_output_size(i, f, **settings).size
    except ShapeError:
        return None


def _answers(question: object, *args: int, **settings: object) -> list[int]:
    try:
        return list(question(*args, **settings))
    except ConfigError:
        return []


@given(O, I, F, S, D)
def test_paddings(o: int, i: int, f: int, s: int, d: int) -> None:
    found = _answers(paddings_for, o, input_size=i, kernel_size=f, stride=s, dilation=d)
    tried = [t for t in range(120) if _size(i, f, stride=s, dilation=d, padding=split_padding(t)) == o]
    assert found == tried


@given(O, I, F, P, D)
def test_strides(o: int, i: int, f: int, p: int, d: int) -> None:
    assume(d * (f - 1) + 1 <= i + 2 * p)
    tried = [s for s in range(1, 60) if _size(i, f, stride=s, dilation=d, padding=p) == o]
    found = _answers(strides_for, o, input_size=i, kernel_size=f, padding=p, dilation=d)
    assert found == (tried[:1] if o == 1 else tried)


@given(O, I, S, P, D)
def test_kernel_sizes(o: int, i: int, s: int, p: int, d: int) -> None:
    tried = [f for f in range(1, 60) if _size(i, f, stride=s, dilation=d, padding=p) == o]
    assert _answers(kernel_sizes_for, o, input_size=i, stride=s, padding=p, dilation=d) == tried


@given(O, F, S, P, D)
def test_input_sizes(o: int, f: int, s: int, p: int, d: int) -> None:
    tried = [i for i in range(1, 120) if _size(i, f, stride=s, dilation=d, padding=p) == o]
    found = _answers(input_sizes_for, o, f, stride=s, padding=p, dilation=d)
    assert found == tried
    assert len(found) <= s


@given(I, F, S, P, P, D)
def test_lost_pixels_are_those_that_no_window_reads(i: int, f: int, s: int, before: int, after: int, d: int) -> None:
    assume(d * (f - 1) + 1 <= i + before + after)
    size = conv_output_size(i, f, stride=s, padding=(before, after), dilation=d).size
    read = {window * s + tap * d - before for window in range(size) for tap in range(f)}
    lost = lost_pixels(i, f, stride=s, padding=(before, after), dilation=d)
    assert lost == i - len(read & set(range(i)))


@given(I, F, S, P, D)
def test_lossless_sizes_leave_nothing_over(i: int, f: int, s: int, p: int, d: int) -> None:
    assume(d * (f - 1) + 1 <= i + 2 * p)
    unread = conv_output_size(i, f, stride=s, padding=p, dilation=d).unread
    assert (i in lossless_input_sizes(f, stride=s, padding=p, dilation=d)) == (unread == 0)


def test_large_numbers_need_no_loop() -> None:
    assert paddings_for(10**20, input_size=10**20, kernel_size=3) == range(2, 3)
    assert strides_for(10**6, input_size=10**12, kernel_size=1) == range(10**6, 10**6 + 2)
    assert lost_pixels(10**20, 3, stride=2) == 1
    assert input_sizes_for(10**20, 3, stride=10**9)[-1] == (10**20 - 1) * 10**9 + 3 + 10**9 - 1


@pytest.mark.parametrize(
    ("question", "settings", "message"),
    [
        (paddings_for, {"input_size": 9, "kernel_size": 3}, r"No padding gives 4 from 9: without any, the output is 7"),
        (strides_for, {"input_size": 9, "kernel_size": 1}, r"No stride gives an output of 4 .* can be had: 3 and 5\."),
        (kernel_sizes_for, {"input_size": 3}, r"No kernel_size gives an output of 4 .* can be had: 3\."),
        (
            strides_for,
            {"input_size": 9, "kernel_size": 3, "padding": "same"},
            r"padding must be a number .* got 'same'",
        ),
    ],
)
def test_questions_without_an_answer_are_refused(question: object, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        question(4, **settings)


def test_an_input_below_one_pixel_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"No input gives an output of 1: with padding \(5, 5\) even one pixel gives 9"
    ):
        input_sizes_for(1, 3, padding=5)

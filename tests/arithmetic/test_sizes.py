"""Output sizes: against torch's own shapes, against counting windows one by one, and at any magnitude."""

import re

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional as F

from striate.arithmetic import OutputSize, conv_output_size, conv_transpose_output_size, pool_output_size
from striate.errors import ConfigError, ShapeError

GEOMETRY = (
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(1, 4),
)


def _worked_out(size: OutputSize) -> int:
    """What the formula in numbers gives, by Python itself."""
    formula, result = size.numbers.rsplit(" = ", 1)
    python = formula.replace("·", "*").replace("−", "-").replace("/", "//")
    python = re.sub(r"⌈(.*)//(\d+)⌉", r"-(-\1//\2)", python).replace("⌊", "(").replace("⌋", ")")
    value = eval(python)
    assert value == int(result)
    return int(value)


@given(*GEOMETRY)
def test_convolution_is_torchs_and_what_counting_gives(i: int, f: int, s: int, before: int, after: int, d: int) -> None:
    padded, span = i + before + after, d * (f - 1) + 1
    assume(span <= padded)
    size = conv_output_size(i, f, stride=s, padding=(before, after), dilation=d)
    starts = [start for start in range(0, padded, s) if start + span <= padded]
    assert int(size) == len(starts)
    assert size.unread == padded - (starts[-1] + span)
    assert size.overhang == 0
    assert _worked_out(size) == len(starts)
    x = F.pad(torch.zeros(1, 1, i), (before, after))
    assert F.conv1d(x, torch.zeros(1, 1, f), stride=s, dilation=d).shape[-1] == len(starts)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.integers(1, 4), st.booleans())
def test_pooling_is_torchs(i: int, f: int, s: int, p: int, d: int, ceil_mode: bool) -> None:
    assume(2 * p <= f)
    assume(d * (f - 1) + 1 <= i + 2 * p)
    size = pool_output_size(i, f, stride=s, padding=p, dilation=d, ceil_mode=ceil_mode)
    real = F.max_pool1d(torch.zeros(1, 1, i), f, stride=s, padding=p, dilation=d, ceil_mode=ceil_mode).shape[-1]
    assert size.size == real
    assert _worked_out(size) == real
    last = (real - 1) * s + d * (f - 1) + 1
    assert (size.overhang, size.unread) == (max(last - i - 2 * p, 0), max(i + 2 * p - last, 0))


def test_the_default_stride_of_pooling_is_the_window() -> None:
    assert pool_output_size(12, 3).size == 4
    assert pool_output_size(12, 3).stride == 3


@given(
    st.integers(1, 20), st.integers(1, 9), st.integers(1, 6), st.integers(0, 5), st.integers(0, 5), st.integers(1, 4)
)
def test_transposed_convolution_is_torchs_and_leads_back(i: int, f: int, s: int, p: int, q: int, d: int) -> None:
    assume(q < max(s, d))
    assume((i - 1) * s - 2 * p + d * (f - 1) + q + 1 >= 1)
    size = conv_transpose_output_size(i, f, stride=s, padding=p, output_padding=q, dilation=d)
    x, w = torch.zeros(1, 1, i), torch.zeros(1, 1, f)
    real = F.conv_transpose1d(x, w, stride=s, padding=p, output_padding=q, dilation=d).shape[-1]
    assert size.size == real == _worked_out(size)
    if q < s:  # a convolution of that size gives the small map again
        assert conv_output_size(real, f, stride=s, padding=p, dilation=d).size == i


def test_formulas_are_as_simple_as_the_case() -> None:
    assert conv_output_size(7, 3).symbols == "i − f + 1"
    assert conv_output_size(7, 3, padding=1).symbols == "i + 2p − f + 1"
    assert conv_output_size(8, 3, stride=2, padding=(0, 1)).symbols == "⌊(i + p₁ + p₂ − f)/s⌋ + 1"
    assert conv_output_size(8, 3, dilation=2).symbols == "i − d(f − 1)"
    assert pool_output_size(7, 2, ceil_mode=True).symbols == "⌈(i − f)/s⌉ + 1"
    assert conv_transpose_output_size(7, 2, stride=2).symbols == "(i − 1)s + f"


def test_any_magnitude_is_exact() -> None:
    size = conv_output_size(10**40 + 1, 3, stride=2)
    assert size.size == (10**40 + 1 - 3) // 2 + 1
    assert conv_transpose_output_size(size.size, 3, stride=2).size == 10**40 + 1


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"input_size": 3, "kernel_size": 5},
            ShapeError,
            r"a kernel of 5 does not fit into 3; 2 more places are needed",
        ),
        (
            {"input_size": 3, "kernel_size": 3, "dilation": 2, "padding": (1, 0)},
            ShapeError,
            r"kernel of 3 with dilation 2, which spans 5, does not fit into 3 \+ 1 of padding; 1 more place is needed",
        ),
        ({"input_size": 3, "kernel_size": 3, "stride": 0}, ConfigError, r"stride must be at least 1, got 0\."),
        ({"input_size": 3, "kernel_size": 3, "stride": -2}, ConfigError, r"stride must be at least 1, got -2\."),
        ({"input_size": 0, "kernel_size": 1}, ConfigError, r"input_size must be at least 1, got 0\."),
        ({"input_size": 3, "kernel_size": 0}, ConfigError, r"kernel_size must be at least 1, got 0\."),
        (
            {"input_size": 3.0, "kernel_size": 1},
            ConfigError,
            r"input_size must be a whole number of at least 1, got 3\.0",
        ),
    ],
)
def test_impossible_windows_are_refused(settings: dict[str, object], error: type[Exception], message: str) -> None:
    for size_of in (conv_output_size, pool_output_size):
        with pytest.raises(error, match=message):
            size_of(**settings)


def test_the_padding_that_is_proposed_does() -> None:
    with pytest.raises(ShapeError) as refusal:
        conv_output_size(3, 8, padding=(0, 2))
    proposed = eval(str(refusal.value).rsplit("padding=", 1)[1].rstrip("."))
    assert conv_output_size(3, 8, padding=proposed).size == 1


def test_transposed_settings_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"output_padding must be smaller than stride or dilation, got 2 with stride 2"
    ):
        conv_transpose_output_size(4, 3, stride=2, output_padding=2)
    with pytest.raises(ShapeError, match=r"padding cuts off all of the output: \(2 − 1\)·1 − 2·3 \+ 3 = -2"):
        conv_transpose_output_size(2, 3, padding=3)
    with pytest.raises(ConfigError, match=r"must be a number or \(before, after\), got 'same'"):
        conv_transpose_output_size(2, 3, padding="same")

"""Numbers in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.report.numbers import (
    format_bytes,
    format_count,
    format_percent,
    format_seconds,
    format_shape,
    format_share,
    format_value,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9999, "9999"),
        (10_000, "10.0 k"),
        (999_499, "999 k"),
        (999_600, "1.00 M"),
        (4_652_008, "4.65 M"),
        (385_000_000, "385 M"),
        (4_089_184_256, "4.09 G"),
    ],
)
def test_counts(count, text):
    assert format_count(count) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "0 %"),
        (1e-9, "< 0.1 %"),
        (0.0312, "3.1 %"),
        (0.0996, "10 %"),
        (0.943, "94 %"),
        (0.9899, "99 %"),
        (0.9968, "99.7 %"),
        (0.99999, "> 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_percents(probability, text):
    assert format_percent(probability) == text.replace(" ", "\u00a0")


@given(st.floats(0, 1))
def test_percents_are_never_further_off_than_they_say(probability):
    text = format_percent(probability).replace("\u00a0", "")
    number = float(text.strip("<>%"))
    if text[0] in "<>":
        assert (100 * probability < number) if text[0] == "<" else (100 * probability > number)
    else:
        assert abs(number - 100 * probability) <= (0.5 if number >= 10 else 0.05) + 1e-9


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30))
def test_values_keep_three_digits(value):
    text = format_value(value).replace("−", "-")
    assert math.isclose(float(text), value, rel_tol=0.00501, abs_tol=1e-300)
    assert sum(c.isdigit() for c in text.split("e")[0].lstrip("-0.")) <= 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.5, "−0.500"), (9.996, "10.0"), (math.nan, "not a number"), (-math.inf, "−∞"), (0.001, "0.00100")],
)
def test_values(value, text):
    assert format_value(value) == text


def test_the_rest():
    assert format_share(0, 0) == "0\u00a0%"
    assert format_seconds(0.0421) == "42\u00a0ms"
    assert format_seconds(12.3) == "12\u00a0s"
    assert format_bytes(1_830_000) == "1.8\u00a0MB"
    assert format_bytes(12) == "12\u00a0bytes"
    assert format_shape((3, 4)) == "3\u00a0×\u00a04"

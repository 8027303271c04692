"""Padding by number and by purpose."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.arithmetic import Padding, conv_output_size, resolve_padding, split_padding
from striate.errors import ConfigError

SMALL = st.integers(1, 12)


@given(st.integers(0, 10**20), st.sampled_from(["before", "after"]))
def test_a_total_is_split_into_halves_that_differ_by_one_at_most(total: int, larger: str) -> None:
    parts = split_padding(total, larger=larger)
    assert parts.total == total
    assert (parts.before - parts.after) in ({0, 1} if larger == "before" else {0, -1})


@given(st.integers(1, 40), SMALL, st.integers(1, 5), st.integers(1, 4))
def test_same_gives_the_input_over_the_stride_rounded_up(i: int, f: int, s: int, d: int) -> None:
    for name in ("same", "same_lower"):
        pads = resolve_padding(name, input_size=i, kernel_size=f, stride=s, dilation=d)
        assert conv_output_size(i, f, stride=s, dilation=d, padding=name).size == -(-i // s)
        # No place more than needed: with one less the output would be smaller, unless there is none to take away.
        if pads.total:
            fewer = split_padding(pads.total - 1)
            span = d * (f - 1) + 1
            assert i + fewer.total < span or conv_output_size(i, f, stride=s, dilation=d, padding=fewer).size < -(
                -i // s
            )


@given(st.integers(1, 30), SMALL, st.integers(1, 3))
def test_same_at_stride_1_is_torchs(i: int, f: int, d: int) -> None:
    x, w = torch.randn(1, 1, i, dtype=torch.float64), torch.randn(1, 1, f, dtype=torch.float64)
    pads = resolve_padding("same", input_size=i, kernel_size=f, dilation=d)
    ours = torch.nn.functional.conv1d(torch.nn.functional.pad(x, tuple(pads)), w, dilation=d)
    torch.testing.assert_close(ours, torch.nn.functional.conv1d(x, w, dilation=d, padding="same"))


def test_who_gets_the_larger_half() -> None:
    assert resolve_padding("same", input_size=5, kernel_size=4) == Padding(1, 2)
    assert resolve_padding("same_lower", input_size=5, kernel_size=4) == Padding(2, 1)


def test_full_lets_every_window_in_that_touches_a_pixel() -> None:
    assert conv_output_size(5, 3, padding="full").size == 5 + 3 - 1
    assert resolve_padding("full", input_size=5, kernel_size=3, dilation=3) == Padding(6, 6)


def test_numbers_and_pairs() -> None:
    assert resolve_padding(2, input_size=5, kernel_size=3) == Padding(2, 2)
    assert resolve_padding((0, 3), input_size=5, kernel_size=3) == Padding(0, 3)
    assert resolve_padding("valid", input_size=5, kernel_size=3) == Padding(0, 0)


@pytest.mark.parametrize(
    ("padding", "message"),
    [
        (-1, r"padding must be at least 0, got -1\."),
        ((1, -2), r"padding must be at least 0, got -2\."),
        ((1, 2, 3), r"one number or \(before, after\), got \(1, 2, 3\)\."),
        ("sam", r"padding has no choice 'sam'\. Nearest: 'same'"),
        (1.5, r"padding must be a whole number of at least 0, got 1\.5\."),
    ],
)
def test_padding_that_cannot_be_is_refused(padding: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_padding(padding, input_size=5, kernel_size=3)


def test_a_negative_total_and_another_side_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"total must be at least 0, got -1\."):
        split_padding(-1)
    with pytest.raises(ConfigError, match=r"larger must be 'before' or 'after', got 'left'\."):
        split_padding(3, larger="left")

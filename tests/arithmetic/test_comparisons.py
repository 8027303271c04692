"""Ways to do a convolution's job: the formulas of the field against counted numbers, and where its claims fail."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.arithmetic import (
    Comparison,
    compare,
    convolution_alternatives,
    measure,
    parse_layers,
    separable_layers,
    separable_ratio,
    small_filter_alternatives,
    small_filter_break_even,
    write_layer,
)
from striate.errors import ConfigError, ShapeError


def _row_macs(comparison: Comparison) -> dict[str, int]:
    return {row.name: row.macs for row in comparison.rows}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 3), st.integers(1, 12))
def test_separable_and_grouped_ratios_are_the_formulas(c: int, n: int, f: int, s: int, side: int) -> None:
    ways = convolution_alternatives(in_channels=c, out_channels=n, kernel_size=f, stride=s)
    comparison = compare(ways, (c, side, side))
    macs = _row_macs(comparison)
    assert Fraction(macs["depthwise separable"], macs["standard"]) == separable_ratio(out_channels=n, kernel_size=f)
    assert Fraction(macs["1×1"], macs["standard"]) == Fraction(1, f * f)
    for g in (2, 4, 8):
        assert (f"{g} groups" in macs) == (c % g == 0 and n % g == 0)
        if f"{g} groups" in macs:
            assert macs[f"{g} groups"] * g == macs["standard"]
    assert len({row.output_shape for row in comparison.rows}) == 1


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 9))
def test_separable_is_fewer_but_for_one_filter_or_no_window(c: int, n: int, f: int) -> None:
    """The sentence "fewer multiplications" and its exceptions."""
    macs = _row_macs(compare(convolution_alternatives(in_channels=c, out_channels=n, kernel_size=f), (c, 4, 4)))
    assert (macs["depthwise separable"] < macs["standard"]) == (n > 1 and f > 1)


def test_separable_ratio_of_mobilenets() -> None:
    """Howard et al. 2017, section 3.1: between 8 and 9 times fewer, for 3×3 and many filters."""
    for n in (128, 256, 512, 1024):
        assert 8 < 1 / separable_ratio(out_channels=n, kernel_size=3) < 9
    assert separable_ratio(out_channels=4, kernel_size=(1, 7)) == Fraction(1, 4) + Fraction(1, 7)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(2, 6), st.integers(7, 12))
def test_small_filters_break_even_where_the_formula_says(c: int, n: int, half: int, side: int) -> None:
    f = 2 * half + 1
    one, small = compare(small_filter_alternatives(in_channels=c, out_channels=n, kernel_size=f), (c, side, side)).rows
    break_even = small_filter_break_even(f)
    assert (small.macs < one.macs) == (Fraction(c, n) > break_even)
    assert (small.macs == one.macs) == (Fraction(c, n) == break_even)
    assert small.output_shape == one.output_shape
    assert small.field_size == one.field_size == (f, f)
    assert (one.nonlinearities, small.nonlinearities) == (1, half)


def test_three_small_filters_beat_a_large_one_between_equal_layers_and_lose_in_the_stem() -> None:
    equal = compare(small_filter_alternatives(in_channels=64, out_channels=64), (64, 56, 56))
    assert [row.parameters for row in equal.rows] == [49 * 64**2 + 64, 27 * 64**2 + 3 * 64]
    assert equal.ratios("macs")[1] == pytest.approx(27 / 49)
    stem = compare(small_filter_alternatives(in_channels=3, out_channels=64), (3, 224, 224))
    assert [row.name for row in stem.rows] == ["one 7×7", "three 3×3"]
    assert [row.parameters for row in stem.rows] == [9_472, 75_648]
    assert [row.macs for row in stem.rows] == [472_055_808, 3_786_080_256]
    assert [row.activation_bytes for row in stem.rows] == [25_690_112, 77_070_336]


def test_names_and_layers() -> None:
    ways = small_filter_alternatives(in_channels=8, out_channels=8, kernel_size=25, activation=False)
    assert list(ways) == ["one 25×25", "12 3×3"]
    assert [len(layers) for layers in ways.values()] == [1, 12]
    assert list(small_filter_alternatives(in_channels=1, out_channels=1, kernel_size=5)) == ["one 5×5", "two 3×3"]
    full = parse_layers("conv f=3 s=2 p=1 n=8 b=no")[0]
    assert [write_layer(layer) for layer in separable_layers(full)] == [
        "depthwise f=3 s=2 p=1 b=no",
        "conv f=1 n=8 b=no",
    ]
    assert list(convolution_alternatives(in_channels=6, out_channels=9, groups=[3])) == [
        "standard",
        "3 groups",
        "depthwise separable",
        "1×1",
    ]


def test_ratios_text_and_json() -> None:
    comparison = compare(
        {"pool": parse_layers("maxpool f=2"), "conv": parse_layers("conv f=2 s=2 n=1; relu")}, (1, 4, 4)
    )
    assert comparison.ratios("parameters") == (None, None)
    assert comparison.ratios("activation_bytes") == (1.0, 2.0)
    lines = comparison.to_text().splitlines()
    assert lines[1].split() == ["pool", "1×2×2", "0", "0", "16", "1", "2×2", "0"]
    assert lines[2].split() == ["conv", "1×2×2", "5", "16", "32", "2", "2×2", "1"]
    values = comparison.to_dict()
    assert values["input_shape"] == [1, 4, 4]
    assert values["rows"][1]["text"] == "conv f=2 s=2 n=1; relu"
    assert values["rows"][1]["activation_bytes_ratio"] == 2.0
    assert values["rows"][1]["macs_ratio"] is None


def test_nonlinearities_are_those_on_the_longest_way() -> None:
    ways = {"branches": parse_layers("relu; concat(relu; tanh | conv f=1 n=2 | ); sigmoid")}
    assert compare(ways, (2, 3, 3)).rows[0].nonlinearities == 4


def test_bytes_of_a_value() -> None:
    ways = {"relu": parse_layers("relu")}
    assert compare(ways, (2, 3, 3), bytes_per_value=2).rows[0].activation_bytes == 36
    assert compare(ways, (2, 3, 3)).rows[0].activation_bytes == measure(ways["relu"], (2, 3, 3)).activation_bytes == 72


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": [3]}, r"groups must divide in_channels 64 and out_channels 128, got 3"),
        ({"groups": [0]}, r"groups must be at least 1, got 0"),
        ({"kernel_size": 0}, r"kernel_size must be at least 1"),
        ({"in_channels": 0}, r"in_channels must be at least 1"),
        ({"out_channels": -1}, r"out_channels must be at least 1"),
        ({"padding": "sam"}, r"padding has no choice 'sam'"),
    ],
)
def test_convolution_alternatives_refuse(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convolution_alternatives(**({"in_channels": 64, "out_channels": 128} | settings))


@pytest.mark.parametrize("f", [1, 3, 4, 6])
def test_small_filters_refuse_even_and_small_ones(f: int) -> None:
    with pytest.raises(ConfigError, match=rf"kernel_size must be odd and at least 5.*got {f}"):
        small_filter_alternatives(in_channels=1, out_channels=1, kernel_size=f)
    with pytest.raises(ConfigError, match="kernel_size must be odd"):
        small_filter_break_even(f)


def test_compare_refuses_nothing_and_says_which_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="alternatives must hold at least one stack of layers, got none"):
        compare({}, (1, 4, 4))
    with pytest.raises(ShapeError, match=r"^Of 'large': Layer 1, 'conv f=9 n=1', gets 1×4×4\."):
        compare({"small": parse_layers("relu"), "large": parse_layers("conv f=9 n=1")}, (1, 4, 4))

"""Color bars with numbers."""

import numpy as np
import pytest

from striate.draw import colormap_table, draw_scalebar
from striate.draw.scalebar import format_tick
from striate.errors import ConfigError


def test_the_bar_shows_every_color_in_order():
    bar = draw_scalebar((0.0, 1.0), width=256, height=12)
    np.testing.assert_array_equal(bar[0], colormap_table("inferno"))
    np.testing.assert_array_equal(bar[11], bar[0])


def test_there_is_text_below_the_bar_at_both_ends_and_in_the_middle():
    picture = draw_scalebar((-1.0, 1.0), colormap="RdBu_r", width=300, foreground=(0, 0, 0), background=(255,) * 3)
    ink = (picture[12:] < 128).all(axis=2).any(axis=0)
    assert ink[:20].any()
    assert ink[140:160].any()
    assert ink[-20:].any()
    assert not ink[60:100].any()


def test_a_label_adds_a_line():
    assert draw_scalebar((0, 1), label="probability drop").shape[0] > draw_scalebar((0, 1)).shape[0]


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, 0.5, "0"),
        (0.943, 0.47, "0.94"),
        (-2.0, 1.0, "−2"),
        (1500.0, 750.0, "1500"),
        (2.5e-6, 1e-6, "2.5e−6"),
        (-1.25e8, 1e8, "−1.25e8"),
        (0.0312, 0.0156, "0.031"),
    ],
)
def test_ticks(value, step, text):
    assert format_tick(value, step) == text


def test_refusals():
    with pytest.raises(ConfigError, match="the lower first"):
        draw_scalebar((1.0, 0.0))
    with pytest.raises(ConfigError, match=r"two finite numbers, the lower first; got \(0\.0, inf\)"):
        draw_scalebar((0.0, float("inf")))
    with pytest.raises(ConfigError, match="at least 64 x 8 pixels; got 10 x 12"):
        draw_scalebar((0.0, 1.0), width=10)

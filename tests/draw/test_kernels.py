"""Kernels as pictures."""

import numpy as np
import pytest

from striate.draw import draw_kernels
from striate.errors import ConfigError, ShapeError


def test_zero_is_mid_grey_and_the_largest_magnitude_reaches_the_end():
    weights = np.zeros((2, 3, 1, 2))
    weights[0, 0, 0, 0] = 2.0  # red, the strongest of the layer
    weights[1, 2, 0, 1] = -1.0  # against blue, half as strong
    shared = draw_kernels(weights)
    assert shared.shape == (2, 1, 1, 2, 3)
    assert shared[0, 0, 0, 0].tolist() == [255, 128, 128]
    assert shared[1, 0, 0, 1].tolist() == [128, 128, 64]
    assert shared[1, 0, 0, 0].tolist() == [128, 128, 128]
    assert draw_kernels(weights, scale="each")[1, 0, 0, 1].tolist() == [128, 128, 0]


def test_bgr_kernels_are_drawn_in_true_color():
    weights = np.random.default_rng(0).normal(size=(4, 3, 5, 5))
    np.testing.assert_array_equal(draw_kernels(weights[:, ::-1], channels="BGR"), draw_kernels(weights))


def test_other_kernels_are_drawn_one_input_channel_at_a_time_in_the_signed_map():
    weights = np.random.default_rng(0).normal(size=(4, 6, 3, 2))
    weights[2, 5] = 0.0
    picture = draw_kernels(weights, channels="L")
    assert picture.shape == (4, 6, 3, 2, 3)
    assert np.ptp(picture[2, 5].astype(int), axis=-1).max() <= 3
    assert draw_kernels(np.ones((1, 1, 2, 2)), channels="L")[0, 0, 0, 0].tolist() == [103, 0, 31]


def test_all_zero_kernels_are_grey():
    assert (draw_kernels(np.zeros((1, 3, 2, 2))) == 128).all()


def test_refusals():
    with pytest.raises(ShapeError, match="weights must be 'k c h w'"):
        draw_kernels(np.zeros((3, 2, 2)))
    with pytest.raises(ConfigError, match="scale must be 'shared' or 'each'; got 'own'"):
        draw_kernels(np.zeros((1, 3, 2, 2)), scale="own")
    with pytest.raises(ConfigError, match="weights must be finite"):
        draw_kernels(np.full((1, 3, 2, 2), np.nan))

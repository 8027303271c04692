"""Nearest-neighbor enlargement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.draw import enlarge
from striate.errors import ConfigError, ShapeError


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))
def test_every_pixel_becomes_a_square(height, width, factor):
    image = np.random.default_rng(height * 7 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    large = enlarge(image, factor)
    assert large.shape == (height * factor, width * factor, 3)
    for y in range(height * factor):
        for x in range(width * factor):
            assert (large[y, x] == image[y // factor, x // factor]).all()


def test_refusals():
    with pytest.raises(ConfigError, match="factor must be a whole number of at least 1; got 0"):
        enlarge(np.zeros((1, 1, 3), np.uint8), 0)
    with pytest.raises(ShapeError, match="image must be a uint8 picture"):
        enlarge(np.zeros((1, 1), np.uint8), 2)

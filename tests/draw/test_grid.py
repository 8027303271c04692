"""Contact sheets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.draw import grid
from striate.errors import ConfigError, ShapeError


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
def test_every_picture_is_in_its_place_and_the_rest_is_background(count, columns, gap, height, width):
    images = np.random.default_rng(count).integers(0, 200, (count, height, width, 3), dtype=np.uint8)
    sheet = grid(images, columns=columns, gap=gap, background=(255, 254, 253))
    covered = np.zeros(sheet.shape[:2], bool)
    used = min(columns, count)
    for index, image in enumerate(images):
        y, x = index // used * (height + gap), index % used * (width + gap)
        np.testing.assert_array_equal(sheet[y : y + height, x : x + width], image)
        covered[y : y + height, x : x + width] = True
    assert (sheet[~covered] == (255, 254, 253)).all()
    assert sheet.shape[1] == used * (width + gap) - gap


def test_columns_default_to_a_square():
    assert grid(np.zeros((9, 2, 2, 3), np.uint8), gap=0).shape == (6, 6, 3)


def test_refusals():
    with pytest.raises(ShapeError, match="at least one picture"):
        grid([])
    with pytest.raises(ShapeError, match=r"images\[0\] is 2 x 2, images\[1\] is 3 x 2"):
        grid([np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)])
    with pytest.raises(ConfigError, match="columns must be at least 1 and gap at least 0; got 0 and 1"):
        grid(np.zeros((1, 2, 2, 3), np.uint8), columns=0)

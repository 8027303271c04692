"""Pictures of matrices."""

import numpy as np
import pytest

from striate.draw import draw_matrix, draw_scalebar
from striate.errors import ConfigError, ShapeError


def test_every_number_is_one_square_and_zero_is_the_middle() -> None:
    picture = draw_matrix(np.array([[1.0, 0.0], [0.0, -1.0]]), largest_cell_px=5, scale=False)
    assert picture.shape == (10, 10, 3)
    red, white, blue = picture[0, 0], picture[0, 9], picture[9, 9]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert (white > 235).all()
    assert (picture[:5, :5] == red).all()


def test_hairlines_stand_between_blocks_and_nowhere_else() -> None:
    plain = draw_matrix(np.zeros((4, 6)), largest_cell_px=6, scale=False)
    lined = draw_matrix(np.zeros((4, 6)), row_block=2, column_block=3, largest_cell_px=6, scale=False)
    rows, columns = np.nonzero((plain != lined).any(axis=2))
    assert set(rows[columns == 0]) == {11}
    assert set(columns[rows == 0]) == {17}


def test_a_large_matrix_keeps_its_strongest_numbers() -> None:
    values = np.zeros((3000, 1000))
    values[1234, 567] = -2.0
    picture = draw_matrix(values, width_px=100, scale=False)
    assert picture.shape == (200, 67, 3)
    assert (picture != picture[0, 0]).any(axis=2).sum() == 1


@pytest.mark.parametrize(
    ("shape", "label"), [((4, 60), ""), ((3, 3), ""), ((2000, 1000), "one pixel: the strongest of 2×2")]
)
def test_the_scale_with_its_numbers_stands_below(shape: tuple[int, int], label: str) -> None:
    values = np.zeros(shape)
    values[0, 0] = -2.5
    bare, picture = draw_matrix(values, width_px=600, scale=False), draw_matrix(values, width_px=600)
    height, width = bare.shape[:2]
    np.testing.assert_array_equal(picture[:height, :width], bare)
    bar = draw_scalebar((-2.5, 2.5), colormap="RdBu_r", width=min(max(width, 260), 400), label=label)
    np.testing.assert_array_equal(picture[-bar.shape[0] :, : bar.shape[1]], bar)


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(ShapeError, match="values must be a map"):
        draw_matrix(np.zeros(3))
    with pytest.raises(ConfigError, match=r"row_block must divide the 3 it stands for, got 2"):
        draw_matrix(np.zeros((3, 3)), row_block=2)
    with pytest.raises(ConfigError, match=r"must be at least 1, got 0 and 16"):
        draw_matrix(np.zeros((3, 3)), width_px=0)

"""A sheet of rows: everything is on it, where it belongs, in both themes."""

import numpy as np
import pytest

from striate.draw.row_sheet import Shown, draw_row_sheet
from striate.draw.themes import theme_colors
from striate.errors import ConfigError, ShapeError


def flat(h, w, color):
    return np.full((h, w, 3), color, np.uint8)


def count(sheet, color):
    return int((sheet == np.array(color, np.uint8)).all(axis=2).sum())


def test_pictures_fill_their_tiles_as_far_as_their_shape_allows():
    rows = [[Shown(flat(200, 100, (255, 0, 0)), "tall"), Shown(flat(20, 20, (0, 255, 0)), "small", "quiet")]]
    sheet = draw_row_sheet(rows, title="Title", tile=100)
    assert count(sheet, (255, 0, 0)) == 100 * 50  # shrunk to fit
    assert count(sheet, (0, 255, 0)) == 100 * 100  # five times as large, pixel for pixel
    small = draw_row_sheet([[Shown(flat(30, 30, (0, 255, 0)))]], title="", tile=100)
    assert count(small, (0, 255, 0)) == 90 * 90  # whole factors only


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_drawn_in_the_colors_of_the_theme(theme):
    rows = [[Shown(flat(9, 9, (1, 200, 2)), "ink", "quiet")] * 3] * 2
    colors = theme_colors(theme)
    sheet = draw_row_sheet(rows, title="T", notes=("a note",), columns=("a", "b", "c"), apart=1, theme=theme)
    plain = draw_row_sheet([[Shown(flat(9, 9, (1, 200, 2)))] * 3] * 2, title="", apart=1, theme=theme)
    assert tuple(sheet[0, 0]) == colors["paper"]
    assert count(sheet, colors["ink"]) > 0
    assert count(sheet, colors["quiet"]) > 0
    assert count(plain, colors["ink"]) == 0
    assert sheet.shape[0] > plain.shape[0]
    assert sheet.shape[1] == plain.shape[1]


def test_long_notes_take_more_lines_and_long_words_are_cut():
    rows = [[Shown(flat(9, 9, 5), "word " * 50)] * 2]
    short = draw_row_sheet(rows, title="T " * 500, notes=("one",))
    long = draw_row_sheet(rows, title="T", notes=("one two three four " * 20,))
    assert long.shape[0] > short.shape[0]
    assert long.shape[1] == short.shape[1]


def test_refuses_rows_that_are_no_rows():
    one = Shown(flat(3, 3, 0))
    for rows, columns in (([], ()), ([[]], ()), ([[one], [one, one]], ()), ([[one]], ("a", "b"))):
        with pytest.raises(ShapeError, match="rows of pictures of one length"):
            draw_row_sheet(rows, title="", columns=columns)
    with pytest.raises(ConfigError, match="at least 32"):
        draw_row_sheet([[one]], title="", tile=8)
    with pytest.raises(ConfigError, match="theme"):
        draw_row_sheet([[one]], title="", theme="sepia")

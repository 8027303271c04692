"""Contact sheets with words."""

import numpy as np
import pytest

from striate.draw import Tile, colormap_table, draw_sheet
from striate.draw.font import load_font
from striate.errors import ConfigError, ShapeError


def _tiles(count: int, height: int = 60, width: int = 90) -> list[Tile]:
    return [Tile(np.full((height, width, 3), 40 * number, np.uint8), f"number {number}") for number in range(count)]


def test_every_picture_is_there_as_it_is() -> None:
    sheet = draw_sheet(_tiles(5), columns=3, gap=10)
    for value in (0, 40, 80, 120, 160):
        assert (sheet == value).all(axis=2).sum() >= 60 * 90 - 5 * (value == 0)
    assert sheet.shape[1] == 3 * 90 + 4 * 10


def test_a_scale_stands_below_its_picture() -> None:
    plain = _tiles(1)[0]
    scaled = Tile(plain.image, plain.title, bar=colormap_table("RdBu_r"), ends=("−1", "1"))
    sheet = draw_sheet([scaled])
    colors = {tuple(color) for color in sheet.reshape(-1, 3)}
    assert tuple(colormap_table("RdBu_r")[0]) in colors
    assert len(colors) > 100


def test_a_note_stands_where_there_is_no_scale() -> None:
    image, bar = np.zeros((60, 90, 3), np.uint8), colormap_table("RdBu_r")
    bare, noted = draw_sheet([Tile(image, "a")]), draw_sheet([Tile(image, "a", "a note")])
    assert noted.shape[0] > bare.shape[0]
    assert (noted[bare.shape[0] - 24 :] < 200).any()
    scaled = [draw_sheet([Tile(image, "a", note, bar, ("−1", "1"))]) for note in ("", "a note")]
    np.testing.assert_array_equal(*scaled)


def test_long_names_are_cut_and_themes_differ() -> None:
    tile = Tile(np.zeros((40, 60, 3), np.uint8), "a name that is far too long for a picture of sixty pixels")
    assert draw_sheet([tile]).shape[1] == 60 + 2 * 24
    assert (draw_sheet([tile])[0, 0] == (251, 250, 248)).all()
    assert (draw_sheet([tile], theme="dark")[0, 0] == (19, 20, 22)).all()


def test_the_typeface_has_what_formulas_need() -> None:
    font = load_font(20)
    missing = bytes(font.getmask("\ue000"))
    assert [c for c in "−×·⌊⌋⌈⌉→≤ΣΔ∂²°…" if bytes(font.getmask(c)) == missing] == []


def test_what_is_no_sheet_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least one picture"):
        draw_sheet([])
    with pytest.raises(ShapeError, match="must all have one size; the first is 60 x 90, number 1 is 10 x 10"):
        draw_sheet([*_tiles(1), *_tiles(1, 10, 10)])
    with pytest.raises(ConfigError, match=r"columns must be at least 1 and gap at least 0; got 0 and 24\."):
        draw_sheet(_tiles(1), columns=0)
    with pytest.raises(ConfigError, match="theme must be 'light' or 'dark', got 'pink'"):
        draw_sheet(_tiles(1), theme="pink")

"""A written sheet is told from any figure."""

import numpy as np
import pytest
from PIL import Image

from striate.data.sheet import find_sheet, only_sheet
from tests.data.papers import written


@pytest.mark.parametrize("degrees", [0, 10, 30, 45])
def test_a_written_note_is_a_sheet(degrees: float) -> None:
    note = np.zeros((400, 500), np.float32)
    note[100:300, 150:350] = 1 - written("4", height=90, size=(200, 200), at=(50, 60))
    turned = np.asarray(Image.fromarray(note).rotate(degrees, Image.Resampling.BILINEAR))
    sheet = find_sheet(turned)
    assert sheet is not None
    assert sheet.sum() == pytest.approx(200 * 200, rel=0.03)


@pytest.mark.parametrize("text", list("0123456789"))
def test_no_figure_is_a_sheet(text: str) -> None:
    assert find_sheet(written(text)) is None


def test_an_empty_sheet_and_a_small_one_are_not_looked_into() -> None:
    share = np.zeros((400, 500), np.float32)
    assert find_sheet(share) is None
    share[100:300, 150:350] = 1
    assert find_sheet(share) is None  # nothing is written on it
    small = np.zeros((400, 500), np.float32)
    small[100:150, 150:200] = 1
    small[120:130, 170:175] = 0
    assert find_sheet(small) is None


def test_around_the_sheet_everything_has_its_color() -> None:
    levels = np.full((200, 200, 3), 0.2, np.float32)
    levels[50:150, 50:150] = 0.9
    levels[90:110, 90:95] = 0.1
    sheet = np.zeros((200, 200), bool)
    sheet[50:150, 50:150] = True
    alone = only_sheet(levels, sheet)
    assert alone.min() == np.float32(0.1)
    assert (alone[:50] == np.float32(0.9)).all()
    assert (alone[90:110, 90:95] == np.float32(0.1)).all()

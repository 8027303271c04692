"""The lines of ruled and squared paper go, strokes stay, also where they cross."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striate.data.ink import find_ink
from striate.data.ruled_lines import without_lines
from tests.data.papers import box_of, photo, written

LINES = (0.6, 0.65, 0.8)


def ruled(ink: NDArray[np.float32], *, squared: bool = False) -> NDArray[np.uint8]:
    """A pencil of half gray on lines that are hardly paler."""
    picture = photo(ink, pen=(0.5, 0.5, 0.55))
    color = np.uint8(255 * np.array(LINES))
    for start in (20, 21):
        picture[start::28] = np.minimum(picture[start::28], color)
        if squared:
            picture[:, start::28] = np.minimum(picture[:, start::28], color)
    return picture


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("degrees", [0, 2, -4])
def test_a_pencil_on_ruled_paper_is_found(squared: bool, degrees: float) -> None:
    turned = Image.fromarray(ruled(written("6"), squared=squared)).rotate(degrees, Image.Resampling.BICUBIC)
    ink = np.asarray(Image.fromarray(written("6")).rotate(degrees, Image.Resampling.BILINEAR))
    found = find_ink(np.asarray(turned)[15:285, 15:385])
    assert found is not None
    assert found.dark
    np.testing.assert_allclose(np.array(found.box) + 15, box_of(ink), atol=8)


def test_strokes_stay_where_lines_cross_them() -> None:
    stroke = np.zeros((300, 400), bool)
    stroke[60:240, 150:160] = True
    page = stroke.copy()
    page[10::30] = page[11::30] = True
    np.testing.assert_array_equal(without_lines(page), stroke)


@pytest.mark.parametrize("text", ["1", "4", "7", "8", "2"])
@pytest.mark.parametrize("margin", [0, 4, 60])
def test_figures_have_no_such_lines(text: str, margin: int) -> None:
    left, top, right, bottom = box_of(written(text, height=200, size=(400, 400)))
    margin = min(margin, left, top)
    ink = (
        written(text, height=200, size=(400, 400))[top - margin : bottom + margin, left - margin : right + margin] > 0.5
    )
    np.testing.assert_array_equal(without_lines(ink), ink)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 3)])
def test_small_pictures(size: tuple[int, int]) -> None:
    for value in (False, True):
        without_lines(np.full(size, value))

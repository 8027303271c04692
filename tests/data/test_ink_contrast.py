"""The contrast with the paper is the same in light and in shade, and 0 where there is no ink."""

import numpy as np
import pytest

from striate.data.ink_contrast import along_ink, ink_contrast
from tests.data.papers import photo, written

Color = tuple[float, float, float]


def levels(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("light", [{}, {"shadow": 0.3}, {"edge": 0.4}])
def test_ink_in_the_shade_is_as_black_as_in_the_light(light: dict[str, float]) -> None:
    ink = written("8")
    contrast, dark = ink_contrast(levels(photo(ink, paper=(0.9, 0.9, 0.9), pen=(0.18, 0.18, 0.18), **light)))
    assert dark
    strength = along_ink(contrast, sigma=0)
    np.testing.assert_allclose(strength[ink == 1], 0.8, atol=0.06)
    away = np.abs(np.arange(300) - 150) > 15  # the edge of the shadow itself is thinned out, not gone
    # Where a slope of light ends in the dark, the paper is taken to be a little lighter than it is.
    assert np.abs(strength[away][ink[away] == 0]).max() < 0.1


@pytest.mark.parametrize(
    "corner", [(slice(0, 90), slice(0, 90)), (slice(None), slice(0, 80)), (slice(220, None), slice(None))]
)
@pytest.mark.parametrize("brighter", [False, True])
def test_a_patch_of_light_or_shade_at_the_edge_is_paper(corner: tuple[slice, slice], brighter: bool) -> None:
    page = photo(written("3"), paper=(0.7, 0.7, 0.7)).astype(float)
    page[corner] *= 1.4 if brighter else 0.6
    contrast, dark = ink_contrast(levels(page.clip(0, 255).astype(np.uint8)))
    assert dark
    inside = contrast[corner][5:-5, 5:-5]
    assert np.abs(inside[written("3")[corner][5:-5, 5:-5] == 0]).max() < 0.05


@pytest.mark.parametrize(
    ("paper", "pen"), [((0.35, 0.75, 0.35), (0.95, 0.45, 0.35)), ((0.95, 0.9, 0.5), (0.2, 0.2, 0.6))]
)
def test_the_direction_is_that_of_the_ink(paper: Color, pen: Color) -> None:
    """Noise in a channel that the ink does not change counts little."""
    ink = written("5")
    contrast, _ = ink_contrast(levels(photo(ink, paper=paper, pen=pen)))
    strength = along_ink(contrast, sigma=0)
    assert strength[ink == 1].min() > 0.35
    assert np.abs(strength[ink == 0]).max() < 0.02


def test_beyond_the_edge_is_paper_if_it_is_said_so() -> None:
    page = np.full((100, 120, 3), 0.9, np.float32)
    page[:25] = 0.1
    stroke, _ = ink_contrast(page, goes_on=False)
    shadow, _ = ink_contrast(page)
    assert stroke[5, 60].min() > 0.8
    assert abs(float(shadow[5, 60].max())) < 0.05

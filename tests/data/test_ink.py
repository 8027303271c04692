"""Ink is found on white, colored, dark, shaded, grainy and compressed paper; paper alone has none."""

import numpy as np
import pytest
from PIL import Image

from striate.data.ink import find_ink
from tests.data.papers import BLACK, WHITE, box_of, photo, written

SCENES = {
    "plain": {},
    "faint pencil": {"pen": (0.72, 0.72, 0.72)},
    "blue pen on yellow paper": {"paper": (0.95, 0.9, 0.6), "pen": (0.15, 0.2, 0.65)},
    "red pen on a green of the same luma": {"paper": (0.35, 0.75, 0.35), "pen": (0.95, 0.45, 0.35)},
    "long shadow": {"shadow": 0.6},
    "edge of a shadow": {"edge": 0.35},
    "grain": {"grain": 0.06},
    "compressed": {"jpeg": 15, "grain": 0.02},
    "chalk on a board": {"paper": (0.1, 0.25, 0.17), "pen": (0.85, 0.85, 0.8), "shadow": 0.4},
    "white on black": {"paper": (0, 0, 0), "pen": (1, 1, 1)},
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("text", ["1", "4", "8"])
def test_the_figure_is_found(scene: str, text: str) -> None:
    ink = written(text)
    found = find_ink(photo(ink, **SCENES[scene]))
    assert found is not None
    np.testing.assert_allclose(found.box, box_of(ink), atol=3)
    assert scene.startswith("red pen") or found.dark == (scene not in {"chalk on a board", "white on black"})
    assert found.others == 0
    overlap = np.minimum(found.share, ink).sum() / np.maximum(found.share, ink).sum()
    assert overlap > 0.85


@pytest.mark.parametrize("scene", [{}, {"shadow": 0.6}, {"edge": 0.3}, {"grain": 0.08}, {"jpeg": 30, "grain": 0.01}])
@pytest.mark.parametrize("paper", [WHITE, BLACK, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.9, 0.7, 0.5)])
def test_paper_alone_has_no_ink(scene: dict[str, float], paper: tuple[float, float, float]) -> None:
    assert find_ink(photo(np.zeros((300, 400), np.float32), paper=paper, **scene)) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 2), (3, 3), (5, 7)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_size_is_too_small_to_look_at(size: tuple[int, int], seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    find_ink(noise)
    find_ink(np.full_like(noise, 255))


def test_of_two_figures_the_one_with_more_ink_counts() -> None:
    small, large = written("2", height=100, at=(40, 30)), written("8", height=170, at=(60, 200))
    found = find_ink(photo(np.maximum(small, large)))
    assert found is not None
    assert found.others == 1
    np.testing.assert_allclose(found.box, box_of(large), atol=2)
    assert found.share[:, :180].max() == 0


def test_dirt_is_not_counted_and_broken_strokes_belong_together() -> None:
    ink = written("5").copy()
    whole = box_of(ink)
    ink[whole[1] + 30 : whole[1] + 36] = 0  # the bar comes off
    ink[20:24, 350:354] = 1
    found = find_ink(photo(ink))
    assert found is not None
    assert found.others == 0
    np.testing.assert_allclose(found.box, whole, atol=2)


@pytest.mark.parametrize("pen", [BLACK, (0.6, 0.6, 0.62)])
def test_the_edge_of_the_table_is_not_ink(pen: tuple[float, float, float]) -> None:
    picture = photo(written("3"), pen=pen)
    picture[:, 330:] = (70, 45, 30)
    found = find_ink(picture)
    assert found is not None
    assert found.dark
    np.testing.assert_allclose(found.box, box_of(written("3")), atol=3)


def test_pale_lines_of_ruled_paper_are_not_ink() -> None:
    picture = photo(written("6"))
    picture[14::28] = np.minimum(picture[14::28], (185, 205, 225))
    found = find_ink(picture)
    assert found is not None
    np.testing.assert_allclose(found.box, box_of(written("6")), atol=3)


def test_a_large_photo_is_looked_at_smaller_and_the_scale_says_so() -> None:
    ink = written("9", height=640, size=(1200, 1600), at=(240, 360))
    found = find_ink(photo(ink))
    assert found is not None
    assert found.scale == (2.0, 2.0)
    np.testing.assert_allclose(2 * np.array(found.box), box_of(ink), atol=4)


@pytest.mark.parametrize("text", ["0", "3", "8"])
def test_a_figure_cut_out_with_hardly_a_margin(text: str) -> None:
    left, top, right, bottom = box_of(written(text))
    found = find_ink(photo(written(text))[top - 4 : bottom + 4, left - 4 : right + 4])
    assert found is not None
    np.testing.assert_allclose(found.box, (4, 4, right - left + 4, bottom - top + 4), atol=2)


@pytest.mark.parametrize("degrees", [0, 14])
def test_a_note_on_a_table_is_looked_into(degrees: float) -> None:
    note = photo(written("3", height=90, size=(200, 200), at=(50, 60)), paper=(0.97, 0.93, 0.5))
    table = np.full((500, 600, 3), (95, 65, 45), np.uint8)
    table[150:350, 200:400] = note
    ink = np.zeros((500, 600), np.float32)
    ink[150:350, 200:400] = written("3", height=90, size=(200, 200), at=(50, 60))
    turned = Image.fromarray(table).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(95, 65, 45))
    found = find_ink(np.asarray(turned))
    assert found is not None
    assert found.dark
    expected = box_of(np.asarray(Image.fromarray(ink).rotate(degrees, Image.Resampling.BILINEAR)))
    np.testing.assert_allclose(found.box, expected, atol=3)


def test_a_sheet_that_leaves_a_rim_of_the_table() -> None:
    table = np.full((360, 460, 3), (60, 45, 35), np.uint8)
    table[30:330, 30:430] = photo(written("9"))
    found = find_ink(table)
    assert found is not None
    assert found.dark
    np.testing.assert_allclose(np.array(found.box) - 30, box_of(written("9")), atol=3)


@pytest.mark.parametrize("text", ["2", "4", "7"])
def test_a_figure_cut_out_with_no_margin(text: str) -> None:
    left, top, right, bottom = box_of(written(text))
    found = find_ink(photo(written(text))[top:bottom, left:right])
    assert found is not None
    assert found.dark
    np.testing.assert_allclose(found.box, (0, 0, right - left, bottom - top), atol=2)

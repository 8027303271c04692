"""Boxes go where the pixels go: painted boxes are found again where `map_boxes` says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.augment.box_cut import keep_visible, map_boxes, unmap_boxes
from striate.data.augment.cut import Cut, render_cut
from striate.errors import ConfigError, ShapeError

COORDINATES = st.floats(-2000, 2000, width=32)


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """Any rectangle of at least a pixel a side, any size, mirrored or not."""
    left, top = draw(COORDINATES), draw(COORDINATES)
    w, h = draw(st.floats(1, 3000)), draw(st.floats(1, 3000))
    size = (draw(st.integers(1, 1500)), draw(st.integers(1, 1500)))
    return Cut((left, top, left + w, top + h), size, draw(st.booleans()))


@given(cuts(), st.lists(st.tuples(*[COORDINATES] * 4), max_size=8))
def test_there_and_back_is_where_one_was(cut: Cut, corners: list[tuple[float, ...]]) -> None:
    boxes = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners], dtype=np.float32)
    boxes = boxes.reshape(-1, 4)
    back = unmap_boxes(map_boxes(boxes, cut), cut)
    # float32 on the way: its steps at the numbers of the result, in photo pixels, and at those of the photo.
    scale = max((cut.box[2] - cut.box[0]) / cut.size[1], (cut.box[3] - cut.box[1]) / cut.size[0])
    steps = np.spacing(np.float32(max(8000 / min(scale, 1e9), 1.0) + max(cut.size))) * scale
    np.testing.assert_allclose(back, boxes, atol=2 * steps + 1e-3)
    mapped = map_boxes(boxes, cut)
    assert (mapped[:, 2:] >= mapped[:, :2]).all()


@pytest.mark.parametrize("flip", [False, True])
def test_painted_boxes_are_found_where_the_map_says(flip: bool) -> None:
    photo = np.zeros((60, 80, 3), dtype=np.uint8)
    photo[12:30, 20:52] = 255
    for box, size in [((0, 0, 80, 60), (120, 160)), ((10, 2, 60, 42), (80, 150)), ((-20, -20, 100, 100), (240, 120))]:
        cut = Cut(tuple(map(float, box)), size, flip, "nearest")
        seen = render_cut(photo, cut)[..., 0] > 127
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(map_boxes(np.array([[20, 12, 52, 30]], np.float32), cut)[0], found, atol=0.5)


def test_what_shows_too_little_is_not_kept() -> None:
    boxes = np.array(
        [[10, 10, 20, 20], [-10, 0, 10, 10], [-30, 0, 10, 10], [-5, -5, 0, 5], [99.5, 0, 110, 10], [5, 5, 5, 9]],
        dtype=np.float32,
    )
    clipped, kept = keep_visible(boxes, (50, 100), min_visible=0.5)
    assert kept.tolist() == [True, True, False, False, False, False]
    assert clipped[1].tolist() == [0, 0, 10, 10]
    assert (clipped[:, [0, 2]] <= 100).all()
    assert (clipped >= 0).all()
    _, kept = keep_visible(boxes, (50, 100), min_visible=0, min_side_px=0.25)
    assert kept.tolist() == [True, True, True, False, True, False]
    clipped, kept = keep_visible(np.zeros((0, 4), np.float32), (5, 5))
    assert clipped.shape == (0, 4)
    assert kept.shape == (0,)


def test_nan_is_not_kept() -> None:
    _, kept = keep_visible(np.array([[np.nan, 0, 5, 5], [0, 0, np.inf, 5]], np.float32), (10, 10))
    assert kept.tolist() == [False, False]


def test_refusals() -> None:
    cut = Cut((0.0, 0.0, 1.0, 1.0), (1, 1))
    with pytest.raises(ShapeError, match=r"map_boxes: boxes must be n 4 \(xyxy\), got 3 2\."):
        map_boxes(np.zeros((3, 2), np.float32), cut)
    with pytest.raises(ShapeError, match="unmap_boxes: boxes must be n 4"):
        unmap_boxes(np.zeros(4, np.float32), cut)
    with pytest.raises(ConfigError, match="min_visible must be from 0 to 1, got 2"):
        keep_visible(np.zeros((1, 4), np.float32), (5, 5), min_visible=2)

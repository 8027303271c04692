"""The steps of a detector on its picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.draw.class_colors import CLASS_COLORS
from striate.draw.detection_steps import (
    draw_anchors,
    draw_cell_map,
    draw_class_cells,
    draw_proposals,
    draw_roi_grid,
    draw_suppression,
)
from striate.draw.themes import THEMES
from striate.errors import ConfigError, ShapeError

GRAY = np.full((80, 100, 3), 100, np.uint8)
ACCENT = THEMES["dark"]["accent"]


def has(picture, color):
    return bool((picture == np.array(color)).all(2).any())


def test_the_likeliest_proposal_lies_on_top_and_is_the_brightest():
    drawn = draw_proposals(GRAY, [[10, 10, 60, 60], [10, 10, 60, 60], [30, 30, 90, 70]], [0.2, 1.0, 0.1])
    assert drawn[10, 35].sum() > 2 * drawn[30, 80].sum()
    assert (drawn[5, 5] == 55).all()
    flipped = draw_proposals(GRAY, [[10, 10, 60, 60], [10, 10, 60, 60], [30, 30, 90, 70]], [1.0, 0.2, 0.1])
    assert (drawn == flipped).all()
    assert draw_proposals(GRAY, [], []).shape == GRAY.shape


def test_anchors_that_match_have_the_accent_color():
    anchors = [[40, 30, 60, 50], [30, 20, 70, 60], [20, 35, 80, 45]]
    assert not has(draw_anchors(GRAY, anchors), ACCENT)
    drawn = draw_anchors(GRAY, anchors, positive=[False, True, False], truth=[[28, 18, 72, 62]])
    assert has(drawn, ACCENT)
    assert (drawn[40, 50] == 255).all()  # the middle that they share
    assert draw_anchors(GRAY, anchors, zoom=3).shape == (240, 300, 3)


def test_a_region_is_bright_where_it_is_pooled():
    bins = [[20 + 10 * i, 20 + 10 * j, 30 + 10 * i, 30 + 10 * j] for i in range(3) for j in range(3)]
    drawn = draw_roi_grid(GRAY, [18, 18, 52, 52], bins=bins, samples=[[25, 25]])
    assert (drawn[5, 5] == 50).all()
    assert (drawn[36, 36] == 100).all()
    assert has(drawn, ACCENT)
    with pytest.raises(ShapeError, match=r"samples must be s 2"):
        draw_roi_grid(GRAY, [18, 18, 52, 52], bins=bins, samples=[25, 25])


def test_cells_cover_the_picture_evenly():
    values = np.zeros((3, 7))
    values[1, 6] = 1
    drawn = draw_cell_map(GRAY, values).astype(int)
    bright = (np.abs(drawn - drawn[0, 0]).max(2) > 40).nonzero()
    assert (bright[0].min(), bright[0].max(), bright[1].min(), bright[1].max()) == (27, 52, 86, 99)


def test_class_cells_are_colored_named_and_marked():
    kinds = np.zeros((4, 5), int)
    kinds[2, 3] = 1
    owners = np.full((4, 5), -1)
    owners[2, 3] = 1
    drawn = draw_class_cells(GRAY, kinds, ["a", "b"], owners=owners)
    assert has(drawn, CLASS_COLORS["dark"][0])
    assert has(drawn, CLASS_COLORS["dark"][1])
    faint = draw_class_cells(GRAY, kinds, ["a", "b"], strength=np.zeros((4, 5)))
    assert (faint[75, 50] == 100).all()
    with pytest.raises(ShapeError, match="positions in the 1 labels; got 0 to 1"):
        draw_class_cells(GRAY, kinds, ["a"])
    with pytest.raises(ShapeError, match="must have the size"):
        draw_class_cells(GRAY, kinds, ["a", "b"], owners=owners[1:])


def test_suppression_shows_both_sides():
    boxes, scores = [[10, 10, 50, 50], [12, 11, 52, 52], [60, 40, 90, 70]], [0.9, 0.8, 0.7]
    drawn = draw_suppression(GRAY, boxes, [0, 0, 1], ["a", "b"], scores=scores, keep=[0, 2])
    assert drawn.shape[1] > 200
    assert draw_suppression(GRAY, [], [], ["a"], scores=[], keep=[]).shape == drawn.shape
    with pytest.raises(ShapeError, match="keep must be positions of the 3 boxes"):
        draw_suppression(GRAY, boxes, [0, 0, 1], ["a", "b"], scores=scores, keep=[3])
    with pytest.raises(ShapeError, match="classes must be one for each"):
        draw_suppression(GRAY, boxes, [0], ["a", "b"], scores=scores, keep=[0])


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99), st.integers(1, 3)
)
@settings(max_examples=50, deadline=None)
def test_any_picture_and_any_grid(h, w, rows, columns, seed, zoom):
    draws = np.random.default_rng(seed)
    photo = draws.integers(0, 256, (h, w, 3), dtype=np.uint8)
    before = photo.copy()
    kinds, share = draws.integers(0, 3, (rows, columns)), draws.random((rows, columns))
    owners = draws.integers(-1, 3, (rows, columns))
    corners = np.sort(draws.uniform(-20, 60, (12, 2, 2)), axis=1).reshape(12, 4)
    size = (h * zoom, w * zoom, 3)
    assert draw_class_cells(photo, kinds, "abc", strength=share, owners=owners, zoom=zoom).shape == size
    assert draw_cell_map(photo, share, zoom=zoom).shape == size
    assert draw_proposals(photo, corners, draws.normal(size=12), truth=corners[:2], zoom=zoom).shape == size
    assert draw_anchors(photo, corners, positive=draws.random(12) < 0.5, truth=corners[:2], zoom=zoom).shape == size
    assert draw_roi_grid(photo, corners[0], bins=corners, samples=corners[:, :2], zoom=zoom).shape == size
    assert (photo == before).all()


def test_refusals():
    with pytest.raises(ShapeError, match="scores must be one for each of the 1 boxes"):
        draw_proposals(GRAY, [[0, 0, 5, 5]], [])
    with pytest.raises(ShapeError, match="positive must be one for each of the 1 anchors"):
        draw_anchors(GRAY, [[0, 0, 5, 5]], positive=[])
    with pytest.raises(ConfigError, match="zoom must be at least 1"):
        draw_cell_map(GRAY, np.zeros((2, 2)), zoom=0)

"""Boxes on pictures: where lines run, which words are written, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.draw.boxes import draw_boxes, score_words
from striate.draw.class_colors import CLASS_COLORS
from striate.draw.label_plates import contrast, place_plates, text_color
from striate.errors import ConfigError, ShapeError

GRAY = np.full((120, 160, 3), 128, np.uint8)


def test_a_line_runs_along_the_edge_and_the_inside_is_the_photo():
    drawn = draw_boxes(GRAY, [[30, 40, 90, 100]], [0], ["a"], plates=False)
    color = np.array(CLASS_COLORS["dark"][0])
    assert (drawn[70, 30] == color).all()
    assert (drawn[40, 60] == color).all()
    assert (drawn[70, 89] == color).all() or (drawn[70, 90] == color).all()
    assert (drawn[50:90, 40:80] == 128).all()
    assert (drawn[:30] == 128).all()
    assert (drawn[:, 100:] == 128).all()


def test_a_box_of_the_whole_picture_has_all_its_four_lines():
    color = np.array(CLASS_COLORS["light"][1])
    drawn = draw_boxes(GRAY, [[0, 0, 160, 120]], [1], ["a", "b"], plates=False, theme="light")
    for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert (edge == color).all()


def test_difficult_objects_and_truth_are_dashed():
    color = np.array(CLASS_COLORS["dark"][0])
    drawn = draw_boxes(GRAY, [[20, 20, 140, 100]], [0], ["a"], dashed=[True], plates=False)
    share = (drawn[20, 20:140] == color).all(1).mean()
    assert 0.4 < share < 0.75
    drawn = draw_boxes(GRAY, [], [], ["a"], truth=[[20, 20, 140, 100]])
    share = (drawn[20, 20:140] == 255).all(1).mean()
    assert 0.4 < share < 0.75


def test_plates_are_readable_on_every_color():
    for colors in CLASS_COLORS.values():
        for color in colors:
            assert contrast(color, text_color(color)) >= 4.5
    steps = range(0, 256, 15)
    assert min(contrast((r, g, b), text_color((r, g, b))) for r in steps for g in steps for b in steps) > 4.5


def test_score_words():
    assert [score_words(x) for x in (0.0, 0.005, 0.914, 0.996, 1.0, 12.5)] == [
        ".00",
        ".01",
        ".91",
        "1.00",
        "1.00",
        "12.50",
    ]


def test_the_surest_box_keeps_its_name_where_all_stand_at_one_place():
    boxes = [[50, 50, 70, 65]] * 40
    drawn = draw_boxes(GRAY, boxes, [0] * 39 + [1], ["a", "b"], scores=[0.5] * 39 + [0.9])
    assert (drawn == CLASS_COLORS["dark"][1]).all(2).sum() > 100


@given(
    st.lists(
        st.tuples(st.floats(-40, 200), st.floats(-40, 160), st.floats(0, 90), st.floats(0, 90)), min_size=1, max_size=30
    )
)
@settings(max_examples=60, deadline=None)
def test_plates_stay_in_the_picture_and_off_each_other(places):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in places])
    sizes = np.tile([[34, 12]], (len(boxes), 1))
    found = [place for place in place_plates(boxes, sizes, (120, 160), gap=1) if place]
    assert found
    taken = np.zeros((120, 160), int)
    for x, y in found:
        assert 0 <= x <= 160 - 34
        assert 0 <= y <= 120 - 12
        assert (taken[y : y + 12, x : x + 34] > 0).mean() < 0.2
        taken[y : y + 12, x : x + 34] += 1


@given(st.integers(1, 40), st.integers(1, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_any_picture_and_any_box_can_be_drawn(h, w, data):
    edge = st.floats(-1e4, 1e4)
    pairs = data.draw(st.lists(st.tuples(edge, edge, edge, edge), max_size=5))
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in pairs]
    photo = np.zeros((h, w, 3), np.uint8)
    drawn = draw_boxes(photo, boxes, [0] * len(boxes), ["a name\nof two lines"], scores=[0.5] * len(boxes), truth=boxes)
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8
    assert not photo.any()


def test_thousands_of_boxes_on_one_picture():
    draws = np.random.default_rng(0)
    corners = draws.uniform(0, 500, (5000, 2))
    boxes = np.hstack([corners, corners + draws.uniform(1, 60, (5000, 2))])
    classes, scores = draws.integers(0, 30, 5000), draws.random(5000)
    photo = np.zeros((512, 512, 3), np.uint8)
    one = draw_boxes(photo, boxes, classes, [f"class {i}" for i in range(30)], scores=scores)
    other = draw_boxes(photo, boxes, classes, [f"class {i}" for i in range(30)], scores=scores)
    assert (one == other).all()


def test_zoom_enlarges_pixels_before_lines_are_drawn():
    photo = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
    drawn = draw_boxes(photo, [[4, 4, 9, 9]], [0], ["a"], plates=False, zoom=4)
    assert drawn.shape == (256, 256, 3)
    assert (drawn[200:204, 200:204] == photo[50, 50]).all()
    assert (drawn[25, 16] == CLASS_COLORS["dark"][0]).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"boxes": [[0, 0, 5]]}, ShapeError, r"boxes must be n 4 \(xyxy\); got 1 3"),
        ({"boxes": [[0, 0, float("nan"), 5]]}, ConfigError, r"boxes\[0\] must be finite"),
        ({"boxes": [[9, 0, 5, 5]]}, ConfigError, "exchange their corners"),
        ({"truth": [[9, 0, 5, 5]]}, ConfigError, r"truth\[0\]"),
        ({"classes": [1]}, ShapeError, "positions in the 1 labels; got 1 to 1"),
        ({"classes": [0, 0]}, ShapeError, "one for each of the 1 boxes; got 2"),
        ({"scores": []}, ShapeError, "scores must be one for each"),
        ({"zoom": 0}, ConfigError, "zoom must be at least 1"),
        ({"theme": "blue"}, ConfigError, "'light' or 'dark'"),
        ({"colors": []}, ConfigError, "one for each of the 1 labels"),
        ({"pixels": GRAY[..., 0]}, ShapeError, "pixels must be a uint8 picture"),
    ],
)
def test_refusals(change, error, words):
    given_ = {"pixels": GRAY, "boxes": [[0, 0, 5, 5]], "classes": [0], "labels": ["a"]} | change
    with pytest.raises(error, match=words):
        draw_boxes(**given_)

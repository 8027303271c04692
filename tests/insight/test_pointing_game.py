"""The pointing game against TorchRay's rule, written out pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import ConfigError, ShapeError
from striate.insight import Heatmap
from striate.insight.pointing_game import PointingGame, boxes_in_view, pointing_game


def their_hit(mask: np.ndarray, y: int, x: int, tolerance: float) -> bool:
    """TorchRay: the open disk around the point meets the mask."""
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return bool((mask & ((rows - y) ** 2 + (columns - x) ** 2 < tolerance**2)).any())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_equals_torchrays_rule(seed: int, tolerance: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((2, 24, 31))
    masks = rng.random((2, 24, 31)) < 0.004
    masks[:, 5, 7] = True
    got = pointing_game(values, masks, tolerance=tolerance)
    for n in range(2):
        y, x = np.unravel_index(values[n].argmax(), (24, 31))
        assert tuple(got.points[n]) == (y, x)
        assert got.values[n] == their_hit(masks[n], y, x, tolerance)
        assert got.center[n] == their_hit(masks[n], 12, 15, tolerance)
        share = np.mean([their_hit(masks[n], i, j, tolerance) for i in range(24) for j in range(31)])
        np.testing.assert_allclose(got.chance[n], share)


def test_classes_weigh_the_same_however_many_pictures_they_have() -> None:
    values = np.zeros((4, 40, 40))
    values[:, 5, 5] = 1
    here, there = [(0, 0, 8, 8)], [(30, 30, 40, 40)]
    got = pointing_game(values, [here, here, there, there], labels=["cat", "cat", "cat", "dog"], tolerance=3)
    assert got.class_accuracies == {"cat": 2 / 3, "dog": 0.0}
    assert got.accuracy == pytest.approx(1 / 3)
    assert got.center_accuracy == 0
    assert 0 < got.chance_accuracy < 0.2


def test_several_boxes_and_the_targets_of_a_result() -> None:
    heat = Heatmap(np.zeros((2, 30, 30)), "m", "u", False, (7, 3))
    heat.values[:, 20, 4] = 2
    got = pointing_game(
        heat, [[(0, 0, 3, 3), (4, 20, 5, 21)], np.zeros((30, 30), bool) | (np.arange(30) == 29)], tolerance=0
    )
    assert got.values.tolist() == [True, False]
    assert got.labels == (7, 3)
    assert got.regions[0].sum() == 10
    assert got.regions[1].sum() == 30


def test_boxes_of_the_photo_come_into_the_view() -> None:
    moved = boxes_in_view([(10, 20, 30, 40)], (10.0, 20.0, 110.0, 120.0), (50, 200))
    np.testing.assert_allclose(moved, [[0, 0, 40, 10]])


def test_kept_and_drawn(tmp_path: Path) -> None:
    values = np.zeros((1, 40, 40))
    values[0, 5, 5] = 1
    got = pointing_game(values, [[(0, 0, 8, 8)]])
    again = PointingGame.load(got.save(tmp_path / "game.npz"))
    assert again.to_dict() == got.to_dict()
    np.testing.assert_array_equal(again.regions, got.regions)
    assert got.save(tmp_path / "game.json").exists()
    drawn = got.draw(np.full((1, 40, 40, 3), 90, np.uint8))
    assert drawn[0, 5, 5].tolist() == [23, 24, 26]


def test_what_cannot_be_hit_is_refused(tmp_path: Path) -> None:
    values = np.zeros((1, 20, 20))
    with pytest.raises(ConfigError, match=r"regions\[0\] has no pixel in the picture"):
        pointing_game(values, [[(30, 30, 40, 40)]])
    with pytest.raises(ShapeError, match="regions must be one for each of the 1 maps"):
        pointing_game(values, [])
    with pytest.raises(ShapeError, match="boxes 'm 4' or a bool mask"):
        pointing_game(values, [np.zeros((10, 10), bool)])
    with pytest.raises(ShapeError, match="labels must be one for each"):
        pointing_game(values, [[(0, 0, 1, 1)]], labels=[1, 2])
    with pytest.raises(ConfigError, match="tolerance must be 0 pixels or more"):
        pointing_game(values, [[(0, 0, 1, 1)]], tolerance=-1)
    got = pointing_game(values, [[(0, 0, 1, 1)]])
    with pytest.raises(ConfigError, match=r"must end in \.npz or \.json"):
        got.save(tmp_path / "a.png")
    with pytest.raises(ShapeError, match="photos must have the maps' size"):
        got.draw(np.zeros((1, 3, 3, 3), np.uint8))

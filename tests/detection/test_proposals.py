"""Selective search, sliding windows, and what is kept of them."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.data.detections import Detections
from striate.detection.proposal_cache import ProposalCache, picture_key
from striate.detection.proposals import ProposalProgress, ProposalSettings, find_proposals, proposals_for
from striate.detection.recall import best_overlaps, proposal_recall
from striate.detection.selective_search import selective_search
from striate.detection.sliding_windows import sliding_windows
from striate.errors import ConfigError, DataError, ShapeError
from tests.detection.shapes import shape_picture, shape_set

WINDOWS = ProposalSettings(source="sliding_windows", max_boxes=100)


def as_set(boxes: NDArray[np.float32]) -> set[tuple[float, ...]]:
    return {tuple(box) for box in boxes.tolist()}


def test_shapes_are_found_to_the_pixel() -> None:
    pytest.importorskip("cv2.ximgproc")
    pictures = shape_set(6)
    found = [selective_search(pictures.pixels(i), min_side_px=8) for i in range(6)]
    scores = proposal_recall(found, pictures.truth, thresholds=(0.5, 0.8))
    assert scores.recall == {0.5: 1.0, 0.8: 1.0}
    assert scores.mabo > 0.9
    assert scores.objects == sum(map(len, pictures.truth))


def test_the_seed_decides_the_order_and_nothing_else() -> None:
    pytest.importorskip("cv2.ximgproc")
    pixels = np.random.default_rng(3).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    first, again, other = (selective_search(pixels, seed=seed, min_side_px=4) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert as_set(first) == as_set(other)
    assert len(as_set(first)) == len(first) > 20
    few = selective_search(pixels, max_boxes=10, min_side_px=4)
    assert np.array_equal(few, first[:10])
    areas = (first[:, 2:] - first[:, :2]).prod(1)
    assert areas[: len(areas) // 2].mean() > areas[len(areas) // 2 :].mean()


def test_the_boxes_are_those_of_opencvs_own_fast_mode() -> None:
    segmentation = pytest.importorskip("cv2.ximgproc").segmentation
    cv2: Any = importlib.import_module("cv2")
    pixels, _ = shape_picture(7)
    theirs = segmentation.createSelectiveSearchSegmentation()
    theirs.addImage(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL))
    theirs.addGraphSegmentation(segmentation.createGraphSegmentation(0.8, 100.0, 100))
    theirs.addStrategy(
        segmentation.createSelectiveSearchSegmentationStrategyMultiple(
            *[
                getattr(segmentation, f"createSelectiveSearchSegmentationStrategy{part}")()
                for part in ("Color", "Texture", "Size", "Fill")
            ]
        )
    )
    wanted = {(x, y, x + w, y + h) for x, y, w, h in theirs.process().tolist()}
    ours = as_set(selective_search(pixels, mode="single", min_side_px=1))
    assert ours == {box for box in wanted if box[2] > box[0] and box[3] > box[1]}


def test_fast_and_quality_find_more() -> None:
    pytest.importorskip("cv2.ximgproc")
    pixels, _ = shape_picture(5, side=64)
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    single, fast, quality = (
        as_set(selective_search(noisy, mode=mode, min_side_px=4, max_boxes=10**6))
        for mode in ("single", "fast", "quality")
    )
    assert len(single) < len(fast) < len(quality)
    assert fast <= quality


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (20, 700), (700, 20), (40, 97)])
@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_any_shape_of_picture(size: tuple[int, int], kind: str) -> None:
    pytest.importorskip("cv2.ximgproc")
    h, w = size
    pixels = np.full((h, w, 3), 90, dtype=np.uint8)
    if kind == "noise":
        pixels = np.random.default_rng(1).integers(0, 256, (h, w, 3), dtype=np.uint8)
    boxes = selective_search(pixels)
    assert boxes.dtype == np.float32
    assert len(boxes) > 0
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (w, h)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    if kind == "flat":
        assert boxes.tolist() == [[0, 0, w, h]]


def test_large_pictures_are_searched_small() -> None:
    pytest.importorskip("cv2.ximgproc")
    pixels, boxes = shape_picture(4, side=400)
    found = selective_search(pixels, longest_px=100, min_side_px=5)
    assert best_overlaps(boxes.boxes, found).min() > 0.8
    assert found[:, 2].max() == 400
    with pytest.raises(ConfigError, match="longest_px must be 16 or more, or None, got 4"):
        selective_search(pixels, longest_px=4)


@pytest.mark.untyped
def test_selective_search_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, _ = shape_picture(0, side=32)
    with pytest.raises(ShapeError, match="uint8 h w 3, got float64 32 32 3"):
        selective_search(pixels / 255)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'single', 'fast' or 'quality', got 'best'"):
        selective_search(pixels, mode="best")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_boxes must be 1 or more, got 0"):
        selective_search(pixels, max_boxes=0)
    with pytest.raises(ConfigError, match="min_side_px must be a length above 0, got -1"):
        selective_search(pixels, min_side_px=-1)

    def no_opencv(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("striate.detection.selective_search.importlib.import_module", no_opencv)
    with pytest.raises(ConfigError, match=r"pip install 'striate\[proposals\]'.*sliding_windows"):
        selective_search(pixels)


def test_windows_cover_every_object() -> None:
    windows = sliding_windows((240, 320), max_boxes=2000)
    assert len(windows) <= 2000
    assert len(as_set(windows)) == len(windows)
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] <= (320, 240)).all()
    rng = np.random.default_rng(0)
    sides = rng.uniform(60, 200, (200, 1)) * np.stack([rng.uniform(0.8, 1.2, 200), np.ones(200)], axis=1)
    places = rng.random((200, 2)) * ((320, 240) - sides)
    objects = np.concatenate([places, places + sides], axis=1).astype(np.float32)
    assert (best_overlaps(objects, windows) > 0.5).mean() > 0.98
    finer = sliding_windows((240, 320), max_boxes=8000)
    assert best_overlaps(objects, finer).mean() > best_overlaps(objects, windows).mean()


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (19, 19), (500, 3)])
def test_windows_of_odd_pictures(size: tuple[int, int]) -> None:
    windows = sliding_windows(size)
    assert windows[0].tolist() == [0, 0, size[1], size[0]]
    assert len(sliding_windows(size, max_boxes=1)) == 1


def test_windows_refuse() -> None:
    with pytest.raises(ShapeError, match=r"each 1 or more, got \(0, 5\)"):
        sliding_windows((0, 5))
    with pytest.raises(ConfigError, match="ratios must be one or more numbers above 0"):
        sliding_windows((5, 5), ratios=())
    with pytest.raises(ConfigError, match="max_boxes and sizes_per_octave must be 1 or more, got 0, 2"):
        sliding_windows((5, 5), max_boxes=0)
    with pytest.raises(ConfigError, match="min_side_px must be a length above 0"):
        sliding_windows((5, 5), min_side_px=0)


def test_recall_by_hand() -> None:
    truth = Detections.of(
        [[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]], [0, 1, 1], ["a", "b"], difficult=[False, False, True]
    )
    proposals = np.array([[0, 0, 10, 5], [0, 0, 10, 8], [20, 0, 30, 10]], dtype=np.float32)
    scores = proposal_recall([proposals], [truth], thresholds=(0.5, 0.8, 0.9))
    assert scores.recall == {0.5: 1.0, 0.8: 1.0, 0.9: 0.5}
    assert scores.abo == pytest.approx({"a": 0.8, "b": 1.0})
    assert scores.mabo == pytest.approx(0.9)
    assert (scores.boxes, scores.objects) == (3.0, 2)
    nothing = np.zeros((0, 4), dtype=np.float32)
    assert proposal_recall([nothing], [truth]).mabo == 0
    with pytest.raises(ShapeError, match="2 lists of proposals, but 1 pictures"):
        proposal_recall([nothing, nothing], [truth])
    with pytest.raises(ConfigError, match="no picture has an object"):
        proposal_recall([nothing], [truth.pick([2])])
    with pytest.raises(ConfigError, match=r"thresholds must be in \(0, 1\]"):
        proposal_recall([nothing], [truth], thresholds=(0.0,))


def test_found_once_then_read(tmp_path: Path) -> None:
    pictures = shape_set(5, folder=tmp_path / "pictures")
    cache = ProposalCache(tmp_path / "cache")
    events: list[ProposalProgress] = []
    first = proposals_for(pictures, WINDOWS, cache, on_progress=events.append)
    assert [event.done for event in events] == [1, 2, 3, 4, 5]
    assert events[-1].boxes == sum(map(len, first.boxes))
    assert first.from_cache == 0
    again = proposals_for(pictures, WINDOWS, cache, workers=1)
    assert again.from_cache == 5
    assert all(np.array_equal(a, b) for a, b in zip(first.boxes, again.boxes, strict=True))
    # Another name, another set, the same pictures; other settings are other boxes.
    assert proposals_for(pictures.subset([4, 0]), WINDOWS, cache).from_cache == 2
    assert proposals_for(pictures, ProposalSettings(source="sliding_windows", max_boxes=99), cache).from_cache == 0
    assert len(first.subset([3, 1])) == 2
    assert np.array_equal(first.subset([3, 1])[0], first[3])
    assert all(len(boxes) == 7 for boxes in first.first(7).boxes)


def test_a_stopped_search_goes_on(tmp_path: Path) -> None:
    pictures = shape_set(12)
    cache = ProposalCache(tmp_path)
    work = find_proposals(pictures, WINDOWS, cache=cache, workers=1)
    for _ in range(3):
        next(work)
    work.close()
    assert proposals_for(pictures, WINDOWS, cache).from_cache >= 3


def test_damaged_files_are_made_anew(tmp_path: Path) -> None:
    pictures = shape_set(3)
    cache = ProposalCache(tmp_path)
    whole = proposals_for(pictures, WINDOWS, cache)
    files = sorted(tmp_path.glob("*/*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:-40])
    changed = bytearray(files[1].read_bytes())
    changed[len(changed) // 2] ^= 0xFF
    files[1].write_bytes(changed)
    np.savez(files[2], boxes=np.array([[object()] * 4], dtype=object))
    again = proposals_for(pictures, WINDOWS, cache)
    assert again.from_cache == 0
    assert all(np.array_equal(a, b) for a, b in zip(whole.boxes, again.boxes, strict=True))
    assert proposals_for(pictures, WINDOWS, cache).from_cache == 3


def test_the_cache_keeps_to_its_room(tmp_path: Path) -> None:
    boxes = np.random.default_rng(0).random((100, 4)).astype(np.float32)
    cache = ProposalCache(tmp_path)
    keys = [picture_key(bytes([number])) for number in range(6)]
    for number, key in enumerate(keys):
        cache.put(key, boxes)
        os.utime(cache._path(key), (number, number))
    one = cache.bytes_used() // 6
    cache.get(keys[0])  # asked for just now
    cache.max_bytes = 3 * one + one // 2
    cache.trim()
    assert cache.bytes_used() <= cache.max_bytes
    assert [cache.get(key) is not None for key in keys] == [True, False, False, False, True, True]
    off = ProposalCache(tmp_path / "off", max_bytes=0)
    off.put(keys[0], boxes)
    assert not (tmp_path / "off").exists()


def test_the_key_is_the_pictures_content() -> None:
    pixels = np.zeros((2, 6, 3), dtype=np.uint8)
    assert picture_key(pixels) == picture_key(pixels.copy())
    assert picture_key(pixels) != picture_key(pixels.reshape(6, 2, 3))
    assert picture_key(b"a") != picture_key(b"b")


def test_unreadable_pictures_are_named(tmp_path: Path) -> None:
    pictures = shape_set(3, folder=tmp_path)
    (tmp_path / "001.png").write_bytes(b"not a picture")
    (tmp_path / "002.png").unlink()
    found = proposals_for(pictures, WINDOWS)
    assert [len(boxes) > 0 for boxes in found.boxes] == [True, False, False]
    assert [problem.where for problem in found.problems] == [str(tmp_path / "001.png"), str(tmp_path / "002.png")]
    assert "no such file" in found.problems[1].text


def test_refusals(tmp_path: Path) -> None:
    pictures = shape_set(1)
    with pytest.raises(ConfigError, match="'selective_search' or 'sliding_windows', got 'edge_boxes'"):
        ProposalSettings(source="edge_boxes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="workers must be 1 or more, got 0"):
        proposals_for(pictures, WINDOWS, workers=0)
    with pytest.raises(ConfigError, match="max_bytes must be 0 or more, got -1"):
        ProposalCache(tmp_path, max_bytes=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; proposals are kept in a folder"):
        ProposalCache(tmp_path / "file")
    (tmp_path / "cache").mkdir()
    cache = ProposalCache(tmp_path / "cache")
    (tmp_path / "cache" / picture_key(b"a")[:2]).write_text("in the way")
    with pytest.raises(DataError, match="Proposals cannot be kept in"):
        cache.put(picture_key(b"a"), np.zeros((1, 4), dtype=np.float32))

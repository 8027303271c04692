"""Photos, folders and films in; boxes out, in every program's format, and read back as they were."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.data.coco_json import from_coco
from striate.data.detections import Detections
from striate.data.voc_xml import from_voc
from striate.data.yolo_text import from_yolo
from striate.errors import ConfigError, DataError
from striate.recipes.detect import DetectConfig, Detected, run
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.frames import is_stream, read_frames
from tests.recipes.boxes import CLASSES, rectangles, sure_detector


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sure_detector(tmp_path_factory.mktemp("detector") / "best.safetensors")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos, one of them of another shape."""
    folder = tmp_path_factory.mktemp("photos")
    rectangles(folder, 2)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 120, 3), dtype=np.uint8)).save(folder / "wide.jpg")
    return folder


def found_in(detector: Path, out: Path, *inputs: object, **given: Any) -> Done:
    config = DetectConfig(inputs=tuple(map(str, inputs)), network=str(detector), out=out, **{"score": 0.05, **given})
    events = list(run(config))
    assert isinstance(events[0], Plan)
    assert all(isinstance(event, Progress) for event in events[1:-1])
    done = events[-1]
    assert isinstance(done, Done)
    assert isinstance(done.result, Detected)
    return done


def assert_same(got: Detections, wanted: Detections, *, within: float) -> None:
    assert [got.label(i) for i in range(len(got))] == [wanted.label(i) for i in range(len(wanted))]
    np.testing.assert_allclose(got.boxes, wanted.boxes, atol=within)
    assert wanted.scores is not None
    if got.scores is not None:
        np.testing.assert_allclose(got.scores, wanted.scores, atol=1e-4)


def test_every_format_reads_back_as_it_was_found(detector: Path, photos: Path, tmp_path: Path) -> None:
    done = found_in(detector, tmp_path, photos, formats=("json", "voc", "coco", "yolo"))
    result = done.result
    assert result.labels == CLASSES
    assert [Path(name).name for name in result.found] == ["s0-00.png", "s0-01.png", "wide.jpg"]
    assert result.failed == {}
    assert all(len(boxes) > 0 for boxes in result.found.values())
    assert set(done.files) == {"pictures", "voc", "coco", "yolo", "json"}
    everything = json.loads((tmp_path / "detections.json").read_text(encoding="utf-8"))
    assert everything["labels"] == list(CLASSES)
    coco = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    assert len({annotation["id"] for annotation in coco["annotations"]}) == len(coco["annotations"])
    assert min(annotation["id"] for annotation in coco["annotations"]) == 1
    assert (tmp_path / "yolo" / "classes.txt").read_text().split() == list(CLASSES)
    for number, (name, boxes) in enumerate(result.found.items(), start=1):
        stem = Path(name).stem
        assert boxes.size is not None
        one = everything["pictures"][number - 1]
        assert one["file"] == name
        rows = one["boxes"]
        from_json = Detections.of(
            [row["box"] for row in rows], [row["class"] for row in rows], CLASSES, scores=[row["score"] for row in rows]
        )
        assert_same(from_json, boxes, within=1e-3)
        assert_same(from_voc((tmp_path / "voc" / f"{stem}.xml").read_bytes(), CLASSES), boxes, within=1e-3)
        assert_same(from_yolo((tmp_path / "yolo" / f"{stem}.txt").read_text(), CLASSES, boxes.size), boxes, within=1e-3)
        own = [annotation for annotation in coco["annotations"] if annotation["image_id"] == number]
        assert_same(from_coco(own, categories, size=boxes.size), boxes, within=1e-3)
        with Image.open(tmp_path / "pictures" / f"{stem}.png") as picture:
            assert min(picture.size) >= 37


def test_boxes_lie_on_their_photo_and_above_the_score(detector: Path, photos: Path, tmp_path: Path) -> None:
    low, high = (found_in(detector, tmp_path / str(score), photos, score=score) for score in (0.05, 0.3))
    for name, boxes in low.result.found.items():
        assert boxes.size is not None
        assert boxes.scores is not None
        h, w = boxes.size
        assert (boxes.boxes >= 0).all()
        assert (boxes.boxes <= [w, h, w, h]).all()
        assert (boxes.scores >= 0.05).all()
        surer = high.result.found[name].scores
        assert surer is not None
        assert (surer >= 0.3).all()
        assert len(surer) <= len(boxes)


def test_a_broken_file_is_told_and_the_others_go_on(detector: Path, photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no more")
    done = found_in(detector, tmp_path / "out", photos / "wide.jpg", broken, tmp_path / "gone.jpg")
    assert list(done.result.found) == [str(photos / "wide.jpg")]
    assert set(done.result.failed) == {str(broken), str(tmp_path / "gone.jpg")}
    said = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert {Path(one["file"]).name for one in said["failed"]} == {"broken.png", "gone.jpg"}


def test_photos_of_one_name_do_not_overwrite_each_other(detector: Path, photos: Path, tmp_path: Path) -> None:
    for folder in ("a", "B"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "wide.jpg").write_bytes((photos / "wide.jpg").read_bytes())
    found_in(detector, tmp_path / "out", tmp_path / "a", tmp_path / "B", formats=("voc",))
    assert sorted(path.name for path in (tmp_path / "out" / "voc").iterdir()) == ["wide-2.xml", "wide.xml"]
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 2
    assert not (tmp_path / "out" / "detections.json").exists()


def test_no_pictures_where_none_are_wanted(detector: Path, photos: Path, tmp_path: Path) -> None:
    done = found_in(detector, tmp_path / "out", photos / "wide.jpg", pictures=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.json"]
    assert set(done.files) == {"json"}


def test_stopped_after_a_photo_what_was_found_is_kept(detector: Path, photos: Path, tmp_path: Path) -> None:
    asked = [0]

    def later() -> bool:
        asked[0] += 1
        return asked[0] > 1

    config = DetectConfig(inputs=(str(photos),), network=str(detector), out=tmp_path)
    done = list(run(config, should_stop=later))[-1]
    assert isinstance(done, Done)
    assert done.result.stopped
    assert len(done.result.found) == 1
    assert json.loads((tmp_path / "detections.json").read_text())["stopped"] is True


def film(path: Path, frames: int = 7) -> Path:
    """A square that moves, as a film of OpenCV."""
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no films")
    for number in range(frames):
        picture = np.full((64, 96, 3), 60, np.uint8)
        picture[20:40, 8 * number : 8 * number + 20] = (250, 20, 20)  # blue, for OpenCV
        writer.write(picture)
    writer.release()
    return path


def test_the_frames_of_a_film(detector: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "walk.avi")
    frames = list(read_frames(str(path), every=3))
    assert [frame.number for frame in frames] == [0, 3, 6]
    assert frames[0].pixels.shape == (64, 96, 3)
    assert frames[0].pixels[30, 10].argmax() == 2  # red, green, blue: it is blue
    assert len(list(read_frames(str(path), most=2))) == 2
    done = found_in(detector, tmp_path / "out", path, every=3)
    assert list(done.result.found) == [f"{path}#{number}" for number in (0, 3, 6)]
    assert all(boxes.size == (64, 96) for boxes in done.result.found.values())
    assert len(list((tmp_path / "out" / "frames" / "walk").glob("frame*.png"))) == 3
    found_in(detector, tmp_path / "out", path, frames=2)
    assert len(list((tmp_path / "out" / "frames" / "walk").iterdir())) == 2
    assert [file.suffix for file in (tmp_path / "out").iterdir() if file.stem == "walk"]


@pytest.mark.parametrize("formats", [("voc",), ("yolo",), ("coco",)])
def test_boxes_of_frames_reach_every_format(detector: Path, tmp_path: Path, formats: Any) -> None:
    path = film(tmp_path / "walk.avi", frames=2)
    found_in(detector, tmp_path / "out", path, formats=formats, pictures=False)
    if formats == ("coco",):
        document = json.loads((tmp_path / "out" / "coco.json").read_text())
        assert len(document["images"]) == 2
    else:
        suffix = {"voc": "xml", "yolo": "txt"}[formats[0]]
        files = sorted(path.name for path in (tmp_path / "out" / formats[0]).glob(f"walk*.{suffix}"))
        assert files == [f"walk-000000.{suffix}", f"walk-000001.{suffix}"]


def test_refusals(detector: Path, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(DataError, match=r"no\.mp4: no such file"):
        list(read_frames(str(tmp_path / "no.mp4")))
    (tmp_path / "torn.mp4").write_bytes(b"no film")
    with pytest.raises(DataError, match=r"torn\.mp4: no film that can be read"):
        list(read_frames(str(tmp_path / "torn.mp4")))
    path = film(tmp_path / "walk.avi", frames=1)
    with pytest.raises(DataError, match=r"larger than 0\.001 megapixels"):
        list(read_frames(str(path), max_megapixels=0.001))
    assert is_stream("camera")
    assert not is_stream("camera.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        found_in(detector, tmp_path / "file" / "out", photos)
    with pytest.raises(DataError, match=r"gone\.jpg"):
        found_in(detector, tmp_path / "out", tmp_path / "gone.jpg")
    with pytest.raises(ConfigError, match="names pictures and finds no boxes"):
        found_in(_classifier(tmp_path), tmp_path / "out", photos)
    assert not (tmp_path / "out" / "detections.json").exists()


def _classifier(folder: Path) -> Path:
    from striate.data import Labels, Preprocessing
    from striate.models import create_model
    from striate.weights import NativeMetadata, save_native

    module = create_model("squeezenet1_1", num_classes=2)
    said = NativeMetadata("squeezenet1_1", "small", "trained", preprocessing=Preprocessing(), labels=Labels(("a", "b")))
    return save_native(folder / "names.safetensors", dict(module.state_dict()), metadata=said)

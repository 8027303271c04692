"""`recipes.detect_stages`: events, files, truth from a file, from a data set and from the run's own, and refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.data.convert_boxes import convert_boxes
from striate.data.detections import Detections
from striate.data.voc_xml import to_voc
from striate.data.yolo_text import to_yolo
from striate.errors import ConfigError, DataError
from striate.recipes import detect_stages, photo_truth
from striate.recipes.detect_stages import StagesConfig, run
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.photo_truth import read_truth, truth_of_run
from striate.report import stage_parts, stages_of
from tests.detection.shapes import CLASSES, shape_picture, shape_set
from tests.detection.test_looking import small_network


@pytest.fixture(autouse=True)
def small_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings of 256 px take a tenth of the time."""
    for module in (stage_parts, stages_of):
        monkeypatch.setattr(module, "SIDE_PX", 256)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(detect_stages, "load", lambda _: small_network("faster_rcnn"))
    path = tmp_path / "a <b>photo.png"
    Image.fromarray(shape_picture(3, side=96)[0]).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A VOC data set of five pictures."""
    pictures = shape_set(5, side=96, folder=tmp_path / "png")
    for _ in convert_boxes(
        {"train": pictures.subset([0, 1, 2]), "val": pictures.subset([3, 4])}, tmp_path / "set", "voc"
    ):
        pass
    return tmp_path / "set"


def follow(photo: Path, **more: Any) -> tuple[list[Any], Done]:
    events = list(run(StagesConfig(photo=photo, network="small", out=photo.parent / "out", **more)))
    return events, events[-1]


def test_events_and_files(photo: Path) -> None:
    events, done = follow(photo, score=0.01)
    [plan] = [event for event in events if isinstance(event, Plan)]
    assert plan.text == "Follow a <b>photo.png through faster_rcnn, stage by stage."
    assert [event.stage for event in events if isinstance(event, Progress)][-2:] == ["drawing", "writing the page"]
    report = done.result.report
    assert report.objects is None
    page = done.files["report"].read_text(encoding="utf-8")
    assert "a &lt;b&gt;photo.png" in page
    document = json.loads(done.files["json"].read_text(encoding="utf-8"))
    assert document["remaining"][-1] == {
        "step": "answer",
        "count": len(report.found),
        "why": "with a score of at least .01",
    }
    assert len(document["found"]) == len(report.found)
    assert [one["key"] for one in document["stages"]] == [one.key for one in report.stages]
    assert document["provenance"]["command"].endswith("--network small --stages --score 0.01")
    drawn = sorted(path.name for path in done.files["pictures"].iterdir())
    assert len(drawn) == 1 + sum(len(one.pictures) + len(one.regions) for one in report.stages)
    assert "01-canvas-photo.png" in drawn
    assert "answer.png" in drawn
    with Image.open(done.files["pictures"] / "01-canvas-photo.png") as picture:
        assert max(picture.size) == 256


def test_without_pictures(photo: Path) -> None:
    _, done = follow(photo, pictures=False)
    assert set(done.files) == {"report", "json"}


def test_the_folder_has_a_name_of_its_own() -> None:
    config = StagesConfig(photo=Path("x y/my cat.jpg"), network="runs/detect/yolo-1")
    assert config.folder == Path("striate-out/detect/my_cat-yolo-1-stages")


@pytest.mark.parametrize("kind", ["xml", "txt"])
def test_truth_from_a_file(photo: Path, kind: str) -> None:
    truth = shape_picture(3, side=96)[1]
    path = photo.with_suffix(f".{kind}")
    path.write_text(to_voc(truth, filename="x.png") if kind == "xml" else to_yolo(truth), encoding="utf-8")
    events, done = follow(photo, truth=path)
    assert next(e for e in events if isinstance(e, Plan)).text.endswith(
        f"; {len(truth)} object{'s' * (len(truth) > 1)} marked on it."
    )
    assert done.result.report.objects == len(truth)
    np.testing.assert_allclose(read_truth(path, photo, CLASSES, (96, 96)).boxes, truth.boxes, atol=1e-3)


def test_truth_from_a_data_set(data: Path, tmp_path: Path) -> None:
    photo = next(path for path in (data / "JPEGImages").iterdir() if "003" in path.stem)
    truth = shape_picture(3, side=96)[1]
    np.testing.assert_allclose(read_truth(data, photo, CLASSES, (96, 96)).boxes, truth.boxes, atol=1e-3)
    copy = tmp_path / photo.name
    copy.write_bytes(photo.read_bytes())
    assert len(read_truth(data, copy, CLASSES, (96, 96))) == len(truth)  # by its name
    more = read_truth(data, photo, ("zebra", *CLASSES), (96, 96))
    assert [more.label(row) for row in range(len(more))] == [truth.label(row) for row in range(len(truth))]


def test_truth_of_the_runs_own_data(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Run:
        def __init__(self, path: Path) -> None:
            self.path = path

        def exists(self) -> bool:
            return True

        def config(self) -> dict[str, str]:
            return {"data": str(data)}

    monkeypatch.setattr(photo_truth, "RunFolder", Run)
    photo = next(iter((data / "JPEGImages").iterdir()))
    found = truth_of_run(str(tmp_path), photo, CLASSES)
    assert found is not None
    assert found[1] == data
    assert truth_of_run(str(tmp_path), tmp_path / "png" / "000.png", CLASSES) is None
    assert truth_of_run("no-such-run", photo, CLASSES) is None


def test_refusals(photo: Path, data: Path, tmp_path: Path) -> None:
    size = (96, 96)
    xml = tmp_path / "truth.xml"
    xml.write_text(to_voc(Detections.of([[1, 1, 9, 9]], [0], ["disc"]), filename="x", size=size), encoding="utf-8")
    with pytest.raises(DataError, match=r"truth\.xml: .*line \d+: 'disc' is none of the 3 classes"):
        read_truth(xml, photo, CLASSES, size)
    xml.write_text(to_voc(Detections.of([[1, 1, 9, 9]], [0], ["disk"]), filename="x", size=(50, 70)), encoding="utf-8")
    with pytest.raises(DataError, match=r"is of a picture of 70 × 50 px; .* has 96 × 96\. Give the boxes"):
        read_truth(xml, photo, CLASSES, size)
    txt = tmp_path / "truth.txt"
    txt.write_text("7 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"truth\.txt: .*class 7, but there are 3"):
        read_truth(txt, photo, CLASSES, size)
    with pytest.raises(DataError, match="no such file or folder"):
        read_truth(tmp_path / "nowhere", photo, CLASSES, size)
    with pytest.raises(DataError, match=r"has no picture a <b>photo\.png"):
        read_truth(data, photo, CLASSES, size)
    with pytest.raises(DataError, match="is none of the detector's"):
        read_truth(data, next(iter((data / "JPEGImages").iterdir())), ("zebra", "gnu"), size)
    with pytest.raises(DataError, match="is a film or camera"):
        follow(tmp_path / "film.mp4")
    (tmp_path / "out").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match="cannot write to"):
        follow(photo)


def test_a_network_that_names_pictures_is_refused(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_stages, "load", lambda _: striate.load("efficientnet_lite0"))
    with pytest.raises(ConfigError, match="names pictures and finds no boxes"):
        follow(photo)

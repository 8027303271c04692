"""Scenes on the disk: what is written opens as what was painted, and says how it was made."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from striate.data.box_opening import open_boxes
from striate.data.scene_files import SceneFiles
from striate.data.scene_settings import SceneSettings
from striate.data.scenes import SceneMaker, build_scenes
from striate.errors import ConfigError, DataError
from striate.recipes.data_scenes import DataScenesConfig, run
from striate.recipes.events import Done, Plan, Progress

SMALL = {"size": (64, 80), "train": 6, "val": 2, "test": 3}


@pytest.fixture
def coins(tmp_path: Path) -> Path:
    for number, name in enumerate(("copper", "silver")):
        folder = tmp_path / "coins" / name
        folder.mkdir(parents=True)
        for shade in range(4):
            coin = Image.new("RGBA", (40, 40))
            ImageDraw.Draw(coin).ellipse((2, 2, 37, 37), fill=(60 + 60 * number, 40 * shade, 90, 255))
            coin.save(folder / f"{shade}.png")
    return tmp_path / "coins"


@pytest.mark.parametrize("layout", ["voc", "coco", "yolo"])
def test_what_is_written_is_what_was_painted(tmp_path: Path, layout: str) -> None:
    events = list(run(DataScenesConfig(out=tmp_path / "scenes", to=layout, form="png", **SMALL)))
    assert isinstance(events[0], Plan)
    assert any(isinstance(event, Progress) for event in events)
    done = events[-1]
    assert isinstance(done, Done)
    opened = open_boxes(tmp_path / "scenes")
    assert {part: len(boxes) for part, boxes in opened.items()} == {"train": 6, "val": 2, "test": 3}
    for part, boxes in opened.items():
        settings = SceneSettings(size=(64, 80))
        own = build_scenes(len(boxes), part=part, settings=settings)
        for index in range(len(boxes)):
            number = int(Path(boxes.name(index)).stem.rpartition("-")[2])
            np.testing.assert_array_equal(boxes.truth[index].boxes, own.truth[number].boxes)
            np.testing.assert_array_equal(boxes.pixels(index), own.pixels(number))
    made = yaml.safe_load((tmp_path / "scenes" / "scenes.yaml").read_text(encoding="utf-8"))
    assert made["settings"]["size"] == [64, 80]
    assert not list(tmp_path.glob(".scenes*"))


def test_unseen_sprites_are_a_set_of_their_own(tmp_path: Path, coins: Path) -> None:
    config = DataScenesConfig(out=tmp_path / "a", to="coco", sprites=coins, unseen=0.25, **SMALL)
    done = list(run(config))[-1]
    assert isinstance(done, Done)
    assert done.files == {"data": tmp_path / "a", "unseen": tmp_path / "a-unseen"}
    assert {part: len(boxes) for part, boxes in open_boxes(tmp_path / "a-unseen").items()} == {"test": 3}
    assert set(open_boxes(tmp_path / "a")) == {"train", "val", "test"}


def test_any_number_of_processes_writes_the_same_files(tmp_path: Path) -> None:
    maker = SceneMaker(settings=SceneSettings(size=(48, 48), objects=(1, 2)))
    painters = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        painters.append(SceneFiles(maker, 33, folder))
        assert list(painters[-1].paint(workers=workers))[-1] == 33
    for number, (one, other) in enumerate(zip(*(painter.truth for painter in painters), strict=True)):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        name = f"train-{number:06d}.jpg"
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_nothing_is_left_behind_where_the_second_set_cannot_be_written(
    tmp_path: Path, coins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(target: Path, config: DataScenesConfig) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("striate.recipes.data_scenes._describe", fail)
    with pytest.raises(DataError, match="cannot be written"):
        list(run(DataScenesConfig(out=tmp_path / "a", sprites=coins, **SMALL)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coins"]


def test_refusals(tmp_path: Path, coins: Path) -> None:
    with pytest.raises(ConfigError, match="none are wanted"):
        list(run(DataScenesConfig(out=tmp_path / "a", train=0, val=0, test=0)))
    with pytest.raises(ConfigError, match="the built-in shapes are drawn anew"):
        list(run(DataScenesConfig(out=tmp_path / "a", unseen=0.2)))
    with pytest.raises(DataError, match="exists already"):
        list(run(DataScenesConfig(out=coins)))
    with pytest.raises(ConfigError, match="size must be from 16"):
        list(run(DataScenesConfig(out=tmp_path / "a", size=(4, 4))))
    with pytest.raises(DataError, match="no such file or folder"):
        list(run(DataScenesConfig(out=tmp_path / "a", backgrounds=tmp_path / "none")))
    assert not (tmp_path / "a").exists()

"""Copy-paste scenes with exact boxes, written as VOC, COCO or YOLO have them."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

import striate
from striate.data.box_set import BoxSet
from striate.data.convert import check_target
from striate.data.convert_boxes import convert_boxes
from striate.data.files import printable
from striate.data.problem import Problem
from striate.data.scene_backgrounds import PhotoBackgrounds, read_backgrounds
from striate.data.scene_files import PictureFormat, SceneFiles
from striate.data.scene_pictures import PictureSprites, read_sprites
from striate.data.scene_settings import SceneSettings, Shift, settings_of
from striate.data.scene_shapes import ShapeSprites
from striate.data.scene_sprites import SpriteSource
from striate.data.scenes import SceneMaker
from striate.errors import ConfigError, DataError
from striate.recipes.events import Done, Event, Plan, Progress

__all__ = ["DataScenesConfig", "run"]


class DataScenesConfig(BaseModel):
    """Which scenes, of what, and where they go; `SceneSettings` says what most of it means.

    Attributes:
        out: The folder; it must not exist.
        to: Its layout.
        sprites: A folder of objects; the ten built-in shapes by default.
        classes_by: Whether the folder's name or the file's is the class.
        backgrounds: A folder of photos; grounds from formulas by default.
        train: Scenes for training.
        val: Scenes for validation.
        test: Scenes for test.
        unseen: Share of each class's sprites that only scenes of the folder `OUT-unseen` have, as many as `test`.
        shift: How far test scenes are from training.
        size: Sides of a scene in pixels, height and width.
        objects: How many objects are tried.
        scale: Longer side of an object as a share of the scene's shorter side.
        rotation: Degrees to either side.
        flip: Share of objects that are mirrored.
        min_visible: Least share of an object that must be visible.
        hidden: What happens to the others.
        difficult_below: Share under which an object is marked as difficult.
        extent: Whether boxes hold what is seen or the whole object.
        form: `jpg` or `png`.
        seed: Another seed gives other scenes.
        workers: Processes; as many as there are cores by default, one for less than 200 scenes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    to: Literal["voc", "coco", "yolo"] = "voc"
    sprites: Path | None = None
    classes_by: Literal["folder", "file"] = "folder"
    backgrounds: Path | None = None
    train: int = Field(default=1000, ge=0, le=10_000_000)
    val: int = Field(default=100, ge=0, le=10_000_000)
    test: int = Field(default=200, ge=0, le=10_000_000)
    unseen: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    shift: Shift = "mild"
    size: tuple[int, int] = (320, 320)
    objects: tuple[int, int] = (2, 7)
    scale: tuple[float, float] = (0.14, 0.40)
    rotation: float = 25.0
    flip: float = 0.5
    min_visible: float = 0.6
    hidden: Literal["not placed", "not labeled"] = "not placed"
    difficult_below: float = 0.35
    extent: Literal["visible", "full"] = "visible"
    form: PictureFormat = "jpg"
    seed: int = Field(default=0, ge=0)
    workers: int | None = Field(default=None, ge=1, le=256)

    @property
    def settings(self) -> SceneSettings:
        """What training scenes look like."""
        return SceneSettings(
            size=self.size, objects=self.objects, scale=self.scale, rotation=self.rotation, flip=self.flip,
            min_visible=self.min_visible, hidden=self.hidden, difficult_below=self.difficult_below, extent=self.extent,
        )  # fmt: skip

    @property
    def counts(self) -> dict[str, int]:
        """How many scenes each part has; parts without scenes are left out."""
        every = {"train": self.train, "val": self.val, "test": self.test, "unseen": self.test if self.unseen else 0}
        return {part: count for part, count in every.items() if count}


def run(config: DataScenesConfig) -> Iterator[Event]:
    """Write scenes: yields a `Plan`, `Progress`, then `Done` with a `BoxSet` for each part.

    Raises:
        ConfigError: If a setting cannot be, or no scene is wanted.
        DataError: If sprites or photos cannot be read, or the folder exists or cannot be written; nothing is left
            behind then.
    """
    counts, targets = config.counts, _targets(config)
    own = {part: settings_of(part, config.settings, shift=config.shift) for part in counts}
    if not counts:
        raise ConfigError("scenes: none are wanted; give train, val or test a number above 0.")
    for target in targets.values():
        check_target(target, config.sprites or target)
    sprites, backgrounds, problems = _ingredients(config)
    total = sum(counts.values())
    words = ", ".join(f"{part} {count:,}" for part, count in counts.items())
    ground = "photos" if backgrounds else "textures"
    yield Plan(
        f"Make {total:,} scenes ({words}) of {config.size[1]} × {config.size[0]} pixels: {sprites.describe()} on "
        f"{ground}, as {config.to.upper()}."
    )
    staging = config.out.absolute().with_name(f".{config.out.name}.{os.getpid()}.scenes")
    begun: list[Path] = []  # written, and taken back if a later one fails
    try:
        staging.mkdir(parents=True)
        sets: dict[str, BoxSet] = {}
        done = 0
        for part, count in counts.items():
            maker = SceneMaker(sprites, own[part], part, config.seed, backgrounds)
            painter = SceneFiles(maker, count, staging, config.form)
            for ready in painter.paint(workers=_workers(config, count)):
                yield Progress("Painting scenes", done + ready, total)
            done += count
            sets[part] = painter.boxes()
        for name, target in targets.items():
            wanted = {part: boxes for part, boxes in sets.items() if (part == "unseen") == (name == "unseen")}
            renamed = {"test" if part == "unseen" else part: boxes for part, boxes in wanted.items()}
            problems += yield from _written(renamed, target, config)
            begun.append(target)
            _describe(target, config)
        begun.clear()
    except OSError as error:
        raise DataError(f"{printable(config.out)}: cannot be written ({error.strerror or error}).") from error
    finally:
        for folder in (staging, *begun):
            shutil.rmtree(folder, ignore_errors=True)
    yield Done((sets, tuple(problems)), config.out, targets)


def _targets(config: DataScenesConfig) -> dict[str, Path]:
    """Every folder that will be written; scenes of unseen sprites are a set of their own, with a test part alone."""
    counts = config.counts
    targets = {"data": config.out} if set(counts) - {"unseen"} else {}
    if "unseen" in counts:
        targets["unseen"] = config.out.with_name(f"{config.out.name}-unseen")
    return targets


def _ingredients(config: DataScenesConfig) -> tuple[SpriteSource, PhotoBackgrounds | None, list[Problem]]:
    problems: list[Problem] = []
    sprites: SpriteSource
    if config.sprites is None:
        if config.unseen:
            raise ConfigError(
                "scenes: unseen sets sprites aside, and the built-in shapes are drawn anew for every scene."
            )
        sprites = ShapeSprites()
    else:
        found: PictureSprites = read_sprites(
            config.sprites, classes_by=config.classes_by, unseen=config.unseen, seed=config.seed
        )
        problems += found.problems
        sprites = found
    backgrounds = None
    if config.backgrounds is not None:
        backgrounds = read_backgrounds(config.backgrounds, parts=tuple(config.counts), seed=config.seed)
        problems += backgrounds.problems
    return sprites, backgrounds, problems


def _written(sets: dict[str, BoxSet], target: Path, config: DataScenesConfig) -> Generator[Event, None, list[Problem]]:
    """The sets in their layout; gives what it has no place for."""
    writing = convert_boxes(sets, target, config.to)
    while True:
        try:
            done, total = next(writing)
        except StopIteration as stop:
            problems: list[Problem] = list(stop.value)
            break
        if done % 100 == 0:
            yield Progress(f"Writing {config.to.upper()}", done, total)
    return problems


def _describe(target: Path, config: DataScenesConfig) -> None:
    """Beside the scenes, a file that says how they were made."""
    settings = config.model_dump(mode="json", exclude={"workers"})
    made: dict[str, Any] = {"made by": f"striate data scenes, version {striate.__version__}", "settings": settings}
    (target / "scenes.yaml").write_text(yaml.safe_dump(made, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _workers(config: DataScenesConfig, count: int) -> int:
    if config.workers is not None:
        return config.workers
    if count < 200:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Check labeled pictures: open them, read every one, report."""

from collections.abc import Generator, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate.data.box_opening import find_box_layout, open_boxes
from striate.data.box_report import BoxReport
from striate.data.box_set import BoxSet
from striate.data.check_boxes import checking_boxes
from striate.data.check_images import checking_images
from striate.data.data_report import DataReport
from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.opening import open_data
from striate.errors import DataError
from striate.recipes.events import Done, Event, Plan, Progress

__all__ = ["DataCheckConfig", "describe_boxes", "describe_sets", "run"]


class DataCheckConfig(BaseModel):
    """Which pictures, and how.

    Attributes:
        path: What `open_data` or `open_boxes` takes.
        workers: Threads that decode; as many as processors by default.
        max_megapixels: Larger pictures count as unreadable.
        out: Where the report goes as JSON, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    workers: int | None = Field(default=None, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    out: Path | None = None


def run(config: DataCheckConfig) -> Iterator[Event]:
    """Check a set: yields a `Plan`, `Progress`, then `Done` with a `DataReport`, or a `BoxReport` of boxes.

    Raises:
        DataError: If there is nothing to check, or the report cannot be written.
    """
    checking: Generator[tuple[int, int], None, DataReport] | Generator[tuple[int, int], None, BoxReport]
    if find_box_layout(config.path) is not None:
        boxes = open_boxes(config.path)
        yield Plan(f"Check {describe_boxes(boxes)}.")
        checking = checking_boxes(boxes, workers=config.workers, max_megapixels=config.max_megapixels)
        total = sum(map(len, boxes.values()))
    else:
        sets = open_data(config.path)
        yield Plan(f"Check {describe_sets(sets)}.")
        checking = checking_images(sets, workers=config.workers, max_megapixels=config.max_megapixels)
        total = sum(map(len, sets.values()))
    step = max(1, total // 400)
    while True:
        try:
            done, total = next(checking)
        except StopIteration as stop:
            report = stop.value
            break
        if done % step == 0:
            yield Progress("Reading pictures", done, total)
        if done == total:
            yield Progress("Looking for pictures that are alike", 0, None)
    files = {}
    if config.out is not None:
        try:
            report.save(config.out)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(f"{printable(config.out)}: the report cannot be written ({reason}).") from error
        files["report"] = config.out
    yield Done(report, config.path, files)


def describe_boxes(sets: dict[str, BoxSet]) -> str:
    """A set with boxes in a few words: its name, layout, pictures, objects, classes and splits."""
    first = next(iter(sets.values()))
    total, classes = sum(map(len, sets.values())), len(first.classes)
    objects = sum(int(boxes.counts().sum()) for boxes in sets.values())
    splits = "" if "all" in sets else f" ({', '.join(f'{name} {len(boxes):,}' for name, boxes in sets.items())})"
    pictures = f"{total:,} picture{'' if total == 1 else 's'}{splits}"
    marked = f"{objects:,} object{'' if objects == 1 else 's'} of {classes:,} class{'' if classes == 1 else 'es'}"
    return f"{printable(first.source)}: {pictures} with {marked}, as {first.kind.upper()}"


def describe_sets(sets: dict[str, ImageSet]) -> str:
    """A set in a few words: its name, pictures, classes and splits."""
    first = next(iter(sets.values()))
    total, classes = sum(map(len, sets.values())), len(first.classes)
    splits = "" if "all" in sets else f" ({', '.join(f'{name} {len(images):,}' for name, images in sets.items())})"
    pictures = f"{total:,} picture{'' if total == 1 else 's'}{splits}"
    return f"{printable(first.source)}: {pictures} in {classes:,} class{'' if classes == 1 else 'es'}"

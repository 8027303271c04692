"""Pictures from one layout to another, labeled or with boxes, divided on the way if that is asked for."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from striate.data.box_opening import find_box_layout, open_boxes
from striate.data.convert import Layout, check_target, convert_sets
from striate.data.convert_boxes import convert_boxes
from striate.data.files import printable
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.data.write_boxes import BoxLayout
from striate.errors import ConfigError
from striate.recipes.data_check import describe_boxes, describe_sets
from striate.recipes.data_split import Division, divide, divide_boxes
from striate.recipes.events import Done, Event, Plan, Progress

__all__ = ["DataConvertConfig", "run"]


class DataConvertConfig(Division):
    """Which pictures, and into what.

    Attributes:
        path: What `open_data` or `open_boxes` takes.
        to: The layout; `voc`, `coco` and `yolo` are for boxes, the others for labels.
        out: Where it goes; `NAME-LAYOUT` in the current folder by default.
    """

    path: Path
    to: Layout | BoxLayout = Field()
    out: Path | None = None

    @property
    def target(self) -> Path:
        """The folder, or for npz the file, that is written."""
        name = self.path.absolute().name
        return self.out or Path(f"{Path(name).stem}.npz" if self.to == "npz" else f"{Path(name).stem}-{self.to}")


def run(config: DataConvertConfig) -> Iterator[Event]:
    """Convert a set: yields a `Plan`, `Progress`, then `Done` with what could not be kept.

    Raises:
        ConfigError: If the shares or the pattern cannot be, or the layout is not for what there is.
        DataError: If it cannot be read or written; nothing is left behind then.
    """
    found: tuple[Problem, ...] = ()
    match config.to:
        case "voc" | "coco" | "yolo" as layout:
            boxes = open_boxes(config.path)
            check_target(config.target, config.path)
            boxes = divide_boxes(boxes, config)
            found = tuple(problem for each in boxes.values() for problem in each.problems)
            yield Plan(f"Convert {describe_boxes(boxes)}, to {layout}.")
            converting, total = convert_boxes(boxes, config.target, layout), sum(map(len, boxes.values()))
        case layout:
            if find_box_layout(config.path) is not None:
                source = printable(config.path)
                raise ConfigError(f"{source} has boxes, for which {layout} has no place; use voc, coco or yolo.")
            sets = open_data(config.path)
            check_target(config.target, config.path)
            sets = divide(sets, config)
            yield Plan(f"Convert {describe_sets(sets)}, to {layout}.")
            converting, total = convert_sets(sets, config.target, layout), sum(map(len, sets.values()))
    step = max(1, total // 400)
    while True:
        try:
            done, total = next(converting)
        except StopIteration as stop:
            problems = (*found, *stop.value)
            break
        if done % step == 0:
            yield Progress("Writing pictures", done, total)
    yield Done(problems, config.target, {"data": config.target})

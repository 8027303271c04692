"""From what the readers of VOC, COCO and YOLO found to sets of one kind: classes in one order, boxes that can be used.

Classes are those of `classes.txt`, or of the format's own list, or else the names that training has, sorted. An object
of a class that is none of these is left out and named, with the nearest class that there is: a name that is spelled
otherwise in one split is the commonest silent fault of detection data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.data.box_rules import Mark, MarkedPicture, settle_marks
from striate.data.box_set import BoxSet
from striate.data.class_names import class_order
from striate.data.detections import Detections
from striate.data.files import printable
from striate.data.problem import Problem
from striate.data.stores import FileStore
from striate.errors import DataError, nearest

__all__ = ["BoxSource", "assemble"]

_ROUNDING_PX = 2.0**-20  # what is left of 0.3 − 0.6 ÷ 2; no format would bring it back
_SPLITS = ("all", "train", "val", "test")


@dataclass(slots=True)
class BoxSource:
    """What a reader found.

    Attributes:
        path: What was opened.
        kind: `voc`, `coco` or `yolo`.
        root: The folder from which the pictures' paths start.
        classes: The format's own list of classes, or None: the names that objects have.
        parts: The pictures of every split.
        problems: What was wrong with whole files.
    """

    path: Path
    kind: str
    root: Path
    classes: Sequence[str] | None = None
    parts: dict[str, list[MarkedPicture]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def assemble(source: BoxSource) -> dict[str, BoxSet]:
    """The sets of a source: `all`, or `train`, `val` and `test` as far as there are.

    Raises:
        DataError: If there is no picture, or no object of any class.
    """
    parts = {split: source.parts[split] for split in _SPLITS if source.parts.get(split)}
    if not parts:
        first = "" if not source.problems else f" The first that was left out: {source.problems[0]}."
        raise DataError(f"{printable(source.path)}: no picture with boxes that can be read.{first}")
    problems = source.problems
    settled = {split: [settle_marks(picture, problems) for picture in pictures] for split, pictures in parts.items()}
    classes = _classes(source, settled)
    sets: dict[str, BoxSet] = {}
    for split, pictures in parts.items():
        truth = _truth(pictures, settled[split], split if "train" in parts else "", classes, problems)
        store = FileStore(source.root, tuple(picture.path for picture in pictures))
        sets[split] = BoxSet(classes, tuple(truth), store, source.path, source.kind)
    first_split = next(iter(sets))
    first_set = sets[first_split]
    sets[first_split] = BoxSet(  # each once: with the first part
        classes, first_set.truth, first_set.store, source.path, source.kind, tuple(problems)
    )
    return sets


def _classes(source: BoxSource, settled: Mapping[str, Iterable[Sequence[Mark]]]) -> tuple[str, ...]:
    if source.classes is not None:
        return tuple(source.classes)
    learned = settled.get("train") or next(iter(settled.values()))
    found = {mark.label for marks in learned for mark in marks if mark.label}
    if not found:
        raise DataError(
            f"{printable(source.path)}: no object on any of the pictures that are learned from, so that there are no "
            "classes; name them in a file classes.txt beside the data if that is right."
        )
    return class_order(found)


def _truth(
    pictures: Sequence[MarkedPicture],
    settled: Sequence[Sequence[Mark]],
    split: str,
    classes: tuple[str, ...],
    problems: list[Problem],
) -> Iterable[Detections]:
    position = {name: number for number, name in enumerate(classes)}
    for picture, marks in zip(pictures, settled, strict=True):
        known = [mark for mark in marks if mark.label in position]
        if len(known) < len(marks):
            problems += [_unknown(mark, picture, split, classes) for mark in marks if mark.label not in position]
        boxes = np.array([mark.corners for mark in known], dtype=np.float32).reshape(-1, 4)
        boxes[boxes < _ROUNDING_PX] = 0
        sides = boxes[:, 2:] - boxes[:, :2]
        areas = sides[:, 0] * sides[:, 1]
        for row, mark in enumerate(known):
            if mark.area is not None:
                areas[row] = mark.area
        truth = Detections(
            boxes=boxes,
            classes=np.array([position[mark.label] for mark in known], dtype=np.int64),
            labels=classes,
            scores=None,
            size=picture.header.upright,
            difficult=np.array([mark.difficult for mark in known], dtype=np.bool_),
            crowd=np.array([mark.crowd for mark in known], dtype=np.bool_),
            areas=areas,
        )
        thin = (sides <= 0).any(1)  # a box far from 0 and thinner than what single precision resolves there
        if thin.any():
            problems += [
                Problem("bad-box", picture.locate(known[row].at), "a box without area; it was left out")
                for row in np.flatnonzero(thin).tolist()
            ]
            truth = truth.pick(~thin)
        yield truth


def _unknown(mark: Mark, picture: MarkedPicture, split: str, classes: tuple[str, ...]) -> Problem:
    where = picture.locate(mark.at)
    if not mark.label:
        return Problem("unknown-class", where, "an object without a class; it was left out")
    near = nearest(mark.label, classes)
    if split not in {"", "train"}:
        text = f"'{mark.label}' is a class that train does not have ({split} has it). {near} It was left out"
        return Problem("class-not-in-train", where, text)
    return Problem("unknown-class", where, f"'{mark.label}' is none of the {len(classes)} classes. {near} Left out")

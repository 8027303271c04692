"""Pictures with boxes from one layout to another, whole or not at all; what the other one has no place for is said.

Everything is written into a hidden folder beside the target and opened again, as anybody else would open it. Only where
that gives the same boxes, to the last bit of single precision, the folder gets its name.
"""

import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.data.convert import check_target
from striate.data.files import printable
from striate.data.problem import Problem
from striate.data.write_boxes import BoxLayout, write_coco, write_voc, write_yolo
from striate.errors import DataError

__all__ = ["convert_boxes"]


def convert_boxes(
    sets: Mapping[str, BoxSet], out: Path, layout: BoxLayout
) -> Generator[tuple[int, int], None, tuple[Problem, ...]]:
    """Write sets in another layout; yields how many pictures are done, of how many.

    Args:
        sets: What `open_boxes` or `split_boxes` gives.
        out: A folder; it must not exist.
        layout: Which.

    Returns:
        What could not be kept.

    Raises:
        DataError: If `out` exists or lies inside the source, a picture cannot be read, the disk is full, or what was
            written does not open as the same boxes. Nothing is left behind then.
    """
    check_target(out, next(iter(sets.values())).source)
    filled = {split: boxes for split, boxes in sets.items() if len(boxes)}
    problems = tuple(_lost(filled, layout, out))
    total = sum(map(len, filled.values()))
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for done, _ in enumerate(_writer(filled, part, layout), start=1):
            yield done, total
        _compare(filled, part, out)
        part.rename(out)
    except OSError as error:
        raise DataError(
            f"{printable(out)}: cannot be written ({(error.strerror or str(error)).lower()}); nothing was kept."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return problems


def _writer(sets: Mapping[str, BoxSet], target: Path, layout: BoxLayout) -> Iterator[None]:
    match layout:
        case "voc":
            return write_voc(sets, target)
        case "coco":
            return write_coco(sets, target)
        case "yolo":
            return write_yolo(sets, target)


def _lost(sets: Mapping[str, BoxSet], layout: BoxLayout, out: Path) -> Iterator[Problem]:
    """What a layout has no place for, counted."""
    every = [truth for boxes in sets.values() for truth in boxes.truth]
    areas = 0
    for truth in every:
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        areas += int((sides[:, 0] * sides[:, 1] != truth.areas).sum())
    counts = {
        "marks 'difficult'": sum(int(truth.difficult.sum()) for truth in every) if layout == "yolo" else 0,
        "marks 'crowd'": sum(int(truth.crowd.sum()) for truth in every) if layout != "coco" else 0,
        "areas of outlines": areas if layout != "coco" else 0,
    }
    for what, count in counts.items():
        if count:
            text = f"{layout} has no place for {what}; {count:,} were not kept"
            yield Problem("not-kept", printable(out), text)


def _compare(sets: Mapping[str, BoxSet], target: Path, out: Path) -> None:
    """Open what was written: the same classes and boxes must come back."""
    try:
        back = open_boxes(target)
    except DataError as error:
        raise DataError(
            f"{printable(out)}: what was written does not open again ({error}); nothing was kept."
        ) from None
    for split, boxes in sets.items():
        found = back.get(split)
        if found is None or len(found) != len(boxes) or found.classes != boxes.classes:
            what = "pictures" if found is not None and found.classes == boxes.classes else "classes"
            raise DataError(f"{printable(out)}: {split} would not come back with the same {what}; nothing was kept.")
        ours = sorted(_words(truth.boxes, truth.classes) for truth in boxes.truth)
        theirs = sorted(_words(truth.boxes, truth.classes) for truth in found.truth)
        if ours != theirs:
            raise DataError(
                f"{printable(out)}: {split} would not come back with the same boxes; check them first with 'striate "
                "data check'. Nothing was kept."
            )


def _words(boxes: NDArray[np.float32], classes: NDArray[np.int64]) -> bytes:
    return np.concatenate([boxes.view(np.int32), classes.astype(np.int32)[:, None]], axis=1).tobytes()

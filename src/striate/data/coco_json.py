"""COCO's JSON: read item by item with the line of each, written for one picture or a whole set.

    {"images":      [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],
     "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [x, y, w, h], "area": …, "iscrowd": 0}],
     "categories":  [{"id": 3, "name": "cat"}]}

`bbox` is the upper left corner and the sides, in pixels counted from 0. `json.load` forgets where things stood and
keeps every outline in memory; here each item is decoded on its own, so its place is known and what is not wanted is let
go.

Source: Lin et al. 2014, Microsoft COCO, and its data format.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.detections import Detections
from striate.data.files import printable
from striate.errors import DataError

__all__ = ["coco_items", "corners_of", "from_coco", "line_of", "read_text", "to_coco"]

MAX_JSON_BYTES = 1 << 32
_SPACE = re.compile(r"[ \t\n\r]*")
_LISTS = ("images", "annotations", "categories")


def read_text(path: Path) -> str:
    """The text of a JSON file.

    Raises:
        DataError: If it cannot be read, is no UTF-8, or has more than four gigabytes.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise DataError(f"{printable(path)}: {size:,} bytes are too many for one JSON file; divide it.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)}: not UTF-8 text (byte {error.start:,}); save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error}).") from error


def coco_items(text: str, name: str) -> Iterator[tuple[str, int, Any]]:
    """Every item of the lists `images`, `annotations` and `categories`: the list's name, where it begins, the item.

    Raises:
        DataError: If the text is no JSON object, with the line.

    >>> list(coco_items('{"info": {}, "images": [{"id": 1}]}', "a.json"))
    [('images', 24, {'id': 1})]
    """
    decode = json.JSONDecoder().raw_decode
    at = 0
    try:
        at = _after(text, 0, "{")
        if text[at : at + 1] == "}":
            return
        while True:
            key, at = decode(text, at)
            at = _after(text, at, ":")
            if key in _LISTS and text[at : at + 1] == "[":
                at = _space(text, at + 1)
                while text[at : at + 1] != "]":
                    start = at
                    item, at = decode(text, at)
                    yield key, start, item
                    at = _space(text, at)
                    if text[at : at + 1] == ",":
                        at = _space(text, at + 1)
                    elif text[at : at + 1] != "]":
                        raise json.JSONDecodeError("a comma or the end of the list is missing", text, at)
                at += 1
            else:
                _, at = decode(text, at)
            at = _space(text, at)
            if text[at : at + 1] == "}":
                return
            at = _after(text, at, ",")
    except json.JSONDecodeError as error:
        line = text.count("\n", 0, error.pos) + 1
        raise DataError(f"{name}, line {line}: no well-formed JSON ({error.msg.lower()}); nothing was read.") from None
    except (RecursionError, ValueError) as error:
        reason = "brackets inside each other without end" if isinstance(error, RecursionError) else str(error)
        raise DataError(
            f"{name}, line {text.count(chr(10), 0, at) + 1}: JSON that cannot be read ({reason})."
        ) from None


def line_of(text: str, name: str) -> Callable[[int], str]:
    """From a place in a text to file and line; the lines are counted when the first one is wanted."""
    ends: list[int] = []

    def locate(at: int) -> str:
        if not ends:
            ends.extend(accumulate(len(line) for line in text.splitlines(keepends=True)))
        return f"{name}, line {int(np.searchsorted(ends, at, side='right')) + 1}"

    return locate


def _space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it always matches


def _after(text: str, at: int, sign: str) -> int:
    """The place after a sign and the blanks around it."""
    at = _space(text, at)
    if text[at : at + 1] != sign:
        raise json.JSONDecodeError(f"'{sign}' is missing", text, at)
    return _space(text, at + 1)


def to_coco(
    found: Detections, *, image_id: int, first_id: int = 1, category_ids: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """The boxes of one picture as COCO's annotations; with scores, also as COCO's results.

    Everything is kept: `difficult`, for which COCO has no place, as `"ignore": 1`.

    Args:
        found: The boxes.
        image_id: Of the picture.
        first_id: Of the first annotation; COCO's own evaluation takes number 0 for none, so begin at 1.
        category_ids: The numbers of the classes; from 1 on by default, as COCO's.

    >>> to_coco(Detections.of([[10, 20, 30, 60]], [0], ["cat"], scores=[0.5]), image_id=7)[0]["bbox"]
    [10.0, 20.0, 20.0, 40.0]
    """
    ids = category_ids or range(1, len(found.labels) + 1)
    rows = []
    for row, box in enumerate(found.boxes):
        item: dict[str, Any] = {
            "id": first_id + row,
            "image_id": image_id,
            "category_id": ids[int(found.classes[row])],
            "bbox": _sides(box),
            "area": _shortest(found.areas[row]),
            "iscrowd": int(found.crowd[row]),
        }
        if found.difficult[row]:
            item["ignore"] = 1
        if found.scores is not None:
            item["score"] = _shortest(found.scores[row])
        rows.append(item)
    return rows


def from_coco(
    annotations: Sequence[Mapping[str, Any]],
    categories: Mapping[int, str],
    *,
    size: tuple[int, int] | None = None,
) -> Detections:
    """The boxes of one picture from COCO's annotations or results.

    Args:
        annotations: Of this picture.
        categories: The names of all classes by their numbers; classes are in the order of the numbers.
        size: `(h, w)` of the picture.

    Raises:
        DataError: If an item has no box of four finite numbers, or a class that is none of the categories; with its
            place in the list.
    """
    order = {number: place for place, number in enumerate(sorted(categories))}
    boxes, classes = [], []
    for place, item in enumerate(annotations):
        box = item.get("bbox")
        corners = corners_of(box)
        if corners is None or not np.isfinite(corners).all():
            raise DataError(f"annotations[{place}]: bbox must be four finite numbers [x, y, w, h], got {box!r}.")
        if item.get("category_id") not in order:
            raise DataError(f"annotations[{place}]: category {item.get('category_id')!r} is none of {len(order)}.")
        boxes.append(corners)
        classes.append(order[item["category_id"]])
    scores = [item.get("score") for item in annotations]
    areas = [item.get("area") for item in annotations]
    return Detections.of(
        boxes,
        classes,
        [categories[number] for number in order],
        scores=None if not scores or None in scores else [float(score or 0) for score in scores],
        size=size,
        difficult=[bool(item.get("ignore", 0)) for item in annotations],
        crowd=[bool(item.get("iscrowd", 0)) for item in annotations],
        areas=None if None in areas else [float(area or 0) for area in areas],
    )


def corners_of(box: Any) -> tuple[float, float, float, float] | None:
    """`xyxy` of COCO's `[x, y, w, h]`; None where it is not four numbers."""
    if not isinstance(box, list | tuple) or len(box) != 4:
        return None
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in box):
        return None
    try:
        x, y, w, h = map(float, box)
    except OverflowError:
        return None
    return x, y, x + w, y + h


def _sides(box: NDArray[np.float32]) -> list[float]:
    """`[x, y, w, h]` in the fewest decimals that give the single-precision corners back."""
    x1, y1, x2, y2 = (float(value) for value in box)
    sides = [_shortest(box[0]), _shortest(box[1])]
    for start, end, exact in ((sides[0], box[2], x2 - x1), (sides[1], box[3], y2 - y1)):
        decimals = (round(exact, digits) for digits in range(12))
        sides.append(next((side for side in decimals if np.float32(start + side) == end), float(end) - start))
    return sides


def _shortest(value: np.float32) -> float:
    """The number with the fewest decimals that is this one in single precision."""
    return float(str(value))

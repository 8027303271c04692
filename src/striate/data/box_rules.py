"""One picture's boxes as somebody wrote them down, made usable: what is wrong with a box never costs another.

    not four finite numbers             left out
    corners in the wrong order          put in order: the same rectangle
    65535 or 4294967295 as first corner taken for −1 that an unsigned number could not hold: the edge
    no area                             left out
    reaches beyond the picture          cut off at its edge
    lies outside of it                  left out
    the same class and the same box     one of them left out
    the same box, another class         both stay
    marked on the picture lying down    turned upright with it
    marked on a copy of another size    scaled, where the shape is the same

Whatever was done is told with file and line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from striate.data.picture_header import PictureHeader, upright_boxes
from striate.data.problem import Problem

__all__ = ["Mark", "MarkedPicture", "settle_marks"]

_WRAPPED = (65535.0, 4294967295.0)

Corners = tuple[float, float, float, float]


class Mark(NamedTuple):
    """One object as a file has it.

    Attributes:
        label: Its class.
        corners: `xyxy` in pixels, the left edge of the left pixel is 0; whatever numbers they are.
        at: Where it stands in its file: a line, or what the format needs to find the line.
        difficult: VOC's mark.
        crowd: COCO's mark.
        area: Of the object itself, in square pixels, where the file says so.
    """

    label: str
    corners: Corners
    at: int
    difficult: bool = False
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True, slots=True)
class MarkedPicture:
    """A picture and its objects.

    Attributes:
        path: Of the picture, from the root of the set, with `/`.
        header: What its file says.
        marks: Its objects.
        told_size: `(h, w)` that the annotation says the picture has, or None.
        locate: From a mark's `at` to file and line.
        where: The annotation as a whole, for people.
    """

    path: str
    header: PictureHeader
    marks: Sequence[Mark]
    told_size: tuple[int, int] | None
    locate: Callable[[int], str]
    where: str


def settle_marks(picture: MarkedPicture, problems: list[Problem]) -> list[Mark]:
    """The objects that can be used, in pixels of the upright picture, every box of positive area inside of it.

    Args:
        picture: What was read.
        problems: Grows by what was found.
    """
    h, w = picture.header.upright
    marks: Sequence[Mark] = picture.marks
    told = picture.told_size
    if told != (h, w) or picture.header.orientation != 1:
        marks = _on_the_real_picture(picture, problems)
    kept: list[Mark] = []
    for mark in marks:
        x1, y1, x2, y2 = mark.corners
        if not (0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h):  # the usual case costs one line
            mended = _mended(mark, (h, w), picture, problems)
            if mended is None:
                continue
            mark = mended  # noqa: PLW2901
        kept.append(mark)
    if len({mark.corners for mark in kept}) < len(kept):
        kept = _once_each(kept, picture, problems)
    return kept


def _mended(mark: Mark, size: tuple[int, int], picture: MarkedPicture, problems: list[Problem]) -> Mark | None:
    """One box put right, or None where that cannot be."""
    h, w = size
    shown = ", ".join(f"{value:g}" for value in mark.corners)

    def tell(kind: str, text: str) -> None:
        problems.append(Problem(kind, picture.locate(mark.at), f"'{mark.label}' {text}"))

    if not all(abs(value) < float("inf") for value in mark.corners):  # false for NaN, too
        tell("bad-box", f"has no box of four finite numbers ({shown}); the box was left out")
        return None
    x1, y1, x2, y2 = mark.corners
    wrapped = [name for name, value in (("x", x1), ("y", y1)) if any(0 <= near - value <= 1 for near in _WRAPPED)]
    if wrapped and ("x" not in wrapped or x1 > w) and ("y" not in wrapped or y1 > h):
        x1, y1 = (0.0 if "x" in wrapped else x1), (0.0 if "y" in wrapped else y1)
        tell(
            "unsigned-wrap",
            f"begins at {shown.split(', ')[0 if 'x' in wrapped else 1]}, which is −1 in a number without a sign; taken "
            "for the edge of the picture",
        )
    if x1 > x2 or y1 > y2:
        x1, y1, x2, y2 = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
        tell("inverted-box", f"has its corners in the wrong order ({shown}); they were put in order")
    if x1 == x2 or y1 == y2:
        tell("bad-box", f"has a box without area ({shown}); it was left out")
        return None
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(w)), min(y2, float(h)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        tell("bad-box", f"lies outside of the {w} × {h} picture ({shown}); it was left out")
        return None
    beyond = max(inside[0] - x1, inside[1] - y1, x2 - inside[2], y2 - inside[3])
    if beyond > 0.01 + 2e-6 * max(h, w):  # less is the rounding of decimals
        tell("clipped-box", f"reaches {beyond:.3g} px beyond the {w} × {h} picture; cut off at its edge")
    return mark._replace(corners=inside)


def _once_each(marks: list[Mark], picture: MarkedPicture, problems: list[Problem]) -> list[Mark]:
    first: dict[Corners, list[Mark]] = {}
    kept: list[Mark] = []
    for mark in marks:
        same = first.setdefault(mark.corners, [])
        twin = next((other for other in same if other.label == mark.label), None)
        if twin is not None:
            text = f"'{mark.label}' has the box that stands in {picture.locate(twin.at)}, too; it was left out"
            problems.append(Problem("duplicate-box", picture.locate(mark.at), text))
            continue
        if same:
            text = f"'{mark.label}' has the very box of '{same[0].label}' in {picture.locate(same[0].at)}; both stay"
            problems.append(Problem("box-conflict", picture.locate(mark.at), text))
        same.append(mark)
        kept.append(mark)
    return kept


def _on_the_real_picture(picture: MarkedPicture, problems: list[Problem]) -> list[Mark]:
    """Boxes that were marked on the picture as stored, or on a copy of another size, brought to the upright one."""
    told, header = picture.told_size, picture.header
    upright, marks = header.upright, list(picture.marks)
    if told is not None and 0 in told:
        problems.append(Problem("size-mismatch", picture.where, "says no size; that of the picture counts"))
        told = None
    if header.orientation != 1:
        if told is not None and told != upright and _alike(told, header.stored):
            marks = _scaled(marks, told, header.stored)
            boxes = upright_boxes(np.array([mark.corners for mark in marks], dtype=np.float64).reshape(-1, 4), header)
            turned = [(b[0], b[1], b[2], b[3]) for b in boxes.tolist()]
            text = "boxes are on the picture as it is stored, lying on its side; they were turned upright with it"
            problems.append(Problem("exif-turned", picture.where, text))
            return [mark._replace(corners=corners) for mark, corners in zip(marks, turned, strict=True)]
        if told is None or header.stored == upright:
            text = "EXIF turns the picture, and no size says how it lay when it was marked; taken as marked upright"
            problems.append(Problem("exif-unclear", picture.where, text))
    if told is None or told == upright:
        return marks
    said, real = (f"{size[1]} × {size[0]}" for size in (told, upright))
    if _alike(told, upright):
        text = f"says {said}, the picture is {real}, of the same shape: boxes were scaled to it"
        marks = _scaled(marks, told, upright)
    else:
        text = f"says {said}, but the picture is {real}: boxes were taken as pixels of the picture; check them"
    problems.append(Problem("size-mismatch", picture.where, text))
    return marks


def _alike(told: tuple[int, int], real: tuple[int, int]) -> bool:
    """Whether one size is the other one scaled, to a rounded pixel."""
    scale = max(real) / max(told)
    return all(abs(have - scale * said) <= max(1.0, scale) for have, said in zip(real, told, strict=True))


def _scaled(marks: list[Mark], told: tuple[int, int], real: tuple[int, int]) -> list[Mark]:
    if told == real:
        return marks
    down, across = real[0] / told[0], real[1] / told[1]
    return [
        mark._replace(
            corners=(
                mark.corners[0] * across,
                mark.corners[1] * down,
                mark.corners[2] * across,
                mark.corners[3] * down,
            ),
            area=None if mark.area is None else mark.area * across * down,
        )
        for mark in marks
    ]

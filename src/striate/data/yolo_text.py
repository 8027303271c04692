"""YOLO's text for one picture: one object a line, the class by its number, center and sides as shares of the picture.

    0 0.587 0.733 0.122 0.341          class, x and y of the center, width, height; x and w ÷ width, y and h ÷ height

A sixth number is a detector's score. More numbers are an outline, pairs of x and y, and the box is what it spans.

Source: the released code of Redmon et al. 2015, You Only Look Once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from striate.data.detections import Detections
from striate.errors import DataError

__all__ = ["YoloLine", "from_yolo", "parse_yolo_line", "to_yolo"]


class YoloLine(NamedTuple):
    """One object.

    Attributes:
        number: Of its class, as written.
        shares: `xyxy` in shares of the picture's sides.
        score: Of a detector, or None.
        outline: Whether the line is an outline.
    """

    number: int
    shares: tuple[float, float, float, float]
    score: float | None
    outline: bool


def parse_yolo_line(line: str) -> YoloLine:
    """What a line says; numbers that are not finite stay as they are.

    Raises:
        ValueError: If it is no such line: what is wrong, as the end of a sentence.

    >>> parse_yolo_line("3 0.5 0.5 0.2 0.4")
    YoloLine(number=3, shares=(0.4, 0.3, 0.6, 0.7), score=None, outline=False)
    """
    words = line.split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"has something else than numbers ('{line.strip()[:60]}')") from None
    if len(numbers) < 5:
        raise ValueError(f"has {len(numbers)} numbers, where class, center and sides are 5")
    if not 0 <= numbers[0] < 1 << 31 or numbers[0] != int(numbers[0]):
        raise ValueError(f"begins with {words[0]}, which is no number of a class")
    number = int(numbers[0])
    if len(numbers) > 6:
        if len(numbers) % 2 == 0:
            raise ValueError(f"has {len(numbers) - 1} numbers after the class: neither a box nor pairs of an outline")
        across, down = numbers[1::2], numbers[2::2]
        if not all(abs(value) < float("inf") for value in numbers):
            return YoloLine(number, (float("nan"),) * 4, None, outline=True)
        return YoloLine(number, (min(across), min(down), max(across), max(down)), None, outline=True)
    x, y, w, h = numbers[1:5]
    shares = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    return YoloLine(number, shares, numbers[5] if len(numbers) == 6 else None, outline=False)


def to_yolo(found: Detections, *, size: tuple[int, int] | None = None) -> str:
    r"""The boxes of one picture as YOLO's lines, with six decimals, or as many as bring the boxes back exactly.

    Lost: the names of the classes (their order is what counts), `difficult`, `crowd`, `areas` and the picture's size.

    Args:
        found: The boxes.
        size: `(h, w)` of the picture; that of `found` by default.

    Raises:
        DataError: If nobody knows the size.

    >>> to_yolo(Detections.of([[10, 20, 30, 60]], [0], ["cat"], scores=[0.5]), size=(100, 100))
    '0 0.200000 0.400000 0.200000 0.400000 0.5\n'
    """
    size = size or found.size
    if size is None or 0 in size:
        raise DataError("YOLO's lines are shares of the picture's sides: give size, (height, width).")
    sides = np.array([size[1], size[0]] * 2, dtype=np.float64)
    lines = []
    for row, box in enumerate(found.boxes):
        x1, y1, x2, y2 = box.astype(np.float64) / sides
        shares = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
        text = ""
        for digits in (6, 8, 10, 13, 17):
            text = f"{found.classes[row]} " + " ".join(f"{share:.{digits}f}" for share in shares)
            if np.array_equal((np.array(parse_yolo_line(text).shares) * sides).astype(np.float32), box):
                break
        lines.append(text if found.scores is None else f"{text} {found.scores[row]!s}")
    return "".join(f"{line}\n" for line in lines)


def from_yolo(text: str, labels: Sequence[str], size: tuple[int, int]) -> Detections:
    """The boxes of one picture of `size` `(h, w)`.

    Raises:
        DataError: If a line is none, a number not finite, or a class is none of `labels`; with the line.
    """
    boxes, classes, scores = [], [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = parse_yolo_line(line)
        except ValueError as error:
            raise DataError(f"the text, line {number}: {error}.") from None
        if not np.isfinite(said.shares).all():
            raise DataError(f"the text, line {number}: not all numbers are finite.")
        if said.number >= len(labels):
            raise DataError(f"the text, line {number}: class {said.number}, but there are {len(labels)}, from 0 on.")
        boxes.append([share * side for share, side in zip(said.shares, (size[1], size[0]) * 2, strict=True)])
        classes.append(said.number)
        scores.append(said.score)
    known = None if not scores or None in scores else [float(score or 0) for score in scores]
    return Detections.of(boxes, classes, labels, scores=known, size=size)

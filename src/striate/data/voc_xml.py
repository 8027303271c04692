"""PASCAL VOC's XML file for one picture: read safely, line by line known; written as the devkit writes it.

    <annotation>
      <filename>000005.jpg</filename>
      <size><width>500</width><height>375</height><depth>3</depth></size>
      <object>
        <name>chair</name><difficult>0</difficult>
        <bndbox><xmin>263</xmin><ymin>211</ymin><xmax>324</xmax><ymax>339</ymax></bndbox>
      </object>
    </annotation>

VOC counts pixels from 1, and both corners belong to the box: a box over the whole picture is 1, 1, w, h. In this house
the left edge of the left pixel is 0, so x = xmin − 1 and the right edge is xmax itself.

Source: Everingham et al. 2010, The PASCAL Visual Object Classes Challenge, and its development kit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate
from xml.sax.saxutils import escape

import numpy as np

from striate.data.class_names import normal_name
from striate.data.detections import Detections
from striate.errors import DataError

__all__ = ["VocObject", "VocRecord", "from_voc", "parse_voc", "to_voc"]

MAX_XML_BYTES = 1 << 25
_MAX_DEPTH = 32
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(slots=True)
class VocObject:
    """One object of a file.

    Attributes:
        line: Where it begins.
        name: Its class; "" where the file does not say.
        corners: `xmin ymin xmax ymax` as written; what is missing or no number is NaN.
        difficult: Whether it need not be found.
        score: Of a detector, or None.
    """

    line: int
    name: str = ""
    corners: dict[str, float] = field(default_factory=dict)
    difficult: bool = False
    score: float | None = None

    def box(self, first_pixel: int) -> tuple[float, float, float, float]:
        """`xyxy` with edges counted from 0, where the file's first pixel is number 0 or 1."""
        xmin, ymin, xmax, ymax = (self.corners.get(name, float("nan")) for name in _CORNERS)
        return xmin - first_pixel, ymin - first_pixel, xmax, ymax


@dataclass(slots=True)
class VocRecord:
    """What one file says.

    Attributes:
        filename: Of the picture, or "".
        size: `(h, w)`, or None where it says none.
        objects: In their order.
    """

    filename: str = ""
    size: tuple[int, int] | None = None
    objects: list[VocObject] = field(default_factory=list)


def parse_voc(data: bytes, name: str) -> VocRecord:
    """The objects of one XML file.

    Entities and documents above `MAX_XML_BYTES` are refused: a kilobyte of entities can unpack to gigabytes.

    Args:
        data: The file.
        name: For messages.

    Raises:
        DataError: If it is not well-formed XML with an `<annotation>`; with the line.
    """
    if len(data) > MAX_XML_BYTES:
        raise DataError(f"{name}: {len(data):,} bytes are too many for the boxes of one picture.")
    reader = _Reader()
    parser = ParserCreate()
    reader.attach(parser)
    try:
        parser.Parse(data, True)
    except (ExpatError, ValueError, LookupError) as error:
        code = getattr(error, "code", None)
        what = str(error) if code is None else ErrorString(code)
        raise DataError(f"{name}, line {parser.CurrentLineNumber}: no well-formed XML ({what}).") from None
    if not reader.is_annotation:
        raise DataError(f"{name}, line 1: no <annotation>, as VOC's files have.")
    width, height = (int(reader.size.get(side, 0)) for side in ("width", "height"))
    reader.record.size = (height, width) if reader.size else None
    return reader.record


class _Reader:
    """What expat calls, element by element."""

    def __init__(self) -> None:
        self.record = VocRecord()
        self.size: dict[str, float] = {}
        self.is_annotation = False
        self._path: list[str] = []
        self._text: list[str] = []
        self._parser: Any = None

    def attach(self, parser: Any) -> None:
        self._parser = parser
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.EntityDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise ValueError("entities are not read")

    def _start(self, tag: str, _: object) -> None:
        tag = tag.lower()
        self._text.clear()
        self._path.append(tag)
        depth = len(self._path)
        if depth == 1:
            self.is_annotation = tag == "annotation"
        elif depth == 2 and tag == "object":
            self.record.objects.append(VocObject(self._parser.CurrentLineNumber))
        elif depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} elements inside each other")

    def _end(self, _: str) -> None:
        path, text = self._path, self._text
        depth, tag = len(path), path[-1]
        if depth == 2 and tag == "filename":
            self.record.filename = "".join(text).strip()
        elif depth == 3 and path[1] == "size" and tag in {"width", "height"}:
            value = _number("".join(text))
            self.size[tag] = value if 0 <= value < 1 << 31 else 0
        elif depth >= 3 and path[1] == "object":
            here = self.record.objects[-1]
            if depth == 4 and path[2] == "bndbox" and tag in _CORNERS:
                here.corners[tag] = _number("".join(text))
            elif depth == 3 and tag == "name":
                here.name = normal_name("".join(text).strip())
            elif depth == 3 and tag == "difficult":
                here.difficult = "".join(text).strip().lower() in {"1", "true", "yes"}
            elif depth == 3 and tag in {"score", "confidence"}:
                here.score = _number("".join(text))
        path.pop()
        text.clear()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def to_voc(found: Detections, *, filename: str, size: tuple[int, int] | None = None) -> str:
    """The boxes of one picture as VOC's XML.

    Corners that are not whole pixels are written with as many decimals as bring them back; VOC's own files have some,
    too. Lost: COCO's `crowd` and `areas`. Scores, for which VOC has no place, go into an element `<score>`.

    Args:
        found: The boxes.
        filename: Of the picture.
        size: `(h, w)` of the picture; that of `found` by default.

    >>> text = to_voc(Detections.of([[0, 0, 10, 20]], [0], ["cat"]), filename="1.jpg", size=(30, 40))
    >>> "<xmin>1</xmin>" in text, "<xmax>10</xmax>" in text
    (True, True)
    """
    height, width = size or found.size or (0, 0)
    lines = [
        "<annotation>",
        f"\t<filename>{_escaped(filename)}</filename>",
        f"\t<size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        "\t<segmented>0</segmented>",
    ]
    for row, (x1, y1, x2, y2) in enumerate(found.boxes):
        corners = zip(_CORNERS, (_decimal(x1, 1), _decimal(y1, 1), _decimal(x2, 0), _decimal(y2, 0)), strict=True)
        score = "" if found.scores is None else f"<score>{found.scores[row]!s}</score>"
        lines += [
            "\t<object>",
            f"\t\t<name>{_escaped(found.label(row))}</name>",
            "\t\t<pose>Unspecified</pose><truncated>0</truncated>",
            f"\t\t<difficult>{int(found.difficult[row])}</difficult>{score}",
            f"\t\t<bndbox>{''.join(f'<{tag}>{value}</{tag}>' for tag, value in corners)}</bndbox>",
            "\t</object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def from_voc(text: str | bytes, labels: Sequence[str] | None = None, *, first_pixel: int = 1) -> Detections:
    """The boxes of one XML file.

    Args:
        text: What `to_voc` gives, or any VOC file.
        labels: The classes; by default the names that occur, sorted.
        first_pixel: The number of the left pixel: 1 in VOC, 0 in files of some tools.

    Raises:
        DataError: If it is no such file, a box is not four finite numbers, or a class is none of `labels`; with the
            line.
    """
    record = parse_voc(text.encode() if isinstance(text, str) else text, "the XML")
    names = tuple(labels) if labels is not None else tuple(sorted({each.name for each in record.objects}))
    boxes = [each.box(first_pixel) for each in record.objects]
    for each, box in zip(record.objects, boxes, strict=True):
        if not np.isfinite(box).all():
            raise DataError(f"the XML, line {each.line}: '{each.name}' has no box of four finite numbers.")
        if each.name not in names:
            raise DataError(f"the XML, line {each.line}: '{each.name}' is none of the {len(names)} classes.")
    scores = [each.score for each in record.objects]
    return Detections.of(
        boxes,
        [names.index(each.name) for each in record.objects],
        names,
        scores=None if not scores or None in scores else [float(score or 0) for score in scores],
        size=record.size,
        difficult=[each.difficult for each in record.objects],
    )


def _escaped(text: str) -> str:
    """Text that XML can hold: characters that it forbids are written as the mark for what is unknown."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


def _decimal(value: np.float32, offset: int) -> str:
    """The shortest decimals of `value + offset` that give the single-precision `value` back."""
    exact = float(value) + offset
    for digits in range(10):
        text = f"{exact:.{digits}f}"
        if np.float32(float(text) - offset) == value:
            return text
    return repr(exact)

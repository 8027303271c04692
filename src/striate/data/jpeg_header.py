"""What the header of a JPEG says, without decoding it: size, how it is turned, and where its height is written.

A JPEG is a row of segments, each with its length, up to the compressed rows, which follow each other from the top. A
decoder that is told a smaller height stops early; so a part of a photo costs only the rows down to its lower edge.
"""

from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

__all__ = ["JpegHeader", "read_jpeg_header", "upper_part"]

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # start of frame, in all its kinds
_BASELINE, _START_OF_SCAN, _APP1, _APP14 = (0xC0, 0xC1), 0xDA, 0xE1, 0xEE
_ORIENTATION = 274
_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """An ordinary JPEG: gray or YCbCr, 8 bits.

    Attributes:
        height: As stored, before it is turned.
        width: Likewise.
        orientation: EXIF's number of the way the camera was held, 1 to 8.
        height_at: Where in the file the height is written, two bytes; 0 if the rows do not simply follow each other.
        row_px: Rows that are stored together.
    """

    height: int
    width: int
    orientation: int
    height_at: int
    row_px: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """`(h, w)` once the picture is turned upright."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """The facts of an ordinary JPEG; None for all others, and where something is odd: let Pillow see to those."""
    with suppress(IndexError):
        return _walked(data)
    return None


def upper_part(data: bytes, header: JpegHeader, rows: int) -> bytes | bytearray:
    """The file with a smaller height: at least the first `rows` rows, exactly as in the whole.

    The whole file where nothing can be saved, or where its end is missing: a file that is cut short must not pass for a
    whole one only because its lower part was not wanted.
    """
    # One more row of blocks: the color of a pixel is interpolated with that of the row below.
    height = (-(-rows // header.row_px) + 1) * header.row_px
    if not header.height_at or height >= header.height or not data.endswith(_END):
        return data
    changed = bytearray(data)
    changed[header.height_at : header.height_at + 2] = height.to_bytes(2, "big")
    return changed


def _walked(data: bytes) -> JpegHeader | None:
    at, frame, exif = 2, None, b""
    while True:
        if data[at] != 0xFF:
            return None
        kind, length = data[at + 1], data[at + 2] << 8 | data[at + 3]
        body = data[at + 4 : at + 2 + length]
        if kind == _START_OF_SCAN:
            break
        if kind == _APP1 and body.startswith(b"Exif\0\0"):
            if exif:
                return None  # in several pieces
            exif = body
        elif (kind == _APP1 and b"Orientation" in body) or (kind == _APP14 and body[11:12] != b"\x01"):
            return None  # turned by XMP; Adobe's RGB or CMYK
        elif kind in _FRAMES:
            frame = (at, kind, body)
        at += 2 + length
    if frame is None:
        return None
    start, kind, facts = frame
    depth, height, width, count = facts[0], facts[1] << 8 | facts[2], facts[3] << 8 | facts[4], facts[5]
    identities = bytes(facts[6 + 3 * i] for i in range(count))
    if depth != 8 or not height or not width or count not in {1, 3} or identities == b"RGB":
        return None
    simple = kind in _BASELINE and data[at + 4] == count  # one scan with all components
    tallest = max(facts[7 + 3 * i] & 15 for i in range(count))
    return JpegHeader(height, width, _orientation(exif), start + 5 if simple else 0, 8 * max(tallest, 1))


def _orientation(exif: bytes) -> int:
    if exif:
        with suppress(Exception):  # as in striate.data.modes: damaged EXIF is no reason to refuse the photo
            tags = Image.Exif()
            tags.load(exif)
            value = tags.get(_ORIENTATION)
            return value if isinstance(value, int) and 1 <= value <= 8 else 1
    return 1

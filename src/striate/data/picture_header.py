"""How large a picture is and how its camera was held, out of the first bytes of its file: nothing is decoded.

Boxes are marked on a picture as somebody's program showed it. Programs that know EXIF show it upright, others as it is
stored; so whoever reads boxes has to know both sizes. `upright_boxes` goes from the one to the other.
"""

import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.decode import open_picture
from striate.data.files import printable
from striate.data.jpeg_header import read_jpeg_header
from striate.errors import DataError

__all__ = ["PictureHeader", "read_picture_header", "upright_boxes"]

_FIRST_BYTES = 1 << 16  # more than one EXIF segment can hold
_ORIENTATION = 274


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What a file says about its picture.

    Attributes:
        stored: `(h, w)` as the pixels are stored.
        orientation: EXIF's number of the way the camera was held, 1 to 8; 1 is upright.
    """

    stored: tuple[int, int]
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """`(h, w)` once the picture is turned upright, as every reader of this house turns it."""
        return self.stored[::-1] if self.orientation >= 5 else self.stored


def read_picture_header(path: Path) -> PictureHeader:
    """The header of an image file.

    Raises:
        DataError: If there is no such regular file, or it is no image that is read; the message begins with its name.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{printable(path)}: not a regular file.")
        with path.open("rb") as stream:
            first = stream.read(_FIRST_BYTES)
            if first.startswith(b"\xff\xd8\xff") and (header := read_jpeg_header(first)) is not None:
                return PictureHeader((header.height, header.width), header.orientation)
            size, orientation = open_picture(BytesIO(first + stream.read()), printable(path))
    except FileNotFoundError:
        raise DataError(f"{printable(path)}: no such file.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{printable(path)}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    return PictureHeader(size, orientation)


def upright_boxes(boxes: NDArray[np.float64], header: PictureHeader) -> NDArray[np.float64]:
    """Boxes on the picture as it is stored, as boxes on the picture turned upright: `n 4`, `xyxy`.

    >>> upright_boxes(np.array([[0.0, 0, 10, 20]]), PictureHeader((100, 200), 6)).tolist()
    [[80.0, 0.0, 100.0, 10.0]]
    """
    if header.orientation == 1:
        return boxes
    x1, y1, x2, y2 = boxes.T
    if header.orientation >= 5:  # rows and columns change places first
        x1, y1, x2, y2 = y1, x1, y2, x2
    h, w = header.upright
    if header.orientation in {2, 3, 6, 7}:
        x1, x2 = w - x2, w - x1
    if header.orientation in {3, 4, 7, 8}:
        y1, y2 = h - y2, h - y1
    return np.stack([x1, y1, x2, y2], axis=1)

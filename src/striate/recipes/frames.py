"""The frames of a film or a camera, one at a time; OpenCV decodes them."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.files import printable
from striate.errors import ConfigError, DataError

__all__ = ["FILM_EXTENSIONS", "Frame", "is_stream", "read_frames"]

FILM_EXTENSIONS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_CAMERA = re.compile(r"camera(?::(\d+))?")


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        source: The film or camera.
        number: From 0, in the film.
        total: Frames of the film, or None where nobody knows.
        pixels: uint8 `h w 3`, RGB.
    """

    source: str
    number: int
    total: int | None
    pixels: NDArray[np.uint8]


def is_stream(given: str) -> bool:
    """Whether a film or a camera is meant, and no photo.

    >>> is_stream("camera:1"), is_stream("a/b.MP4"), is_stream("a.jpg")
    (True, True, False)
    """
    return bool(_CAMERA.fullmatch(given)) or Path(given).suffix.lower() in FILM_EXTENSIONS


def read_frames(
    source: str, *, every: int = 1, most: int | None = None, max_megapixels: float = 64.0
) -> Generator[Frame, None, None]:
    """The frames, as they come.

    Args:
        source: A film, or `camera`, `camera:1`, …
        every: Every so many frames are given.
        most: At most so many are given.
        max_megapixels: Larger frames are refused.

    Raises:
        ConfigError: If OpenCV is not installed.
        DataError: If there is no such film or camera, or it gives no frame.
    """
    cv2 = _opencv()
    camera = _CAMERA.fullmatch(source)
    if camera is None and not Path(source).is_file():
        raise DataError(f"{printable(source)}: no such file.")
    capture = cv2.VideoCapture(int(camera[1] or 0) if camera else source)
    try:
        if not capture.isOpened():
            what = "no camera of this number answers" if camera else "no film that can be read"
            raise DataError(f"{printable(source)}: {what}.")
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if camera is None else 0
        number = given = 0
        while most is None or given < most:
            there, pixels = capture.read()
            if not there:
                break
            if pixels.shape[0] * pixels.shape[1] > max_megapixels * 1e6:
                raise DataError(f"{printable(source)}: its frames are larger than {max_megapixels:g} megapixels.")
            if number % every == 0:
                yield Frame(source, number, max(total, number + 1) if total > 0 else None, pixels[..., ::-1].copy())
                given += 1
            number += 1
        if not given:
            raise DataError(f"{printable(source)}: there is no frame in it.")
    finally:
        capture.release()


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise ConfigError("Films and cameras need OpenCV: pip install 'striate[proposals]'.") from None
    return cv2

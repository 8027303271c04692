"""Any real image file to RGB pixels, and nothing but a `DataError` for the others.

People's files are rotated by a tag, inverted for print, sixteen bits deep, transparent, cut short or something else
entirely under an image's name, and some are made to hurt: a kilobyte that unpacks to gigabytes. A file is recognized by
its first bytes, its size is read from the header before anything is unpacked, and only six decoders are ever tried.
"""

import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from striate.data.files import printable
from striate.data.formats import CAMERA_RAW, HEAD_BYTES, declared_size, explain_foreign, recognize
from striate.data.modes import picture_orientation, rgb_pixels
from striate.errors import ConfigError, DataError

__all__ = ["open_picture", "read_image"]

# Pillow's classes themselves and not `Image.open`, whose check for bombs warns and raises by a limit of its own that is
# one for the whole process.
_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

_SUBFILE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706  # TIFF tags
_OPENED_MEGAPIXELS = 64
_pillow_limit = threading.Lock()


def read_image(source: str | Path | bytes, *, max_megapixels: float = 64.0) -> NDArray[np.uint8]:
    """The pixels of a JPEG, PNG, WebP, BMP, GIF or TIFF file as uint8 `h w 3`, RGB, upright.

    Args:
        source: A path, or the bytes of a file.
        max_megapixels: The largest picture to decode, in millions of pixels, by its header.

    Raises:
        DataError: If there is no such file, or it is empty, cut short, damaged, too large, or of another kind; one
            line that begins with the file's name.
        ConfigError: If `max_megapixels` is not above 0.

    Differs: from `PIL.Image.open(…).convert("RGB")`, which torchvision and timm use:
        the rotation in EXIF is applied (there the network sees the photo lying on its side);
        transparent parts become white (there the color that is stored under them, mostly black, appears);
        16-bit gray is divided by 257 (there everything above level 255 of 65535 becomes white).
        As there, color profiles (ICC) are not applied, CMYK is converted without one (in a JPEG it is taken to be
        inverted, as Adobe writes it), 16-bit color keeps its upper eight bits, of animations the first frame counts.
    """
    if not max_megapixels > 0:
        raise ConfigError(f"max_megapixels must be above 0, got {max_megapixels}.")
    if isinstance(source, bytes):
        return _decode(BytesIO(source), f"image of {len(source)} bytes", max_megapixels)
    name = printable(source)
    try:
        with _open_regular(Path(source), name) as stream:
            return _decode(stream, name, max_megapixels)
    except FileNotFoundError:
        is_address = re.match(r"(https?|ftp|file|s3|gs|data):", str(source))  # a path has lost the second stroke
        hint = "; images are not fetched from the web, download it first" if is_address else ""
        raise DataError(f"{name}: no such file{hint}.") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error}).") from error


def open_picture(stream: BytesIO | BufferedReader, name: str) -> tuple[tuple[int, int], int]:
    """Size `(h, w)` and EXIF's orientation of an image file, by its header; no pixel is decoded.

    Raises:
        DataError: If it is empty, damaged or of a kind that is not read; one line that begins with `name`.
    """
    head = stream.read(HEAD_BYTES)
    if not head:
        raise DataError(f"{name}: the file is empty.")
    kind = recognize(head)
    if kind is None:
        raise DataError(f"{name}: this is {explain_foreign(head)}.")
    with _translated(name, kind):
        size = declared_size(kind, stream)
        if size[0] * size[1] > _OPENED_MEGAPIXELS * 1e6:  # Pillow would make room for all of it
            return size, 1
        stream.seek(0)
        image = _DECODERS[kind](stream)
        size = (image.height, image.width)
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow gives the size as turned
            size = (int(image.tag_v2[257]), int(image.tag_v2[256]))
        return size, picture_orientation(image)


def _decode(stream: BytesIO | BufferedReader, name: str, max_megapixels: float) -> NDArray[np.uint8]:
    head = stream.read(HEAD_BYTES)
    if not head:
        raise DataError(f"{name}: the file is empty.")
    kind = recognize(head)
    if kind is None:
        raise DataError(f"{name}: this is {explain_foreign(head)}.")
    with _translated(name, kind):
        size = declared_size(kind, stream)
        _check_size(size, name, max_megapixels)
        stream.seek(0)
        with _pillow_allows(size):
            image = _DECODERS[kind](stream)
        size = (image.height, image.width)
        _check_size(size, name, max_megapixels)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            _check_not_raw(image, name)
        with _pillow_allows(size):
            return rgb_pixels(image, name=name)


def _check_size(size: tuple[int, int], name: str, max_megapixels: float) -> None:
    h, w = size
    if h * w > max_megapixels * 1e6:
        raise DataError(
            f"{name}: {w} × {h} pixels are {h * w / 1e6:.1f} megapixels, more than max_megapixels={max_megapixels:g}; "
            "make the picture smaller, or raise the limit (on the command line with --max-megapixels)."
        )


def _check_not_raw(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Most cameras' raw files are TIFF files whose first picture is a thumbnail."""
    tags = image.tag_v2
    thumbnail = tags.get(_SUBFILE) == 1 and _SUB_IFDS in tags
    if _DNG_VERSION in tags or thumbnail:
        raise DataError(f"{name}: this is {CAMERA_RAW}.")


def _open_regular(path: Path, name: str) -> BufferedReader:
    """A file opened for reading; a pipe or a device could block for ever or never end."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a zero byte, or what the file system cannot encode
        raise DataError(f"{name}: not a possible file name.") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{name}: a folder, not an image file; give the files in it.")
    if not stat.S_ISREG(mode):
        raise DataError(f"{name}: not a regular file; save the image to a file first.")
    return path.open("rb")


@contextmanager
def _pillow_allows(size: tuple[int, int]) -> Iterator[None]:
    """Lets Pillow decode what `max_megapixels` has allowed, where its own limit for the process is lower.

    Only then is the limit touched, by one thread at a time, and put back: other users of Pillow in the process may
    decode as large a picture for that while.
    """
    pixels = size[0] * size[1]
    if Image.MAX_IMAGE_PIXELS is None or pixels <= Image.MAX_IMAGE_PIXELS:
        yield
        return
    with _pillow_limit:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _translated(name: str, kind: str) -> Iterator[None]:
    """Whatever damaged bytes lead Pillow to raise becomes one line with the file's name."""
    try:
        yield
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{name}: not enough memory to decode this {kind} file; make the picture smaller.") from error
    except Exception as error:
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            f"{name}: the {kind} data cannot be decoded ({detail}); the file is cut short, damaged or of a rare kind. "
            "Fetch it again, or save it anew as JPEG or PNG."
        ) from error

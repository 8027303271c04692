"""Files to pixels, and files to cuts, as quickly as what is installed allows.

`decode_pixels` gives what `read_image` gives, to the level: simplejpeg and Pillow hold the same decoder
(libjpeg-turbo), and whatever is not an ordinary, faultless JPEG goes to `read_image` itself.

`decode_cut` gives a coarser picture for training, and only where one asked for `decode="fast"`: the JPEG is decoded at
a half, a quarter or an eighth where the cut allows it, down to the lower edge of the cut, with faster arithmetic, and
the rest of the resize is linear without antialias (between 0.8 and 1.6 pixels become one).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from striate.data.augment.cut import Cut, Geometry, inner_part, render_cut
from striate.data.augment.draws import Draws
from striate.data.decode import read_image
from striate.data.jpeg_header import JpegHeader, read_jpeg_header, upper_part

__all__ = ["decode_cut", "decode_cut_and_size", "decode_pixels", "fast_cut", "one_opencv_thread"]

Pixels = NDArray[np.uint8]

_KEPT = 0.8


def _optional(name: str) -> Any:
    return import_module(name) if find_spec(name) is not None else None


_simplejpeg, _cv2 = _optional("simplejpeg"), _optional("cv2")


def decode_pixels(data: bytes, *, max_megapixels: float = 64.0) -> Pixels:
    """The pixels of an image file's bytes, exactly those of `read_image`: uint8 `h w 3`, RGB, upright.

    Raises:
        DataError: If it cannot be decoded, or has more than `max_megapixels` million pixels.
    """
    header = _plain_header(data, max_megapixels)
    if header is not None and _simplejpeg is not None:
        try:
            pixels: Pixels = _simplejpeg.decode_jpeg(data)
        except ValueError:  # also for faults that Pillow gets over
            return read_image(data, max_megapixels=max_megapixels)
        return _turned(pixels, header.orientation)
    return read_image(data, max_megapixels=max_megapixels)


def decode_cut(data: bytes, geometry: Geometry, draws: Draws, row: int, *, max_megapixels: float = 64.0) -> Pixels:
    """The cut that `geometry` makes of an image file's bytes, coarser than Pillow's: uint8 `h w 3`.

    Raises:
        DataError: If it cannot be decoded, or has more than `max_megapixels` million pixels.
    """
    return decode_cut_and_size(data, geometry, draws, row, max_megapixels=max_megapixels)[0]


def decode_cut_and_size(
    data: bytes, geometry: Geometry, draws: Draws, row: int, *, max_megapixels: float = 64.0
) -> tuple[Pixels, tuple[int, int]]:
    """Like `decode_cut`, with `(h, w)` of the whole picture, upright, from which the cut was decided.

    Raises:
        DataError: As `decode_cut`.
    """
    header = _plain_header(data, max_megapixels)
    if header is not None:
        cut = geometry.cut(header.upright_size, draws, row)
        factor = _whole_factor(cut)
        part = _decoded_part(data, header, cut, factor)
        if part is not None:
            # The last row and column may stand for less than a whole block; turned around, they are the first.
            x, y = (
                -side % factor if turned else 0
                for side, turned in zip(header.upright_size[::-1], _turns(header.orientation), strict=True)
            )
            left, top, right, bottom = cut.box
            box = ((left + x) / factor, (top + y) / factor, (right + x) / factor, (bottom + y) / factor)
            return fast_cut(part, replace(cut, box=box)), header.upright_size
    pixels = decode_pixels(data, max_megapixels=max_megapixels)
    size = (pixels.shape[0], pixels.shape[1])
    return fast_cut(pixels, geometry.cut(size, draws, row)), size


def fast_cut(pixels: Pixels, cut: Cut) -> Pixels:
    """The cut of uint8 `h w 3`, without antialias: means of whole blocks of pixels, then linear between their centers.

    Without OpenCV, and where the photo's edge has to be repeated, it is drawn by Pillow (`render_cut`).
    """
    h, w = pixels.shape[:2]
    left, top, right, bottom = cut.box
    outside = left < 0 or top < 0 or right > w or bottom > h
    if _cv2 is None or (outside and cut.outside != "black"):
        return render_cut(pixels, cut)
    if outside:
        return _on_black(pixels, cut)
    x0, y0 = min(int(left), w - 1), min(int(top), h - 1)
    part = pixels[y0 : max(int(bottom + 0.999), y0 + 1), x0 : max(int(right + 0.999), x0 + 1)]
    new_h, new_w = cut.size
    factor = min(part.shape[0] // new_h, part.shape[1] // new_w)
    between = cut.subpixel and _is_between(cut, (part.shape[0], part.shape[1]), max(factor, 1))
    if factor >= 2:
        small_h, small_w = part.shape[0] // factor, part.shape[1] // factor
        part = _cv2.resize(
            part[: small_h * factor, : small_w * factor], (small_w, small_h), interpolation=_cv2.INTER_AREA
        )
    else:
        factor = 1
    if between:
        part = _between_pixels(part, ((left - x0) / factor, (top - y0) / factor), factor, cut)
    elif part.shape[:2] != cut.size:
        part = _cv2.resize(part, (new_w, new_h), interpolation=_cv2.INTER_LINEAR)
    return _cv2.flip(part, 1) if cut.flip else part


def _is_between(cut: Cut, size: tuple[int, int], factor: int) -> bool:
    """Whether a cut begins or ends between pixels, or blocks of `factor` pixels do not divide the part of this size."""
    return any(edge != int(edge) for edge in cut.box) or any(side % factor for side in size)


def _between_pixels(part: Pixels, start: tuple[float, float], factor: int, cut: Cut) -> Pixels:
    """The cut out of a part that was shrunk by `factor`, beginning at `start` (x, y) in it, to 1/32 of a pixel."""
    left, top, right, bottom = cut.box
    across, down = (right - left) / factor / cut.size[1], (bottom - top) / factor / cut.size[0]
    # The middle of a pixel of the result, to the middle of one of the part.
    matrix = np.array([[across, 0, start[0] + across / 2 - 0.5], [0, down, start[1] + down / 2 - 0.5]])
    flags = _cv2.INTER_LINEAR | _cv2.WARP_INVERSE_MAP
    drawn: Pixels = _cv2.warpAffine(
        part, matrix, (cut.size[1], cut.size[0]), flags=flags, borderMode=_cv2.BORDER_REPLICATE
    )
    return drawn


def _on_black(pixels: Pixels, cut: Cut) -> Pixels:
    """A cut that reaches beyond the photo: the part that exists, at its place on black."""
    inside, (x0, y0, x1, y1) = inner_part((pixels.shape[0], pixels.shape[1]), cut)
    result = np.zeros((*cut.size, 3), dtype=np.uint8)
    if x1 > x0 and y1 > y0:
        part = fast_cut(pixels, replace(cut, box=inside, size=(y1 - y0, x1 - x0), flip=False))
        result[y0:y1, x0:x1] = part
    return np.asarray(result[:, ::-1]) if cut.flip else result


def _plain_header(data: bytes, max_megapixels: float) -> JpegHeader | None:
    """The header of an ordinary JPEG that is not too large."""
    header = read_jpeg_header(data) if data.startswith(b"\xff\xd8\xff") else None
    too_large = header is not None and header.height * header.width > max_megapixels * 1e6
    return None if too_large else header


def _whole_factor(cut: Cut) -> int:
    """The largest of 1, 2, 4 and 8 by which the photo can shrink while the cut keeps four fifths of the pixels a side.

    Measured on photos of 1920 × 1080: with all of the pixels, edges come out 14 % sharper than Pillow's, for want of
    antialias; with four fifths 3 %, in less time.
    """
    left, top, right, bottom = cut.box
    least = min((bottom - top) / cut.size[0], (right - left) / cut.size[1])
    return next((factor for factor in (8, 4, 2) if least >= _KEPT * factor), 1)


def _decoded_part(data: bytes, header: JpegHeader, cut: Cut, factor: int) -> Pixels | None:
    """The photo at 1/`factor`, down to the lower edge of the cut at least; None where that does not succeed."""
    height, width = -(-header.height // factor), -(-header.width // factor)
    if _simplejpeg is None:
        return _drafted(data, header, (height, width)) if factor > 1 else None
    lower = max(int(cut.box[3]) + 1, 1) if header.orientation == 1 else header.height
    part = upper_part(data, header, lower)
    least = {} if factor == 1 else {"min_height": 1, "min_width": width}
    try:
        pixels: Pixels = _simplejpeg.decode_jpeg(part, fastdct=True, fastupsample=True, strict=part is data, **least)
    except ValueError:
        return None
    return _turned(pixels, header.orientation)


def _drafted(data: bytes, header: JpegHeader, size: tuple[int, int]) -> Pixels | None:
    """The same by Pillow, which decodes at a half, a quarter or an eighth, too."""
    try:
        image = JpegImagePlugin.JpegImageFile(BytesIO(data))
        image.draft("RGB", (size[1], size[0]))
        pixels = np.asarray(image.convert("RGB"))
    except Exception:  # noqa: BLE001 - whatever it is, `read_image` finds the words
        return None
    return _turned(pixels, header.orientation) if pixels.shape[:2] == size else None


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Upright: first rows and columns are exchanged, then one or both are turned around."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    across, down = _turns(orientation)
    return pixels[:: -1 if down else 1, :: -1 if across else 1]


def _turns(orientation: int) -> tuple[bool, bool]:
    """Whether left and right, and whether top and bottom are turned around, by EXIF's number."""
    return orientation in {2, 3, 6, 7}, orientation in {3, 4, 7, 8}


_opencv = threading.Lock()
_opencv_users = [0, 0]  # how many loaders are open, and OpenCV's number of threads before the first


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """OpenCV does its work in the thread that calls it: threads of threads would fight for the cores.

    The number is one for the whole process. It is put back when the last of several users is done.
    """
    if _cv2 is None:
        yield
        return
    with _opencv:
        if not _opencv_users[0]:
            _opencv_users[1] = _cv2.getNumThreads()
            _cv2.setNumThreads(1)
        _opencv_users[0] += 1
    try:
        yield
    finally:
        with _opencv:
            _opencv_users[0] -= 1
            if not _opencv_users[0]:
                _cv2.setNumThreads(_opencv_users[1])

"""Pictures and numbers inside the page: data URIs, and maps packed for the pointer to read.

A map of numbers is stored in whole steps between its smallest and its largest value: the value is `low + step * code`.
Codes of 16 bits are cut into a plane of low and a plane of high bytes (neighbors then look alike), deflated, and
written in base64. A browser unpacks them with `DecompressionStream("deflate-raw")`.
"""

import base64
import zlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.draw import encode_jpeg, encode_png

__all__ = ["LOSSLESS_PIXELS", "block_of", "data_uri", "jpeg_uri", "pack", "photo_uri", "png_uri", "smaller", "unpack"]

LOSSLESS_PIXELS = 300 * 300
"""Photographic pictures with more pixels than this are embedded as JPEG, or the page would grow past its limit."""


def block_of(height: int, width: int, most: int) -> int:
    """Side of the blocks of which a page shows one value each, so that a map has at most `most` values; mostly 1.

    >>> block_of(224, 224, 262_144), block_of(2000, 3000, 262_144)
    (1, 5)
    """
    block = 1
    while -(-height // block) * -(-width // block) > most:
        block += 1
    return block


def data_uri(data: bytes, kind: str) -> str:
    """A file as an address that holds the file itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def png_uri(image: NDArray[np.uint8]) -> str:
    """A picture without loss."""
    return data_uri(encode_png(image), "image/png")


def jpeg_uri(image: NDArray[np.uint8], *, most_bytes: int = 450_000) -> str:
    """A photo, with as little loss as `most_bytes` allow, down to a quality of 40."""
    for quality in (88, 78, 64, 52, 40):
        data = encode_jpeg(image, quality=quality)
        if len(data) <= most_bytes:
            break
    return data_uri(data, "image/jpeg")


def smaller(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A photo for a place where it is shown small: its longer side at most `side`."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    return np.asarray(picture)


def photo_uri(image: NDArray[np.uint8]) -> str:
    """What a network saw: without loss unless it is large."""
    return png_uri(image) if image.shape[0] * image.shape[1] <= LOSSLESS_PIXELS else jpeg_uri(image)


def pack(values: NDArray[Any], *, bits: Literal[8, 16] = 16) -> dict[str, Any]:
    """An array of numbers as JSON values, exact to half a step (`step` is the range divided by 255 or 65,535).

    Values that are not finite are stored as the smallest one.
    """
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    step = (high - low) / (2**bits - 1)
    codes = np.rint((np.where(np.isfinite(array), array, low) - low) / (step or 1.0)).astype(np.uint16).ravel()
    planes = (codes & 255).astype(np.uint8).tobytes()
    if bits == 16:
        planes += (codes >> 8).astype(np.uint8).tobytes()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(planes) + deflate.flush()
    return {
        "shape": list(array.shape),
        "low": low,
        "step": step,
        "bits": bits,
        "data": base64.b64encode(packed).decode("ascii"),
    }


def unpack(packed: dict[str, Any]) -> NDArray[np.float64]:
    """The inverse of `pack`, as the page's script does it."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"]), -15), np.uint8)
    count = int(np.prod(packed["shape"]))
    codes = planes[:count].astype(np.float64)
    if packed["bits"] == 16:
        codes += 256.0 * planes[count:]
    return np.asarray((packed["low"] + packed["step"] * codes).reshape(packed["shape"]))

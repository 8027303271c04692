"""Pictures as file bytes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.draw.checks import check_image
from striate.errors import ConfigError

__all__ = ["encode_jpeg", "encode_png"]


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """The picture as PNG, without loss; with a palette where 256 colors suffice (maps do), which is a third the size.

    Raises:
        ShapeError: `image` is not uint8 `h w 3`.
    """
    check_image(image, name="image")
    packed = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colors, places = np.unique(packed, return_inverse=True)
    if len(colors) <= 256:
        picture = Image.fromarray(places.reshape(packed.shape).astype(np.uint8), mode="P")
        picture.putpalette(np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1).astype(np.uint8).tobytes())
    else:
        picture = Image.fromarray(image)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def encode_jpeg(image: NDArray[np.uint8], *, quality: int = 88) -> bytes:
    """The picture as a progressive JPEG: for photos on a page, never for maps or for what a network is fed.

    Raises:
        ShapeError: `image` is not uint8 `h w 3`.
        ConfigError: `quality` is outside 1…95.
    """
    check_image(image, name="image")
    if not 1 <= quality <= 95:
        raise ConfigError(f"quality must be between 1 and 95; got {quality}.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    return buffer.getvalue()

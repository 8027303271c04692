"""Every way in which a file stores its pixels, to eight bits of red, green and blue."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

from striate.errors import DataError

__all__ = ["picture_orientation", "rgb_pixels"]

_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274  # TIFF and EXIF tags
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def rgb_pixels(image: Image.Image, *, name: str = "Pillow image") -> NDArray[np.uint8]:
    """The pixels of a Pillow image of any mode as uint8 `h w 3`, RGB, upright, on white where it is transparent.

    Raises:
        DataError: If the mode has no fixed white: floating point and 32-bit integers.

    Differs: see `striate.data.read_image`.
    """
    key = _color_key(image)  # known only until the pixels are loaded
    image.load()
    turn = _TURNS.get(picture_orientation(image))
    if image.mode.startswith("I;16"):
        pixels = _from_16_bits(image)
    elif image.mode in {"F", "I"}:
        kind = "floating point" if image.mode == "F" else "32-bit or signed"
        raise DataError(f"{name}: {kind} pixels have no fixed white; scale them to 0..255 and save 8 bits a channel.")
    else:
        pixels = np.array(_on_white(image))
    if key is not None:
        stored = np.asarray(image) if image.mode.startswith("I;16") else pixels
        pixels[np.all(np.atleast_3d(stored) == key, axis=-1)] = 255
    return pixels if turn is None else np.array(Image.fromarray(pixels).transpose(turn))


def _on_white(image: Image.Image) -> Image.Image:
    by_palette = image.mode == "P" or image.format == "GIF"  # a GIF of grays has mode L, and still an index for "clear"
    if not (image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or (by_palette and "transparency" in image.info)):
        return image if image.mode == "RGB" else image.convert("RGB")
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    alpha = rgba.getchannel("A")
    if image.format == "BMP" and alpha.getextrema() == (0, 0):  # a fourth byte that the writer left at zero
        return rgba.convert("RGB")
    page = Image.new("RGB", rgba.size, "white")
    page.paste(rgba, mask=alpha)
    return page


def _from_16_bits(image: Image.Image) -> NDArray[np.uint8]:
    levels = np.asarray(image).astype(np.uint32)
    white = 65535
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if image.tag_v2.get(_BITS) == (12,):
            white = 4095
        if image.tag_v2.get(_PHOTOMETRIC) == 0:  # zero is white; Pillow turns only 8 bits and fewer around
            levels = white - levels
    gray = ((levels * 255 + white // 2) // white).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def _color_key(image: Image.Image) -> NDArray[np.int64] | None:
    """The one color that a PNG without palette declares to be clear, at the depth to which Pillow decodes it."""
    if not isinstance(image, PngImagePlugin.PngImageFile) or image.mode == "P" or "transparency" not in image.info:
        return None
    key = np.atleast_1d(np.asarray(image.info["transparency"], dtype=np.int64))
    stored = str(image.tile[0].args) if image.tile else ""
    if image.mode == "RGB" and "16" in stored:
        return key >> 8
    return key * {"L;2": 85, "L;4": 17}.get(stored, 1)


def picture_orientation(image: Image.Image) -> int:
    """EXIF's number of the way the camera was held, 1 to 8; 1 where there is none or it cannot be read."""
    with suppress(Exception):  # a damaged EXIF block is no reason to refuse the photo: viewers show it unturned, too
        value = image.getexif().get(_ORIENTATION)
        return value if isinstance(value, int) else 1
    return 1

"""Pictures that say how they were made: settings inside of the file, beside the pixels."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from striate.draw.checks import check_image
from striate.errors import ConfigError, DataError

__all__ = ["DESCRIBED_ENDINGS", "encode_described", "read_described"]

DESCRIBED_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")

_KEY = "striate"  # of the text in a PNG
_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131  # EXIF tags


def encode_described(image: NDArray[np.uint8], settings: dict[str, Any], *, ending: str = ".png") -> bytes:
    """The picture as a file that holds `settings`.

    Args:
        image: uint8 `h w 3`.
        settings: JSON values. In a PNG they stand as text under `striate`, in JPEG and WebP in EXIF's description.
        ending: `.png` and `.webp` without loss, `.jpg` at quality 92 with full color resolution.

    Raises:
        ShapeError: `image` is not uint8 `h w 3`.
        ConfigError: Another ending, or settings too long for a JPEG (64 kB).
    """
    check_image(image, name="image")
    ending, text = ending.lower(), json.dumps(settings, ensure_ascii=True)
    if ending not in DESCRIBED_ENDINGS:
        raise ConfigError(f"a picture's name must end in {', '.join(DESCRIBED_ENDINGS)}; got '{ending}'.")
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    if ending == ".png":
        info = PngInfo()
        info.add_text("Software", "Striate")
        info.add_text(_KEY, text)
        picture.save(buffer, "PNG", pnginfo=info, compress_level=6)
        return buffer.getvalue()
    if len(text) > 60_000:
        raise ConfigError("the settings are too long for JPEG and WebP; save a PNG.")
    exif = Image.Exif()
    exif[_DESCRIPTION], exif[_SOFTWARE] = text, "Striate"
    if ending == ".webp":
        picture.save(buffer, "WEBP", lossless=True, quality=60, exif=exif)
    else:
        picture.save(buffer, "JPEG", quality=92, subsampling=0, optimize=True, exif=exif)
    return buffer.getvalue()


def read_described(path: str | Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The pixels uint8 `h w 3` and the settings of a file that `encode_described` made.

    Raises:
        DataError: The file is missing, damaged, or holds no such settings.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as picture:
            text = picture.info.get(_KEY) or picture.getexif().get(_DESCRIPTION) or ""
            settings = json.loads(text)
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no picture with settings of Striate ({error}).") from error
    if not isinstance(settings, dict):
        raise DataError(f"{path} is no picture with settings of Striate.")
    return pixels, settings

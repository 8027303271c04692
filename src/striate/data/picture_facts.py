"""What there is to know about one picture without knowing any other: size, format, color, contrast, fingerprints.

Two fingerprints find the same picture again. The hash of its bytes finds copies. The difference hash finds the same
photo at another size or quality: the picture is shrunk to 8 rows of 9 gray values, and each of the 64 bits says
whether a value is brighter than its left neighbor. Two hashes are near where at most two bits differ.

Source: difference hash: N. Krawetz, "Kind of Like That", The Hacker Factor Blog, 2013.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.formats import HEAD_BYTES, recognize

__all__ = ["THUMBNAIL_PX", "PictureFacts", "difference_hash", "picture_facts", "thumbnail"]

THUMBNAIL_PX = 32
_ORIENTATION, _BITS = 274, 258  # EXIF and TIFF tags
_ENDINGS = {
    "BMP": {".bmp"},
    "GIF": {".gif"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
}


@dataclass(frozen=True, slots=True, eq=False)
class PictureFacts:
    """One picture that could be read.

    Attributes:
        digest: BLAKE2b of the file's bytes, or of the pixels and their shape for a row of an array (16 bytes).
        height: In pixels, upright.
        width: Likewise.
        format: `JPEG`, `PNG` …, or `array`.
        traits: What is special about it: `gray`, `blank`, `rotated`, `alpha`, `cmyk`, `16-bit`, `animated`,
            `wrong-extension`.
        near_hash: The difference hash, 64 bits.
        mean: Of red, green and blue, 0 to 255.
        square: The mean of their squares.
    """

    digest: bytes
    height: int
    width: int
    format: str
    traits: tuple[str, ...]
    near_hash: int
    mean: tuple[float, float, float]
    square: tuple[float, float, float]


def picture_facts(
    data: bytes | NDArray[np.uint8], pixels: NDArray[np.uint8], name: str
) -> tuple[PictureFacts, NDArray[np.uint8]]:
    """The facts of a picture, and its thumbnail.

    Args:
        data: The bytes of its file, or its pixels.
        pixels: What they decode to, uint8 `h w 3`.
        name: The file's name, for its ending.
    """
    image = Image.fromarray(pixels)
    counts = np.array(image.histogram(), dtype=np.float64).reshape(3, 256) / (pixels.shape[0] * pixels.shape[1])
    levels = np.arange(256.0)
    mean, square = counts @ levels, counts @ levels**2
    traits = []
    if np.count_nonzero(counts) == 3:
        traits.append("blank")
    elif (counts == counts[0]).all() and bool((pixels == pixels[:, :, :1]).all()):
        traits.append("gray")
    kind = "array"
    if isinstance(data, bytes):
        kind = recognize(data[:HEAD_BYTES]) or "unknown"
        traits += _file_traits(data, kind, name)
        digest = hashlib.blake2b(data, digest_size=16).digest()
    else:
        digest = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
    facts = PictureFacts(
        digest=digest,
        height=pixels.shape[0],
        width=pixels.shape[1],
        format=kind,
        traits=tuple(traits),
        near_hash=difference_hash(image),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        square=(float(square[0]), float(square[1]), float(square[2])),
    )
    return facts, thumbnail(image)


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """A picture at 32 × 32 pixels, whatever its shape was.

    Shrunk with a triangle filter: the mean over a box jumps by a pixel where sizes do not divide, and two copies of
    different size would be further apart than two photos of one scene.
    """
    return np.array(image.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR, reducing_gap=3.0))


def difference_hash(image: Image.Image) -> int:
    """64 bits: row by row, whether a value is brighter than its left neighbor in 8 rows of 9.

    >>> rising = Image.fromarray(np.tile(np.arange(0, 250, 10, dtype=np.uint8), (25, 1)))
    >>> difference_hash(rising) == 2**64 - 1, difference_hash(rising.transpose(Image.Transpose.ROTATE_180))
    (True, 0)
    """
    small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _file_traits(data: bytes, kind: str, name: str) -> list[str]:
    """What the file's header says; the picture has been decoded, so its size is known to be harmless."""
    traits = []
    ending = PurePosixPath(name).suffix.lower()
    if ending in {each for endings in _ENDINGS.values() for each in endings} and ending not in _ENDINGS.get(kind, ()):
        traits.append("wrong-extension")
    # A damaged tag is no reason to refuse what has been decoded.
    with suppress(Exception), Image.open(BytesIO(data), formats=[kind]) as image:
        if image.mode == "CMYK":
            traits.append("cmyk")
        if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
            traits.append("alpha")
        if image.mode.startswith("I;16") or _bits(data, kind, image) == 16:
            traits.append("16-bit")
        if getattr(image, "n_frames", 1) > 1:
            traits.append("animated")
        if image.getexif().get(_ORIENTATION, 1) not in {0, 1}:
            traits.append("rotated")
    return traits


def _bits(data: bytes, kind: str, image: Image.Image) -> int:
    if kind == "PNG":
        return data[24]
    tags = getattr(image, "tag_v2", {})
    return max(tags.get(_BITS, (8,))) if kind == "TIFF" else 8

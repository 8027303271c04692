"""Decoded pictures of a small set, kept in memory: from the second epoch on nothing is decoded any more.

Whether a set is kept is decided once, from the set alone. It must not depend on what has been read so far: a decoder
that is asked for a part at half scale gives other pixels than the whole picture does, and a run that goes on after a
break would see other pictures than one that was never interrupted.
"""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from striate.data.decode import read_image
from striate.data.image_set import ImageSet
from striate.data.jpeg_header import read_jpeg_header
from striate.errors import ConfigError, DataError

__all__ = ["PixelCache"]

_SAMPLES = 64
_MARGIN = 1.25  # the pictures that were not looked at may be larger


class PixelCache:
    """Keeps decoded pictures of one set, if all of them fit.

    Args:
        images: The set.
        max_bytes: The most that is kept; 0 keeps nothing.

    Raises:
        ConfigError: If `max_bytes` is below 0.

    Attributes:
        enabled: Whether the set, by the sizes of up to 64 of its pictures, fits. Where the guess was too low, what does
            not fit any more is decoded again each time; that changes the speed only. An array of pictures is in memory
            already, and never copied.
    """

    def __init__(self, images: ImageSet, *, max_bytes: int = 1 << 30) -> None:
        if max_bytes < 0:
            raise ConfigError(f"PixelCache: max_bytes must be 0 or more, got {max_bytes}.")
        self.max_bytes = max_bytes
        self.enabled = bool(max_bytes) and _guessed_bytes(images) <= max_bytes
        self._images = images
        self._pixels: dict[int, NDArray[np.uint8]] = {}
        self._bytes = 0

    def belongs_to(self, images: ImageSet) -> bool:
        """Whether it was made for this very set."""
        return images is self._images

    def get(self, index: int) -> NDArray[np.uint8] | None:
        """The pixels of a picture that was put in, uint8 `h w 3`, not writable."""
        return self._pixels.get(index)

    def put(self, index: int, pixels: NDArray[np.uint8]) -> None:
        """Keep a picture, if there is room; threads may do so at once."""
        if self.enabled and index not in self._pixels and self._bytes + pixels.nbytes <= self.max_bytes:
            kept = np.ascontiguousarray(pixels)
            kept.flags.writeable = False
            self._bytes += kept.nbytes  # two threads at once could lose one of the two: a picture too much is kept
            self._pixels[index] = kept

    def __len__(self) -> int:
        return len(self._pixels)


def _guessed_bytes(images: ImageSet) -> float:
    """What the whole set takes when it is decoded; infinite where that cannot be told, or where it is decoded."""
    if not len(images):
        return 0.0
    looked_at = sorted({round(at) for at in np.linspace(0, len(images) - 1, min(_SAMPLES, len(images))).tolist()})
    sizes = [size for index in looked_at if (size := _decoded_bytes(images, index)) is not None]
    return _MARGIN * len(images) * sum(sizes) / len(sizes) if sizes else float("inf")


def _decoded_bytes(images: ImageSet, index: int) -> int | None:
    with suppress(DataError):  # it will be named when it is read for good
        data = images.read(index)
        if isinstance(data, bytes):
            header = read_jpeg_header(data) if data.startswith(b"\xff\xd8\xff") else None
            return 3 * header.height * header.width if header is not None else read_image(data).nbytes
    return None

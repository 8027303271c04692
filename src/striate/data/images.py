"""What a person may give where images are asked for, and the checks at that door."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from striate.data.decode import read_image
from striate.data.modes import rgb_pixels
from striate.errors import ShapeError

__all__ = ["Images", "Photo", "checked_pixels", "checked_tensor", "read_photos", "shown_shape"]

Photo: TypeAlias = str | Path | bytes | NDArray[np.uint8] | Image.Image
Images: TypeAlias = Photo | Sequence[Photo] | Tensor

_RANGE_SLACK = 1e-3  # a sum of rounded floats may end a little outside [0, 1]


def read_photos(images: Photo | Sequence[Photo]) -> list[NDArray[np.uint8]]:
    """The pixels of one or many photos, each uint8 `h w 3`.

    Raises:
        DataError: If a file cannot be read.
        ShapeError: If there is none, or one of them is not a photo.
    """
    photos: list[object]
    if isinstance(images, np.ndarray):
        photos = list(images) if images.ndim == 4 else [images]
    elif isinstance(images, Sequence) and not isinstance(images, str | bytes):
        photos = list(images)
    else:
        photos = [images]
    if not photos:
        raise ShapeError("images is empty; give at least one.")
    return [_pixels(photo) for photo in photos]


def checked_pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`image` itself, if it is uint8 `h w 3` with at least one pixel.

    Raises:
        ShapeError: If not.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        shape = " × ".join(map(str, image.shape)) or "no axes"
        raise ShapeError(f"Pixels must be uint8 h × w × 3 in RGB with at least one pixel, got {image.dtype} {shape}.")
    return image


def checked_tensor(x: Tensor) -> Tensor:
    """`x` itself, if it is floating point `n 3 h w`, not empty, in [0, 1].

    Raises:
        ShapeError: If not; not-a-number is outside [0, 1], too.
    """
    if not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3 or x.numel() == 0:
        raise ShapeError(
            f"A tensor of images must be floating point n 3 h w, RGB in [0, 1], got {shown_shape(x)}; "
            "one image needs x[None], levels of 0..255 x / 255."
        )
    low, high = x.detach().aminmax()
    if not (low >= -_RANGE_SLACK and high <= 1 + _RANGE_SLACK):
        raise ShapeError(
            f"A tensor of images holds RGB in [0, 1], got values from {low:.4g} to {high:.4g}; "
            "give it before normalization, and levels of 0..255 divided by 255."
        )
    return x


def shown_shape(x: Tensor) -> str:
    """Type and shape of a tensor, for an error: `float32 1 3 224 224`."""
    return f"{str(x.dtype).removeprefix('torch.')} {' '.join(map(str, x.shape))}"


def _pixels(photo: object) -> NDArray[np.uint8]:
    if isinstance(photo, np.ndarray):
        return checked_pixels(photo)
    if isinstance(photo, Image.Image):
        return rgb_pixels(photo)
    if isinstance(photo, str | Path | bytes):
        return read_image(photo)
    raise ShapeError(
        "A photo is a path, the bytes of a file, uint8 pixels h × w × 3 or a Pillow image (a batch may be one float "
        f"tensor n 3 h w), got {type(photo).__name__}."
    )

"""A photo as a picture to paint on: at its own size or another, whole, in [0, 1]."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.data.images import checked_tensor, read_photos
from striate.dreams.octaves import SMALLEST_PX
from striate.dreams.subject import Subject
from striate.errors import ConfigError, ShapeError

__all__ = ["LARGEST_PX", "DreamSize", "dream_size", "photo_tensor"]

DreamSize = int | Literal["original"] | None

LARGEST_PX = 1024
"""Longer side that a photo is made smaller to, where nothing else is said."""

_LEAST_PX = 224  # longer side that a tiny photo is made larger to


def dream_size(height: int, width: int, size: DreamSize = None) -> tuple[int, int]:
    """`(h, w)` to paint at.

    Args:
        height: Of the photo.
        width: Of the photo.
        size: Longer side in pixels; `original` for the photo's own; None for that, within 224 to 1024.

    Raises:
        ConfigError: `size` below 32 or something else.
        ShapeError: The shorter side would have less than 32 pixels.

    >>> dream_size(3000, 4000), dream_size(16, 16), dream_size(3000, 4000, "original")
    ((768, 1024), (224, 224), (3000, 4000))
    """
    longer = max(height, width)
    if size is None:
        wanted = min(max(longer, _LEAST_PX), LARGEST_PX)
    elif size == "original":
        wanted = longer
    elif size < SMALLEST_PX:
        raise ConfigError(f"size must be 'original' or the longer side, {SMALLEST_PX} pixels or more; got {size!r}.")
    else:
        wanted = size
    sides = (max(round(height * wanted / longer), 1), max(round(width * wanted / longer), 1))
    if min(sides) < SMALLEST_PX:
        raise ShapeError(
            f"a photo of {width} × {height} pixels would be painted at {sides[1]} × {sides[0]}, and a side below "
            f"{SMALLEST_PX} holds nothing to see. Give a larger size, or crop the photo."
        )
    return sides


def photo_tensor(
    subject: Subject,
    photo: Any,
    *,
    size: DreamSize = None,
    limits: tuple[float, float] | None = None,
    name: str = "photo",
) -> Float[Tensor, "1 c h w"]:
    """The photo as it is painted on, on the network's device, in 32 bits at least.

    Args:
        subject: The network.
        photo: One photo: a path, the bytes of a file, uint8 `h w 3`, or a tensor `1 c h w`.
        size: As for `dream_size`; a tensor stays at its own size where None is given.
        limits: What black and white are in a tensor for a plain module; None for RGB in [0, 1].
        name: Of the argument, for errors.

    Raises:
        ShapeError: Not one picture, of the wrong channels, or outside of its limits.
        DataError: The file cannot be read.
    """
    if isinstance(photo, Tensor):
        x = _checked(photo, subject, limits, name)
    else:
        photos = read_photos(photo)
        if len(photos) != 1:
            raise ShapeError(f"{name} must be one picture; got {len(photos)}. Call it once for each.")
        x = torch.from_numpy(photos[0].copy()).permute(2, 0, 1)[None].float() / 255
    if subject.channels == 1 and x.shape[1] == 3:
        x = (x * x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if x.shape[1] != subject.channels:
        raise ShapeError(f"{name} must have {subject.channels} channels for this network; got {x.shape[1]}.")
    if size is None and isinstance(photo, Tensor):
        size = "original"
    sides = dream_size(x.shape[2], x.shape[3], size)
    with torch.inference_mode(False), torch.no_grad():
        dtype = subject.picture_dtype
        x = x.detach().to(device=subject.device, dtype=dtype).clone()
        if tuple(x.shape[2:]) != sides:
            x = F.interpolate(x, sides, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return x


def _checked(photo: Tensor, subject: Subject, limits: tuple[float, float] | None, name: str) -> Tensor:
    if photo.dim() != 4 or len(photo) != 1 or not photo.is_floating_point() or not photo.numel():
        raise ShapeError(
            f"{name} must be one floating point picture '1 c h w'; got {photo.dtype} {tuple(photo.shape)}."
        )
    if limits is None or limits == (0.0, 1.0):
        return checked_tensor(photo) if photo.shape[1] == 3 else _within(photo, (0.0, 1.0), name)
    return (_within(photo, limits, name) - limits[0]) / (limits[1] - limits[0])


def _within(photo: Tensor, limits: tuple[float, float], name: str) -> Tensor:
    low, high = photo.detach().aminmax()
    slack = 1e-3 * (limits[1] - limits[0])
    if not (low >= limits[0] - slack and high <= limits[1] + slack):  # also for not-a-number
        raise ShapeError(f"{name} must lie within limits={limits}; got values from {low:.4g} to {high:.4g}.")
    return photo

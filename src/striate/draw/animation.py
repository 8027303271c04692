"""Pictures one after the other, as the bytes of an animated GIF."""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.draw.checks import check_image
from striate.errors import ConfigError, ShapeError

__all__ = ["encode_gif"]


def encode_gif(frames: Iterable[NDArray[np.uint8]], *, duration_ms: int = 500, last_ms: int = 1500) -> bytes:
    """An animation that repeats.

    All frames share a palette of 200 colors, made of the first, the middle and the last of them; only what changes from
    one frame to the next is stored.

    Args:
        frames: uint8 `h w 3`, all of one size.
        duration_ms: How long each is shown, in milliseconds.
        last_ms: How long the last one is shown.

    Raises:
        ShapeError: No frames, or frames of different sizes.
        ConfigError: A duration below 20, which viewers do not keep.
    """
    if min(duration_ms, last_ms) < 20:
        raise ConfigError(f"duration_ms and last_ms must be at least 20, got {duration_ms} and {last_ms}.")
    pictures = list(frames)
    if not pictures:
        raise ShapeError("frames must hold at least one picture; got none.")
    for number, picture in enumerate(pictures):
        if check_image(picture, name=f"frames[{number}]").shape != pictures[0].shape:
            raise ShapeError(f"frames must all have one size; frames[{number}] differs from the first.")
    both = np.concatenate([pictures[0], pictures[len(pictures) // 2], pictures[-1]])
    palette = Image.fromarray(both).quantize(200, method=Image.Quantize.MEDIANCUT)
    images = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[duration_ms] * (len(images) - 1) + [last_ms],
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()

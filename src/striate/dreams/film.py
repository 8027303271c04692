"""A film of dreams: each frame is the one before, a little nearer, dreamt on.

    frame k+1 = dream(closer(frame k))

A frame begins from the 8-bit pixels of the one before, as they stand in its file. So the frames on disk are all that
going on needs, and a film that was stopped ends bit for bit as one that was not.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = ["closer", "frame_pixels", "frame_tensor"]


def closer(picture: Float[Tensor, "n c h w"], *, zoom: float, turn: float = 0.0) -> Float[Tensor, "n c h w"]:
    """The middle of the picture, `zoom` times as large, turned by `turn` degrees; bicubic, the border mirrored.

    Args:
        picture: In [0, 1].
        zoom: Above 1 to come nearer, below 1 to go back.
        turn: Counterclockwise.

    Raises:
        ConfigError: `zoom` outside of 0.5 to 2, or a turn that is not finite.

    >>> round(closer(torch.full((1, 3, 8, 8), 0.5), zoom=1.05).mean().item(), 5)
    0.5
    """
    if not 0.5 <= zoom <= 2 or not math.isfinite(turn):
        raise ConfigError(f"zoom, the factor from frame to frame, must be from 0.5 to 2; got {zoom} (turn {turn}).")
    if zoom == 1 and not turn:
        return picture
    c, s = math.cos(math.radians(turn)) / zoom, math.sin(math.radians(turn)) / zoom
    aspect = picture.shape[2] / picture.shape[3]  # grid_sample measures each side from -1 to 1
    matrix = picture.new_tensor([[c, -s * aspect, 0.0], [s / aspect, c, 0.0]]).expand(len(picture), 2, 3)
    with torch.no_grad():
        places = F.affine_grid(matrix, list(picture.shape), align_corners=False)
        moved = F.grid_sample(picture, places, mode="bicubic", padding_mode="reflection", align_corners=False)
    return moved.clamp(0, 1)


def frame_pixels(picture: Float[Tensor, "1 c h w"]) -> NDArray[np.uint8]:
    """uint8 `h w 3` of a picture in [0, 1]."""
    levels = (picture.detach()[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels)


def frame_tensor(pixels: NDArray[np.uint8], *, like: Tensor) -> Float[Tensor, "1 c h w"]:
    """Back from `frame_pixels`, on the device and in the precision of `like`, with as many channels."""
    picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(like) / 255
    return picture[:, : like.shape[1]]

"""A region of a photo: what is outside is dimmed, and a line runs along its edge."""

import numpy as np
from numpy.typing import NDArray

from striate.draw.checks import check_image
from striate.draw.themes import RGB, THEMES
from striate.errors import ConfigError, ShapeError

__all__ = ["draw_outline"]


def draw_outline(
    photo: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    *,
    box: tuple[int, int, int, int] | None = None,
    dim: float = 0.55,
    color: RGB | None = None,
) -> NDArray[np.uint8]:
    """The photo with a region left bright, its edge drawn, and its box where one is given.

    The line lies outside of the region, so that the region's own pixels are those of the photo.

    Args:
        photo: uint8 `h w 3`.
        mask: True inside, `h w`.
        box: `x0 y0 x1 y1` in pixels, the ends not included; drawn as a hairline.
        dim: How much of the way to gray and dark the outside goes, from 0 (not at all) to 1.
        color: Of the line; the accent color by default.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: The photo is not uint8 `h w 3`, or the mask has another size.
        ConfigError: `dim` is outside [0, 1].

    >>> photo, mask = np.full((9, 9, 3), 200, np.uint8), np.zeros((9, 9), bool)
    >>> mask[3:6, 3:6] = True
    >>> draw_outline(photo, mask)[4, 4].tolist()
    [200, 200, 200]
    """
    check_image(photo, name="photo")
    if mask.shape != photo.shape[:2]:
        raise ShapeError(f"mask must have the photo's size {photo.shape[:2]}; got {mask.shape}.")
    if not 0.0 <= dim <= 1.0:
        raise ConfigError(f"dim must be between 0 and 1; got {dim}.")
    inside = mask.astype(bool)
    picture = photo.astype(np.float64)
    gray = picture @ np.array([0.299, 0.587, 0.114])
    outside = (1.0 - dim) * picture + dim * 0.45 * gray[..., None]
    picture = np.where(inside[..., None], picture, outside)
    width = max(1, round(min(mask.shape) / 160))
    ink = np.array(color or THEMES["dark"]["accent"], dtype=np.float64)
    picture[_grown(inside, width) & ~inside] = ink
    if box is not None and box[2] > box[0] and box[3] > box[1]:
        x0, y0, x1, y1 = box
        filled = np.zeros_like(inside)
        filled[y0:y1, x0:x1] = True
        line = _grown(filled, max(1, width // 2)) & ~filled & ~inside
        picture[line] = 0.5 * picture[line] + 127.5
    return np.rint(picture).astype(np.uint8)


def _grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """The mask and everything at most `pixels` away from it, in a round neighborhood."""
    grown = mask.copy()
    height, width = mask.shape
    for dy in range(-pixels, pixels + 1):
        for dx in range(-pixels, pixels + 1):
            if dy * dy + dx * dx > pixels * pixels + 1:
                continue
            to = (slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0)))
            of = (slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0)))
            grown[to] |= mask[of]
    return grown

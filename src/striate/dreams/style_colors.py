"""The style's strokes in the content's colors, in two ways.

    luminance   paint in gray; lightness from the painting, color from the photo (YIQ)
    match       give the style the photo's mean color and color covariance first, then paint

The first keeps every color at its place, the second the palette on the whole.

Source: Gatys, Bethge, Hertzmann, Shechtman 2016, "Preserving color in neural artistic style transfer",
arXiv:1606.05897, sections 3 and 4.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError, ShapeError

__all__ = [
    "LUMA",
    "KeepColors",
    "keep_luminance",
    "luminance",
    "match_colors",
    "match_luminance",
    "recolored",
    "to_gray",
]

KeepColors = Literal["luminance", "match"]
LUMA = (0.299, 0.587, 0.114)
"""Y of YIQ (NTSC)."""


def luminance(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Y = .299 R + .587 G + .114 B."""
    _require_rgb(rgb)
    return (rgb * rgb.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def to_gray(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Three equal channels of luminance."""
    return luminance(rgb).expand(-1, 3, -1, -1).clone()


def match_luminance(style: Float[Tensor, "n 3 h w"], content: Float[Tensor, "m 3 h2 w2"]) -> Float[Tensor, "n 3 h w"]:
    """The style in gray, with the mean and the deviation of the content's luminance (section 4)."""
    mine, theirs = luminance(style), luminance(content)
    spread = theirs.std(correction=0) / mine.std(correction=0).clamp(min=1e-6)
    return ((mine - mine.mean()) * spread + theirs.mean()).clamp(0, 1).expand(-1, 3, -1, -1).clone()


def keep_luminance(painted: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """Luminance of one picture, I and Q of another.

    Where such a color does not exist, I and Q are made smaller in proportion until it does: lightness and hue stay.

    >>> gray, red = torch.full((1, 3, 1, 1), 0.5), torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1)
    >>> mixed = keep_luminance(gray, red)
    >>> round(float(luminance(mixed)), 6), [round(v, 3) for v in (mixed - mixed.mean()).flatten().tolist()]
    (0.5, [0.133, -0.067, -0.067])
    """
    light = luminance(painted).clamp(0, 1)
    color = content - luminance(content)  # what I and Q stand for: RGB without its luminance
    room = torch.where(color > 0, (1 - light) / color.clamp(min=1e-12), light / (-color).clamp(min=1e-12))
    return (light + color * room.amin(1, keepdim=True).clamp(max=1)).clamp(0, 1)


def match_colors(style: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h w"]:
    """The style with the content's mean color and color covariance: A = Σ_C^½ Σ_S^-½, b = μ_C − A μ_S (section 3).

    Differs: colors that leave [0, 1] are clamped, so that the moments agree only where few do.
    """
    _require_rgb(style)
    _require_rgb(content)
    mine, theirs = (x.double().movedim(1, 0).flatten(1) for x in (style, content))
    change = _power(_covariance(theirs), 0.5) @ _power(_covariance(mine), -0.5)
    moved = change @ (mine - mine.mean(1, keepdim=True)) + theirs.mean(1, keepdim=True)
    return moved.view(3, len(style), *style.shape[2:]).movedim(0, 1).to(style).clamp(0, 1)


def recolored(photo: Tensor, paintings: list[Tensor], keep: str | None) -> tuple[Tensor, list[Tensor]]:
    """What is painted instead of photo and paintings, so that `keep` comes out.

    Raises:
        ConfigError: Another way to keep colors.
    """
    if keep is None:
        return photo, paintings
    if keep == "luminance":
        return to_gray(photo), [match_luminance(one, photo) for one in paintings]
    if keep == "match":
        return photo, [match_colors(one, photo) for one in paintings]
    raise ConfigError(f"keep_colors must be 'luminance', 'match' or None; got {keep!r}.")


def _covariance(pixels: Tensor) -> Tensor:
    centered = pixels - pixels.mean(1, keepdim=True)
    return centered @ centered.T / pixels.shape[1]


def _power(matrix: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp(min=1e-6)  # a gray style has no color to stretch
    found: Tensor = (vectors * values.pow(power)) @ vectors.T
    return found


def _require_rgb(x: Tensor) -> None:
    if x.dim() != 4 or x.shape[1] != 3:
        raise ShapeError(f"colors are kept in RGB pictures 'n 3 h w'; got {tuple(x.shape)}.")

"""How far one picture is from another, in the numbers that people compare: PSNR, SSIM, and the colors alone."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from striate.draw.oklab import to_oklab
from striate.errors import ShapeError

__all__ = ["color_error", "psnr", "ssim"]

_LUMA = np.array([0.299, 0.587, 0.114])
_RADIUS_PX = 5  # of SSIM's window, 11 × 11


def psnr(picture: NDArray[Any], photo: NDArray[Any]) -> float:
    """−10·log₁₀ of the mean squared difference, in dB; infinite for equal pictures.

    Args:
        picture: `c h w`, values in [0, 1].
        photo: Likewise.

    Raises:
        ShapeError: Pictures of different shapes.

    >>> round(psnr(np.zeros((3, 4, 4)), np.full((3, 4, 4), 0.1)), 6)
    20.0
    """
    error = float(np.mean(np.square(_pair(picture, photo))))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(picture: NDArray[Any], photo: NDArray[Any]) -> float:
    """Structural similarity of the lightness (Rec. 601 luma): 1 for equal pictures, about 0 for unrelated ones.

    Args:
        picture: `c h w`, values in [0, 1]; 1 or 3 channels, others are averaged.
        photo: Likewise.

    Returns:
        The mean over all places of the 11 × 11 window; not a number where the picture is smaller than the window.

    Raises:
        ShapeError: Pictures of different shapes.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, "Image quality assessment", eq. 13: K₁ = 0.01, K₂ = 0.03, Gaussian
        window of standard deviation 1.5.
    """
    _pair(picture, photo)
    if min(photo.shape[1:]) < 2 * _RADIUS_PX + 1:
        return math.nan
    x, y = _lightness(picture), _lightness(photo)
    mean_x, mean_y = _window(x), _window(y)
    var_x, var_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    both = _window(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    a = _RADIUS_PX
    return float(map_[a:-a, a:-a].mean())


def color_error(picture: NDArray[Any], photo: NDArray[Any]) -> float:
    """The mean distance of the colors alone, lightness left out: in OKLab's two color axes, 0 to about 0.4.

    Args:
        picture: `3 h w`, sRGB in [0, 1].
        photo: Likewise.

    Returns:
        The mean over the pixels, of colors rounded to 8 bits; not a number for pictures without three channels. Red
        against gray is 0.26; 0.02 is hardly seen.

    Raises:
        ShapeError: Pictures of different shapes.
    """
    _pair(picture, photo)
    if len(photo) != 3:
        return math.nan
    a, b = (
        to_oklab(np.rint(np.clip(p, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))[..., 1:] for p in (picture, photo)
    )
    return float(np.linalg.norm(a - b, axis=-1).mean())


def _pair(picture: NDArray[Any], photo: NDArray[Any]) -> NDArray[np.float64]:
    if picture.ndim != 3 or picture.shape != photo.shape or not picture.size:
        raise ShapeError(f"pictures must be 'c h w' of one shape; got {picture.shape} and {photo.shape}.")
    return np.asarray(picture, np.float64) - np.asarray(photo, np.float64)


def _lightness(picture: NDArray[Any]) -> NDArray[np.float64]:
    values = np.asarray(picture, np.float64)
    return np.tensordot(_LUMA, values, 1) if len(values) == 3 else values.mean(0)


def _window(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter(plane, 1.5, radius=_RADIUS_PX))

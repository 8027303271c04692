"""OKLab: lightness and two color axes, even to the eye; what lets a map lend its hue to a photo.

Source: Bjoern Ottosson, "A perceptual color space for image processing", 2020 (matrices of 2021-01-25).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_oklab", "to_oklab"]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LMS = np.linalg.inv(_TO_LMS)
_FROM_LAB = np.linalg.inv(_TO_LAB)


def to_oklab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Turn sRGB bytes `… 3` into OKLab `… 3`: lightness in [0, 1], then green-red and blue-yellow, each within ±0.4."""
    x = rgb.astype(np.float64) / 255.0
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T)


def from_oklab(lab: NDArray[Any]) -> NDArray[np.uint8]:
    """OKLab `… 3` to sRGB bytes `… 3`; colors that a screen cannot show are cut at its limits."""
    linear = np.clip(((lab @ _FROM_LAB.T) ** 3) @ _FROM_LMS.T, 0.0, 1.0)
    x = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(x * 255.0), dtype=np.uint8)

"""Random brightness, contrast, saturation and hue: a thing keeps its name in another light.

Each is a blend, which may go beyond the two pictures that it blends, and is then clamped to [0, 1]:

    brightness  f·x + (1 − f)·black          contrast    f·x + (1 − f)·(mean of the picture's luma)
    saturation  f·x + (1 − f)·luma(x)        hue         the angle of the color turns by f of a full turn

The four come in a random order, which matters because of the clamping.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.batches import check_batch, check_range, each
from striate.data.augment.draws import Draws

__all__ = ["ColorJitter", "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation"]

_LUMA = (0.2989, 0.587, 0.114)  # torchvision's digits, which add up to .9999


@dataclass(frozen=True)
class ColorJitter:
    """Random color, every picture by its own factors and in its own order.

    Attributes:
        brightness: The factor is drawn evenly from [max(0, 1 − b), 1 + b].
        contrast: Likewise.
        saturation: Likewise.
        hue: The turn is drawn evenly from [−h, h] of a full turn, h up to 0.5.

    Raises:
        ConfigError: If a setting is below 0, or `hue` above 0.5.

    Source: torchvision `ColorJitter`; before it Krizhevsky et al. 2012 and Howard 2013, Some Improvements on Deep
        Convolutional Neural Network Based Image Classification, section 2.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_range(f"ColorJitter: {name}", getattr(self, name), 0, 10)
        check_range("ColorJitter: hue", self.hue, 0, 0.5)

    def __call__(self, images: Float[Tensor, "n 3 h w"], draws: Draws) -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1] to RGB in [0, 1]."""
        check_batch(images, draws)
        numbers, order = draws.uniform("color-jitter", 4), np.argsort(draws.uniform("color-jitter/order", 4), axis=1)
        images = images.clone(memory_format=torch.preserve_format) if images.stride(1) else images.contiguous()
        # On a CPU one picture at a time stays in the cache through all its steps, which is ten times as fast.
        together = 1 if images.device.type == "cpu" else max(len(images), 1)
        for start in range(0, len(images), together):
            rows = slice(start, start + together)
            images[rows] = self._jittered(images[rows], numbers[rows], order[rows])
        return images

    def _jittered(self, images: Tensor, numbers: NDArray[np.float64], order: NDArray[np.int64]) -> Tensor:
        for turn in range(4):
            for which, (strength, adjust) in enumerate(self._steps()):
                rows = np.flatnonzero(order[:, turn] == which)
                if not strength or not len(rows):
                    continue
                low, high = (-strength, strength) if adjust is adjust_hue else (max(0.0, 1 - strength), 1 + strength)
                factor = each(low + (high - low) * numbers[rows, which], images)
                if len(rows) == len(images):
                    images = adjust(images, factor)
                else:
                    at = torch.from_numpy(rows).to(images.device)
                    images[at] = adjust(images[at], factor)
        return images

    def _steps(self) -> tuple[tuple[float, Callable[[Tensor, Tensor], Tensor]], ...]:
        return (
            (self.brightness, adjust_brightness),
            (self.contrast, adjust_contrast),
            (self.saturation, adjust_saturation),
            (self.hue, adjust_hue),
        )

    def describe(self) -> str:
        """One phrase, for people."""
        words = [f"{name} ±{100 * getattr(self, name):g} %" for name in ("brightness", "contrast", "saturation")]
        words = [word for word in words if " ±0 %" not in word]
        return "color: " + ", ".join(words + ([f"hue ±{360 * self.hue:g}°"] if self.hue else []))


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """`factor` `n 1 1 1` times the picture, clamped to [0, 1]."""
    return (images * factor).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the mean of the picture's luma, by `factor` `n 1 1 1`."""
    return _blended(images, _luma(images).mean(dim=(1, 2, 3), keepdim=True), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the picture in gray, by `factor` `n 1 1 1`."""
    return _blended(images, _luma(images), factor)


def adjust_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Colors turned by `turn` `n 1 1 1` of the circle red, yellow, green, cyan, blue, magenta.

    Source: Smith 1978, Color Gamut Transform Pairs (the hexcone, HSV).
    """
    high, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    chroma = high - low
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    sector = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sector = sector + 6 * turn
    # channel = high − chroma · clamp(min(k, 4 − k), 0, 1),  k = (start + sector) mod 6,  start = 5, 3, 1
    start = images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    k = (start + sector).remainder_(6)
    return high - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)


def _luma(images: Tensor) -> Tensor:
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])


def _blended(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (images * factor).add_((1 - factor) * other).clamp_(0, 1)

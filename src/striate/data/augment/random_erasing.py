"""A random rectangle of the picture is covered: no single part may be all that a class is known by."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.batches import as_tensor, check_batch, check_range, one_channel
from striate.data.augment.draws import Draws
from striate.errors import ConfigError

__all__ = ["RandomErasing"]

_TRIES = 10


@dataclass(frozen=True)
class RandomErasing:
    """Covers one rectangle of some pictures.

    Attributes:
        probability: Of a picture being covered at all.
        area: Least and largest share of the picture.
        ratio: Least and largest height ÷ width of the rectangle; drawn evenly in its logarithm.
        fill: `noise`: a random value for each pixel and channel; `color`: one random color; or a level in [0, 1].

    Raises:
        ConfigError: If a setting is outside its range.

    Source: Zhong et al. 2017, Random Erasing Data Augmentation, algorithm 1; random values are the paper's best fill.
    Differs: after ten tries that do not fit the picture stays whole (as in torchvision; the paper tries on).
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: Literal["noise", "color"] | float = "noise"

    def __post_init__(self) -> None:
        check_range("RandomErasing: probability", self.probability, 0, 1)
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ConfigError(f"RandomErasing: area must be two shares, 0 < low ≤ high ≤ 1, got {self.area}.")
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise ConfigError(f"RandomErasing: ratio must be two numbers, 0 < low ≤ high, got {self.ratio}.")
        if isinstance(self.fill, str):
            if self.fill not in {"noise", "color"}:
                raise ConfigError(f"RandomErasing: fill must be 'noise', 'color' or a level, got '{self.fill}'.")
        else:
            check_range("RandomErasing: fill", self.fill, 0, 1)

    def __call__(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """New pictures, some with a covered rectangle."""
        check_batch(images, draws)
        full, images = images, one_channel(images)
        edges = np.stack(self.boxes(images.shape[2:], draws), axis=1)
        rows = np.flatnonzero(edges[:, 2] > edges[:, 0])
        images = images.clone(memory_format=torch.preserve_format)
        for row in rows.tolist():
            top, left, bottom, right = edges[row].tolist()
            images[row, :, top:bottom, left:right] = self._filling(images, draws, row, (bottom - top, right - left))
        return images.expand(full.shape)

    def boxes(self, size: tuple[int, ...], draws: Draws) -> tuple[NDArray[np.int64], ...]:
        """Top, left, bottom and right of the rectangle for each row, in pixels of `size` `(h, w)`; 0 0 0 0 for none."""
        height, width = size
        numbers = draws.uniform("random-erasing", 4 * _TRIES).reshape(len(draws), _TRIES, 4)
        area = height * width * (self.area[0] + (self.area[1] - self.area[0]) * numbers[..., 0])
        log_low, log_high = math.log(self.ratio[0]), math.log(self.ratio[1])
        ratio = np.exp(log_low + (log_high - log_low) * numbers[..., 1])
        h, w = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        fits = (h >= 1) & (w >= 1) & (h < height) & (w < width)
        wanted = fits.any(1) & (draws.uniform("random-erasing/whether")[:, 0] < self.probability)
        first = (np.arange(len(draws)), fits.argmax(1))
        h, w = h[first] * wanted, w[first] * wanted
        top = np.floor(numbers[..., 2][first] * (height - h + 1)) * wanted
        left = np.floor(numbers[..., 3][first] * (width - w + 1)) * wanted
        return tuple(edge.astype(np.int64) for edge in (top, left, top + h, left + w))

    def _filling(self, images: Tensor, draws: Draws, row: int, size: tuple[int, int]) -> Tensor:
        """What the rectangle of one picture is filled with: something that spreads to `c h w`."""
        c, (h, w) = images.shape[1], size
        if not isinstance(self.fill, str):
            return images.new_tensor(self.fill)
        if self.fill == "color":
            return as_tensor(draws.uniform("random-erasing/color", c)[row, :, None, None], images)
        noise = draws.only(row).coarse("random-erasing/noise", c * h * w)
        return as_tensor(noise, images).view(c, h, w)

    def describe(self) -> str:
        """One phrase, for people."""
        low, high = (f"{100 * share:g}" for share in self.area)
        what = {"noise": "noise", "color": "a random color"}.get(str(self.fill), f"level {self.fill}")
        return f"{low}–{high} % covered with {what} in {100 * self.probability:g} % of cases"

"""GoogLeNet's crop: a random part of a random shape, resized to what the network takes.

"Sampling of various sized patches of the image whose size is distributed evenly between 8 % and 100 % of the image
area with aspect ratio constrained to the interval [3/4, 4/3]": a network learns that a thing is the same thing near
and far, whole and in part.
"""

import math
from dataclasses import dataclass

from striate.data.augment.cut import Cut, Geometry, check_flip, flip_words
from striate.data.augment.draws import Draws
from striate.errors import ConfigError

__all__ = ["RandomResizedCrop"]

_TRIES = 10


@dataclass(frozen=True)
class RandomResizedCrop(Geometry):
    """A random rectangle of the photo, resized; torchvision's rule and defaults.

    Attributes:
        size: `(h, w)` of the result.
        scale: Least and largest share of the photo's area.
        ratio: Least and largest width ÷ height of the part; drawn evenly in its logarithm.
        flip: The probability that left and right are exchanged.
        interpolation: The filter of the resize.

    Raises:
        ConfigError: If a range is empty or not above 0, a share is above 1, or `flip` is no probability.

    Source: Szegedy et al. 2014, Going Deeper with Convolutions, section 6; torchvision `RandomResizedCrop`: ten tries,
        then the largest centered part whose shape is allowed.

    >>> RandomResizedCrop((224, 224)).cut((300, 400), Draws(0, 0, [5]), 0).size
    (224, 224)
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ConfigError(f"RandomResizedCrop: scale must be two shares, 0 < low ≤ high ≤ 1, got {self.scale}.")
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise ConfigError(f"RandomResizedCrop: ratio must be two numbers, 0 < low ≤ high, got {self.ratio}.")
        check_flip("RandomResizedCrop", self.flip)

    def result_size(self) -> tuple[int, int]:
        """`size`."""
        return self.size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The part of a picture of `size` `(h, w)` that row `row` of `draws` gets."""
        top, left, h, w = self._part(size, draws, row)
        flip = bool(draws.uniform("flip")[row, 0] < self.flip)
        box = (float(left), float(top), float(left + w), float(top + h))
        return Cut(box, self.size, flip, self.interpolation)

    def _part(self, size: tuple[int, int], draws: Draws, row: int) -> tuple[int, int, int, int]:
        """Top, left, height and width, whole pixels."""
        height, width = size
        numbers = draws.uniform("random-resized-crop", 4 * _TRIES)[row].tolist()
        low, high = self.scale
        log_low, log_high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for start in range(0, len(numbers), 4):
            area_at, ratio_at, top_at, left_at = numbers[start : start + 4]
            area = height * width * (low + (high - low) * area_at)
            aspect = math.exp(log_low + (log_high - log_low) * ratio_at)
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return int(top_at * (height - h + 1)), int(left_at * (width - w + 1)), h, w
        w, h = width, height
        if width < self.ratio[0] * height:
            h = round(width / self.ratio[0])
        elif width > self.ratio[1] * height:
            w = round(height * self.ratio[1])
        return (height - h) // 2, (width - w) // 2, h, w

    def describe(self) -> str:
        """One phrase, for people."""
        low, high = (f"{100 * share:g}" for share in self.scale)
        words = f"random part of {low}–{high} % of the area, shape {self.ratio[0]:.2g} to {self.ratio[1]:.2g}"
        return words + f", resized to {self.size[0]} × {self.size[1]}" + flip_words(self.flip)

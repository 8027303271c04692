"""VGG's crop: the photo at a random size, and a window of the network's size somewhere in it.

The shorter side S is drawn evenly from [256, 512], so that things are seen at many sizes but never out of shape; with
one size, (256, 256), this is AlexNet's crop.
"""

from dataclasses import dataclass

from striate.data.augment.cut import Cut, Geometry, check_flip, flip_words
from striate.data.augment.draws import Draws
from striate.data.resize import middle, resized_size
from striate.errors import ConfigError

__all__ = ["ScaleJitter"]


@dataclass(frozen=True)
class ScaleJitter(Geometry):
    """The shorter side to a random length S, then a random window.

    Attributes:
        size: `(h, w)` of the window.
        shorter: Least and largest S, in pixels, both included; at least as long as the window's longer side.
        flip: The probability that left and right are exchanged.
        interpolation: The filter of the resize.

    Raises:
        ConfigError: If the range is empty or the window does not fit, or `flip` is no probability.

    Source: Simonyan and Zisserman 2014, Very Deep Convolutional Networks, section 3.1 (S in [256, 512]); Krizhevsky et
        al. 2012, section 4.1 (S = 256).
    Differs: only the window is resized, not the whole photo, which is the same but for Pillow's rounding; of a photo
        whose sides differ by more than a factor of 256 the ends are cut, as in evaluation.

    >>> ScaleJitter((224, 224), (256, 256)).cut((512, 512), Draws(0, 0, [3]), 0).box
    (6.0, 48.0, 454.0, 496.0)
    """

    size: tuple[int, int] = (224, 224)
    shorter: tuple[int, int] = (256, 512)
    flip: float = 0.5
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        low, high = self.shorter
        if not max(self.size) <= low <= high:
            raise ConfigError(
                f"ScaleJitter: shorter must be two lengths, low ≤ high, of at least the window's {max(self.size)} "
                f"pixels, got {self.shorter}."
            )
        check_flip("ScaleJitter", self.flip)

    def result_size(self) -> tuple[int, int]:
        """`size`."""
        return self.size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The window for a picture of `size` `(h, w)`, which is number `row` of `draws`."""
        low, high = self.shorter
        length, down_at, across_at = draws.uniform("scale-jitter", 3)[row].tolist()
        shorter = low + int(length * (high - low + 1))
        top, left, part_h, part_w = middle(size, self.size, shorter)
        new_h, new_w = resized_size((part_h, part_w), shorter)
        down, across = part_h / new_h, part_w / new_w
        y, x = int(down_at * (new_h - self.size[0] + 1)), int(across_at * (new_w - self.size[1] + 1))
        box = (
            left + x * across,
            top + y * down,
            left + (x + self.size[1]) * across,
            top + (y + self.size[0]) * down,
        )
        flip = bool(draws.uniform("flip")[row, 0] < self.flip)
        return Cut(box, self.size, flip, self.interpolation)

    def describe(self) -> str:
        """One phrase, for people."""
        low, high = self.shorter
        length = f"{low}" if low == high else f"a random {low}–{high}"
        return f"shorter side to {length} px, random {self.size[0]} × {self.size[1]} of it{flip_words(self.flip)}"

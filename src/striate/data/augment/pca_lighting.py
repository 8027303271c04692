"""AlexNet's lighting: a random step along the directions in which the colors of photos vary.

The nine numbers of the covariance of red, green and blue have three directions; in photos the longest is nearly gray
(brighter and darker), the next yellow against blue (sun and shade). To every pixel of a picture is added

    [p₁ p₂ p₃] · [α₁λ₁  α₂λ₂  α₃λ₃]ᵀ,    αᵢ ~ Normal(0, 0.1), drawn once a picture

with the directions pᵢ and their spread λᵢ. It "approximately captures an important property of natural images, namely,
that object identity is invariant to changes in the intensity and color of the illumination".
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.batches import as_tensor, check_batch, check_range
from striate.data.augment.draws import Draws
from striate.errors import ConfigError

__all__ = ["IMAGENET_DIRECTIONS", "IMAGENET_SPREAD", "PcaLighting"]

Vector = tuple[float, float, float]

IMAGENET_SPREAD: Vector = (0.2175, 0.0188, 0.0045)
IMAGENET_DIRECTIONS: tuple[Vector, Vector, Vector] = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
"""One row a channel, one column a direction."""


@dataclass(frozen=True)
class PcaLighting:
    """A random shift of a whole picture's color along the principal directions.

    Attributes:
        deviation: Of α.
        spread: How far colors vary along each of the three directions, for RGB in [0, 1].
        directions: Rows red, green, blue; a column is a direction of length 1.

    Raises:
        ConfigError: If `deviation` or a spread is below 0.

    Source: Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section 4.1. The
        numbers by default are those of ImageNet that fb.resnet.torch (Facebook, 2016) published and everybody uses.
    Differs: the paper's λ are eigenvalues of the covariance, which makes the size of the step depend on the scale of
        the levels. For your own pictures (`from_pictures`) λ is the square root, the deviation along the direction.

    >>> round(PcaLighting().describe().count("0.1"))
    1
    """

    deviation: float = 0.1
    spread: Vector = IMAGENET_SPREAD
    directions: tuple[Vector, Vector, Vector] = IMAGENET_DIRECTIONS

    def __post_init__(self) -> None:
        check_range("PcaLighting: deviation", self.deviation, 0, 100)
        for value in self.spread:
            check_range("PcaLighting: spread", value, 0, 100)

    @classmethod
    def from_pictures(cls, pictures: Iterable[NDArray[np.uint8]], *, deviation: float = 0.1) -> "PcaLighting":
        """The directions of your own pictures, each uint8 `h w 3`; the pictures count alike, whatever their sizes.

        Raises:
            ConfigError: If there is no picture.
        """
        total, square, count = np.zeros(3), np.zeros((3, 3)), 0
        for picture in pictures:
            colors = picture.reshape(-1, 3).astype(np.float64) / 255
            total += colors.mean(0)
            square += colors.T @ colors / len(colors)
            count += 1
        if not count:
            raise ConfigError("PcaLighting.from_pictures: pictures is empty; give at least one.")
        mean = total / count
        values, vectors = np.linalg.eigh(square / count - np.outer(mean, mean))
        spread, directions = np.sqrt(np.clip(values, 0, None))[::-1], vectors[:, ::-1]
        rows = [(float(a), float(b), float(c)) for a, b, c in directions]
        return cls(
            deviation, (float(spread[0]), float(spread[1]), float(spread[2])), directions=(rows[0], rows[1], rows[2])
        )

    def __call__(self, images: Float[Tensor, "n 3 h w"], draws: Draws) -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1] to RGB, clamped to [0, 1]."""
        check_batch(images, draws)
        steps = draws.normal("pca-lighting", 3) * self.deviation * np.array(self.spread)
        shift = steps @ np.array(self.directions).T  # n 3
        return (images + as_tensor(shift[:, :, None, None], images)).clamp_(0, 1)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"lighting along the colors' principal directions, deviation {self.deviation:g}"

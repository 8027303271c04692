"""Random exposure and saturation, as YOLO learned with: more or less light, stronger or paler color.

In HSV, value v is the largest of the three channels, and saturation the distance of the others from it. So there is no
need to go to HSV and back: with factors d for exposure and s for saturation

    x′ = d · (v + s · (x − v)),        v = max(r, g, b)

clamped to [0, 1]. Only where the hue turns as well, the picture takes the way through HSV.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.batches import check_batch, check_range, each
from striate.data.augment.color_jitter import adjust_hue
from striate.data.augment.draws import Draws

__all__ = ["HsvJitter"]


@dataclass(frozen=True)
class HsvJitter:
    """Random exposure, saturation and hue, every picture by its own factors.

    Attributes:
        exposure: The factor on the value is drawn evenly from [1, exposure], and is its inverse in half of the cases.
        saturation: Likewise, of the saturation.
        hue: The turn is drawn evenly from [−hue, hue] of a full turn.

    Raises:
        ConfigError: If a factor is outside [1, 100], or `hue` outside [0, 0.5].

    Source: Redmon et al. 2015, You Only Look Once, section 2.2: exposure and saturation by a factor of up to 1.5 in
        HSV. That factors are inverted in half of the cases, and hue by ±.1, is the authors' released code.

    >>> import torch
    >>> gray = torch.full((1, 3, 1, 1), 0.5)
    >>> HsvJitter(exposure=1, saturation=1.5)(gray, Draws(0, 0, [0])).flatten().tolist()
    [0.5, 0.5, 0.5]
    """

    exposure: float = 1.5
    saturation: float = 1.5
    hue: float = 0.0

    def __post_init__(self) -> None:
        check_range("HsvJitter: exposure", self.exposure, 1, 100)
        check_range("HsvJitter: saturation", self.saturation, 1, 100)
        check_range("HsvJitter: hue", self.hue, 0, 0.5)

    def __call__(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """New pictures."""
        check_batch(images, draws)
        if self.hue:
            images = adjust_hue(images, each(self.hue * (2 * draws.uniform("hsv-hue") - 1), images))
        light, color = self.factors(draws)
        value = images.amax(1, keepdim=True)  # n 1 h w
        strength = each(light * color, images)
        return (images * strength).add_(value * (each(light, images) - strength)).clamp_(0, 1)

    def factors(self, draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The factors of exposure and of saturation, `n` each."""
        numbers = draws.uniform("hsv-jitter", 4)
        factors = []
        for column, most in ((0, self.exposure), (2, self.saturation)):
            factor = 1 + (most - 1) * numbers[:, column]
            factors.append(np.where(numbers[:, column + 1] < 0.5, factor, 1 / factor))
        return factors[0], factors[1]

    def describe(self) -> str:
        """One phrase, for people."""
        parts = [
            f"exposure by up to {self.exposure:g}" if self.exposure > 1 else "",
            f"saturation by up to {self.saturation:g}" if self.saturation > 1 else "",
            f"hue by up to {self.hue:g} of a turn" if self.hue else "",
        ]
        return ", ".join(filter(None, parts)) or "color as it is"

"""Gradient ascent on pixels with the priors that were found by hand: settings, and those that were published.

    x ← x + rate · ∂a/∂x − …L2…;   x ← blur(x) every few steps;   x ← neutral where |x| or |x · ∂a/∂x| is small

Source: Yosinski, Clune, Nguyen, Fuchs, Lipson 2015, "Understanding neural networks through deep visualization",
arXiv:1506.06579, section 3.1 and table 1, and the values in DeepVis, `doc/running-optimize-image.md`; Simonyan,
Vedaldi, Zisserman 2013, arXiv:1312.6034, section 2.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from striate.dreams.after_step import AfterStep, Blur, Decay, ZeroSmallContribution, ZeroSmallNorm
from striate.dreams.optimizers import SGD
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["PLAIN_PRESETS", "PlainAscent", "find_preset"]

_LEVELS = 255.0  # published rates are for pixels counted from 0 to 255


@dataclass(frozen=True)
class PlainAscent:
    """How a picture is climbed pixel by pixel. Pixels are in [0, 1], x from the color that the net takes as 0.

    Attributes:
        learning_rate: See `normalize`.
        normalize: `rms`: the rate is the root mean square of a step; `max`: its largest change; `progress`: the
            rate is what the activation should rise by, to first order; None: pixels change by rate times gradient.
        largest_rate: The most that `progress` may multiply a gradient with.
        l2: Weight of −Σ x² in what is maximized.
        decay: Share that every pixel loses after each step: an L2 penalty that does not depend on the gradient's size.
        blur_px: Deviation of the Gaussian.
        blur_every: Steps between two of them.
        norm_percentile: Share of pixels, in percent, that are put back for being weak.
        contribution_percentile: Likewise for contributing little.
        steps: How many were used.
    """

    learning_rate: float = 0.03
    normalize: Literal["max", "rms", "progress"] | None = "rms"
    largest_rate: float = math.inf
    l2: float = 0.0
    decay: float = 0.0
    blur_px: float = 0.0
    blur_every: int = 4
    norm_percentile: float = 0.0
    contribution_percentile: float = 0.0
    steps: int = 200

    def __post_init__(self) -> None:
        if self.l2 < 0 or self.steps < 1:
            raise ConfigError(f"PlainAscent: l2 must be 0 or more and steps at least 1; got {self.l2}, {self.steps}.")

    def optimizer(self) -> SGD:
        """Steps along the gradient."""
        return SGD(self.learning_rate, normalize=self.normalize, largest_rate=self.largest_rate)

    def after_step(self) -> tuple[AfterStep, ...]:
        """What follows each step, in the order of the paper's code."""
        steps: list[AfterStep] = []
        if self.decay:
            steps.append(Decay(self.decay))
        if self.blur_px:
            steps.append(Blur(self.blur_px, self.blur_every))
        if self.norm_percentile:
            steps.append(ZeroSmallNorm(self.norm_percentile))
        if self.contribution_percentile:
            steps.append(ZeroSmallContribution(self.contribution_percentile))
        return tuple(steps)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {name: v for name, v in asdict(self).items() if not (isinstance(v, float) and math.isinf(v))}


_CONSTANT = 100 / _LEVELS**2  # x and gradient in levels: 255·Δx = 100 · g / 255

PLAIN_PRESETS: dict[str, PlainAscent] = {
    # Ours: all of the notes' priors, and a rate that does not depend on how large a network's gradients are.
    "notes": PlainAscent(decay=0.01, blur_px=0.7, blur_every=4, norm_percentile=15, contribution_percentile=15),
    # Simonyan et al.: nothing but the L2 penalty.
    "l2": PlainAscent(decay=0.01),
    # Yosinski et al., table 1, in its order; the third was used for most of the paper's figures.
    "yosinski-1": PlainAscent(2.0, "progress", _CONSTANT, blur_px=0.5, blur_every=4, norm_percentile=50, steps=500),
    "yosinski-2": PlainAscent(_CONSTANT, None, decay=0.3, norm_percentile=20, steps=750),
    "yosinski-3": PlainAscent(_CONSTANT, None, decay=1e-4, blur_px=1.0, blur_every=4, steps=1000),
    "yosinski-4": PlainAscent(
        _CONSTANT, None, blur_px=0.5, blur_every=4, contribution_percentile=90, steps=1000
    ),
}  # fmt: skip


def find_preset(name: "str | PlainAscent") -> PlainAscent:
    """Settings by their name.

    Raises:
        UnknownNameError: No such preset.
    """
    if isinstance(name, PlainAscent):
        return name
    if name not in PLAIN_PRESETS:
        raise UnknownNameError(f"No preset of plain ascent named '{name}'. {nearest(name, PLAIN_PRESETS)}")
    return PLAIN_PRESETS[name]

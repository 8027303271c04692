"""Small changes of the view at every step, so that only what survives them is worth painting.

A picture that excites a unit only at this very pixel and angle is noise. Each step shows the network a picture moved,
scaled and turned a little; gradients go back through the change. All pictures of a batch are changed alike, so that
none depends on which others are beside it. What is drawn at random comes from the generator that is given.

Source: Olah, Mordvintsev, Schubert 2017, "Feature visualization", Distill, section "Transformation robustness"; lucid's
`optvis/transform.py`.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = [
    "Compose",
    "Crop",
    "Fit",
    "Jitter",
    "Noise",
    "Pad",
    "RandomCrops",
    "Rotate",
    "Scale",
    "Transform",
    "robust_transform",
]


@runtime_checkable
class Transform(Protocol):
    """A differentiable change of a batch of pictures `n c h w`, to `n·k` views; the k views of a picture together."""

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Change `x`; `progress` runs from 0 to 1 over a run."""
        ...


@dataclass(frozen=True)
class Compose:
    """One after the other; none gives the picture itself."""

    parts: tuple[Transform, ...] = ()

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Apply them in order."""
        for part in self.parts:
            x = part(x, generator=generator, progress=progress)
        return x


@dataclass(frozen=True)
class Pad:
    """A border of `size_px` pixels of one value, or of the picture mirrored (`value=None`)."""

    size_px: int
    value: float | None = 0.5

    def __post_init__(self) -> None:
        _at_least_zero("Pad", size_px=self.size_px)

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Pad all four sides."""
        sides = [self.size_px] * 4
        if self.value is not None:
            return F.pad(x, sides, value=self.value)
        return F.pad(x, sides, mode="reflect" if self.size_px < min(x.shape[2:]) else "replicate")


@dataclass(frozen=True)
class Jitter:
    """A cut at a random place: 0 to `size_px` pixels are lost at the top and left, the rest at the bottom and right."""

    size_px: int

    def __post_init__(self) -> None:
        _at_least_zero("Jitter", size_px=self.size_px)

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Cut `n c h-size w-size`."""
        height, width = x.shape[2] - self.size_px, x.shape[3] - self.size_px
        if height < 1 or width < 1:
            raise ConfigError(f"Jitter of {self.size_px} px leaves nothing of {x.shape[2]} × {x.shape[3]} pixels.")
        y, x0 = (_whole(generator, self.size_px + 1) for _ in range(2))
        return x[:, :, y : y + height, x0 : x0 + width]


@dataclass(frozen=True)
class Scale:
    """Another size, by one of `factors`; bilinear."""

    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.factors or not all(math.isfinite(f) and f > 0 for f in self.factors):
            raise ConfigError(f"Scale: factors must be numbers above 0, one or more; got {self.factors}.")

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Resize."""
        factor = self.factors[_whole(generator, len(self.factors))]
        size = [max(round(side * factor), 1) for side in x.shape[2:]]
        if size == list(x.shape[2:]):
            return x
        return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=factor < 0.75)


@dataclass(frozen=True)
class Rotate:
    """A turn about the middle, by one of `degrees`; bilinear, the border repeated where nothing was."""

    degrees: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.degrees or not all(map(math.isfinite, self.degrees)):
            raise ConfigError(f"Rotate: degrees must be finite numbers, one or more; got {self.degrees}.")

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Turn counterclockwise."""
        degrees = self.degrees[_whole(generator, len(self.degrees))]
        if not degrees:
            return x
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        aspect = x.shape[2] / x.shape[3]  # grid_sample measures each side from -1 to 1
        matrix = x.new_tensor([[c, -s * aspect, 0.0], [s / aspect, c, 0.0]]).expand(len(x), 2, 3)
        places = F.affine_grid(matrix, list(x.shape), align_corners=False)
        return F.grid_sample(x, places, mode="bilinear", padding_mode="border", align_corners=False)


@dataclass(frozen=True)
class Crop:
    """The middle of a picture, `size_px` pixels less at every side."""

    size_px: int

    def __post_init__(self) -> None:
        _at_least_zero("Crop", size_px=self.size_px)

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Cut."""
        a = self.size_px
        if 2 * a >= min(x.shape[2:]):
            raise ConfigError(f"Crop of {a} px a side leaves nothing of {x.shape[2]} × {x.shape[3]} pixels.")
        return x[:, :, a : x.shape[2] - a, a : x.shape[3] - a]


@dataclass(frozen=True)
class Fit:
    """Exactly this size, for networks that take no other; bilinear."""

    size: tuple[int, int]

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Resize."""
        if tuple(x.shape[2:]) == self.size:
            return x
        return F.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)


@dataclass(frozen=True)
class Noise:
    """Normal noise of standard deviation `spread`, the same for every picture of the batch."""

    spread: float

    def __post_init__(self) -> None:
        _at_least_zero("Noise", spread=self.spread)

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Add."""
        if not self.spread:
            return x
        return x + self.spread * torch.randn(x.shape[1:], generator=generator, dtype=torch.float32).to(x)


@dataclass(frozen=True)
class RandomCrops:
    """Many squares out of each picture, resized to `size`: MaCo's transform.

    Attributes:
        count: Squares a picture and step.
        size: `(h, w)` of the views; the picture's own size by default.
        largest: Mean side at the start, as a share of the picture.
        smallest: At the end; linear in between, with a deviation of a tenth of that.
        spread: Standard deviation of the squares' middles around the picture's, as a share of the picture.

    Source: Fel et al. 2023, arXiv:2306.06805, section 3; xplique's `features_visualizations/maco.py`.
    """

    count: int = 32
    size: tuple[int, int] | None = None
    largest: float = 0.5
    smallest: float = 0.05
    spread: float = 0.15

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 < self.smallest <= self.largest <= 1:
            raise ConfigError(
                "RandomCrops: count must be at least 1 and 0 < smallest <= largest <= 1; got "
                f"count={self.count}, smallest={self.smallest}, largest={self.largest}."
            )

    def __call__(self, x: Float[Tensor, "n c h w"], *, generator: torch.Generator, progress: float = 0.0) -> Tensor:
        """Cut `n·count c h w`."""
        size = self.size or (x.shape[2], x.shape[3])
        mean = self.largest + (self.smallest - self.largest) * min(max(progress, 0.0), 1.0)
        drawn = torch.randn(self.count, 3, generator=generator, dtype=torch.float64)
        half = (mean * (1 + 0.1 * drawn[:, 0])).clamp(0.02, 1.0)  # half of the range -1..1: the share itself
        # A square that sticks out would show what is not there.
        middle = (2 * self.spread * drawn[:, 1:]).clamp(-1, 1)
        middle = torch.maximum(torch.minimum(middle, 1 - half[:, None]), half[:, None] - 1)
        matrix = torch.zeros(self.count, 2, 3, dtype=torch.float64)
        matrix[:, 0, 0] = matrix[:, 1, 1] = half
        matrix[:, 0, 2], matrix[:, 1, 2] = middle[:, 1], middle[:, 0]
        n, c = x.shape[:2]
        places = F.affine_grid(matrix.to(x), [self.count, c, *size], align_corners=False)
        views = x.repeat_interleave(self.count, 0)  # n·count c h w
        return F.grid_sample(
            views, places.repeat(n, 1, 1, 1), mode="bilinear", padding_mode="reflection", align_corners=False
        )


def robust_transform(size: tuple[int, int], *, strength: float = 1.0, value: float = 0.5) -> Compose:
    """Lucid's standard: pad 12, jitter 8, scale by 0.9 to 1.1, turn by up to 10 degrees, jitter 4, at 128 pixels.

    Args:
        size: `(h, w)` of the picture; pixels are counted in proportion to 128 pixels.
        strength: 0 for no change at all, 1 for lucid's.
        value: What the border is padded with.

    Raises:
        ConfigError: A negative strength.
    """
    _at_least_zero("robust_transform", strength=strength)

    def pixels(count: float) -> int:
        return round(strength * count * min(size) / 128)

    factors = tuple(1 + strength * (i - 5) / 50 for i in range(11))
    degrees = (*(strength * d for d in range(-10, 11)), *[0.0] * 5)
    if not strength:
        return Compose()
    return Compose((Pad(pixels(12), value), Jitter(pixels(8)), Scale(factors), Rotate(degrees), Jitter(pixels(4))))


def _whole(generator: torch.Generator, count: int) -> int:
    """A whole number from 0 to count - 1; drawn on the CPU, for all devices alike."""
    return int(torch.randint(count, (1,), generator=generator))


def _at_least_zero(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"{owner}: {name} must be 0 or more; got {value}.")

"""Named filters: the classic kernels, their formulas, and the poolings that work as filters.

A filter reads each channel by itself and leaves the picture's size. Filters with two kernels give the length of the two
results together. Fixed kernels stand in `kernels.toml`; those that depend on settings are formulas here.
"""

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from striate.arithmetic.checks import text_of
from striate.errors import ConfigError, ShapeError, UnknownNameError, nearest
from striate.ops.average_pooling import average_pool
from striate.ops.borders import Border, pad
from striate.ops.convolution import depthwise_convolution, flip_kernel
from striate.ops.max_pooling import max_pool, min_pool

__all__ = ["Filter", "filter_image", "find_filter", "list_filters"]

Combine = Literal["sum", "magnitude", "max", "min", "average"]


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """What `filter_image` does to a picture.

    Attributes:
        name: With the settings that were given, such as `gaussian:sigma=2`.
        kernels: Float64 `h w` each; one, or two directions. For poolings a window of ones.
        combine: `sum` (the result of the one kernel), `magnitude` (of two), or the kind of a pooling.
        signed: Whether results stand around zero; the others are pictures again, or sizes.
        summary: What it does, in a sentence.
        source: Where it comes from.
        settings: Of its formula.
    """

    name: str
    kernels: tuple[Tensor, ...]
    combine: Combine
    signed: bool
    summary: str
    source: str
    settings: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_picture(self) -> bool:
        """Whether its result is a picture again: the numbers of its kernel add up to 1, or it is a pooling."""
        if self.combine == "magnitude" or self.signed:
            return False
        return self.combine != "sum" or math.isclose(float(self.kernels[0].sum()), 1.0, abs_tol=1e-9)


@dataclass(frozen=True, slots=True)
class _Formula:
    """A family of filters: how its kernel is made of its settings."""

    build: Callable[[Mapping[str, float]], Tensor]
    settings: Mapping[str, float]
    summary: str
    source: str
    combine: Combine = "sum"
    signed: bool = False


def list_filters() -> tuple[str, ...]:
    """The names of all filters; those with settings take them as `name:setting=value,setting=value`.

    >>> "vertical-edges" in list_filters(), "gaussian" in list_filters()
    (True, True)
    """
    return (*_fixed(), *_FORMULAS)


def find_filter(text: str) -> Filter:
    """The filter of a name, with its settings.

    Raises:
        UnknownNameError: No such filter, or no such setting.
        ConfigError: A setting that is no number, or one that the formula forbids.

    >>> find_filter("gaussian:sigma=2").kernels[0].shape
    torch.Size([13, 13])
    """
    name, _, given = text_of("filter", text, example="gaussian:sigma=2").strip().partition(":")
    if name in _fixed():
        if given:
            raise ConfigError(f"The filter '{name}' has no settings, got '{given}'.")
        return _fixed()[name]
    if name not in _FORMULAS:
        raise UnknownNameError(f"No filter named '{name}'. {nearest(name, list_filters())}")
    formula = _FORMULAS[name]
    settings = {**formula.settings, **_parse_settings(name, given, formula.settings)}
    kernel = formula.build(settings)
    return Filter(
        text.strip(), (kernel,), formula.combine, formula.signed, formula.summary, formula.source, dict(settings)
    )


def filter_image(
    images: Float[Tensor, "n c h w"],
    filter: Filter | Float[Tensor, "fh fw"] | str,
    *,
    border: Border = "reflect",
    flip: bool = False,
) -> Float[Tensor, "n c h w"]:
    """Pictures through a filter, each channel by itself, at the size they have.

    The kernel is laid on the picture as it stands, its middle (for an even side the one after the middle, as OpenCV and
    SciPy) on the pixel.

    Args:
        images: Any range of numbers.
        filter: A filter, its name, or a kernel of your own.
        border: What lies beyond the border.
        flip: Turn kernels by 180 degrees first: true convolution.

    Raises:
        ShapeError: No batch of pictures, or a kernel that is not `h w`.
        UnknownNameError: As `find_filter`.
        ConfigError: As `find_filter`; integer pictures; a kernel whose numbers are too large for those of the pictures.

    >>> filter_image(torch.tensor([[[[0.0, 0.0, 9.0, 9.0]]]]), "vertical-edges", border="replicate").tolist()
    [[[[0.0, -27.0, -27.0, 0.0]]]]
    """
    if images.dim() != 4 or 0 in images.shape:
        raise ShapeError(f"images must be 'n c h w' and not empty, got the shape {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise ConfigError(f"images must be floating-point numbers, got {images.dtype}; use images.float().")
    if isinstance(filter, str):
        filter = find_filter(filter)
    if isinstance(filter, Tensor):
        filter = _own(filter)
    results = [_apply(images, kernel, filter.combine, border=border, flip=flip) for kernel in filter.kernels]
    return results[0] if len(results) == 1 else torch.hypot(results[0], results[1])


def _own(kernel: Tensor) -> Filter:
    if kernel.dim() != 2 or 0 in kernel.shape:
        raise ShapeError(f"A kernel must be 'h w' and not empty, got the shape {tuple(kernel.shape)}.")
    return Filter("kernel", (kernel,), "sum", bool((kernel < 0).any()), "A kernel of your own.", "given")


def _apply(images: Tensor, kernel: Tensor, combine: Combine, *, border: Border, flip: bool) -> Tensor:
    height, width = kernel.shape
    sides = [(size // 2, (size - 1) // 2) for size in (height, width)]
    framed = pad(images, sides, border=border)
    if combine in ("max", "min", "average"):
        pool = {"max": max_pool, "min": min_pool, "average": average_pool}[combine]
        return pool(framed, (height, width), stride=1)
    if not kernel.to(images).abs().sum().isfinite():  # a picture of infinities would say nothing
        raise ConfigError(
            f"A kernel must hold finite numbers whose sum fits {str(images.dtype).removeprefix('torch.')}, "
            f"got {kernel.abs().max():g}."
        )
    weight = kernel.to(images)[None, None].expand(images.shape[1], 1, height, width)
    return depthwise_convolution(framed, flip_kernel(weight) if flip else weight)


def _parse_settings(name: str, text: str, known: Mapping[str, float]) -> dict[str, float]:
    given = {}
    for part in (part for part in text.split(",") if part.strip()):
        key, equals, value = part.partition("=")
        key = key.strip()
        if key not in known:
            raise UnknownNameError(f"The filter '{name}' has no setting '{key}'. {nearest(key, known)}")
        try:
            given[key] = float(value)
        except ValueError:
            given[key] = math.nan
        if not equals or not math.isfinite(given[key]):
            raise ConfigError(f"{key} of the filter '{name}' must be a number, as {key}={known[key]:g}; got '{part}'.")
    return given


@lru_cache(maxsize=1)
def _fixed() -> dict[str, Filter]:
    rows = tomllib.loads(files("striate.ops").joinpath("kernels.toml").read_text(encoding="utf-8"))["filter"]
    return {
        row["name"]: Filter(
            row["name"],
            tuple(torch.tensor(kernel, dtype=torch.float64) for kernel in row["kernels"]),
            "magnitude" if len(row["kernels"]) == 2 else "sum",
            row.get("signed", False),
            row["summary"],
            row["source"],
        )
        for row in rows
    }


# --- formulas


def _side(settings: Mapping[str, float], name: str = "size", *, odd: bool = False) -> int:
    """A size in pixels."""
    value = settings[name]
    if value != int(value) or not 1 <= value <= 999 or (odd and value % 2 == 0):
        kind = "an odd whole number" if odd else "a whole number"
        raise ConfigError(f"{name} must be {kind} from 1 to 999, got {value:g}.")
    return int(value)


def _above_zero(settings: Mapping[str, float], name: str) -> float:
    if not 0 < settings[name] <= 100:
        raise ConfigError(f"{name} must be above 0 and at most 100, got {settings[name]:g}.")
    return settings[name]


def _square(size: int) -> tuple[Tensor, Tensor]:
    """Places of a square around its middle: rows and columns."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    return rows, columns


def _wide(settings: Mapping[str, float], sigma: float, reach: float = 3.0) -> int:
    """The size that was asked for, or one that holds three sigma to each side."""
    return _side(settings, odd=True) if settings["size"] else 2 * math.ceil(reach * sigma) + 1


def _box(settings: Mapping[str, float]) -> Tensor:
    size = _side(settings)
    return torch.full((size, size), 1.0 / size**2, dtype=torch.float64)


def _ones(settings: Mapping[str, float]) -> Tensor:
    size = _side(settings)
    return torch.ones(size, size, dtype=torch.float64)


def _gaussian(settings: Mapping[str, float]) -> Tensor:
    sigma = _above_zero(settings, "sigma")
    rows, columns = _square(_wide(settings, sigma))
    kernel = torch.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def _laplacian_of_gaussian(settings: Mapping[str, float]) -> Tensor:
    sigma = _above_zero(settings, "sigma")
    rows, columns = _square(_wide(settings, sigma, reach=4.0))
    radius = (rows**2 + columns**2) / (2 * sigma**2)
    bell = torch.exp(-radius)
    kernel = (radius - 1) * bell / bell.sum() * 2 / sigma**2
    return kernel - kernel.mean()  # a picture of one value gives zero


def _unsharp(settings: Mapping[str, float]) -> Tensor:
    blur = _gaussian(settings)
    kernel = -settings["amount"] * blur
    middle = blur.shape[0] // 2
    kernel[middle, middle] += 1 + settings["amount"]
    return kernel


def _gabor(settings: Mapping[str, float]) -> Tensor:
    wavelength, gamma = _above_zero(settings, "wavelength"), _above_zero(settings, "gamma")
    sigma = settings["sigma"] or 0.56 * wavelength  # a bandwidth of one octave
    if not 0 < sigma <= 100:
        raise ConfigError(f"sigma must be above 0 and at most 100, or 0 for one octave, got {sigma:g}.")
    rows, columns = _square(_wide(settings, sigma / min(gamma, 1.0), reach=2.5))
    theta, phase = math.radians(settings["theta"]), math.radians(settings["phase"])
    across = columns * math.cos(theta) + rows * math.sin(theta)
    along = rows * math.cos(theta) - columns * math.sin(theta)
    bell = torch.exp(-(across**2 + gamma**2 * along**2) / (2 * sigma**2))
    return bell * torch.cos(2 * math.pi * across / wavelength + phase)


_FORMULAS: dict[str, _Formula] = {
    "box": _Formula(_box, {"size": 5}, "The mean of a square.", "course notes (blur)"),
    "gaussian": _Formula(
        _gaussian,
        {"sigma": 2.0, "size": 0},
        "A mean that weighs near pixels more; size 0 holds three sigma to each side.",
        "Marr, Hildreth 1980",
    ),
    "unsharp": _Formula(
        _unsharp,
        {"sigma": 2.0, "amount": 1.0, "size": 0},
        "The picture plus what a Gaussian blur took away.",
        "Gonzalez, Woods, Digital Image Processing, section 3.6",
    ),
    "log": _Formula(
        _laplacian_of_gaussian,
        {"sigma": 1.4, "size": 0},
        "The Laplacian of the picture blurred: dark blobs positive, bright ones negative.",
        "Marr, Hildreth 1980",
        signed=True,
    ),
    "gabor": _Formula(
        _gabor,
        {"theta": 0.0, "wavelength": 8.0, "sigma": 0.0, "gamma": 0.5, "phase": 0.0, "size": 0},
        "A wave under a bell: stripes across the direction theta (degrees), as cells of the striate cortex like them.",
        "Daugman 1985",
        signed=True,
    ),
    "max-pool": _Formula(_ones, {"size": 3}, "The largest of a square: bright areas grow.", "course notes", "max"),
    "min-pool": _Formula(_ones, {"size": 3}, "The smallest of a square: dark areas grow.", "course notes", "min"),
    "average-pool": _Formula(_ones, {"size": 3}, "The mean of a square: smoothing.", "course notes", "average"),
}

"""Pictures made harder: blur, noise, less contrast, no color, parts hidden; the same pixels for people and networks.

A condition is written in one word: `blur=4`, `noise=0.2`, `occlude=0.5`, `contrast=0.1`, `gray`, or several steps one
after the other: `gray+contrast=0.3+noise=0.1`. `clean` changes nothing.

Every picture is cut to its central square and made smaller (never larger) once, then changed, then stored without loss.
What people see and what networks are given are these stored pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from striate.errors import ConfigError, ShapeError, nearest

__all__ = ["CLEAN", "CONDITIONS", "Condition", "degrade", "parse_condition", "square"]

CELLS = 8
"""Occlusion hides cells of a grid of this many a side."""
_LUMA = np.array([0.299, 0.587, 0.114])
_GRAY = 0.5


class Kind(NamedTuple):
    """A way to make a picture harder: what its number means and which are allowed."""

    words: str
    low: float
    high: float
    number: bool = True


CONDITIONS: dict[str, Kind] = {
    "blur": Kind("standard deviation of a Gaussian, in pixels of the stored picture", 0.1, 100.0),
    "noise": Kind(
        "standard deviation of Gaussian noise on every value, where white is 1; cut at black and white", 0, 2
    ),
    "occlude": Kind(f"share of the picture that is hidden by gray cells of a grid of {CELLS} × {CELLS}", 0, 1),
    "contrast": Kind("what is left of the contrast: values move towards middle gray", 0, 1),
    "gray": Kind("no color: ITU-R 601 luma", 0, 0, number=False),
}
"""Names of `parse_condition` and what they mean."""


@dataclass(frozen=True)
class Condition:
    """What is done to a picture, step by step.

    Attributes:
        steps: `(kind, number)`; none of them: the picture stays as it is.
    """

    steps: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """The word that `parse_condition` reads."""
        return "+".join(k if not CONDITIONS[k].number else f"{k}={v:g}" for k, v in self.steps) or "clean"

    def describe(self) -> str:
        """What is done, in words."""
        return ", then ".join(_SAID[k].format(v, 100 * v) for k, v in self.steps) or "the picture as it is"


CLEAN = Condition()


def parse_condition(text: str) -> Condition:
    """A condition from its word.

    Raises:
        ConfigError: A kind that is not known, a number that is missing or outside its range; the message says which.

    >>> parse_condition("gray+noise=0.10").name
    'gray+noise=0.1'
    """
    if text.strip() == "clean":
        return CLEAN
    steps = []
    for part in text.split("+"):
        name, sign, value = (word.strip() for word in part.partition("="))
        kind = CONDITIONS.get(name)
        if kind is None:
            raise ConfigError(
                f"'{part.strip()}' is no way to change a picture. {nearest(name, ['clean', *CONDITIONS])}"
            )
        if not kind.number:
            if sign:
                raise ConfigError(f"'{name}' takes no number, got '{part.strip()}'.")
            steps.append((name, 0.0))
            continue
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not kind.low <= number <= kind.high:
            raise ConfigError(
                f"'{name}' needs a number from {kind.low:g} to {kind.high:g} ({kind.words}), such as "
                f"{name}={_EXAMPLES[name]}; got '{part.strip()}'."
            )
        steps.append((name, number))
    return Condition(tuple(steps))


_SAID = {
    "blur": "Gaussian blur, standard deviation {0:g} px",
    "noise": "Gaussian noise, standard deviation {1:g} % of white",
    "occlude": "{1:.0f} % hidden by gray cells",
    "contrast": "contrast reduced to {1:g} %",
    "gray": "no color",
}
_EXAMPLES = {"blur": 3, "noise": 0.2, "occlude": 0.4, "contrast": 0.2}


def square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The central square of a picture, `side` pixels or less: a small picture is not enlarged.

    Args:
        image: uint8 `h w 3`.
        side: The most, in pixels.

    Returns:
        uint8 `s s 3`, s = min(side, h, w), resized with antialias (Lanczos).

    Raises:
        ShapeError: If `image` is not uint8 `h w 3`.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ShapeError(f"image must be uint8 h × w × 3, got {image.dtype} {image.shape}.")
    h, w = image.shape[:2]
    short = min(h, w)
    top, left = (h - short) // 2, (w - short) // 2
    cut = image[top : top + short, left : left + short]
    if short <= side:
        return np.ascontiguousarray(cut)
    return np.asarray(Image.fromarray(cut).resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0))


def degrade(image: NDArray[np.uint8], condition: Condition, *, seed: int = 0) -> NDArray[np.uint8]:
    """The picture as a condition has it.

    Args:
        image: uint8 `h w 3`.
        condition: What to do.
        seed: Of the noise and of the hidden cells; the same seed gives the same picture.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: If `image` is not uint8 `h w 3`.

    Source: Geirhos et al. 2018, arXiv:1808.08750, for contrast, gray and low-pass pictures.
    Differs: noise is Gaussian and on color unless `gray` comes first, where the paper's is uniform and on gray pictures
        of reduced contrast (`gray+contrast=0.3+noise=0.1` is near it); hidden parts are cells, which it does not have.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ShapeError(f"image must be uint8 h × w × 3, got {image.dtype} {image.shape}.")
    if not condition.steps:
        return image
    generator = np.random.default_rng(seed)
    values = image.astype(np.float64) / 255.0
    for kind, number in condition.steps:
        values = np.clip(_STEPS[kind](values, number, generator), 0.0, 1.0)
    return np.asarray(np.rint(values * 255.0), dtype=np.uint8)


def _blur(values: NDArray[Any], sigma: float, _: np.random.Generator) -> NDArray[Any]:
    return np.asarray(ndimage.gaussian_filter(values, (sigma, sigma, 0), mode="reflect", truncate=4.0))


def _noise(values: NDArray[Any], sigma: float, generator: np.random.Generator) -> NDArray[Any]:
    if (values == values[..., :1]).all():  # a gray picture stays gray
        return np.asarray(values + sigma * generator.standard_normal(values.shape[:2])[..., None])
    return np.asarray(values + sigma * generator.standard_normal(values.shape))


def _occlude(values: NDArray[Any], share: float, generator: np.random.Generator) -> NDArray[Any]:
    hidden = np.zeros(CELLS * CELLS, dtype=bool)
    hidden[generator.permutation(CELLS * CELLS)[: round(share * CELLS * CELLS)]] = True
    h, w = values.shape[:2]
    rows, columns = (np.arange(size) * CELLS // size for size in (h, w))
    mask = hidden.reshape(CELLS, CELLS)[np.ix_(rows, columns)]
    return np.where(mask[..., None], _GRAY, values)


def _contrast(values: NDArray[Any], share: float, _: np.random.Generator) -> NDArray[Any]:
    return share * values + (1 - share) * _GRAY


def _gray(values: NDArray[Any], _number: float, _: np.random.Generator) -> NDArray[Any]:
    return np.repeat((values @ _LUMA)[..., None], 3, axis=2)


_STEPS: dict[str, Callable[[NDArray[Any], float, np.random.Generator], NDArray[Any]]] = {
    "blur": _blur,
    "noise": _noise,
    "occlude": _occlude,
    "contrast": _contrast,
    "gray": _gray,
}

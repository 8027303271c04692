"""Ten shapes with textures from formulas: objects for detection that need no download.

Within a class, proportions, colors and textures differ; test objects have textures of families that training never saw.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from striate.data.scene_dice import Dice
from striate.data.scene_sprites import SpriteSource, trimmed
from striate.data.scene_textures import TEST_TEXTURES, TRAIN_TEXTURES, colored, palette, texture

__all__ = ["SHAPES", "ShapeSprites"]

SHAPES = ("disk", "ring", "square", "triangle", "star", "cross", "crescent", "hexagon", "arrow", "heart")

_SIDE = 112
_FINE = 3  # so many times larger are outlines drawn, for soft edges


@dataclass(frozen=True, eq=False)
class ShapeSprites(SpriteSource):
    """The built-in objects.

    >>> ShapeSprites().classes[:3]
    ('disk', 'ring', 'square')
    """

    classes: tuple[str, ...] = SHAPES

    def draw(self, kind: int, dice: Dice, *, part: str) -> NDArray[np.uint8]:
        """A shape of a class, its proportions, texture and colors as the dice fall."""
        shape, variant = self.classes[kind], dice.whole(0, 11)
        families = TEST_TEXTURES if part in {"test", "unseen"} else TRAIN_TEXTURES
        colors = palette(dice, saturation=(0.35, 0.95), value=(0.3, 1.0))
        surface = colored(texture(dice.one(families), (_SIDE, _SIDE), dice.of("texture")), colors)
        surface = surface * _relief(shape, variant, dice)[..., None]
        sprite = np.empty((_SIDE, _SIDE, 4), np.uint8)
        sprite[..., :3] = np.clip(surface * 255, 0, 255)
        sprite[..., 3] = _outline(shape, variant)
        return trimmed(sprite)

    def describe(self) -> str:
        """Which objects these are."""
        return f"textured shapes of {len(self.classes)} classes"


def _relief(shape: str, variant: int, dice: Dice) -> NDArray[np.float32]:
    """Light from one side on a raised edge: around 1."""
    soft = _softened(shape, variant)
    angle, strength = dice.within(0, 2 * np.pi), np.float32(dice.within(1.0, 3.5))
    dy, dx = np.gradient(soft)
    lit = 1 + strength * (np.float32(np.cos(angle)) * dx + np.float32(np.sin(angle)) * dy)
    return np.asarray(np.clip(lit, 0.55, 1.5), dtype=np.float32)


@functools.lru_cache(maxsize=256)
def _softened(shape: str, variant: int) -> NDArray[np.float32]:
    image = Image.fromarray(_outline(shape, variant)).filter(ImageFilter.GaussianBlur(3))
    return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


@functools.lru_cache(maxsize=256)
def _outline(shape: str, variant: int) -> NDArray[np.uint8]:
    """Alpha of one of a dozen variants of a shape, uint8 `_SIDE _SIDE`."""
    side = _SIDE * _FINE
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    for corners, fill in _POLYGONS[shape](Dice("outline", shape, variant)):
        pen.polygon([(float(x), float(y)) for x, y in (corners * 0.94 + 1) * side / 2], fill=fill)
    return np.asarray(image.reduce(_FINE))


# Corners with the middle of the sprite at 0 and its edge at ±1, and whether they are filled (255) or cut out (0).
_Polygons = list[tuple[NDArray[np.float64], int]]


def _around(count: int, *, radius: float = 1.0, inner: float = 1.0) -> NDArray[np.float64]:
    """Corners around the middle, the first at the top, every second one nearer by `inner`."""
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2
    away = np.where(np.arange(count) % 2, inner, 1.0) * radius
    return np.stack([np.cos(angles) * away, np.sin(angles) * away], 1)


def _disk(dice: Dice) -> _Polygons:
    return [(_around(90) * [1.0, dice.within(0.84, 1.0)], 255)]


def _ring(dice: Dice) -> _Polygons:
    return [(_around(90), 255), (_around(90, radius=dice.within(0.45, 0.68)), 0)]


def _square(dice: Dice) -> _Polygons:
    return [(np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * [[0.9, 0.9 * dice.within(0.85, 1.0)]], 255)]


def _triangle(dice: Dice) -> _Polygons:
    return [(np.array([(dice.within(-0.25, 0.25), -0.9), (1, 0.85), (-1, 0.85)]), 255)]


def _star(dice: Dice) -> _Polygons:
    return [(_around(2 * dice.whole(5, 6), inner=dice.within(0.4, 0.52)), 255)]


def _cross(dice: Dice) -> _Polygons:
    b = dice.within(0.26, 0.42)
    corners = [
        (-b, -1),
        (b, -1),
        (b, -b),
        (1, -b),
        (1, b),
        (b, b),
        (b, 1),
        (-b, 1),
        (-b, b),
        (-1, b),
        (-1, -b),
        (-b, -b),
    ]
    return [(np.array(corners) * 0.97, 255)]


def _crescent(dice: Dice) -> _Polygons:
    bite = _around(90, radius=dice.within(0.72, 0.86)) + np.array((dice.within(0.4, 0.55), 0.0))
    return [(_around(90), 255), (bite, 0)]


def _hexagon(dice: Dice) -> _Polygons:
    return [(_around(6) * [1.0, dice.within(0.88, 1.0)], 255)]


def _arrow(dice: Dice) -> _Polygons:
    shaft, neck, wing = dice.within(0.18, 0.34), dice.within(-0.1, 0.25), dice.within(0.62, 0.9)
    half = [(-1, -shaft), (neck, -shaft), (neck, -wing), (1, 0)]
    return [(np.array(half + [(x, -y) for x, y in half[2::-1]]), 255)]


def _heart(dice: Dice) -> _Polygons:
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return [(np.stack([x / 17, (y - 2.5) / 16.5 * dice.within(0.88, 1.0)], 1), 255)]


_POLYGONS: dict[str, Callable[[Dice], _Polygons]] = {
    "disk": _disk, "ring": _ring, "square": _square, "triangle": _triangle, "star": _star, "cross": _cross,
    "crescent": _crescent, "hexagon": _hexagon, "arrow": _arrow, "heart": _heart,
}  # fmt: skip

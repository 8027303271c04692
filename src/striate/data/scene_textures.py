"""Textures from formulas: fields of numbers, laid out in colors. What scenes are painted with where nobody has photos.

The families are parted: those of training never appear in a test, so that a detector cannot have learned them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.scene_dice import Dice

__all__ = ["TEST_TEXTURES", "TRAIN_TEXTURES", "cloud", "colored", "palette", "texture"]

Field = NDArray[np.float32]

_CIRCLE = np.float32(2 * np.pi)


def texture(name: str, size: tuple[int, int], dice: Dice) -> Field:
    """The field of a family, float32 `h w` in [0, 1]; `size` is `(h, w)`."""
    return _FAMILIES[name](size, dice)


def colored(field: Field, colors: Field) -> Field:
    """Numbers in [0, 1] as colors along a row of them, in 1024 steps: `h w` and `c 3` to float32 `h w 3`."""
    at = np.linspace(0, len(colors) - 1, 1024)
    table = np.stack([np.interp(at, np.arange(len(colors)), channel) for channel in colors.T], 1).astype(np.float32)
    return np.take(table, (field * np.float32(1023.5)).astype(np.int32), axis=0)


def palette(dice: Dice, *, saturation: tuple[float, float], value: tuple[float, float], count: int = 3) -> Field:
    """Colors that go together: neighbors on the color wheel with an accent, of different lightness; `count 3`."""
    hue, turn = dice.within(0, 1), dice.one((0.06, 0.1, 0.33, 0.5))
    low, high = value
    levels = [low + (high - low) * (number + dice.within(0.1, 0.9)) / count for number in range(count)]
    if dice.chance(0.5):
        levels.reverse()
    rows = [_rgb(hue + turn * (number % 2) + dice.within(-0.03, 0.03), dice.within(*saturation), level)
            for number, level in enumerate(levels)]  # fmt: skip
    return np.array(rows, dtype=np.float32)


def cloud(size: tuple[int, int], dice: Dice, *, cells: float, octaves: int = 3) -> Field:
    """Value noise: random grids, enlarged smoothly and added with halved weight, stretched to [0, 1]."""
    h, w = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        rows, columns = (max(2, round(cells * 2**octave * side / max(size)) + 1) for side in size)
        grid = Image.fromarray(dice.field(rows, columns))
        total += np.asarray(grid.resize((w, h), Image.Resampling.BICUBIC)) * np.float32(0.5**octave)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), dtype=np.float32)


def _axes(size: tuple[int, int], dice: Dice, turn: float | None = None) -> tuple[Field, Field]:
    """Turned coordinates of the pixels, the longer side being 1."""
    angle = dice.within(0, np.pi) if turn is None else turn
    scale = np.float32(1 / max(size))
    y = (np.arange(size[0], dtype=np.float32) - size[0] / 2)[:, None] * scale
    x = (np.arange(size[1], dtype=np.float32) - size[1] / 2)[None] * scale
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def _sharp(wave: Field, size: tuple[int, int], width: float) -> Field:
    """A wave in [−1, 1] as two tones with edges about a pixel wide, if a period is `width` of the longer side."""
    slope = np.float32(max(size) * width / 6)
    return np.asarray(np.clip(wave * slope + np.float32(0.5), 0, 1), dtype=np.float32)


def _gradient(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    bend = np.float32(dice.within(-0.8, 0.8))
    field = u + bend * v * v
    return np.asarray((field - field.min()) / max(float(np.ptp(field)), 1e-6), dtype=np.float32)


def _stripes(size: tuple[int, int], dice: Dice) -> Field:
    u, _ = _axes(size, dice)
    count = dice.ratio(4, 13)
    wave = np.sin(_CIRCLE * np.float32(count) * u + np.float32(dice.within(0, 6)))
    return _sharp(wave, size, 1 / count) if dice.chance(0.6) else wave * np.float32(0.5) + np.float32(0.5)


def _checks(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    count = np.float32(dice.ratio(3, 9))
    return _sharp(np.sin(_CIRCLE * count * u) * np.sin(_CIRCLE * count * v), size, 1 / float(count))


def _dots(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    count = np.float32(dice.ratio(4, 12))
    wave = np.cos(_CIRCLE * count * u) + np.cos(_CIRCLE * count * v) - np.float32(dice.within(0.1, 1.1))
    return _sharp(wave * np.float32(0.6), size, 1 / float(count))


def _cloud(size: tuple[int, int], dice: Dice) -> Field:
    return cloud(size, dice, cells=dice.ratio(2.5, 9), octaves=dice.whole(2, 4))


def _grain(size: tuple[int, int], dice: Dice) -> Field:
    rough = cloud(size, dice, cells=max(size) / 4, octaves=2)
    return np.asarray(0.55 * rough + 0.45 * cloud(size, dice, cells=3, octaves=1), dtype=np.float32)


def _hatching(size: tuple[int, int], dice: Dice) -> Field:
    turn, count = dice.within(0, np.pi), dice.ratio(6, 14)
    one, other = _axes(size, dice, turn), _axes(size, dice, turn + dice.within(0.5, 1.2))
    lines = [
        _sharp(np.sin(_CIRCLE * np.float32(count) * u) - np.float32(0.6), size, 1 / count) for u, _ in (one, other)
    ]
    return np.asarray(np.maximum(*lines), dtype=np.float32)


def _waves(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    count, bends = dice.ratio(4, 10), np.float32(dice.ratio(1.5, 4))
    sway = np.float32(dice.within(0.04, 0.1)) * np.sin(_CIRCLE * bends * v)
    return _sharp(np.sin(_CIRCLE * np.float32(count) * (u + sway)), size, 1 / count)


def _zigzag(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    count, bends = dice.ratio(4, 9), np.float32(dice.ratio(2, 6))
    teeth = np.abs((v * bends) % 1 - np.float32(0.5)) / bends * np.float32(dice.within(0.8, 1.6))
    return _sharp(np.sin(_CIRCLE * np.float32(count) * (u + teeth)), size, 1 / count)


def _rings(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    away = np.hypot(u - np.float32(dice.within(-0.6, 0.6)), v - np.float32(dice.within(-0.6, 0.6)))
    count = dice.ratio(5, 13)
    return _sharp(np.sin(_CIRCLE * np.float32(count) * away), size, 1 / count)


def _bricks(size: tuple[int, int], dice: Dice) -> Field:
    u, v = _axes(size, dice)
    rows = np.float32(dice.ratio(5, 11))
    row = np.floor(v * rows)
    along = u * rows / np.float32(2.2) + np.float32(0.5) * (row % 2)
    tone = (np.sin(row * np.float32(12.9898) + np.floor(along) * np.float32(78.233)) * np.float32(43758.547)) % 1
    joint = (along % 1 < np.float32(0.05)) | ((v * rows) % 1 < np.float32(0.11))
    return np.where(joint, np.float32(0), np.float32(0.45) + np.float32(0.55) * tone).astype(np.float32)


def _cells(size: tuple[int, int], dice: Dice) -> Field:
    small = tuple(max(1, -(-side // max(1, max(size) // 64))) for side in size)
    count = dice.whole(14, 30)
    points = dice.field(count, 2)
    y = (np.arange(small[0], dtype=np.float32)[:, None] + 0.5) / max(small)
    x = (np.arange(small[1], dtype=np.float32)[:, None] + 0.5) / max(small)
    rows = (y - points[:, 0] * small[0] / max(small)) ** 2
    columns = (x - points[:, 1] * small[1] / max(small)) ** 2
    away = rows[:, None] + columns
    near, next_ = np.sqrt(np.partition(away, 1, axis=2)[..., :2]).transpose(2, 0, 1)
    tone = Image.fromarray(points[away.argmin(2), 0]).resize(size[::-1], Image.Resampling.NEAREST)
    # The lines are found at full size, and hide the steps of the cells' tones.
    gap = np.asarray(Image.fromarray(next_ - near).resize(size[::-1], Image.Resampling.BILINEAR))
    line = np.clip((gap - np.float32(0.016)) * max(size) * np.float32(0.5), 0, 1)
    return np.asarray(line * (np.float32(0.25) + np.float32(0.75) * np.asarray(tone)), dtype=np.float32)


def _marble(size: tuple[int, int], dice: Dice) -> Field:
    u, _ = _axes(size, dice)
    turned = u * np.float32(dice.ratio(2, 5)) + cloud(size, dice, cells=4, octaves=4) * np.float32(
        dice.within(0.7, 1.4)
    )
    return np.asarray(np.abs(np.sin(np.float32(np.pi) * turned)) ** np.float32(0.7), dtype=np.float32)


def _rgb(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """Hue, saturation and value, all in [0, 1], as red, green and blue."""

    def channel(offset: float) -> float:
        k = (offset + 6 * hue) % 6
        return value - value * saturation * max(0.0, min(k, 4 - k, 1.0))

    return channel(5), channel(3), channel(1)


_FAMILIES: dict[str, Callable[[tuple[int, int], Dice], Field]] = {
    "gradient": _gradient, "stripes": _stripes, "checks": _checks, "dots": _dots, "cloud": _cloud, "grain": _grain,
    "hatching": _hatching, "waves": _waves, "zigzag": _zigzag, "rings": _rings, "bricks": _bricks, "cells": _cells,
    "marble": _marble,
}  # fmt: skip

TRAIN_TEXTURES = ("gradient", "stripes", "checks", "dots", "cloud", "grain", "hatching")
"""Families of training and validation."""
TEST_TEXTURES = ("waves", "zigzag", "rings", "bricks", "cells", "marble")
"""Families of tests."""

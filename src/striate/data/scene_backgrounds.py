"""What is behind the objects of a scene: surfaces from formulas, or crops of photos."""

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.decode import read_image
from striate.data.files import find_images, printable
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.data.scene_dice import Dice
from striate.data.scene_textures import TEST_TEXTURES, TRAIN_TEXTURES, cloud, colored, palette, texture
from striate.data.stores import FileStore
from striate.errors import DataError

__all__ = ["PhotoBackgrounds", "draw_background", "read_backgrounds"]

Pixels = NDArray[np.float32]


def draw_background(size: tuple[int, int], dice: Dice, *, part: str) -> Pixels:
    """A surface: one or two textures under uneven light, with bars of no class lying on it; float32 `h w 3` in [0, 1].

    Args:
        size: `(h, w)` in pixels.
        dice: Decides everything.
        part: `test` and `unseen` have families of textures that `train` and `val` never show.
    """
    families = TEST_TEXTURES if part in {"test", "unseen"} else TRAIN_TEXTURES
    calm = dice.within(0.3, 1.0)
    low = dice.within(0.1, 0.6)
    colors = palette(dice, saturation=(0.05, 0.55), value=(low, min(1.0, low + 0.15 + 0.35 * calm)))
    field = texture(dice.one(families), size, dice.of("texture"))
    if dice.chance(0.5):
        mix = cloud(size, dice.of("mix"), cells=dice.ratio(1.5, 4), octaves=2)
        field = field * mix + texture(dice.one(families), size, dice.of("second")) * (1 - mix)
    surface = colored(field, colors)
    for number in range(dice.whole(0, 5)):
        _lay_bar(surface, dice.of("bar", number))
    shade = cloud(size, dice.of("shade"), cells=1.5, octaves=1)
    surface *= (np.float32(1 - 0.18) + np.float32(0.36) * shade)[..., None]
    return np.clip(surface, 0, 1, out=surface)


def _lay_bar(surface: Pixels, dice: Dice) -> None:
    """A long strip across a part of the surface: clutter that is no object."""
    h, w = surface.shape[:2]
    side = float(min(h, w))
    turn, long, wide = dice.within(0, np.pi), side * dice.within(0.15, 0.8), side * dice.ratio(0.008, 0.05)
    x0, y0 = dice.within(0, w), dice.within(0, h)
    c, s = np.cos(turn), np.sin(turn)
    reach_x, reach_y = abs(c) * long / 2 + wide + 2, abs(s) * long / 2 + wide + 2
    left, right = max(0, int(x0 - reach_x)), min(w, int(x0 + reach_x) + 1)
    top, bottom = max(0, int(y0 - reach_y)), min(h, int(y0 + reach_y) + 1)
    x = np.arange(left, right, dtype=np.float32)[None] - np.float32(x0)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y0)
    along, across = np.abs(c * x + s * y), np.abs(c * y - s * x)
    alpha = np.clip(long / 2 - along + 0.5, 0, 1) * np.clip(wide / 2 - across + 0.5, 0, 1)
    color = palette(dice, saturation=(0.05, 0.6), value=(0.15, 0.95), count=2)
    tone = colored(np.clip(along / np.float32(long / 2), 0, 1).astype(np.float32), color)
    part = surface[top:bottom, left:right]
    part += (tone - part) * alpha[..., None].astype(np.float32)


@dataclass(frozen=True, eq=False)
class PhotoBackgrounds:
    """Photos of which scenes show crops; each photo belongs to one part.

    Attributes:
        photos: The pictures of each part, by name.
        problems: Photos that cannot be read.
    """

    photos: dict[str, ImageSet]
    problems: tuple[Problem, ...] = ()

    def draw(self, size: tuple[int, int], dice: Dice, *, part: str) -> Pixels:
        """A random crop at most as enlarged as it must be, half of them mirrored; float32 `h w 3` in [0, 1].

        Raises:
            DataError: If the photo cannot be read.
        """
        chosen = self.photos["test" if part == "unseen" else part]
        pixels = _photo(chosen, dice.whole(0, len(chosen) - 1), 2 * max(size))
        h, w = pixels.shape[:2]
        fit = min(h / size[0], w / size[1])
        share = dice.within(0.5, 1.0) if fit > 1 else 1.0
        high, wide = size[0] * fit * share, size[1] * fit * share
        top, left = dice.within(0, h - high), dice.within(0, w - wide)
        box = (left, top, left + wide, top + high)
        image = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
        found = np.asarray(image, dtype=np.float32) / np.float32(255)
        return found[:, ::-1] if dice.chance(0.5) else found


def read_backgrounds(
    source: str | Path | Sequence[str | Path], *, parts: Sequence[str], seed: int = 0
) -> PhotoBackgrounds:
    """Photos for the ground of scenes, each for one part only; copies of one file stay together.

    Training has the larger share: of all photos, six tenths, where `val` and `test` share the rest.

    Args:
        source: A folder, or files.
        parts: Which parts will be drawn; `unseen` has the photos of `test`.
        seed: Another seed deals them otherwise.

    Raises:
        DataError: If there is no such folder, or there are fewer different photos than parts, or none can be read.
    """
    known: dict[str, list[Path]] = {}
    problems = []
    for path in find_images(source):
        try:
            content = FileStore(Path(), (str(path),)).read(0)
            read_image(content)
        except DataError as error:
            reason = re.sub(r"^image of \d+ bytes: ", "", str(error).removeprefix(f"{printable(path)}: "))
            problems.append(Problem("unreadable", printable(path), f"{reason}; it was left out"))
            continue
        known.setdefault(hashlib.blake2b(f"{seed} ".encode() + content).hexdigest(), []).append(path)
    wanted = [part for part in ("train", "val", "test") if part in parts or (part == "test" and "unseen" in parts)]
    if len(known) < len(wanted):
        raise DataError(
            f"{printable(str(source))}: {len(known)} different photos are too few for {len(wanted)} parts without a "
            "photo in common."
        )
    order = sorted(known)
    weights = np.array([{"train": 0.6, "val": 0.15, "test": 0.25}[part] for part in wanted])
    # Where each part ends: its share, but at least one photo for it and for each that follows.
    ends = np.rint(np.cumsum(weights) / weights.sum() * len(order)).astype(int)
    for number in range(len(wanted)):
        least = (ends[number - 1] if number else 0) + 1
        ends[number] = min(max(ends[number], least), len(order) - (len(wanted) - 1 - number))
    starts = [0, *ends[:-1].tolist()]
    photos = {}
    for part, start, end in zip(wanted, starts, ends.tolist(), strict=True):
        paths = tuple(str(path) for key in order[start:end] for path in sorted(known[key])[:1])
        labels = np.zeros(len(paths), dtype=np.int64)
        photos[part] = ImageSet(("ground",), labels, FileStore(Path(), paths), Path("backgrounds"), "folder")
    return PhotoBackgrounds(photos, tuple(problems))


@functools.lru_cache(maxsize=64)
def _photo(photos: ImageSet, index: int, side: int) -> NDArray[np.uint8]:
    """A photo, made smaller where its shorter side is longer than `side`: 12 megapixels each would fill the memory."""
    image = Image.fromarray(photos.pixels(index))
    share = side / min(image.size)
    if share < 1:
        size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)

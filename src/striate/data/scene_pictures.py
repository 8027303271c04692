"""People's own objects for scenes: emoji, stamps, products; pictures with a clear ground, or with a plain one.

The class is the folder's name, or the file's. Where a picture has no clear parts, a plain ground is keyed out: what is
joined to the border and has the border's color. What has neither is pasted as the rectangle that it is.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from striate.data.decode import read_image
from striate.data.files import find_images, printable
from striate.data.problem import Problem
from striate.data.scene_dice import Dice
from striate.data.scene_sprites import ALPHA_OF_OBJECT, SpriteSource, trimmed
from striate.errors import ConfigError, DataError

__all__ = ["PictureSprites", "key_out", "read_sprites"]

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # those of `read_image`, which has checked the file before
_LONGEST = 512  # pixels of a sprite's longer side that are kept: larger ones would only be made smaller in every scene
_NEAR = 26  # levels by which a channel may differ from the border's color and still be ground
_PLAIN = 0.92  # share of the border that must have its color, for the ground to be plain


@dataclass(frozen=True, eq=False)
class PictureSprites(SpriteSource):
    """Objects from files.

    Attributes:
        classes: Names of the classes.
        sprites: For each class its objects as uint8 `h w 4`, those of `train`, `val` and `test`.
        unseen: For each class those that only `unseen` has; empty where none were set aside.
        names: For each class the names of the files, those of `sprites` first.
        problems: What was left out, keyed out, or pasted as a rectangle.

    Raises:
        DataError: If a class has no object, or the lists are of different lengths.
    """

    sprites: tuple[tuple[NDArray[np.uint8], ...], ...] = ()
    unseen: tuple[tuple[NDArray[np.uint8], ...], ...] = ()
    names: tuple[tuple[str, ...], ...] = ()
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        counts = (len(self.sprites), len(self.unseen or self.sprites))
        if counts != (len(self.classes), len(self.classes)) or not all(self.sprites):
            raise DataError(f"scenes: each of the {len(self.classes)} classes needs at least one object.")

    def kinds(self, part: str) -> tuple[int, ...]:
        """The classes of which a part has objects; for `unseen` those with objects set aside.

        Raises:
            ConfigError: If no object was set aside, and the part is `unseen`.
        """
        if part != "unseen":
            return tuple(range(len(self.classes)))
        found = tuple(kind for kind, aside in enumerate(self.unseen) if aside)
        if not found:
            raise ConfigError("scenes: no objects were set aside as unseen; read the sprites with a share above 0.")
        return found

    def draw(self, kind: int, dice: Dice, *, part: str) -> NDArray[np.uint8]:
        """One of the class's objects."""
        return dice.one(self.unseen[kind] if part == "unseen" else self.sprites[kind])

    def describe(self) -> str:
        """How many objects of how many classes."""
        aside = sum(map(len, self.unseen))
        words = f", {aside} of them set aside" if aside else ""
        kinds = "1 class" if len(self.classes) == 1 else f"{len(self.classes)} classes"
        return f"{sum(map(len, self.sprites)) + aside} sprites of {kinds}{words}"


def read_sprites(
    source: str | Path | Sequence[str | Path] | Mapping[str, Sequence[str | Path]],
    *,
    classes_by: Literal["folder", "file"] = "folder",
    unseen: float = 0.0,
    seed: int = 0,
) -> PictureSprites:
    """Read pictures of objects.

    Args:
        source: A folder, or files; or the files of each class by its name, and then `classes_by` says nothing.
        classes_by: `folder`: the class is the name of the folder that holds the file; `file`: each file is a class
            of its own, by its name without the ending.
        unseen: Share of each class's objects that are set aside, at least one where there are two; copies of one
            picture stay together.
        seed: Another seed sets others aside.

    Raises:
        ConfigError: If `unseen` is outside [0, 1), or above 0 where each file is a class.
        DataError: If there is no such folder, no usable picture, or two files would be one class by their names.
    """
    if not 0 <= unseen < 1 or (unseen and classes_by == "file"):
        raise ConfigError(
            f"scenes: unseen must be a share from 0 to below 1 of the objects in each class's folder, got {unseen} "
            f"with classes by {classes_by}."
        )
    groups: dict[str, list[tuple[str, NDArray[np.uint8]]]] = {}
    problems: list[Problem] = []
    for name, path in _named(source, classes_by):
        try:
            sprite, problem = _read(path)
        except DataError as error:
            reason = str(error).removeprefix(f"{printable(path)}: ")
            problems.append(Problem("unreadable", printable(path), f"{reason}; it was left out"))
            continue
        problems += [problem] if problem else []
        if sprite.size:
            groups.setdefault(name, []).append((path.name, sprite))
    if not groups:
        first = f"; the first: {problems[0]}" if problems else ""
        raise DataError(f"scenes: no picture of an object could be used{first}.")
    names, kept, aside = [], [], []
    for kind in sorted(groups):
        seen, held = _set_aside(groups[kind], unseen, seed)
        kept.append(tuple(sprite for _, sprite in seen))
        aside.append(tuple(sprite for _, sprite in held))
        names.append(tuple(name for name, _ in (*seen, *held)))
    return PictureSprites(tuple(sorted(groups)), tuple(kept), tuple(aside), tuple(names), tuple(problems))


def key_out(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The alpha of an object on a plain ground, uint8 `h w`; None where the ground is not plain.

    Ground is what is joined to the border and nearly of its color; holes of that color inside the object stay.

    Args:
        pixels: uint8 `h w 3`.
    """
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    color = np.median(border, axis=0)
    if (np.abs(border - color).max(1) <= _NEAR).mean() < _PLAIN:
        return None
    near = np.abs(pixels.astype(np.int16) - color).max(2) <= _NEAR
    regions, count = ndimage.label(near)
    at_border = np.zeros(count + 1, np.bool_)
    at_border[np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])] = True
    at_border[0] = False
    solid = ~at_border[regions]
    if not solid.any():
        return None
    # The outermost pixels are mixed with the ground: half clear, in a smooth edge.
    alpha = Image.fromarray((solid * 255).astype(np.uint8))
    return np.asarray(alpha.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.8)))


def _named(
    source: str | Path | Sequence[str | Path] | Mapping[str, Sequence[str | Path]], classes_by: str
) -> list[tuple[str, Path]]:
    """Every file with the name of its class."""
    if isinstance(source, Mapping):
        return [(name, path) for name, files in source.items() for path in find_images(files)]
    if classes_by == "folder":
        return [(path.absolute().parent.name, path) for path in find_images(source)]
    known: dict[str, Path] = {}
    for path in find_images(source):
        if path.stem in known:
            raise DataError(
                f"{printable(path)}: {printable(known[path.stem])} is called {path.stem!r}, too; classes by file need "
                "a name each."
            )
        known[path.stem] = path
    return list(known.items())


def _read(path: Path) -> tuple[NDArray[np.uint8], Problem | None]:
    """A file's object, trimmed, and what is worth knowing about it."""
    pixels = read_image(path)  # refuses what is damaged, or a bomb
    where = printable(path)
    alpha = _alpha(path, pixels.shape[:2])
    problem = None
    if alpha is not None and alpha.min() < ALPHA_OF_OBJECT:
        with Image.open(path, formats=_FORMATS) as image:
            colors = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., :3]
        pixels = colors if colors.shape == pixels.shape else pixels
    elif (alpha := key_out(pixels)) is not None:
        problem = Problem("keyed-out", where, "no clear parts; the plain ground at its border was cut away")
    else:
        problem = Problem("rectangle", where, "neither clear parts nor a plain ground; it is pasted as a rectangle")
        alpha = np.full(pixels.shape[:2], 255, np.uint8)
    sprite = trimmed(np.dstack([pixels, alpha]))
    if min(sprite.shape[:2]) < 4:
        return sprite[:0, :0], Problem("no-object", where, "its object has fewer than 4 pixels a side; it was left out")
    smaller = Image.fromarray(sprite)
    smaller.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BICUBIC)
    return np.array(smaller), problem


def _alpha(path: Path, size: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """How opaque each pixel of a file is, upright; None where the file says nothing of that."""
    with Image.open(path, formats=_FORMATS) as image:
        clear = image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info
        if not clear or image.mode.startswith(("I", "F")):
            return None
        alpha = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3]
        if image.format == "BMP" and not alpha.any():  # a fourth byte that the writer left at zero
            return None
    return alpha if alpha.shape == size else None


def _set_aside(
    objects: list[tuple[str, NDArray[np.uint8]]], share: float, seed: int
) -> tuple[list[tuple[str, NDArray[np.uint8]]], list[tuple[str, NDArray[np.uint8]]]]:
    """Objects in the order of a hash of their pixels, cut into the larger part and the share; copies on one side."""
    hashed = [
        (hashlib.blake2b(f"{seed} ".encode() + sprite.tobytes()).hexdigest(), name, sprite) for name, sprite in objects
    ]
    hashed.sort(key=lambda entry: entry[:2])
    kinds = sorted({entry[0] for entry in hashed})
    count = min(max(1, round(share * len(kinds))), len(kinds) - 1) if share else 0
    aside = set(kinds[:count])
    parts: tuple[list[tuple[str, NDArray[np.uint8]]], list[tuple[str, NDArray[np.uint8]]]] = ([], [])
    for key, name, sprite in hashed:
        parts[key in aside].append((name, sprite))
    return parts

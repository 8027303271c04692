"""Where the objects of a scene lie and what is seen of each: everything about a scene but its light and its ground.

Objects are pasted one after the other, later ones on top. For every pixel the number of the object that is seen there
is kept; an object's mask are the pixels that carry its number, and its box is the smallest that holds them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.detections import Detections
from striate.data.scene_dice import Dice
from striate.data.scene_settings import SceneSettings
from striate.data.scene_sprites import ALPHA_OF_OBJECT, SpriteSource, trimmed

__all__ = ["Layout", "Placed", "lay_out", "reach"]

_TRIES = 24  # places that are tried for an object


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """One object in a scene.

    Attributes:
        kind: Its class.
        sprite: uint8 `h w 4`, as large and as turned as it lies there.
        left: Column of the scene where the sprite begins; may be negative.
        top: Row where it begins.
        pixels: How many pixels the whole object has, wherever they lie.
    """

    kind: int
    sprite: NDArray[np.uint8]
    left: int
    top: int
    pixels: int


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """The objects of a scene.

    Attributes:
        objects: From the lowest to the highest.
        owner: int16 `h w`: the number of the object seen at each pixel, from 0; −1 where there is none.
        visible: `n` shares of each object that are seen.
    """

    objects: tuple[Placed, ...]
    owner: NDArray[np.int16]
    visible: NDArray[np.float64]

    def detections(self, classes: tuple[str, ...], settings: SceneSettings) -> Detections:
        """The boxes of the objects that are visible enough."""
        h, w = self.owner.shape
        rows, boxes, areas = [], [], []
        for number, placed in enumerate(self.objects):
            x0, y0, x1, y1 = reach(placed, (h, w))
            mask = self.owner[y0:y1, x0:x1] == number
            area = int(mask.sum())
            if area == 0 or self.visible[number] < settings.min_visible:
                continue
            if settings.extent == "full":
                mask = _solid(placed.sprite)[y0 - placed.top : y1 - placed.top, x0 - placed.left : x1 - placed.left]
            ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            rows.append(number)
            boxes.append((x0 + xs[0], y0 + ys[0], x0 + xs[-1] + 1, y0 + ys[-1] + 1))
            areas.append(area)
        kinds = [self.objects[row].kind for row in rows]
        difficult = self.visible[rows] < settings.difficult_below if rows else None
        return Detections.of(boxes, kinds, classes, size=(h, w), difficult=difficult, areas=areas)


def lay_out(sprites: SpriteSource, settings: SceneSettings, dice: Dice, *, part: str) -> Layout:
    """Objects of random classes, sizes, turns and places."""
    ground = _Ground(settings)
    kinds = sprites.kinds(part)
    for number in range(dice.whole(*settings.objects)):
        own = dice.of("object", number)
        kind = own.one(kinds)
        sprite = _posed(sprites.draw(kind, own.of("sprite"), part=part), settings, own.of("pose"))
        if not sprite.size:
            continue
        solid = _solid(sprite)
        for _ in range(_TRIES):
            left, top = _place(sprite, settings, own)
            if ground.put(Placed(kind, sprite, left, top, int(solid.sum())), solid):
                break
    count = len(ground.objects)
    return Layout(tuple(ground.objects), ground.owner, ground.seen[:count] / np.maximum(ground.whole[:count], 1))


class _Ground:
    """The scene so far: what lies there, who is seen where, and how many pixels of each are left."""

    def __init__(self, settings: SceneSettings) -> None:
        self.settings = settings
        self.owner = np.full(settings.size, -1, np.int16)
        self.objects: list[Placed] = []
        self.seen = np.zeros(settings.objects[1], np.int64)
        self.whole = np.zeros(settings.objects[1], np.int64)

    def put(self, placed: Placed, solid: NDArray[np.bool_]) -> bool:
        """Lay an object on top of the others, unless it or one below it would be hidden; says whether it was laid."""
        x0, y0, x1, y1 = reach(placed, self.owner.shape)
        if x0 >= x1 or y0 >= y1:
            return False
        mask = solid[y0 - placed.top : y1 - placed.top, x0 - placed.left : x1 - placed.left]
        region = self.owner[y0:y1, x0:x1]
        below = region[mask]
        touched, lost = np.unique(below[below >= 0], return_counts=True)
        left = self.seen[touched] - lost
        if self.settings.hidden == "not placed":
            least = self.settings.min_visible
            if len(below) < max(1.0, least * placed.pixels):
                return False
            if (left < np.maximum(1.0, least * self.whole[touched])).any():
                return False
        number = len(self.objects)
        region[mask] = number
        self.seen[touched] = left
        self.seen[number], self.whole[number] = len(below), placed.pixels
        self.objects.append(placed)
        return True


def _posed(sprite: NDArray[np.uint8], settings: SceneSettings, dice: Dice) -> NDArray[np.uint8]:
    """The sprite in the size, mirrored, stretched, turned and colored as it will lie in the scene."""
    if not sprite.size:
        return sprite
    h, w = sprite.shape[:2]
    longer = dice.ratio(*settings.scale) * min(settings.size)
    stretch = dice.ratio(1 / settings.stretch, settings.stretch) ** 0.5
    size = (max(1, round(w * longer / max(h, w) * stretch)), max(1, round(h * longer / max(h, w) / stretch)))
    image = Image.fromarray(sprite).resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    if dice.chance(settings.flip):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if angle := dice.within(-settings.rotation, settings.rotation):
        image = image.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    posed = np.array(image)
    light = dice.ratio(*settings.brightness) * np.array([dice.ratio(1 / settings.tint, settings.tint) for _ in "rgb"])
    table = np.clip(np.arange(256)[:, None] * light, 0, 255).astype(np.uint8)
    for channel in range(3):
        posed[..., channel] = table[posed[..., channel], channel]
    return trimmed(posed)


def _place(sprite: NDArray[np.uint8], settings: SceneSettings, dice: Dice) -> tuple[int, int]:
    """Left and top: anywhere, the allowed share beyond the border; in the middle where it is larger than the scene."""
    found = []
    for side, room in zip(sprite.shape[1::-1], settings.size[::-1], strict=True):
        beyond = settings.outside * side
        low, high = -beyond, room - side + beyond
        found.append(round(dice.within(low, high) if high > low else (room - side) / 2))
    return found[0], found[1]


def reach(placed: Placed, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The part of the scene where the sprite lies: xyxy."""
    h, w = placed.sprite.shape[:2]
    return max(placed.left, 0), max(placed.top, 0), min(placed.left + w, size[1]), min(placed.top + h, size[0])


def _solid(sprite: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(sprite[..., 3] >= ALPHA_OF_OBJECT)

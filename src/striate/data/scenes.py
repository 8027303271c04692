"""Copy-paste scenes: objects pasted on other grounds, every box exact because the program put the object there.

Scene `i` of a part is a function of the seed, the part and `i` alone: it is the same however many scenes are drawn, in
which order, by how many workers.

Source: Dwibedi, Misra and Hebert 2017, Cut, Paste and Learn: Surprisingly Easy Synthesis for Instance Detection.
Differs: objects cast shadows and are blurred with the whole scene, in place of several blendings of each edge.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.scene_backgrounds import PhotoBackgrounds, draw_background
from striate.data.scene_dice import Dice
from striate.data.scene_layout import Layout, Placed, lay_out, reach
from striate.data.scene_settings import PARTS, SceneSettings, Shift, settings_of
from striate.data.scene_shapes import ShapeSprites
from striate.data.scene_sprites import SpriteSource
from striate.data.stores import ArrayStore
from striate.errors import ConfigError

__all__ = ["Scene", "SceneMaker", "SceneStore", "build_scenes", "draw_scene"]


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A picture and what is on it.

    Attributes:
        pixels: uint8 `h w 3`.
        truth: The boxes.
        owner: int16 `h w`: the number of the object seen at each pixel, in the order of pasting; −1 for the ground.
        visible: Share of each pasted object that is seen.
    """

    pixels: NDArray[np.uint8]
    truth: Detections
    owner: NDArray[np.int16]
    visible: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SceneMaker:
    """Everything that scenes of one part are made of.

    Attributes:
        sprites: The objects.
        settings: What scenes look like.
        part: `train`, `val`, `test` or `unseen`.
        seed: Another seed gives other scenes.
        backgrounds: Photos, or None for grounds from formulas.

    Raises:
        ConfigError: If the seed is below 0 or there is no such part.
    """

    sprites: SpriteSource = field(default_factory=ShapeSprites)
    settings: SceneSettings = field(default_factory=SceneSettings)
    part: str = "train"
    seed: int = 0
    backgrounds: PhotoBackgrounds | None = None

    def __post_init__(self) -> None:
        if self.seed < 0 or self.part not in PARTS:
            raise ConfigError(
                f"scenes: seed must be 0 or more and part one of {', '.join(PARTS)}, got {self.seed} and {self.part!r}."
            )

    def truth(self, index: int) -> Detections:
        """The boxes of a scene, of which nothing is painted: about three times as fast as the scene."""
        return self._layout(index).detections(self.sprites.classes, self.settings)

    def draw(self, index: int) -> Scene:
        """A scene, whole.

        Raises:
            ConfigError: If `index` is below 0.
            DataError: If a photo of the background cannot be read.
        """
        layout = self._layout(index)
        dice = self._dice(index)
        ground = dice.of("ground")
        if self.backgrounds is None:
            canvas = draw_background(self.settings.size, ground, part=self.part)
        else:
            canvas = self.backgrounds.draw(self.settings.size, ground, part=self.part).copy()
        pixels = _paint(canvas, layout, self.settings, dice.of("light"))
        truth = layout.detections(self.sprites.classes, self.settings)
        return Scene(pixels, truth, layout.owner, layout.visible)

    def _layout(self, index: int) -> Layout:
        return lay_out(self.sprites, self.settings, self._dice(index).of("layout"), part=self.part)

    def _dice(self, index: int) -> Dice:
        if index < 0:
            raise ConfigError(f"scenes: index must be 0 or more, got {index}.")
        return Dice("scene", self.seed, self.part, index)


@dataclass(frozen=True, eq=False)
class SceneStore:
    """Scenes as a store of pictures: each is painted when it is read, so that any number takes no memory.

    Attributes:
        maker: What paints them.
        indices: Which scenes.
    """

    maker: SceneMaker
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """Part and number."""
        return f"{self.maker.part}-{self.indices[index]:06d}"

    def where(self, index: int) -> str:
        """In words."""
        return f"scene {self.indices[index]} of {self.maker.part}, seed {self.maker.seed}"

    def read(self, index: int) -> NDArray[np.uint8]:
        """The scene's pixels, uint8 `h w 3`."""
        return self.maker.draw(self.indices[index]).pixels

    def subset(self, indices: NDArray[np.int64]) -> "SceneStore":
        """Some of the scenes."""
        return SceneStore(self.maker, tuple(self.indices[i] for i in indices.tolist()))


def draw_scene(
    index: int,
    *,
    part: str = "train",
    seed: int = 0,
    sprites: SpriteSource | None = None,
    settings: SceneSettings | None = None,
    shift: Shift = "mild",
    backgrounds: PhotoBackgrounds | None = None,
) -> Scene:
    """One scene, by default of the ten built-in shapes.

    Args:
        index: Which, from 0.
        part: `train`, `val`, `test` (other textures, grounds and conditions) or `unseen`.
        seed: Another seed gives other scenes.
        sprites: The objects; the built-in shapes by default.
        settings: What scenes look like in training.
        shift: How far the conditions of `test` and `unseen` are from them: `none`, `mild` or `strong`.
        backgrounds: Photos; grounds from formulas by default.

    Raises:
        ConfigError: If a number or name cannot be.
        DataError: If a photo cannot be read.

    >>> scene = draw_scene(0)
    >>> scene.pixels.shape, scene.truth.label(0) in scene.truth.labels
    ((320, 320, 3), True)
    """
    conditions = settings_of(part, settings, shift=shift)
    return SceneMaker(sprites or ShapeSprites(), conditions, part, seed, backgrounds).draw(index)


def build_scenes(
    count: int,
    *,
    part: str = "train",
    seed: int = 0,
    sprites: SpriteSource | None = None,
    settings: SceneSettings | None = None,
    shift: Shift = "mild",
    backgrounds: PhotoBackgrounds | None = None,
    keep: bool = False,
) -> BoxSet:
    """The first `count` scenes of a part as a set for training and evaluation, without a file.

    A picture is painted whenever it is read, which takes no memory but ten times as long as reading a file; for
    many epochs keep them, or write them (`striate data scenes`).

    Args:
        count: How many.
        part: As in `draw_scene`.
        seed: As in `draw_scene`.
        sprites: As in `draw_scene`.
        settings: As in `draw_scene`.
        shift: As in `draw_scene`.
        backgrounds: As in `draw_scene`.
        keep: Whether all are painted now and kept in memory: three bytes a pixel, .6 GB for 2,000 of 320 × 320.

    Raises:
        ConfigError: If a number or name cannot be, or `count` is below 0.
        DataError: If a photo of the background cannot be read.

    >>> scenes = build_scenes(3, part="test")
    >>> len(scenes), scenes.classes[0], scenes.pixels(2).shape
    (3, 'disk', (320, 320, 3))
    """
    if count < 0:
        raise ConfigError(f"scenes: count must be 0 or more, got {count}.")
    conditions = settings_of(part, settings, shift=shift)
    maker = SceneMaker(sprites or ShapeSprites(), conditions, part, seed, backgrounds)
    store: SceneStore | ArrayStore = SceneStore(maker, tuple(range(count)))
    truth = []
    if keep and count:
        pixels = np.empty((count, *conditions.size, 3), np.uint8)
        for index in range(count):
            scene = maker.draw(index)
            pixels[index] = scene.pixels
            truth.append(scene.truth)
        store = ArrayStore(pixels, part)
    else:
        truth = [maker.truth(index) for index in range(count)]
    return BoxSet(maker.sprites.classes, tuple(truth), store, Path(f"scenes-{part}"), "scenes")


def _paint(canvas: NDArray[np.float32], layout: Layout, settings: SceneSettings, dice: Dice) -> NDArray[np.uint8]:
    """The objects with their shadows on the ground, then light, blur and noise over everything."""
    h, w = settings.size
    angle, far = dice.within(0, 2 * np.pi), dice.within(0.03, 0.1)
    toward = (far * np.cos(angle), far * np.sin(angle))
    for placed in layout.objects:
        if settings.shadow:
            _cast(canvas, placed, toward, settings.shadow * dice.within(0.4, 1.0))
        x0, y0, x1, y1 = reach(placed, (h, w))
        part = placed.sprite[y0 - placed.top : y1 - placed.top, x0 - placed.left : x1 - placed.left]
        inked = part.astype(np.float32) * np.float32(1 / 255)
        under = canvas[y0:y1, x0:x1]
        under += (inked[..., :3] - under) * inked[..., 3:]
    exposure = np.float32(dice.ratio(*settings.exposure))
    turn, strength = dice.within(0, 2 * np.pi), settings.light * dice.within(0, 1)
    x = (np.arange(w, dtype=np.float32) / w - 0.5)[None] * np.float32(2 * np.cos(turn) * strength)
    y = (np.arange(h, dtype=np.float32) / h - 0.5)[:, None] * np.float32(2 * np.sin(turn) * strength)
    canvas *= (exposure * (1 + x + y).clip(0.1, None))[..., None]
    if (noise := dice.within(*settings.noise)) > 0:
        grain = dice.of("noise").field(h, w) + dice.of("more noise").field(h, w) - np.float32(1)
        canvas += (np.float32(noise * 6**0.5) * grain)[..., None]
    pixels: NDArray[np.uint8] = np.rint(np.clip(canvas, 0, 1) * np.float32(255)).astype(np.uint8)
    if (blur := dice.within(*settings.blur_px)) >= 0.25:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(blur)))
    return pixels


def _cast(canvas: NDArray[np.float32], placed: Placed, toward: tuple[float, float], darkness: float) -> None:
    """A soft shadow beside an object."""
    h, w = placed.sprite.shape[:2]
    side = max(h, w)
    soft = max(1.0, 0.05 * side)
    pad = int(3 * soft)
    alpha = Image.fromarray(np.pad(placed.sprite[..., 3], pad))
    if soft >= 2:  # what is blurred this far looks the same from half the pixels
        size = alpha.size
        alpha = alpha.reduce(2).filter(ImageFilter.GaussianBlur(soft / 2)).resize(size, Image.Resampling.BILINEAR)
    else:
        alpha = alpha.filter(ImageFilter.GaussianBlur(soft))
    left, top = placed.left - pad + round(toward[0] * side), placed.top - pad + round(toward[1] * side)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + alpha.width, canvas.shape[1]), min(top + alpha.height, canvas.shape[0])
    if x0 < x1 and y0 < y1:
        shade = np.asarray(alpha)[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
        canvas[y0:y1, x0:x1] *= (1 - shade * np.float32(darkness / 255))[..., None]

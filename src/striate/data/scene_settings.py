"""What scenes look like: how many objects, how large, how turned, how lit, how much they cover each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from striate.errors import ConfigError

__all__ = ["PARTS", "SHIFTS", "SceneSettings", "Shift", "settings_of"]

PARTS = ("train", "val", "test", "unseen")
"""`unseen` has the conditions of `test`, and sprites that no other part has."""

Shift: TypeAlias = Literal["none", "mild", "strong"]


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """How scenes of one part are put together. Ranges are `(least, most)`.

    Attributes:
        size: `(h, w)` in pixels.
        objects: How many are tried; fewer are in a scene where there is no place.
        scale: The longer side of an object, unturned, as a share of the scene's shorter side; even in its logarithm.
        rotation: Degrees to either side.
        flip: Share of objects that are mirrored.
        stretch: Most by which one side is longer than it should be, as a ratio.
        brightness: Factors on an object's light.
        tint: Most that a color channel is moved, as a ratio.
        light: Strength of the light from one side on the whole scene, in [0, 1).
        exposure: Factors on the light of the whole scene.
        shadow: Darkness of the shadows that objects cast, in [0, 1].
        min_visible: The least share of an object, what lies beyond the border included, that must be visible.
        hidden: What happens to objects of which less is visible: `not placed`: what would be hidden, or would hide
            another, is tried elsewhere and then left out; `not labeled`: it stays, without a box.
        difficult_below: An object visible by less than this share is marked as difficult.
        outside: Most of an object that may lie beyond the border, as a share of its sides.
        blur_px: Standard deviation of the scene's blur.
        noise: Standard deviation of the scene's noise, as a share of white.
        extent: `visible`: boxes around the pixels that are seen; `full`: around the whole object, as far as it is in
            the scene.

    Raises:
        ConfigError: If a size, share or range cannot be.
    """

    size: tuple[int, int] = (320, 320)
    objects: tuple[int, int] = (2, 7)
    scale: tuple[float, float] = (0.14, 0.40)
    rotation: float = 25.0
    flip: float = 0.5
    stretch: float = 1.12
    brightness: tuple[float, float] = (0.85, 1.15)
    tint: float = 1.08
    light: float = 0.25
    exposure: tuple[float, float] = (0.85, 1.15)
    shadow: float = 0.5
    min_visible: float = 0.6
    difficult_below: float = 0.35
    outside: float = 0.2
    blur_px: tuple[float, float] = (0.0, 0.7)
    noise: tuple[float, float] = (0.0, 0.02)
    hidden: Literal["not placed", "not labeled"] = "not placed"
    extent: Literal["visible", "full"] = "visible"

    def __post_init__(self) -> None:
        for name in ("objects", "scale", "brightness", "exposure", "blur_px", "noise"):
            low, high = getattr(self, name)
            least = {"objects": 0, "blur_px": 0, "noise": 0}.get(name, 1e-3)
            if low < least or high < low:
                raise ConfigError(f"scenes: {name} must be a range from {least:g}, least first, got {low} to {high}.")
        if min(self.size) < 16 or max(self.size) > 16384:
            raise ConfigError(f"scenes: size must be from 16 to 16384 pixels a side, got {self.size}.")
        if self.scale[1] > 2 or self.objects[1] > 10_000:
            raise ConfigError(
                f"scenes: objects must be at most 10,000, scale at most 2, got {self.objects} and {self.scale}."
            )
        for name in ("flip", "light", "shadow", "min_visible", "difficult_below", "outside"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"scenes: {name} must be a share from 0 to 1, got {getattr(self, name)}.")
        if not 0 <= self.rotation <= 180 or min(self.stretch, self.tint) < 1:
            raise ConfigError(
                f"scenes: rotation must be from 0 to 180 degrees, stretch and tint at least 1, got {self.rotation}, "
                f"{self.stretch} and {self.tint}."
            )
        _known("extent", self.extent, ("visible", "full"))
        _known("hidden", self.hidden, ("not placed", "not labeled"))


@dataclass(frozen=True, slots=True)
class _Step:
    """How far test conditions are from those of training: what is multiplied, and what is added."""

    objects: tuple[float, float] = (1.0, 1.0)
    scale: tuple[float, float] = (1.0, 1.0)
    rotation: float = 1.0
    min_visible: float = 1.0
    stretch: float = 0.0
    brightness: tuple[float, float] = (0.0, 0.0)
    tint: float = 0.0
    light: float = 0.0
    exposure: tuple[float, float] = (0.0, 0.0)
    outside: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0


SHIFTS: dict[Shift, _Step] = {
    "none": _Step(),
    "mild": _Step(
        objects=(3 / 2, 9 / 7), scale=(6 / 7, 9 / 8), rotation=1.6, min_visible=0.75, stretch=0.08,
        brightness=(-0.15, 0.1), tint=0.07, light=0.2, exposure=(-0.15, 0.1), blur_px=0.3, noise=0.01,
    ),
    "strong": _Step(
        objects=(2, 12 / 7), scale=(9 / 14, 11 / 8), rotation=3.6, min_visible=0.5, stretch=0.23,
        brightness=(-0.3, 0.2), tint=0.22, light=0.4, exposure=(-0.3, 0.25), outside=0.15, blur_px=0.9, noise=0.04,
    ),
}  # fmt: skip
"""What differs in test scenes: more, smaller, larger, more turned, more covered objects in other light."""


def settings_of(part: str, settings: SceneSettings | None = None, *, shift: Shift = "mild") -> SceneSettings:
    """The settings of a part: those given; for `test` and `unseen` each range widened as the shift says.

    Raises:
        ConfigError: If there is no such part or shift.
    """
    _known("part", part, PARTS)
    _known("shift", shift, tuple(SHIFTS))
    own, step = settings or SceneSettings(), SHIFTS[shift]
    if part not in {"test", "unseen"} or shift == "none":
        return own

    def moved(value: float, *, by: float = 0.0, times: float = 1.0, least: float = 0.0, most: float = 1e9) -> float:
        """Rounded, so that .14 · 6/7 is .12; never beyond what a setting may be."""
        return min(max(round(value * times + by, 10), least), most)

    def spread(values: tuple[float, float], by: tuple[float, float]) -> tuple[float, float]:
        return moved(values[0], by=by[0], least=0.05), moved(values[1], by=by[1])

    most = min(round(own.objects[1] * step.objects[1]), 10_000)
    return replace(
        own,
        objects=(min(round(own.objects[0] * step.objects[0]), most), most),
        scale=(moved(own.scale[0], times=step.scale[0], least=1e-3), moved(own.scale[1], times=step.scale[1], most=2)),
        rotation=moved(own.rotation, times=step.rotation, most=180),
        min_visible=moved(own.min_visible, times=step.min_visible),
        stretch=moved(own.stretch, by=step.stretch),
        brightness=spread(own.brightness, step.brightness),
        tint=moved(own.tint, by=step.tint),
        light=moved(own.light, by=step.light, most=1),
        exposure=spread(own.exposure, step.exposure),
        outside=moved(own.outside, by=step.outside, most=1),
        blur_px=(own.blur_px[0], moved(own.blur_px[1], by=step.blur_px)),
        noise=(own.noise[0], moved(own.noise[1], by=step.noise)),
    )


def _known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"scenes: {name} must be one of {', '.join(known)}, got {value!r}.")

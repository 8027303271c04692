"""Which augmentations of photos with boxes belong together: a table of named policies, and how one is built.

region     which part of the photo is shown
fitting    how it gets onto the canvas, and whether left and right are exchanged
batch      what happens to tensors: color
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from striate.data.augment.batches import BatchTransform
from striate.data.augment.box_cut import cut_detections
from striate.data.augment.box_geometry import FitBoxes, ShorterSide, StretchBoxes
from striate.data.augment.box_regions import MovedRegion, ObjectPatch, Region, WholePhoto
from striate.data.augment.cut import Cut, Geometry
from striate.data.augment.draws import Draws
from striate.data.augment.hsv_jitter import HsvJitter
from striate.data.detections import Detections
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["BOX_POLICIES", "BoxAugmentation", "BoxPolicy", "Fit", "build_box_augmentation"]

Fit = Literal["fit", "stretch", "shorter"]
"""How a region gets onto the canvas: `FitBoxes`, `StretchBoxes` or `ShorterSide`."""


@dataclass(frozen=True)
class BoxPolicy:
    """The settings of one augmentation of photos with boxes; zero (for factors: one) switches a part off.

    Attributes:
        region: `whole`; `moved`: see `MovedRegion`; `patch`: see `ObjectPatch`.
        moved: With `moved`: how far an edge moves, in sides of the photo.
        scale: With `patch`: least and largest share of the photo's sides.
        ratio: With `patch`: least and largest width ÷ height; only where the canvas stretches.
        zoom_out: With `patch`: the largest surface on which the photo is laid, in its sides.
        flip: The probability that left and right are exchanged.
        exposure: See `HsvJitter`.
        saturation: Likewise.
        hue: Likewise.
        min_visible: The share of its area that a box must show to be learned from; with less it is `difficult`.
    """

    region: Literal["whole", "moved", "patch"] = "whole"
    moved: float = 0.2
    scale: tuple[float, float] = (0.3, 1.0)
    ratio: tuple[float, float] = (0.5, 2.0)
    zoom_out: float = 1.0
    flip: float = 0.0
    exposure: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    min_visible: float = 0.25


BOX_POLICIES: dict[str, BoxPolicy] = {
    "none": BoxPolicy(),
    "flip": BoxPolicy(flip=0.5),
    "yolo": BoxPolicy("moved", flip=0.5, exposure=1.5, saturation=1.5, hue=0.1),
    "strong": BoxPolicy("patch", zoom_out=2.0, flip=0.5, exposure=1.5, saturation=1.5, hue=0.05),
}
"""`flip` is all that Fast and Faster R-CNN learned with, `yolo` what YOLO did; `strong` is SSD's, for training long."""


@dataclass(frozen=True, eq=False)
class BoxAugmentation:
    """What training does to photos with boxes.

    Attributes:
        policy: The settings that it was built from.
        geometry: For `load_batches`.
        batch: For tensors, in this order.
    """

    policy: BoxPolicy
    geometry: Geometry
    batch: tuple[BatchTransform, ...]

    def augment(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """Every step of `batch`: RGB in [0, 1] to RGB in [0, 1]. What was black outside of the photo stays black."""
        for step in self.batch:
            images = step(images, draws)
        return images

    def seen(self, truth: Detections, size: tuple[int, int], draws: Draws, row: int) -> tuple[Detections, Cut]:
        """What is to be learned from a picture of a batch, in its pixels, and the cut that was made.

        Args:
            truth: What is marked on the photo.
            size: `(h, w)` of the photo as decoded, as `Batch.sizes` has it.
            draws: `Draws(seed, epoch, batch.indices)`, of the seed and the epoch of the batch.
            row: Of the picture in the batch.
        """
        cut = self.geometry.cut(size, draws, row)
        return cut_detections(truth, cut, min_visible=self.policy.min_visible), cut

    def describe(self) -> list[str]:
        """Phrases for the plan of a run, one a step."""
        return [self.geometry.describe(), *(step.describe() for step in self.batch)]

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values; `BoxPolicy` takes them back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.policy).items()}


def build_box_augmentation(
    policy: str | BoxPolicy,
    size: tuple[int, int],
    *,
    fit: Fit = "fit",
    truth: Sequence[Detections] | None = None,
    settings: Mapping[str, Any] | None = None,
    multiple: int = 1,
    interpolation: str = "bilinear",
) -> BoxAugmentation:
    """The augmentation that a policy and some settings of yours name.

    Args:
        policy: A name of `BOX_POLICIES`, or your own.
        size: `(h, w)` of the canvas; with `shorter`, the length of the shorter side and the most of the longer one.
        fit: `fit`: fitted in, shape kept; `stretch`: stretched, as YOLO; `shorter`: by the shorter side, as Fast R-CNN.
        truth: The boxes of the set that will be loaded, in its order; `patch` looks at them.
        settings: What shall differ from the policy, by the names of `BoxPolicy`, such as `{"flip": 0}`.
        multiple: With `shorter`: sides of a padded batch are multiples of it.
        interpolation: The filter of the resize.

    Raises:
        UnknownNameError: If there is no such policy or setting.
        ConfigError: If a setting is outside its rule, or a patch shall show objects that nobody gave.

    >>> for step in build_box_augmentation("yolo", (448, 448), fit="stretch").describe():
    ...     print(step)
    the photo's edges moved by up to 20 %, stretched to 448 × 448, mirrored in 50 % of cases
    exposure by up to 1.5, saturation by up to 1.5, hue by up to 0.1 of a turn
    """
    chosen = _changed(_named(policy) if isinstance(policy, str) else policy, settings or {})
    region = _region(chosen, fit, truth)
    geometry: Geometry
    match fit:
        case "fit":
            geometry = FitBoxes(size, chosen.flip, region, interpolation)
        case "stretch":
            geometry = StretchBoxes(size, chosen.flip, region, interpolation)
        case "shorter":
            geometry = ShorterSide((size[0],), size[1], chosen.flip, region, multiple, interpolation)
        case _:
            raise ConfigError(f"fit must be 'fit', 'stretch' or 'shorter', got {fit!r}.")
    batch: list[BatchTransform] = []
    if chosen.exposure != 1 or chosen.saturation != 1 or chosen.hue:
        batch.append(HsvJitter(chosen.exposure, chosen.saturation, chosen.hue))
    return BoxAugmentation(chosen, geometry, tuple(batch))


def _named(name: str) -> BoxPolicy:
    if name not in BOX_POLICIES:
        raise UnknownNameError(f"No augmentation of boxes named '{name}'. {nearest(name, list(BOX_POLICIES))}")
    return BOX_POLICIES[name]


def _changed(policy: BoxPolicy, settings: Mapping[str, Any]) -> BoxPolicy:
    known = [field.name for field in fields(BoxPolicy)]
    for name in settings:
        if name not in known:
            raise UnknownNameError(f"An augmentation of boxes has no setting '{name}'. {nearest(name, known)}")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    for name, value in values.items():
        usual = getattr(policy, name)
        wanted = str if isinstance(usual, str) else tuple if isinstance(usual, tuple) else int | float
        if isinstance(value, bool) or not isinstance(value, wanted):
            kind = "a word" if isinstance(usual, str) else "two numbers" if isinstance(usual, tuple) else "a number"
            raise ConfigError(f"The setting '{name}' of boxes must be {kind}, got {value!r}.")
    changed = replace(policy, **values)
    if not 0 <= changed.min_visible <= 1:
        raise ConfigError(f"min_visible must be a share from 0 to 1, got {changed.min_visible}.")
    return changed


def _region(policy: BoxPolicy, fit: Fit, truth: Sequence[Detections] | None) -> Region:
    match policy.region:
        case "whole":
            return WholePhoto()
        case "moved":
            return MovedRegion(policy.moved)
        case "patch":
            if truth is None:
                raise ConfigError(
                    "region 'patch' (policy 'strong') shows objects and must know where they are; give truth, the "
                    "boxes of the set that is loaded."
                )
            ratio = policy.ratio if fit == "stretch" else (1.0, 1.0)
            return ObjectPatch(truth, policy.scale, ratio, policy.zoom_out)
    raise ConfigError(f"region must be 'whole', 'moved' or 'patch', got {policy.region!r}.")

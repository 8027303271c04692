"""Which augmentations belong together: a table of named policies, and what they say about themselves.

geometry   which part of the picture, decided before it is decoded
batch      what happens to tensors: bending, color, covering
mixing     two pictures in one, with both labels
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from striate.data.augment.batches import BatchTransform, MixingTransform
from striate.data.augment.color_jitter import ColorJitter
from striate.data.augment.cut import Geometry, Outside
from striate.data.augment.draws import Draws
from striate.data.augment.fixed_view import FixedView
from striate.data.augment.mixing import CutMix, EitherMix, Mixup
from striate.data.augment.pad_crop import PadCrop
from striate.data.augment.pca_lighting import PcaLighting
from striate.data.augment.random_erasing import RandomErasing
from striate.data.augment.random_resized_crop import RandomResizedCrop
from striate.data.augment.scale_jitter import ScaleJitter
from striate.data.augment.user_transform import UserTransform
from striate.data.augment.warp import ElasticDistortion, PlaceMap, RandomAffine, Warp
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["POLICIES", "Augmentation", "Policy", "build_augmentation"]


@dataclass(frozen=True)
class Policy:
    """The settings of one augmentation; zero switches a part off.

    Attributes:
        crop: `view`: as in evaluation; `resized`: a random part, resized; `jitter`: a window of the photo at a random
            size; `moved`: the view, moved by some pixels.
        crop_scale: With `resized`: least and largest share of the area.
        crop_ratio: With `resized`: least and largest width ÷ height.
        jitter: With `jitter`: least and largest length of the shorter side, in sides of the window.
        padding: With `moved`: how far, in sides of the window.
        outside: With `moved`: `edge` or `black` beyond the photo.
        flip: The probability that left and right are exchanged; not with `view`.
        degrees: Turn by up to so many degrees.
        translate: Shift by up to this share of the side.
        stretch: Stretch or shrink by up to this share.
        shear: Slant by up to so many degrees.
        elastic: α of the elastic distortion, in pixels.
        elastic_sigma: Its σ, in pixels.
        brightness: See `ColorJitter`.
        contrast: Likewise.
        saturation: Likewise.
        hue: Likewise.
        lighting: Deviation of AlexNet's lighting.
        erasing: The probability that a rectangle is covered.
        mixup: α of mixup.
        cutmix: α of CutMix; with both, a coin is tossed for each picture.
    """

    crop: Literal["view", "resized", "jitter", "moved"] = "view"
    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: tuple[float, float] = (256 / 224, 512 / 224)
    padding: float = 4 / 32
    outside: Outside = "edge"
    flip: float = 0.0
    degrees: float = 0.0
    translate: float = 0.0
    stretch: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    elastic_sigma: float = 4.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    lighting: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0


POLICIES: dict[str, Policy] = {
    "none": Policy(),
    "light": Policy("resized", crop_scale=(0.6, 1.0), crop_ratio=(0.85, 1 / 0.85), flip=0.5),
    "imagenet": Policy("resized", flip=0.5, lighting=0.1),
    "strong": Policy(
        "resized", flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, erasing=0.25, mixup=0.2, cutmix=1.0
    ),
    "small": Policy("moved", flip=0.5, erasing=0.25),
    "digits": Policy("view", degrees=8, translate=0.03, stretch=0.1, shear=6, elastic=14),
    "alexnet": Policy("jitter", jitter=(256 / 224, 256 / 224), flip=0.5, lighting=0.1),
    "vgg": Policy("jitter", flip=0.5, lighting=0.1),
}
"""`light` for fine-tuning, `imagenet` and `strong` for training from nothing, `small` for pictures of 28 to 64 pixels,
`digits` for writing; `alexnet` and `vgg` as in their papers."""


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What training does to pictures.

    Attributes:
        policy: The settings that it was built from.
        geometry: For `load_batches`.
        batch: For tensors, in this order.
        mixing: The last step, or None.
    """

    policy: Policy
    geometry: Geometry
    batch: tuple[BatchTransform, ...]
    mixing: MixingTransform | None

    def augment(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """Every step of `batch`: RGB in [0, 1] to RGB in [0, 1]."""
        for step in self.batch:
            images = step(images, draws)
        return images

    def mix(
        self, images: Float[Tensor, "n c h w"], targets: Float[Tensor, "n k"], draws: Draws
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n k"]]:
        """The last step: pictures and targets (probabilities) mixed, or as they are where nothing mixes."""
        return (images, targets) if self.mixing is None else self.mixing(images, targets, draws)

    def describe(self) -> list[str]:
        """Phrases for the plan of a run, one a step."""
        steps = [self.geometry.describe(), *(step.describe() for step in self.batch)]
        return steps if self.mixing is None else [*steps, self.mixing.describe()]

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values; `Policy` takes them back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.policy).items()}


def build_augmentation(
    policy: str | Policy,
    preprocessing: Preprocessing,
    *,
    settings: Mapping[str, Any] | None = None,
    transforms: Sequence[BatchTransform | Callable[[Tensor], object]] = (),
) -> Augmentation:
    """The augmentation that a policy and some settings of yours name.

    Args:
        policy: A name of `POLICIES`, or your own.
        preprocessing: The network's: it gives the size, the filter of the resize and the view of evaluation.
        settings: What shall differ from the policy, by the names of `Policy`, such as `{"mixup": 0.2, "flip": 0}`.
        transforms: Further steps after those of the policy: functions of a batch (`n 3 h w` in [0, 1]), or steps of
            ours.

    Raises:
        UnknownNameError: If there is no such policy or setting.
        ConfigError: If a setting is outside its rule.

    >>> view = Preprocessing(input_size=(32, 32), resize=32)
    >>> build_augmentation("small", view, settings={"erasing": 0}).describe()
    ['the view of evaluation, moved by up to 4 px, mirrored in 50 % of cases']
    """
    chosen = _changed(_named(policy) if isinstance(policy, str) else policy, settings or {})
    batch: list[BatchTransform] = []
    if maps := _maps(chosen):
        batch.append(Warp(maps))
    if chosen.brightness or chosen.contrast or chosen.saturation or chosen.hue:
        batch.append(ColorJitter(chosen.brightness, chosen.contrast, chosen.saturation, chosen.hue))
    if chosen.lighting:
        batch.append(PcaLighting(chosen.lighting))
    batch.extend(step if isinstance(step, BatchTransform) else UserTransform(step) for step in transforms)
    if chosen.erasing:
        batch.append(RandomErasing(chosen.erasing))
    return Augmentation(chosen, _geometry(chosen, preprocessing), tuple(batch), _mixing(chosen))


def _named(name: str) -> Policy:
    if name not in POLICIES:
        raise UnknownNameError(f"No augmentation named '{name}'. {nearest(name, list(POLICIES))}")
    return POLICIES[name]


def _changed(policy: Policy, settings: Mapping[str, Any]) -> Policy:
    known = [field.name for field in fields(Policy)]
    for name, value in settings.items():
        if name not in known:
            raise UnknownNameError(f"An augmentation has no setting '{name}'. {nearest(name, known)}")
        usual = getattr(policy, name)
        values = tuple(value) if isinstance(usual, tuple) and isinstance(value, list | tuple) else (value,)
        wanted = len(usual) if isinstance(usual, tuple) else 1
        text = isinstance(usual, str)
        if len(values) != wanted or any(
            isinstance(v, bool) or not isinstance(v, str if text else int | float) for v in values
        ):
            kind = "a word" if text else "a number" if wanted == 1 else f"{wanted} numbers"
            raise ConfigError(f"The augmentation's setting '{name}' must be {kind}, got {value!r}.")
        changes: dict[str, Any] = {name: values if isinstance(usual, tuple) else value}
        policy = replace(policy, **changes)
    return policy


def _geometry(policy: Policy, preprocessing: Preprocessing) -> Geometry:
    size, filter_name = preprocessing.input_size, preprocessing.interpolation
    match policy.crop:
        case "view":
            if policy.flip:
                raise ConfigError("With crop 'view' nothing is mirrored; take crop 'moved' with padding 0 for that.")
            return FixedView(preprocessing)
        case "resized":
            return RandomResizedCrop(size, policy.crop_scale, policy.crop_ratio, policy.flip, filter_name)
        case "jitter":
            low, high = (round(sides * max(size)) for sides in policy.jitter)
            return ScaleJitter(size, (low, high), policy.flip, filter_name)
        case "moved":
            return PadCrop(preprocessing, round(policy.padding * max(size)), policy.flip, policy.outside)
    raise ConfigError(f"crop must be 'view', 'resized', 'jitter' or 'moved', got {policy.crop!r}.")


def _maps(policy: Policy) -> list[PlaceMap]:
    maps: list[PlaceMap] = []
    if policy.degrees or policy.translate or policy.stretch or policy.shear:
        if not 0 <= policy.stretch < 1:
            raise ConfigError(f"stretch must be a share from 0 to below 1, got {policy.stretch}.")
        scale = (1 - policy.stretch, 1 / (1 - policy.stretch))
        maps.append(RandomAffine(policy.degrees, policy.translate, scale, policy.shear))
    if policy.elastic:
        maps.append(ElasticDistortion(policy.elastic, policy.elastic_sigma))
    return maps


def _mixing(policy: Policy) -> MixingTransform | None:
    mixup = Mixup(policy.mixup) if policy.mixup else None
    cutmix = CutMix(policy.cutmix) if policy.cutmix else None
    if mixup is not None and cutmix is not None:
        return EitherMix(mixup, cutmix)
    return mixup or cutmix

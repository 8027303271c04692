"""From a photo to the tensor that a network was trained on.

Wrong preprocessing never fails, it only answers nonsense, so the recipe belongs to the weights: resize the shorter
side, cut the center, order and scale the channels, subtract the mean, divide by the deviation. The resize is Pillow's
(with antialias), which is what torchvision's and timm's evaluation pipelines use for image files.

    x = (scale · channels(crop(resize(photo))) − mean) / std,   photo in [0, 1]

Sizes are torchvision's to the pixel (see `striate.data.resize`), and a picture smaller than the crop is padded with
black.

Networks that read digits learned from scans in which every digit was found, scaled and centered beforehand. For them
`locate="ink"` does the same with a photo of paper (see `striate.data.ink` and `striate.data.digit_field`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from striate.data.digit_field import draw_field, is_field
from striate.data.images import Images, checked_pixels, checked_tensor, read_photos, shown_shape
from striate.data.resize import crop_start, cut, middle, resize_tensor, resized_size, whole_px
from striate.errors import ConfigError, ShapeError, nearest

__all__ = ["Preprocessing", "View"]

Interpolation: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Channels: TypeAlias = Literal["RGB", "BGR", "L"]
Locate: TypeAlias = Literal["ink"]
Fit: TypeAlias = Literal["crop", "whole", "stretch", "shorter"]
_LARGEST_SIDE_PX = 16_384  # a weights file may ask for anything, and this is already gigabytes
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2, the weights of Pillow's conversion to "L"
_FIT_WORDS = {
    "whole": "Whole photo fitted into {h} × {w}",
    "stretch": "Whole photo stretched to {h} × {w}",
    "shorter": "Whole photo, shorter side to {h} px, longer to at most {w} px",
}
_PILLOW_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, eq=False)
class View:
    """What a network sees of one photo.

    Attributes:
        pixels: uint8 `h w 3`, after resize and crop and before normalization. Always in RGB order, so that it can be
            shown, whatever order the network takes; gray for a network that takes one channel.
        crop: The part of the photo that `pixels` shows, `xyxy` in photo pixels; it reaches beyond the photo where black
            was added.
        photo_size: `(h, w)` of the photo.
        steps: What was found on this photo and done to it, in sentences; empty without `locate`, where every photo is
            treated alike.
    """

    pixels: NDArray[np.uint8]
    crop: tuple[float, float, float, float]
    photo_size: tuple[int, int]
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the input of one network; the defaults are torchvision's for ImageNet.

    Attributes:
        input_size: `(h, w)` of the center crop, or of what `fit` says.
        resize: The shorter side before the crop, in pixels, or None: no resize and no crop, the photo is fed as it is.
        interpolation: The filter of the resize; all but `nearest` with antialias.
        channels: The order in which the network takes its channels; `L` is one channel of luma.
        scale: White before mean and deviation: 1 for most networks, 255 for those from Caffe.
        mean: Subtracted, one value a channel, in the order of `channels` and on the scale of `scale`.
        std: Divided by, likewise.
        locate: `ink`: find the figure that is written on the photo and draw it as the MNIST digits are, bright on
            black, in the middle of a field of `resize` × `resize`, padded to `input_size`. A picture that is such a
            field already (its size, and a black rim) stays as it is to the pixel.
        fit: `crop`: as above. For detectors, which look at the whole photo, with `resize=None`: `whole`: resized until
            it fits into `input_size`, in the upper left corner, black beside it; `stretch`: resized to `input_size`,
            whatever its aspect (YOLO); `shorter`: `input_size` is (shorter side, longest side): the shorter side gets
            its number of pixels unless the longer would be longer than its own (Fast R-CNN: 600, 1000).

    Raises:
        ConfigError: If a value is outside its rule; the message says which.

    >>> Preprocessing(input_size=(28, 28), resize=28, channels="L", mean=(0.13,), std=(0.31,)).describe()
    'Shorter side to 28 px (bilinear), center 28 × 28, gray in 0..1, minus 0.13, divided by 0.31.'
    """

    input_size: tuple[int, int] = (224, 224)
    resize: int | None = 256
    interpolation: Interpolation = "bilinear"
    channels: Channels = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    locate: Locate | None = None
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        h_w = self.input_size
        self._check(_all(h_w, 2, _is_count), "input_size", "must be (height, width), whole numbers above 0")
        self._check(max(h_w) <= _LARGEST_SIDE_PX, "input_size", f"must be at most {_LARGEST_SIDE_PX} pixels a side")
        self._check(self.resize is None or _is_count(self.resize), "resize", "must be a whole number above 0, or None")
        self._check((self.resize or 0) <= _LARGEST_SIDE_PX, "resize", f"must be at most {_LARGEST_SIDE_PX} pixels")
        for name, allowed in (("interpolation", get_args(Interpolation)), ("channels", get_args(Channels))):
            self._check(getattr(self, name) in allowed, name, f"must be one of {', '.join(map(repr, allowed))}")
        self._check(self.locate in (None, *get_args(Locate)), "locate", "must be 'ink', or None")
        self._check(self.fit in get_args(Fit), "fit", f"must be one of {', '.join(map(repr, get_args(Fit)))}")
        if self.fit != "crop":
            self._check(self.resize is None, "resize", f"must be None with fit='{self.fit}': input_size says the size")
            self._check(self.locate is None, "locate", f"must be None with fit='{self.fit}'")
        if self.fit == "shorter":
            self._check(h_w[0] <= h_w[1], "input_size", "must be (shorter side, longest side) with fit='shorter'")
        if self.locate is not None:
            fits = self.resize is not None and self.resize <= min(h_w)
            self._check(fits, "resize", f"must be a number of pixels that fits input_size={h_w} when locate is set")
        self._check(_is_positive(self.scale), "scale", "must be a number above 0 (1 or 255)")
        count = len(self.channels)
        many = f"{count} numbers" if count > 1 else "1 number"
        self._check(_all(self.mean, count, _is_finite), "mean", f"must be {many} for channels='{self.channels}'")
        self._check(
            _all(self.std, count, _is_positive), "std", f"must be {many} above 0 for channels='{self.channels}'"
        )

    def _check(self, kept: bool, name: str, rule: str) -> None:
        if not kept:
            raise ConfigError(f"Preprocessing: {name} {rule}, got {getattr(self, name)!r}.")

    def view(self, image: NDArray[np.uint8]) -> View:
        """Resize and crop one photo, uint8 `h w 3` in RGB, exactly as torchvision and timm do with Pillow images.

        With `locate="ink"` the crop goes where the figure is; where there is only paper, the network gets an empty
        black field, and `steps` says so.

        Raises:
            ShapeError: If `image` is anything but uint8 `h w 3` with at least one pixel.

        Source: torchvision `Resize` and `CenterCrop`; timm's evaluation transform is these two with
            `resize = floor(input_size / crop_pct)`.
        Differs: of a photo whose sides differ by more than a factor of 256, the ends are cut before the resize, since
            the whole would need gigabytes; the crop can then be shifted by half a pixel.
        """
        image = checked_pixels(image)
        if self.fit != "crop":
            return self._fitted_view(image)
        return self._plain_view(image) if self.locate is None else self._located_view(image)

    def fitted_size(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """With a `fit` other than `crop`: the sizes `(h, w)` that a photo of `size` is resized to, and of the canvas.

        Raises:
            ConfigError: With `crop`, where a part of the photo is seen.
        """
        self._check(self.fit != "crop", "fit", "must be 'whole', 'stretch' or 'shorter' for a canvas")
        (h, w), (first, second) = size, self.input_size
        if self.fit == "stretch":
            return self.input_size, self.input_size
        scale = min(first / h, second / w) if self.fit == "whole" else min(first / min(h, w), second / max(h, w))
        resized = (whole_px(h * scale), whole_px(w * scale))
        return resized, self.input_size if self.fit == "whole" else resized

    def _fitted_view(self, image: NDArray[np.uint8]) -> View:
        h, w = image.shape[:2]
        (new_h, new_w), (canvas_h, canvas_w) = self.fitted_size((h, w))
        resized = Image.fromarray(image).resize((new_w, new_h), _PILLOW_FILTERS[self.interpolation])
        seen = resized.crop((0, 0, canvas_w, canvas_h))  # Pillow fills with black what lies outside
        crop = (0.0, 0.0, canvas_w * w / new_w, canvas_h * h / new_h)
        return View(pixels=self._as_seen(seen), crop=crop, photo_size=(h, w))

    def _plain_view(self, image: NDArray[np.uint8]) -> View:
        h, w = image.shape[:2]
        if self.resize is None:
            return View(
                pixels=self._as_seen(Image.fromarray(image)), crop=(0.0, 0.0, float(w), float(h)), photo_size=(h, w)
            )
        top, left, part_h, part_w = middle((h, w), self.input_size, self.resize)
        part = Image.fromarray(np.ascontiguousarray(image[top : top + part_h, left : left + part_w]))
        new_h, new_w = resized_size((part_h, part_w), self.resize)
        resized = part.resize((new_w, new_h), _PILLOW_FILTERS[self.interpolation])
        crop_h, crop_w = self.input_size
        y, x = crop_start(new_h, crop_h), crop_start(new_w, crop_w)
        seen = resized.crop((x, y, x + crop_w, y + crop_h))  # Pillow fills with black what lies outside
        down, across = part_h / new_h, part_w / new_w  # photo pixels in one pixel of the resized picture
        return View(
            pixels=self._as_seen(seen),
            crop=(left + x * across, top + y * down, left + (x + crop_w) * across, top + (y + crop_h) * down),
            photo_size=(h, w),
        )

    def _located_view(self, image: NDArray[np.uint8]) -> View:
        h, w = image.shape[:2]
        side = self._field_side()
        if is_field(image, {(side, side), self.input_size}):
            y, x = crop_start(h, self.input_size[0]), crop_start(w, self.input_size[1])
            crop_h, crop_w = self.input_size
            pixels = self._as_seen(Image.fromarray(image).crop((x, y, x + crop_w, y + crop_h)))
            crop = (float(x), float(y), float(x + crop_w), float(y + crop_h))
            return View(
                pixels, crop, (h, w), (f"A digit on black, {w}\u00a0×\u00a0{h}, as it is in the data set: kept.",)
            )
        field = draw_field(image, side=side, size=self.input_size)
        if field is None:
            view = self._plain_view(image)
            empty = "No ink was found on the paper: an empty black field went in, and the answer means nothing."
            return replace(view, pixels=np.zeros_like(view.pixels), steps=(empty,))
        return View(np.repeat(field.pixels[:, :, None], 3, axis=2), field.crop, (h, w), field.steps)

    def _field_side(self) -> int:
        return self.resize or min(self.input_size)

    def __call__(self, images: Images) -> Float[Tensor, "n c h w"]:
        """The network's input for one or many photos.

        Args:
            images: A path, the bytes of a file, uint8 pixels `h w 3`, a Pillow image, a sequence of these, or a
                floating tensor `n 3 h w` of RGB in [0, 1] (resized with `torch.nn.functional.interpolate`:
                differentiable, and within one gray level of the result for the same photo as a file).

        Raises:
            DataError: If a file cannot be read.
            ShapeError: If there is no image, or pixels or a tensor have another shape, type or range, or photos of
                different sizes meet with `resize=None`, or a tensor is larger than a digit's field with `locate="ink"`
                (finding ink is not differentiable; a tensor must hold prepared digits, bright on black).
        """
        if isinstance(images, Tensor):
            return self.normalize(self._resized(checked_tensor(images)))
        views = [self.view(photo).pixels for photo in read_photos(images)]
        if len({pixels.shape for pixels in views}) > 1:
            raise ShapeError(
                "Photos of a batch must come out in one size, got "
                + ", ".join(sorted({f"{p.shape[0]} × {p.shape[1]}" for p in views}))
                + "; give them one at a time, or another preprocessing."
            )
        batch = torch.from_numpy(np.stack(views))  # n h w 3
        return self.normalize(batch.permute(0, 3, 1, 2).contiguous().float().div(255))  # n 3 h w

    def normalize(self, x: Tensor) -> Float[Tensor, "n c h w"]:
        """RGB in [0, 1] to what the network was trained on; linear and differentiable, any size.

        Args:
            x: Floating point `n 3 h w`.

        Raises:
            ShapeError: If `x` does not have four axes with three channels.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise ShapeError(f"Preprocessing.normalize takes RGB as n 3 h w, got {shown_shape(x)}.")
        if self.channels == "BGR":
            x = x.flip(1)
        elif self.channels == "L":
            x = (x * _column(x, _LUMA)).sum(1, keepdim=True)
        if self.scale != 1:
            x = x * self.scale
        return (x - _column(x, self.mean)) / _column(x, self.std)

    def denormalize(self, x: Tensor) -> Float[Tensor, "n 3 h w"]:
        """The inverse of `normalize`: RGB, in [0, 1] if `x` came from there; nothing is clamped.

        The color is lost with `channels="L"`: the three channels are then equal.

        Args:
            x: Floating point `n c h w`.

        Raises:
            ShapeError: If `x` does not have four axes with this preprocessing's number of channels.
        """
        if x.ndim != 4 or x.shape[1] != len(self.channels):
            raise ShapeError(f"Preprocessing.denormalize takes n {len(self.channels)} h w, got {shown_shape(x)}.")
        x = (x * _column(x, self.std) + _column(x, self.mean)) / self.scale
        return x.flip(1) if self.channels == "BGR" else x.expand(-1, 3, -1, -1)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values; `from_dict` reads them back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Settings out of a JSON or TOML table; what is not given keeps its default.

        Raises:
            ConfigError: If a key is unknown or a value is outside its rule.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"Preprocessing has no setting '{unknown[0]}'. {nearest(unknown[0], sorted(known))}")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        for name in {"scale", "mean", "std"} & settings.keys():  # a table may say 255 and mean 255.0
            settings[name] = _as_floats(settings[name])
        return cls(**settings)

    def describe(self) -> str:
        """One sentence, for people."""
        h, w = self.input_size
        size = (
            f"{_FIT_WORDS[self.fit].format(h=h, w=w)} ({self.interpolation})"
            if self.fit != "crop"
            else f"Ink found on the paper, as MNIST's digits in {self.resize} × {self.resize}, center {h} × {w}"
            if self.locate is not None
            else "Photo at its own size"
            if self.resize is None
            else f"Shorter side to {self.resize} px ({self.interpolation}), center {h} × {w}"
        )
        channels = "gray" if self.channels == "L" else self.channels
        return f"{size}, {channels} in 0..{self.scale:g}, minus {_listed(self.mean)}, divided by {_listed(self.std)}."

    def _resized(self, x: Tensor) -> Tensor:
        if self.fit != "crop":
            resized, canvas = self.fitted_size((x.shape[2], x.shape[3]))
            x = resize_tensor(x, resized, interpolation=self.interpolation)
            return nn.functional.pad(x, (0, canvas[1] - resized[1], 0, canvas[0] - resized[0]))
        if self.resize is None:
            return x
        if self.locate is not None:
            side, size = self._field_side(), (x.shape[2], x.shape[3])
            if size not in {(side, side), self.input_size}:
                raise ShapeError(
                    f"With locate='{self.locate}' a tensor holds prepared digits, n 3 {side} {side} or "
                    f"n 3 {' '.join(map(str, self.input_size))}, got {shown_shape(x)}; give photos as files or as "
                    "uint8 pixels h w 3."
                )
            return cut(x, self.input_size)
        top, left, h, w = middle((x.shape[2], x.shape[3]), self.input_size, self.resize)
        x = x[:, :, top : top + h, left : left + w]
        x = resize_tensor(x, resized_size((h, w), self.resize), interpolation=self.interpolation)
        return cut(x, self.input_size)

    def _as_seen(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.array(image.convert("L").convert("RGB") if self.channels == "L" else image)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and _is_finite(value) and value > 0


def _all(values: object, count: int, rule: Callable[[object], bool]) -> bool:
    return isinstance(values, tuple) and len(values) == count and all(map(rule, values))


def _as_floats(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_as_floats, value))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _column(x: Tensor, values: Sequence[float]) -> Tensor:
    return x.new_tensor(values).view(1, -1, 1, 1)


def _listed(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})" if len(values) > 1 else f"{values[0]:g}"

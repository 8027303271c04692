"""From a photo to the tensor that a network was trained on.

Wrong preprocessing never fails, it only answers nonsense, so the recipe belongs to the weights: resize the shorter side,
cut the center, order and scale the channels, subtract the mean, divide by the deviation. The resize is Pillow's (with
antialias), which is what torchvision's and timm's evaluation pipelines use for image files.

    x = (scale · channels(crop(resize(photo))) − mean) / std,   photo in [0, 1]

Sizes are torchvision's to the pixel: the shorter side becomes `resize`, the longer `int(resize · long / short)`, the crop
starts at `int(round((size − crop) / 2))`, and a picture smaller than the crop is padded with black.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from striate.data.decode import read_image
from striate.data.modes import rgb_pixels
from striate.data.resize import crop_start, cut, middle, resize_tensor, resized_size
from striate.errors import ConfigError, ShapeError, nearest

__all__ = ["Images", "Photo", "Preprocessing", "View"]

Interpolation: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Channels: TypeAlias = Literal["RGB", "BGR", "L"]
Photo: TypeAlias = str | Path | bytes | NDArray[np.uint8] | Image.Image
Images: TypeAlias = Photo | Sequence[Photo] | Tensor

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2, the weights of Pillow's conversion to "L"
_RANGE_SLACK = 1e-3
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
            shown, whatever order the network takes; grey for a network that takes one channel.
        crop: The part of the photo that `pixels` shows, `xyxy` in photo pixels; it reaches beyond the photo where black
            was added.
        photo_size: `(h, w)` of the photo.
    """

    pixels: NDArray[np.uint8]
    crop: tuple[float, float, float, float]
    photo_size: tuple[int, int]


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the input of one network; the defaults are torchvision's for ImageNet.

    Attributes:
        input_size: `(h, w)` of the center crop.
        resize: The shorter side before the crop, in pixels, or None: no resize and no crop, the photo is fed as it is.
        interpolation: The filter of the resize; all but `nearest` with antialias.
        channels: The order in which the network takes its channels; `L` is one channel of luma.
        scale: White before mean and deviation: 1 for most networks, 255 for those from Caffe.
        mean: Subtracted, one value a channel, in the order of `channels` and on the scale of `scale`.
        std: Divided by, likewise.

    Raises:
        ConfigError: If a value is outside its rule; the message says which.

    >>> Preprocessing(interpolation="bicubic").describe()
    'Shorter side to 256 px (bicubic), center 224 × 224, RGB in 0..1, minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225).'
    """

    input_size: tuple[int, int] = (224, 224)
    resize: int | None = 256
    interpolation: Interpolation = "bilinear"
    channels: Channels = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        self._check(
            len(self.input_size) == 2 and all(isinstance(n, int) and n > 0 for n in self.input_size),
            "input_size",
            "must be a height and a width of at least 1",
        )
        self._check(
            self.resize is None or (isinstance(self.resize, int) and self.resize > 0),
            "resize",
            "must be at least 1, or None",
        )
        self._check(
            self.interpolation in get_args(Interpolation), "interpolation", f"must be one of {get_args(Interpolation)}"
        )
        self._check(self.channels in get_args(Channels), "channels", f"must be one of {get_args(Channels)}")
        self._check(math.isfinite(self.scale) and self.scale > 0, "scale", "must be above 0 (1 or 255)")
        count = len(self.channels)
        for name, values in (("mean", self.mean), ("std", self.std)):
            self._check(
                len(values) == count and all(math.isfinite(value) for value in values),
                name,
                f"must be {count} finite number{'s' if count > 1 else ''} for channels='{self.channels}'",
            )
        self._check(all(value > 0 for value in self.std), "std", "must be above 0")

    def _check(self, kept: bool, name: str, rule: str) -> None:
        if not kept:
            raise ConfigError(f"Preprocessing: {name} {rule}, got {getattr(self, name)!r}.")

    def view(self, image: NDArray[np.uint8]) -> View:
        """Resize and crop one photo, uint8 `h w 3` in RGB, exactly as torchvision and timm do with Pillow images.

        Raises:
            ShapeError: If `image` is anything but uint8 `h w 3` with at least one pixel.

        Source: torchvision `Resize` and `CenterCrop`; timm's evaluation transform is these two with
            `resize = floor(input_size / crop_pct)`.
        Differs: of a photo whose sides differ by more than a factor of 256, the ends are cut before the resize, since
            the whole would need gigabytes; the crop can then be shifted by half a pixel.
        """
        image = _checked_pixels(image)
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

    def __call__(self, images: Images) -> Float[Tensor, "n c h w"]:
        """The network's input for one or many photos.

        Args:
            images: A path, the bytes of a file, uint8 pixels `h w 3`, a Pillow image, a sequence of these, or a floating
                tensor `n 3 h w` of RGB in [0, 1] (resized with `torch.nn.functional.interpolate`: differentiable, and
                within one grey level of the result for the same photo as a file).

        Raises:
            DataError: If a file cannot be read.
            ShapeError: If there is no image, or pixels or a tensor have another shape, type or range, or photos of
                different sizes meet with `resize=None`.
        """
        if isinstance(images, Tensor):
            return self.normalize(self._resized(_checked_tensor(images)))
        views = [self.view(_pixels(photo)).pixels for photo in _photos(images)]
        if len({pixels.shape for pixels in views}) > 1:
            raise ShapeError(
                "With resize=None all photos of a batch must have one size, got "
                + ", ".join(sorted({f"{p.shape[0]} × {p.shape[1]}" for p in views}))
                + "; give them one at a time, or set resize."
            )
        batch = torch.from_numpy(np.stack(views))  # n h w 3
        return self.normalize(batch.permute(0, 3, 1, 2).contiguous().float().div(255))  # n 3 h w

    def normalize(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h w"]:
        """RGB in [0, 1] to what the network was trained on; linear and differentiable, any size.

        Raises:
            ShapeError: If `x` does not have four axes with three channels.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise ShapeError(f"Preprocessing.normalize takes RGB as n 3 h w, got {_shape(x)}.")
        if self.channels == "BGR":
            x = x.flip(1)
        elif self.channels == "L":
            x = (x * _column(x, _LUMA)).sum(1, keepdim=True)
        if self.scale != 1:
            x = x * self.scale
        return (x - _column(x, self.mean)) / _column(x, self.std)

    def denormalize(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
        """The inverse of `normalize`: RGB, in [0, 1] if `x` came from there; nothing is clamped.

        The color is lost with `channels="L"`: the three channels are then equal.

        Raises:
            ShapeError: If `x` does not have four axes with this preprocessing's number of channels.
        """
        if x.ndim != 4 or x.shape[1] != len(self.channels):
            raise ShapeError(f"Preprocessing.denormalize takes n {len(self.channels)} h w, got {_shape(x)}.")
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
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})

    def describe(self) -> str:
        """One sentence, for people."""
        h, w = self.input_size
        size = (
            "Photo at its own size"
            if self.resize is None
            else f"Shorter side to {self.resize} px ({self.interpolation}), center {h} × {w}"
        )
        channels = "grey" if self.channels == "L" else self.channels
        return f"{size}, {channels} in 0..{self.scale:g}, minus {_listed(self.mean)}, divided by {_listed(self.std)}."

    def _resized(self, x: Tensor) -> Tensor:
        if self.resize is None:
            return x
        top, left, h, w = middle((x.shape[2], x.shape[3]), self.input_size, self.resize)
        x = x[:, :, top : top + h, left : left + w]
        return cut(
            resize_tensor(x, resized_size((h, w), self.resize), interpolation=self.interpolation), self.input_size
        )

    def _as_seen(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.array(image.convert("L").convert("RGB") if self.channels == "L" else image)


def _photos(images: Photo | Sequence[Photo]) -> list[Photo]:
    if isinstance(images, str | Path | bytes | Image.Image) or (isinstance(images, np.ndarray) and images.ndim == 3):
        return [images]
    photos = list(images)
    if not photos:
        raise ShapeError("No images given; give at least one.")
    return photos


def _pixels(photo: Photo) -> NDArray[np.uint8]:
    if isinstance(photo, np.ndarray):
        return photo
    if isinstance(photo, Image.Image):
        return rgb_pixels(photo)
    if isinstance(photo, str | Path | bytes):
        return read_image(photo)
    raise ShapeError(
        f"A photo is a path, bytes, uint8 pixels h w 3, a Pillow image, or one float tensor n 3 h w for all, got {type(photo).__name__}."
    )


def _checked_pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(
            f"Pixels must be uint8 h w 3 in RGB with at least one pixel, got {image.dtype} {' '.join(map(str, image.shape))}."
        )
    return image


def _checked_tensor(x: Tensor) -> Tensor:
    if not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3 or x.numel() == 0:
        raise ShapeError(
            f"A tensor of images must be floating point n 3 h w, RGB in [0, 1], got {_shape(x)}; "
            "a single image needs x[None], uint8 levels x / 255."
        )
    low, high = x.detach().aminmax()
    if not (low >= -_RANGE_SLACK and high <= 1 + _RANGE_SLACK):  # also False for NaN
        raise ShapeError(
            f"A tensor of images holds RGB in [0, 1], got values from {low:.4g} to {high:.4g}; "
            "give it before normalization (levels 0..255 divided by 255)."
        )
    return x


def _column(x: Tensor, values: Sequence[float]) -> Tensor:
    return x.new_tensor(values).view(1, -1, 1, 1)


def _shape(x: Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {' '.join(map(str, x.shape))}"


def _listed(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})" if len(values) > 1 else f"{values[0]:g}"

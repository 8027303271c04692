"""Several views of one photo for evaluation: AlexNet's ten crops, and the whole photo for dense testing.

A network answers for a square; a photo is larger. Averaging its answers over the four corners, the center and their
mirror images is what the published "10-crop" scores mean; a fully convolutional network can be slid over the whole
picture instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.augment.cut import Cut, Geometry, render_cut
from striate.data.augment.draws import Draws
from striate.data.preprocessing import Preprocessing
from striate.data.resize import crop_start, middle, resized_size
from striate.errors import ConfigError

__all__ = ["DenseView", "TenCrop"]

_USUAL_RATIO = 256 / 224


@dataclass(frozen=True)
class TenCrop(Geometry):
    """The four corners and the center, then the same five of the mirrored photo; torchvision's order.

    Attributes:
        preprocessing: The network's; its `resize` must be set.
        shorter: The length of the shorter side before the crops, in pixels. By default the preprocessing's resize, or,
            where that leaves no room (five crops of a square photo would be one), 256/224 of the input.

    Raises:
        ConfigError: If the preprocessing has no resize, or `shorter` is below 1.

    Source: Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section 4.1.
    """

    preprocessing: Preprocessing
    shorter: int | None = None

    def __post_init__(self) -> None:
        if self.preprocessing.resize is None:
            raise ConfigError("TenCrop: the preprocessing must have a resize; without one there is nothing to crop.")
        if self.shorter is not None and self.shorter < 1:
            raise ConfigError(f"TenCrop: shorter must be at least 1 pixel, got {self.shorter}.")

    @property
    def views(self) -> int:
        """Ten."""
        return 10

    @property
    def exact(self) -> bool:
        """Yes."""
        return True

    @property
    def gray(self) -> bool:
        """Whether the network takes one channel."""
        return self.preprocessing.channels == "L"

    @property
    def length(self) -> int:
        """The length that the shorter side gets, in pixels."""
        if self.shorter is not None:
            return self.shorter
        resize, longest = self.preprocessing.resize or 0, max(self.preprocessing.input_size)
        return resize if resize > longest else round(longest * _USUAL_RATIO)

    def result_size(self) -> tuple[int, int]:
        """The network's input."""
        return self.preprocessing.input_size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The whole photo at the size from which the crops are taken."""
        del draws, row
        return _whole(size, self.preprocessing, self.length)

    def __call__(self, pixels: NDArray[np.uint8], draws: Draws, row: int) -> NDArray[np.uint8]:
        """uint8 `h w 3` to uint8 `10 h w 3`."""
        picture = _rendered(pixels, self.cut((pixels.shape[0], pixels.shape[1]), draws, row), gray=self.gray)
        crop_h, crop_w = self.preprocessing.input_size
        missing = [max(want - have, 0) for have, want in zip(picture.shape, (crop_h, crop_w), strict=False)]
        if any(missing):  # black around a picture that is smaller than the crop
            around = [(lack // 2, lack - lack // 2) for lack in missing]
            picture = np.pad(picture, (*around, (0, 0)))
        bottom, right = picture.shape[0] - crop_h, picture.shape[1] - crop_w
        middle_y, middle_x = crop_start(picture.shape[0], crop_h), crop_start(picture.shape[1], crop_w)
        starts = ((0, 0), (0, right), (bottom, 0), (bottom, right), (middle_y, middle_x))
        sides = (picture, picture[:, ::-1])
        return np.stack([side[y : y + crop_h, x : x + crop_w] for side in sides for y, x in starts])

    def describe(self) -> str:
        """One phrase, for people."""
        h, w = self.preprocessing.input_size
        return f"shorter side to {self.length} px, four corners and center of {h} × {w}, and mirrored"


@dataclass(frozen=True)
class DenseView(Geometry):
    """The whole photo, its shorter side resized: for a network that is slid over it.

    Attributes:
        preprocessing: The network's.
        shorter: The length of the shorter side, in pixels; by default the preprocessing's resize.

    Photos come out in their own shapes, so each shape needs a batch of its own.

    Raises:
        ConfigError: If neither the preprocessing nor `shorter` gives a length.

    Source: Simonyan and Zisserman 2014, Very Deep Convolutional Networks, section 3.2 (dense evaluation, Q).
    """

    preprocessing: Preprocessing
    shorter: int | None = None

    def __post_init__(self) -> None:
        if (self.shorter or self.preprocessing.resize or 0) < 1:
            raise ConfigError("DenseView: give shorter; this preprocessing has no resize to take instead.")

    @property
    def exact(self) -> bool:
        """Yes."""
        return True

    @property
    def gray(self) -> bool:
        """Whether the network takes one channel."""
        return self.preprocessing.channels == "L"

    def result_size(self) -> None:
        """None: it follows the picture."""

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The whole photo."""
        del draws, row
        return _whole(size, self.preprocessing, self.shorter or self.preprocessing.resize or 1)

    def __call__(self, pixels: NDArray[np.uint8], draws: Draws, row: int) -> NDArray[np.uint8]:
        """uint8 `h w 3` to uint8 `new_h new_w 3`."""
        return _rendered(pixels, self.cut((pixels.shape[0], pixels.shape[1]), draws, row), gray=self.gray)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"whole picture, shorter side to {self.shorter or self.preprocessing.resize} px"


def _whole(size: tuple[int, int], preprocessing: Preprocessing, shorter: int) -> Cut:
    top, left, h, w = middle(size, preprocessing.input_size, shorter)
    box = (float(left), float(top), float(left + w), float(top + h))
    return Cut(box, resized_size((h, w), shorter), interpolation=preprocessing.interpolation)


def _rendered(pixels: NDArray[np.uint8], cut: Cut, *, gray: bool) -> NDArray[np.uint8]:
    from PIL import Image

    picture = render_cut(pixels, cut)
    if not gray:
        return picture
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).convert("L").convert("RGB"))

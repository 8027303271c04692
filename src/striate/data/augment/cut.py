"""One rectangle of a photo at the size that a network takes: what every geometry decides on, and how it is drawn.

The decision needs the photo's size and its random numbers, but no pixel. So it can be made from the header of a file,
and a JPEG of which a small part or a small picture is wanted can be decoded at a fraction of its scale.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.augment.draws import Draws
from striate.errors import ConfigError

__all__ = [
    "PILLOW_FILTERS",
    "Cut",
    "Geometry",
    "Outside",
    "Shifts",
    "check_flip",
    "flip_words",
    "inner_part",
    "render_cut",
]

Outside: TypeAlias = Literal["black", "edge"]

PILLOW_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a photo, and the picture that it becomes.

    Attributes:
        box: `xyxy` in photo pixels; it may reach beyond the photo.
        size: `(h, w)` of the result.
        flip: Whether left and right are exchanged at the end.
        interpolation: The filter of the resize: `nearest`, `bilinear`, `bicubic` or `lanczos`, with antialias.
        outside: What lies outside of the photo: `black`, or `edge`: the pixel of its edge that is nearest.
        subpixel: Whether a fast drawing, too, must begin between pixels where the box does, and not at the nearest
            ones: something else is known by its place on the photo.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    flip: bool = False
    interpolation: str = "bilinear"
    outside: Outside = "black"
    subpixel: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """Cuts of one size that take the pixels as they are, one a row.

    Attributes:
        top: `n` rows of the photo where the cuts begin; negative where black is added.
        left: `n` columns.
        flip: `n` times whether left and right are exchanged.
        outside: As in `Cut`.
    """

    top: NDArray[np.int64]
    left: NDArray[np.int64]
    flip: NDArray[np.bool_]
    outside: Outside = "black"


class Geometry(ABC):
    """From the size of a picture and its random numbers to a cut: the interface of every geometry."""

    @property
    def views(self) -> int:
        """How many results one picture gives."""
        return 1

    @property
    def gray(self) -> bool:
        """Whether color is taken out of the result."""
        return False

    @property
    def exact(self) -> bool:
        """Whether the result must be Pillow's to the level, however fast it is wanted: so in evaluation."""
        return False

    @property
    def pads_to(self) -> int | None:
        """How results of different sizes share a batch: black is added at the right and at the bottom.

        Sides then are the largest of the batch, rounded up to a multiple of this number. None: they may not differ.
        """
        return None

    @abstractmethod
    def result_size(self) -> tuple[int, int] | None:
        """`(h, w)` of every result, or None where it follows the picture."""

    @abstractmethod
    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The cut for a picture of `size` `(h, w)`, which is number `row` of `draws`."""

    @abstractmethod
    def describe(self) -> str:
        """One phrase, for people."""

    def __call__(self, pixels: NDArray[np.uint8], draws: Draws, row: int) -> NDArray[np.uint8]:
        """The cut drawn with Pillow: uint8 `h w 3` to uint8 `h w 3`, or `views h w 3` where there are several."""
        return render_cut(pixels, self.cut((pixels.shape[0], pixels.shape[1]), draws, row))

    def shifts(self, size: tuple[int, int], draws: Draws) -> Shifts | None:
        """For pictures of `size` `(h, w)` that need no resize: where each cut begins. None where one is needed."""
        del size, draws
        return None

    def takes_as_is(self, pictures: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """For which of `n h w` (gray) or `n h w 3` pictures `shifts` is the whole story: for all of them."""
        return np.ones(len(pictures), dtype=np.bool_)


def check_flip(name: str, flip: float) -> None:
    """Refuse what is no probability.

    Raises:
        ConfigError: If `flip` is outside [0, 1].
    """
    if not 0 <= flip <= 1:
        raise ConfigError(f"{name}: flip must be a probability in [0, 1], got {flip}.")


def flip_words(flip: float) -> str:
    """The end of a description: how often left and right are exchanged."""
    return f", mirrored in {100 * flip:g} % of cases" if flip else ", never mirrored"


def render_cut(pixels: NDArray[np.uint8], cut: Cut) -> NDArray[np.uint8]:
    """The cut drawn with Pillow: uint8 `h w 3` to uint8 `h w 3` of the cut's size.

    With a box of whole pixels inside of the photo, this is torchvision's `resized_crop` of a Pillow image.

    Differs: from Pillow's `resize(box=…)` in that, with whole pixels, nothing outside of the box is looked at.
    """
    new_h, new_w = cut.size
    inside, (x0, y0, x1, y1) = inner_part((pixels.shape[0], pixels.shape[1]), cut)
    if (x0, y0, x1, y1) == (0, 0, new_w, new_h):
        result = _resampled(pixels, inside, (new_h, new_w), cut.interpolation)
    elif x1 > x0 and y1 > y0:
        part = _resampled(pixels, inside, (y1 - y0, x1 - x0), cut.interpolation)
        around = ((y0, new_h - y1), (x0, new_w - x1), (0, 0))
        result = np.pad(part, around, mode="edge" if cut.outside == "edge" else "constant")
    else:
        result = np.zeros((new_h, new_w, 3), dtype=np.uint8)
    return result[:, ::-1] if cut.flip else result


def inner_part(size: tuple[int, int], cut: Cut) -> tuple[tuple[float, float, float, float], tuple[int, int, int, int]]:
    """The part of a cut that lies inside of a photo of `size` `(h, w)`, and where it lands before the flip.

    Returns:
        `xyxy` in photo pixels, and `xyxy` in pixels of the result, to the nearest whole ones.

    >>> inner_part((50, 100), Cut((-100.0, 0.0, 100.0, 100.0), (50, 100)))
    ((0.0, 0.0, 100.0, 50.0), (50, 0, 100, 25))
    """
    left, top, right, bottom = cut.box
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(size[1])), min(bottom, float(size[0])))
    x0, x1 = (round((x - left) * cut.size[1] / (right - left)) for x in inside[::2])
    y0, y1 = (round((y - top) * cut.size[0] / (bottom - top)) for y in inside[1::2])
    return inside, (x0, y0, x1, y1)


def _resampled(
    pixels: NDArray[np.uint8], box: tuple[float, float, float, float], size: tuple[int, int], interpolation: str
) -> NDArray[np.uint8]:
    left, top, right, bottom = box
    if all(edge == int(edge) for edge in box):
        part = pixels[int(top) : int(bottom), int(left) : int(right)]
        if part.shape[:2] == size:
            return part
        image, inner = Image.fromarray(np.ascontiguousarray(part)), None
    else:
        # The photo beyond the reach of the filter's window is left out: Pillow copies what it is given.
        h, w = pixels.shape[:2]
        reach = 3 * max((right - left) / size[1], (bottom - top) / size[0], 1.0) + 1
        x0, y0 = max(int(left - reach), 0), max(int(top - reach), 0)
        x1, y1 = min(int(right + reach) + 1, w), min(int(bottom + reach) + 1, h)
        image = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
        # Pillow keeps the box in single precision and refuses one that reaches outside by a rounding error.
        inner = (left - x0, top - y0, min(right - x0, x1 - x0), min(bottom - y0, y1 - y0))
    return np.asarray(image.resize((size[1], size[0]), PILLOW_FILTERS[interpolation], box=inner))

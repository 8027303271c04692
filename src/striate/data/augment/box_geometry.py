"""How a photo with boxes on it gets onto the canvas that a detector takes.

Two questions, each answered by something of its own. Which region of the photo is shown: all of it, or one that random
numbers choose (`striate.data.augment.box_regions`). And how the region becomes a canvas:

    FitBoxes      fitted into a fixed canvas, upper left corner, in its own shape; the rest is black
    StretchBoxes  stretched to a fixed canvas, as YOLO does
    ShorterSide   its shorter side to a length, its longer one below a limit, as Fast R-CNN does

The photo's edges always fall between whole pixels of the canvas, so that a box mapped by the cut lies exactly where the
thing itself is drawn.
"""

import math
from dataclasses import dataclass, field, replace

from striate.data.augment.box_regions import Region, WholePhoto
from striate.data.augment.cut import PILLOW_FILTERS, Cut, Geometry, check_flip, flip_words
from striate.data.augment.draws import Draws
from striate.data.resize import whole_px
from striate.errors import ConfigError

__all__ = ["FitBoxes", "ShorterSide", "StretchBoxes"]


@dataclass(frozen=True)
class FitBoxes(Geometry):
    """A region fitted into the upper left corner of a fixed canvas, its shape kept.

    Attributes:
        size: `(h, w)` of the canvas.
        flip: The probability that left and right are exchanged; the photo stays in the upper left corner.
        region: Which part of the photo.
        interpolation: The filter of the resize.

    Raises:
        ConfigError: If a side is below 1, `flip` is no probability, or there is no such filter.

    >>> FitBoxes((320, 320)).cut((240, 480), Draws(0, 0, [0]), 0).box
    (0.0, 0.0, 480.0, 480.0)
    """

    size: tuple[int, int]
    flip: float = 0.0
    region: Region = field(default_factory=WholePhoto)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        _check("FitBoxes", self.size, self.flip, self.interpolation)

    @property
    def exact(self) -> bool:
        """Where nothing is random."""
        return _is_fixed(self.flip, self.region)

    def result_size(self) -> tuple[int, int]:
        """`size`."""
        return self.size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The cut for a picture of `size` `(h, w)`, which is number `row` of `draws`."""
        rectangle = self.region.rectangle(size, draws, row)
        scale = min(
            self.size[0] / (rectangle[3] - rectangle[1]),
            self.size[1] / (rectangle[2] - rectangle[0]),
        )
        region = Cut(rectangle, self.size, _flipped(self.flip, draws, row), self.interpolation)
        return _placed(size, (scale, scale), region)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"{self.region.describe()}, fitted into {self.size[0]} × {self.size[1]}{flip_words(self.flip)}"


@dataclass(frozen=True)
class StretchBoxes(Geometry):
    """A region stretched to a fixed canvas, whatever its shape.

    Attributes:
        size: `(h, w)` of the canvas.
        flip: The probability that left and right are exchanged.
        region: Which part of the photo.
        interpolation: The filter of the resize.

    Raises:
        ConfigError: If a side is below 1, `flip` is no probability, or there is no such filter.

    Source: Redmon et al. 2015, You Only Look Once, section 2: the photo is resized to 448 × 448.

    >>> StretchBoxes((448, 448)).cut((240, 480), Draws(0, 0, [0]), 0).box
    (0.0, 0.0, 480.0, 240.0)
    """

    size: tuple[int, int]
    flip: float = 0.0
    region: Region = field(default_factory=WholePhoto)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        _check("StretchBoxes", self.size, self.flip, self.interpolation)

    @property
    def exact(self) -> bool:
        """Where nothing is random."""
        return _is_fixed(self.flip, self.region)

    def result_size(self) -> tuple[int, int]:
        """`size`."""
        return self.size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The cut for a picture of `size` `(h, w)`, which is number `row` of `draws`."""
        rectangle = self.region.rectangle(size, draws, row)
        scales = (self.size[1] / (rectangle[2] - rectangle[0]), self.size[0] / (rectangle[3] - rectangle[1]))
        region = Cut(rectangle, self.size, _flipped(self.flip, draws, row), self.interpolation)
        return _placed(size, scales, region)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"{self.region.describe()}, stretched to {self.size[0]} × {self.size[1]}{flip_words(self.flip)}"


@dataclass(frozen=True)
class ShorterSide(Geometry):
    """A region with its shorter side at a length, in its own shape; a batch is padded at the right and at the bottom.

    Attributes:
        shorter: Lengths in pixels, of which each picture gets one at random; or one.
        longest: The longer side is at most so long, in pixels; then the shorter one is shorter.
        flip: The probability that left and right are exchanged.
        region: Which part of the photo.
        multiple: Sides of a padded batch are multiples of this number.
        interpolation: The filter of the resize.

    Raises:
        ConfigError: If a length is below 1 or above `longest`, `flip` is no probability, or there is no such filter.

    Source: Girshick 2015, Fast R-CNN, section 5.2: s = 600, the longest side at most 1000; five scales {480, 576, 688,
        864, 1200}, at most 2000; one is drawn for each picture in training.
    Differs: black is added to a batch, not the mean color; mask it by the size of the cut where that matters.

    >>> ShorterSide().cut((375, 500), Draws(0, 0, [0]), 0).size, ShorterSide().cut((200, 800), Draws(0, 0, [0]), 0).size
    ((600, 800), (250, 1000))
    """

    shorter: tuple[int, ...] = (600,)
    longest: int = 1000
    flip: float = 0.0
    region: Region = field(default_factory=WholePhoto)
    multiple: int = 1
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        _check("ShorterSide", self.shorter, self.flip, self.interpolation)
        if not self.shorter or max(self.shorter) > self.longest or self.multiple < 1:
            raise ConfigError(
                f"ShorterSide: shorter must be lengths of at most longest, and multiple at least 1; got shorter "
                f"{self.shorter}, longest {self.longest}, multiple {self.multiple}."
            )

    @property
    def exact(self) -> bool:
        """Where nothing is random."""
        return _is_fixed(self.flip, self.region) and len(self.shorter) == 1

    @property
    def pads_to(self) -> int:
        """`multiple`."""
        return self.multiple

    def result_size(self) -> None:
        """It follows the picture."""
        return

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The cut for a picture of `size` `(h, w)`, which is number `row` of `draws`."""
        rectangle = self.region.rectangle(size, draws, row)
        length = self.shorter[int(draws.integers("shorter-side", len(self.shorter))[row, 0])]
        w, h = rectangle[2] - rectangle[0], rectangle[3] - rectangle[1]
        scale = min(length / min(h, w), self.longest / max(h, w))
        out = (whole_px(h * scale), whole_px(w * scale))
        scales = (out[1] / w, out[0] / h)
        region = Cut(rectangle, out, _flipped(self.flip, draws, row), self.interpolation)
        return _placed(size, scales, region)

    def describe(self) -> str:
        """One phrase, for people."""
        lengths = str(self.shorter[0]) if len(self.shorter) == 1 else f"one of {', '.join(map(str, self.shorter))}"
        return (
            f"{self.region.describe()}, shorter side to {lengths} px, at most {self.longest} px long"
            f"{flip_words(self.flip)}"
        )


def _placed(size: tuple[int, int], scales: tuple[float, float], region: Cut) -> Cut:
    """The cut that puts a region of a photo of `size` into the upper left corner of a canvas, at these scales.

    `region` has the region as its box, the canvas as its size, the flip and the filter. The photo as a whole, most of
    which may lie outside of the canvas, gets a whole number of pixels and begins at one.
    """
    edges: list[tuple[float, float]] = []
    for length, start, scale, room in (
        (size[1], region.box[0], scales[0], region.size[1]),
        (size[0], region.box[1], scales[1], region.size[0]),
    ):
        whole = whole_px(length * scale)
        begin = math.floor(-start * scale + 0.5)
        if region.flip and not edges:
            begin = room - begin - whole  # exchanged at the end, it begins where it would have begun
        edges.append((-begin * length / whole, (room - begin) * length / whole))
    (left, right), (top, bottom) = edges
    return replace(region, box=(left + 0.0, top + 0.0, right, bottom), subpixel=True)  # + 0.0: no minus zero


def _flipped(flip: float, draws: Draws, row: int) -> bool:
    return bool(draws.uniform("flip")[row, 0] < flip)


def _is_fixed(flip: float, region: Region) -> bool:
    return flip == 0 and isinstance(region, WholePhoto)


def _check(name: str, lengths: tuple[int, ...], flip: float, interpolation: str) -> None:
    if any(length < 1 for length in lengths):
        raise ConfigError(f"{name}: sides must be at least 1 pixel, got {lengths}.")
    if interpolation not in PILLOW_FILTERS:
        raise ConfigError(f"{name}: interpolation must be one of {', '.join(PILLOW_FILTERS)}, got {interpolation!r}.")
    check_flip(name, flip)

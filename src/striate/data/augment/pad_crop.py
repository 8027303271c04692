"""The crop for small pictures: something around them, and a window of the old size somewhere on that.

Of a picture of 32 × 32 pixels an 8 % part would be nine pixels a side. Moving it by a few pixels is what is left of a
random crop at that size.
"""

from dataclasses import dataclass

from striate.data.augment.cut import Cut, Geometry, Outside, Shifts, check_flip, flip_words
from striate.data.augment.draws import Draws
from striate.data.augment.fixed_view import view_box
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError

__all__ = ["PadCrop"]


@dataclass(frozen=True)
class PadCrop(Geometry):
    """The view of evaluation, moved by up to `padding` pixels in each direction.

    Attributes:
        preprocessing: The network's; its `resize` must be set.
        padding: The farthest that the window moves, in pixels of the result.
        flip: The probability that left and right are exchanged.
        outside: What comes in from beyond the photo: `black`, as in the paper, or `edge`: its edge again, which keeps
            a white ground white.

    Raises:
        ConfigError: If the preprocessing has no resize, `padding` is below 0, or `flip` is no probability.

    Source: He et al. 2015, Deep Residual Learning, section 4.2: "4 pixels are padded on each side, and a 32×32 crop is
        randomly sampled from the padded image or its horizontal flip".
    Differs: where the photo goes on beyond the view, the photo is shown there and not black; pictures that have to be
        resized for the view are moved before the resize.

    >>> digits = Preprocessing(input_size=(28, 28), resize=28, channels="L", mean=(0.1,), std=(0.3,))
    >>> PadCrop(digits, flip=0).cut((28, 28), Draws(0, 0, [3]), 0).box
    (0.0, -1.0, 28.0, 27.0)
    """

    preprocessing: Preprocessing
    padding: int = 4
    flip: float = 0.5
    outside: Outside = "black"

    def __post_init__(self) -> None:
        if self.preprocessing.resize is None:
            raise ConfigError("PadCrop: the preprocessing must have a resize; without one pictures have any size.")
        if self.padding < 0:
            raise ConfigError(f"PadCrop: padding must be 0 or more pixels, got {self.padding}.")
        check_flip("PadCrop", self.flip)

    def result_size(self) -> tuple[int, int]:
        """The network's input."""
        return self.preprocessing.input_size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The moved view of a picture of `size` `(h, w)`, which is number `row` of `draws`."""
        (left, top, right, bottom), (h, w) = view_box(size, self.preprocessing)
        move_y, move_x = (draws.integers("pad-crop", 2 * self.padding + 1, 2)[row] - self.padding).tolist()
        y, x = move_y * (bottom - top) / h, move_x * (right - left) / w
        flip = bool(draws.uniform("flip")[row, 0] < self.flip)
        box = (left + x, top + y, right + x, bottom + y)
        return Cut(box, (h, w), flip, self.preprocessing.interpolation, self.outside)

    def shifts(self, size: tuple[int, int], draws: Draws) -> Shifts | None:
        """Where the shorter side already has its length: the same cuts, for all rows at once."""
        (left, top, right, bottom), crop = view_box(size, self.preprocessing)
        if (bottom - top, right - left) != crop:
            return None
        move = draws.integers("pad-crop", 2 * self.padding + 1, 2) - self.padding
        flip = draws.uniform("flip")[:, 0] < self.flip
        return Shifts(move[:, 0] + int(top), move[:, 1] + int(left), flip, self.outside)

    def describe(self) -> str:
        """One phrase, for people."""
        moved = f"moved by up to {self.padding} px" if self.padding else "not moved"
        return f"the view of evaluation, {moved}{flip_words(self.flip)}"

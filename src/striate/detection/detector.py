"""What every detector of this house is: pictures in; losses while it learns, boxes when it answers.

All boxes here are in pixels of the canvas, the tensor that the network takes: a photo was fitted into it by a `Cut`
(`striate.data.augment.cut`), which also carries boxes there and back.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor, nn

__all__ = ["BoxTargets", "Detector", "FoundBoxes"]


class BoxTargets(NamedTuple):
    """What is to be found on one picture.

    Attributes:
        boxes: `m 4`, `xyxy` in canvas pixels, of positive width and height; m may be 0.
        classes: `m`, from 0 to k − 1: background is no class here.
        ignored: `m`: objects that need not be found (difficult, crowd); no detector learns that they are background.
    """

    boxes: Float[Tensor, "m 4"]
    classes: Int64[Tensor, " m"]
    ignored: Tensor


class FoundBoxes(NamedTuple):
    """What was found on one picture, the surest first.

    Attributes:
        boxes: `n 4`, `xyxy` in canvas pixels.
        scores: `n`.
        classes: `n`, from 0 to k − 1.
    """

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]
    classes: Int64[Tensor, " n"]


class Detector(nn.Module, ABC):
    """The interface of a detector.

    Attributes:
        num_classes: `k`, without background.
        takes_proposals: Whether boxes that may hold an object come from outside (Fast R-CNN, R-CNN).
    """

    num_classes: int
    takes_proposals: bool = False

    @abstractmethod
    def forward(
        self,
        images: Float[Tensor, "n 3 h w"],
        sizes: Sequence[tuple[int, int]],
        *,
        targets: Sequence[BoxTargets] | None = None,
        proposals: Sequence[Float[Tensor, "r 4"]] | None = None,
        score_threshold: float = 0.05,
    ) -> dict[str, Float[Tensor, " n"]] | list[FoundBoxes]:
        """With `targets`, the losses by name, one number a picture each; without, what is found.

        Args:
            images: Normalized, the photo in the upper left corner of the canvas.
            sizes: `(height, width)` of the part of each canvas that the photo fills; the rest is padding.
            targets: One a picture, while learning.
            proposals: One `r 4` a picture, for detectors that take them.
            score_threshold: Boxes below it are left out of the answer; evaluation asks for nearly 0.
        """

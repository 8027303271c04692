"""What is to be learned, from what."""

from dataclasses import dataclass

from torch import nn

from striate.data import Labels, Preprocessing
from striate.data.augment.recipes import Augmentation
from striate.data.image_set import ImageSet

__all__ = ["Task"]


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be learned, from what.

    Attributes:
        module: The network; it is trained in place.
        preprocessing: From a photo to what it takes.
        labels: Its classes, in the order of its logits.
        train: Pictures to learn from.
        validation: Pictures to be measured on, or None.
        augmentation: What is done to the pictures in training.
        classifier: Paths of the last layers, whose size follows the number of classes.
        fine_tuning: Whether the weights were trained before: gentler rates.
        max_megapixels: Larger pictures are left out.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: Labels
    train: ImageSet
    validation: ImageSet | None
    augmentation: Augmentation
    classifier: tuple[str, ...] = ()
    fine_tuning: bool = False
    max_megapixels: float = 64.0

"""The mistakes worth looking at: false alarms the detector was surest of, and the largest objects it missed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions
from striate.detection.error_types import KINDS, BoxErrors

__all__ = ["BoxMistake", "MistakeCrop", "crop_mistake", "largest_missed", "surest_mistakes"]

LEAST_SIDE = 48.0
MARGIN = 0.35


@dataclass(frozen=True, slots=True)
class BoxMistake:
    """One false alarm or one missed object.

    Attributes:
        kind: One of `error_types.KINDS`.
        picture: Its place among the predictions.
        name: The picture's name in the data.
        found: Row of the found box; −1 for a missed object.
        truth: Row of the true box it lies on or that is missed; −1 for background.
        said: The class that was named; empty for a missed object.
        there: The class of the object; empty for background.
        score: Of the found box; NaN for a missed object.
        overlap: IoU of both boxes; 0 where there is one only.
    """

    kind: str
    picture: int
    name: str
    found: int
    truth: int
    said: str
    there: str
    score: float
    overlap: float

    @property
    def why(self) -> str:
        """One sentence."""
        close = f"IoU {self.overlap:.2f}.".replace(" 0.", " .")
        words = {
            "localization": f"The {self.there} is elsewhere; {close}",
            "classification": f"Marked as {self.there}; {close}",
            "both": f"Near what is marked as {self.there}; {close}",
            "duplicate": f"This {self.there} was found before; {close}",
            "background": "Nothing is marked here.",
            "missed": f"This {self.there} was not found.",
        }
        return words[self.kind]


@dataclass(frozen=True, eq=False)
class MistakeCrop:
    """A part of a picture around a mistake.

    Attributes:
        pixels: uint8 `h w 3`.
        left: Where it begins in the picture.
        top: The same downwards.
    """

    pixels: NDArray[np.uint8]
    left: int
    top: int


def surest_mistakes(predictions: BoxPredictions, errors: BoxErrors, *, most: int = 24) -> tuple[BoxMistake, ...]:
    """The false alarms with the highest scores, the surest first; of equal ones the earlier."""
    false = np.flatnonzero(errors.kind >= 0)
    rows = false[np.argsort(-predictions.scores[false], kind="stable")][:most]
    pictures = predictions.found_pictures
    return tuple(
        BoxMistake(
            kind=KINDS[errors.kind[row]],
            picture=int(pictures[row]),
            name=predictions.names[pictures[row]],
            found=row,
            truth=int(errors.truth[row]),
            said=predictions.labels[predictions.classes[row]],
            there="" if errors.truth[row] < 0 else predictions.labels[predictions.truth_classes[errors.truth[row]]],
            score=float(predictions.scores[row]),
            overlap=float(errors.overlap[row]),
        )
        for row in rows.tolist()
    )


def largest_missed(predictions: BoxPredictions, errors: BoxErrors, *, most: int = 12) -> tuple[BoxMistake, ...]:
    """The missed objects that are largest, the largest first; of equal ones the earlier."""
    missed = np.flatnonzero(errors.missed)
    rows = missed[np.argsort(-predictions.truth_areas[missed], kind="stable")][:most]
    pictures = predictions.truth_pictures
    return tuple(
        BoxMistake(
            kind="missed",
            picture=int(pictures[row]),
            name=predictions.names[pictures[row]],
            found=-1,
            truth=row,
            said="",
            there=predictions.labels[predictions.truth_classes[row]],
            score=float("nan"),
            overlap=0.0,
        )
        for row in rows.tolist()
    )


def crop_mistake(predictions: BoxPredictions, mistake: BoxMistake, pixels: NDArray[np.uint8]) -> MistakeCrop:
    """The square around both boxes, with something of what is around them.

    Args:
        predictions: Where the mistake is from.
        mistake: One of it.
        pixels: uint8 `h w 3`, the whole picture.
    """
    boxes = []
    if mistake.found >= 0:
        boxes.append(predictions.boxes[mistake.found])
    if mistake.truth >= 0:
        boxes.append(predictions.truth_boxes[mistake.truth])
    both = np.array(boxes, dtype=np.float64)
    low, high = both[:, :2].min(axis=0), both[:, 2:].max(axis=0)
    height, width = pixels.shape[:2]
    side = max(LEAST_SIDE, (1 + MARGIN) * float((high - low).max()))
    across, down = round(min(side, width)), round(min(side, height))
    center = (low + high) / 2
    left = int(np.clip(round(center[0] - across / 2), 0, width - across))
    top = int(np.clip(round(center[1] - down / 2), 0, height - down))
    return MistakeCrop(pixels[top : top + down, left : left + across].copy(), left, top)

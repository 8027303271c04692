"""COCO's twelve numbers: average precision and recall over ten thresholds of overlap, by size and by number of boxes.

At each IoU threshold .50, .55, …, .95 the found boxes of a picture, the surest first, each take the best true box of
their class that is still free (VOC's rule looks at the best only, free or not). Precision is made to never rise with
recall and read at 101 places; AP is its mean over places, thresholds and classes. AR is the mean of the largest recall.

`faster-coco-eval` counts; this file hands it the boxes so that none of the known traps is stepped into: numbers of
annotations begin at 1 (0 means "not matched" inside), every picture is listed, also those without any box, and so is
every class.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions

__all__ = ["CocoScores", "coco_scores"]

NAN = float("nan")


@dataclass(frozen=True)
class CocoScores:
    """The twelve numbers, each from 0 to 1; NaN where there is nothing to find.

    Attributes:
        ap: AP, the mean over IoU .50 … .95; COCO's first number.
        ap50: AP at IoU .50.
        ap75: AP at IoU .75.
        ap_small: AP of objects below 32² square pixels.
        ap_medium: AP of those from 32² to 96².
        ap_large: AP of those above.
        ar1: AR with one box a picture and class.
        ar10: AR with ten.
        ar100: AR with a hundred.
        ar_small: AR of small objects, with a hundred.
        ar_medium: AR of medium ones.
        ar_large: AR of large ones.
        class_ap: AP of each of the `k` classes.
        ap_by_iou: AP at each of the ten thresholds .50, .55, …, .95.
        ap50_by_size: AP at IoU .50 of small, medium and large objects.
    """

    ap: float = NAN
    ap50: float = NAN
    ap75: float = NAN
    ap_small: float = NAN
    ap_medium: float = NAN
    ap_large: float = NAN
    ar1: float = NAN
    ar10: float = NAN
    ar100: float = NAN
    ar_small: float = NAN
    ar_medium: float = NAN
    ar_large: float = NAN
    class_ap: tuple[float, ...] = ()
    ap_by_iou: tuple[float, ...] = (NAN,) * 10
    ap50_by_size: tuple[float, float, float] = (NAN, NAN, NAN)

    @property
    def twelve(self) -> tuple[float, ...]:
        """The numbers in COCO's order."""
        return tuple(getattr(self, name) for name in TWELVE)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; what has no value is null."""
        pairs = zip(TWELVE, self.twelve, strict=True)
        return {name: value if math.isfinite(value) else None for name, value in pairs}


TWELVE = tuple(field.name for field in fields(CocoScores))[:12]


def coco_scores(predictions: BoxPredictions) -> CocoScores:
    """COCO's numbers of what a detector answered.

    Args:
        predictions: What was found, and what is there. Sizes are judged by `truth_areas`. At most a hundred boxes of
            each class count on a picture, the surest.

    Source: Lin et al. 2014, arXiv 1405.0312; cocoeval.py (BSD), whose numbers come out.
    Differs: objects that VOC marks as difficult are handed over as crowds, the only kind that COCO lets go unfound: a
        box on them counts neither way.
    """
    if not predictions.labels:
        return CocoScores()
    pictures = [{"id": number + 1} for number in range(len(predictions))]
    categories = [{"id": number + 1, "name": label} for number, label in enumerate(predictions.labels)]

    def quiet(*_: Any) -> None:
        """The library tells its steps; nobody here asked."""

    def listed(annotations: list[dict[str, Any]]) -> COCO:
        dataset = {"images": pictures, "categories": categories, "annotations": annotations}
        return COCO(dataset, print_function=quiet)

    ignored = predictions.truth_ignored.astype(int).tolist()
    truth = _annotations(predictions.truth_boxes, predictions.truth_pictures, predictions.truth_classes)
    for one, area, crowd in zip(truth, predictions.truth_areas.tolist(), ignored, strict=True):
        one |= {"area": area, "iscrowd": crowd}
    found = _annotations(predictions.boxes, predictions.found_pictures, predictions.classes)
    for one, score in zip(found, predictions.scores.tolist(), strict=True):
        one |= {"area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0, "score": score}

    judge = COCOeval_faster(listed(truth), listed(found), "bbox", print_function=quiet)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    precision = np.asarray(judge.eval["precision"])[:, :, :, :, -1]  # threshold, place, class, size
    return CocoScores(
        **{name: _value(number) for name, number in zip(TWELVE, judge.stats, strict=False)},
        class_ap=tuple(_mean(precision[:, :, number, 0]) for number in range(len(categories))),
        ap_by_iou=tuple(_mean(part) for part in precision[:, :, :, 0]),
        ap50_by_size=(_mean(precision[0, :, :, 1]), _mean(precision[0, :, :, 2]), _mean(precision[0, :, :, 3])),
    )


def _annotations(
    boxes: NDArray[np.float32], pictures: NDArray[np.int64], classes: NDArray[np.int64]
) -> list[dict[str, Any]]:
    corners = boxes.astype(np.float64)
    corners[:, 2:] -= corners[:, :2]
    rows = zip(corners.tolist(), (pictures + 1).tolist(), (classes + 1).tolist(), strict=True)
    return [
        {"id": number, "image_id": picture, "category_id": category, "bbox": box}
        for number, (box, picture, category) in enumerate(rows, start=1)
    ]


def _value(number: float) -> float:
    """The library's −1 stands for "nothing to find"."""
    return float(number) if number > -1 else NAN


def _mean(values: NDArray[np.float64]) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else NAN

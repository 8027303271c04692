"""Everything that is said about a detector's boxes, in one object that saves itself.

All numbers follow from the predictions, so only those, the crops of the gallery and the circumstances are kept on disk;
whoever loads an evaluation computes the numbers again.
"""

import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.files import printable, write_whole
from striate.detection.ap_interval import Interval, ap_intervals
from striate.detection.box_confusion import BoxConfusion, confuse_boxes
from striate.detection.box_mistakes import BoxMistake, MistakeCrop, largest_missed, surest_mistakes
from striate.detection.box_predictions import BoxPredictions
from striate.detection.coco_ap import CocoScores, coco_scores
from striate.detection.error_types import BoxErrors, error_types
from striate.detection.overlap_pairs import touching_boxes
from striate.detection.pr_curve import OperatingPoint, PrecisionRecall, class_curves, pooled_curve
from striate.detection.voc_ap import average_precision, match_boxes
from striate.errors import DataError
from striate.training.calibration import Reliability, reliability

__all__ = ["BoxEvaluation", "evaluate_boxes"]

FORMAT = 1
NUMBERS, ANSWERS, CROPS = "evaluation.json", "predictions.npz", "crops.npz"


@dataclass(frozen=True, eq=False)
class BoxEvaluation:
    """How good a detector's boxes are; made by `evaluate_boxes`.

    Attributes:
        predictions: What was found on which picture, and what is there.
        iou: The least IoU of a hit.
        mean_ap: mAP, area by all points, with its interval.
        mean_ap11: mAP by VOC 2007's 11 points.
        class_ap: AP of each of the `k` classes, with its interval; NaN for classes of which nothing is to be found.
        class_ap11: float64 `k`, by 11 points.
        objects: int64 `k`, objects of each class that are to be found.
        coco: COCO's twelve numbers, and more.
        curves: Precision against recall of every class.
        pooled: Of all boxes, each counted once.
        point: Precision and recall at the threshold of the score, for all classes together.
        chosen: Whether that threshold is the one with the best F1 on these pictures; else it was given.
        class_points: The same of each class, at the same threshold.
        confusion: What is taken for what, at the threshold.
        errors: The kind of every mistake.
        calibration: How often boxes of a score are hits, in 15 bins; None without boxes or where scores leave [0, 1].
        mistakes: The false alarms that the detector was surest of, surest first.
        missed: The largest objects that it missed, largest first.
        crops: Parts of pictures, by place among `mistakes` followed by `missed`.
        cost: Facts as JSON values: `parameters`, `threads`, `device`, …
        provenance: Facts as JSON values: `command`, `made`, `settings`, `versions`, `run`, …
    """

    predictions: BoxPredictions
    iou: float
    mean_ap: Interval
    mean_ap11: float
    class_ap: tuple[Interval, ...]
    class_ap11: NDArray[np.float64]
    objects: NDArray[np.int64]
    coco: CocoScores
    curves: tuple[PrecisionRecall, ...]
    pooled: PrecisionRecall
    point: OperatingPoint
    chosen: bool
    class_points: tuple[OperatingPoint, ...]
    confusion: BoxConfusion
    errors: BoxErrors
    calibration: Reliability | None
    mistakes: tuple[BoxMistake, ...]
    missed: tuple[BoxMistake, ...]
    crops: dict[int, MistakeCrop] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def gallery(self) -> tuple[BoxMistake, ...]:
        """`mistakes` followed by `missed`: what `crops` counts through."""
        return (*self.mistakes, *self.missed)

    @property
    def seconds(self) -> float:
        """What a picture took, proposals left out: the median; NaN where nobody measured."""
        return _median(self.predictions.seconds)

    @property
    def proposal_seconds(self) -> float:
        """What its proposals took: the median; NaN where there were none."""
        return _median(self.predictions.proposal_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Every number but the single boxes, as plain JSON values; what has no value is null."""
        labels, answers = self.predictions.labels, self.predictions
        ap50 = dict(zip(("small", "medium", "large"), self.coco.ap50_by_size, strict=True))
        thresholds = [round(0.5 + 0.05 * step, 2) for step in range(10)]
        numbers: dict[str, Any] = _finite(
            {
                "format": FORMAT,
                "task": "detect",
                "pictures": len(answers),
                "classes": len(labels),
                "boxes": len(answers.boxes),
                "objects": int(self.objects.sum()),
                "ignored_objects": int(answers.truth_ignored.sum()),
                "iou": self.iou,
                "map": asdict(self.mean_ap),
                "map_11_points": self.mean_ap11,
                "coco": self.coco.to_dict(),
                "map_by_iou": dict(zip(map(str, thresholds), self.coco.ap_by_iou, strict=True)),
                "map50_by_size": ap50,
                "threshold": {**_point(self.point), "chosen": "best F1" if self.chosen else "given"},
                "errors": [asdict(kind) for kind in self.errors.kinds],
                "ece": None if self.calibration is None else self.calibration.ece,
                "per_class": [
                    {
                        "class": label,
                        "objects": int(self.objects[c]),
                        "ap": asdict(self.class_ap[c]),
                        "ap_11_points": float(self.class_ap11[c]),
                        "coco_ap": self.coco.class_ap[c],
                        **_point(self.class_points[c]),
                        "missed": int(self.confusion.missed[c]),
                        "background": int(self.confusion.background[c]),
                        "found_again": int(self.confusion.again[c]),
                    }
                    for c, label in enumerate(labels)
                ],
                "confused": [
                    {"there": labels[a], "found": labels[b], "count": count} for a, b, count in self.confusion.pairs()
                ],
                "mistakes": [self._mistake(one) for one in self.mistakes],
                "missed": [self._mistake(one) for one in self.missed],
                "seconds_per_picture": self.seconds,
                "proposal_seconds_per_picture": self.proposal_seconds,
                "facts": answers.facts,
                "cost": self.cost,
                "provenance": self.provenance,
            }
        )
        return numbers

    def _mistake(self, one: BoxMistake) -> dict[str, Any]:
        answers = self.predictions
        return {
            **{name: value for name, value in asdict(one).items() if name not in ("found", "truth")},
            "found_box": answers.boxes[one.found].tolist() if one.found >= 0 else None,
            "true_box": answers.truth_boxes[one.truth].tolist() if one.truth >= 0 else None,
            "why": one.why,
        }

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write `evaluation.json`, `predictions.npz` and `crops.npz` into `folder`, each whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = {"json": folder / NUMBERS, "npz": folder / ANSWERS, "crops": folder / CROPS}
        self.predictions.save(written["npz"])
        arrays: dict[str, Any] = {}
        for place, crop in self.crops.items():
            arrays |= {f"{place}": crop.pixels, f"{place}.corner": np.array([crop.left, crop.top])}
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays)
        write_whole(written["crops"], packed.getvalue())
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        write_whole(written["json"], text.encode("ascii"))
        return written

    @classmethod
    def load(cls, folder: str | Path) -> "BoxEvaluation":
        """Read back what `save` wrote.

        Raises:
            DataError: The folder lacks the files, or they are damaged, of a later format or of a classifier.
        """
        folder = Path(folder)
        if not (folder / NUMBERS).is_file():
            raise DataError(
                f"{printable(folder)} holds no saved evaluation: {NUMBERS} is missing. `striate evaluate` writes one "
                "with --out."
            )
        try:
            numbers = json.loads((folder / NUMBERS).read_text(encoding="ascii"))
            if numbers.get("task") != "detect":
                raise DataError(f"{printable(folder / NUMBERS)} is the evaluation of a classifier, not of a detector.")
            if numbers["format"] != FORMAT:
                raise DataError(
                    f"{printable(folder / NUMBERS)} has format {numbers['format']}; this version of Striate reads "
                    f"{FORMAT}."
                )
            predictions = BoxPredictions.load(folder / ANSWERS)
            with np.load(folder / CROPS, allow_pickle=False) as file:
                crops = {
                    int(name): MistakeCrop(file[name], *map(int, file[f"{name}.corner"]))
                    for name in file.files
                    if "." not in name
                }
            return evaluate_boxes(
                predictions,
                iou=numbers["iou"],
                threshold=None if numbers["threshold"]["chosen"] == "best F1" else numbers["threshold"]["threshold"],
                gallery=(len(numbers["mistakes"]), len(numbers["missed"])),
                crops=crops,
                cost=dict(numbers["cost"]),
                provenance=dict(numbers["provenance"]),
            )
        except DataError:
            raise
        except Exception as error:  # a damaged archive fails in as many ways as zip, zlib and npy know
            raise DataError(f"{printable(folder)} holds a damaged evaluation ({error}). Make it again.") from error


def evaluate_boxes(
    predictions: BoxPredictions,
    *,
    iou: float = 0.5,
    threshold: float | None = None,
    gallery: tuple[int, int] = (24, 12),
    crops: dict[int, MistakeCrop] | None = None,
    cost: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> BoxEvaluation:
    """Compute every number.

    Args:
        predictions: What was found, and what is there. Boxes of nearly every score should be in it: average precision
            asks how far recall goes.
        iou: The least IoU of a hit, above .1, at most 1.
        threshold: Of the score, for precision, recall, confusion and the counts of mistakes; by default the one with
            the best F1.
        gallery: The most false alarms and missed objects to list.
        crops: Of the mistakes, as `BoxEvaluation.crops`.
        cost: Of the detector.
        provenance: Of the evaluation.
        resamples: Draws for the intervals.
        seed: Of these draws.

    Raises:
        ConfigError: If `iou` or `resamples` is out of range.

    >>> from striate.data.detections import Detections
    >>> there = Detections.of([[10, 10, 50, 50]], [0], ["cat", "dog"])
    >>> found = Detections.of([[12, 10, 50, 52], [60, 60, 90, 90]], [0, 1], ["cat", "dog"], scores=[0.9, 0.2])
    >>> result = evaluate_boxes(BoxPredictions.of([found], [there], ["a.jpg"]))
    >>> result.mean_ap.value, result.point.threshold, result.mistakes[0].kind
    (1.0, 0.8999999761581421, 'background')
    """
    matches = match_boxes(predictions, iou=iou)
    touching = touching_boxes(predictions)
    curves = class_curves(predictions, matches)
    pooled = pooled_curve(predictions, matches)
    ap = np.array([average_precision(one.hits, one.positives) for one in curves])
    ap11 = np.array([average_precision(one.hits, one.positives, rule="11-point") for one in curves])
    mean, each = ap_intervals(predictions, matches, class_ap=ap, resamples=resamples, seed=seed)
    point = pooled.best() if threshold is None else pooled.at(threshold)
    errors = error_types(predictions, matches, point.threshold, touching=touching)
    return BoxEvaluation(
        predictions=predictions,
        iou=iou,
        mean_ap=mean,
        mean_ap11=float(np.nanmean(ap11)) if not np.isnan(ap11).all() else float("nan"),
        class_ap=each,
        class_ap11=ap11,
        objects=matches.positives,
        coco=coco_scores(predictions),
        curves=curves,
        pooled=pooled,
        point=point,
        chosen=threshold is None,
        class_points=tuple(curve.at(point.threshold) for curve in curves),
        confusion=confuse_boxes(predictions, matches, point.threshold, touching=touching),
        errors=errors,
        calibration=_reliability(pooled),
        mistakes=surest_mistakes(predictions, errors, most=gallery[0]),
        missed=largest_missed(predictions, errors, most=gallery[1]),
        crops=crops or {},
        cost=cost or {},
        provenance=provenance or {},
    )


def _reliability(curve: PrecisionRecall) -> Reliability | None:
    scores = curve.scores
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return None
    return reliability(scores, curve.hits)


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")


def _point(point: OperatingPoint) -> dict[str, Any]:
    return {**asdict(point), "precision": point.precision, "recall": point.recall, "f1": point.f1}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value

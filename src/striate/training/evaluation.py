"""Everything that is said about a network's answers to labeled pictures, in one object that saves itself.

All numbers follow from the predictions, so only those, the pictures of the gallery and the circumstances are kept on
disk; whoever loads an evaluation computes the numbers again.
"""

import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.files import write_whole
from striate.errors import DataError
from striate.training.calibration import Reliability, reliability
from striate.training.metrics import (
    ClassScores,
    Rate,
    brier_score,
    confused_pairs,
    confusion_matrix,
    negative_log_likelihood,
    per_class,
    top_k_hits,
)
from striate.training.predictions import Predictions

__all__ = ["Case", "Evaluation"]

FORMAT = 1
NUMBERS, ANSWERS, PICTURES = "evaluation.json", "predictions.npz", "pictures.npz"
MOST_PAIRS = 200
GALLERY = 24


@dataclass(frozen=True, slots=True)
class Case:
    """One picture and what was answered.

    Attributes:
        index: Its place among the predictions.
        name: Its name in the data.
        given: The right class.
        answered: The class of the highest score.
        p_given: Probability of the right class, from 0 to 1.
        p_answered: Probability of the answer.
    """

    index: int
    name: str
    given: int
    answered: int
    p_given: float
    p_answered: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a network's answers are; made by `from_predictions`.

    Attributes:
        predictions: What was answered to which picture.
        top1: Share of right answers, with its interval.
        top5: Share of pictures whose class is among the five best.
        loss: Mean negative log-likelihood, nats.
        brier: Brier score, from 0 to 2.
        classes: Scores of every class.
        calibration: Reliability in 15 bins of equal width.
        calibration_mass: The same in bins of equal counts.
        pairs: `(right class, answered class, how often)`, the most frequent confusion first.
        mistakes: The wrong answers that the network was surest of, surest first.
        hardest: The pictures whose right class got the least probability, least first.
        pictures: uint8 `h w 3` of what the network saw, by place among the predictions; those of the gallery.
        cost: Facts as JSON values: `parameters`, `macs`, `ms_per_picture`.
        provenance: Facts as JSON values: `command`, `made`, `settings`, `versions`, `run`, …
    """

    predictions: Predictions
    top1: Rate
    top5: Rate
    loss: float
    brier: float
    classes: ClassScores
    calibration: Reliability
    calibration_mass: Reliability
    pairs: tuple[tuple[int, int, int], ...]
    mistakes: tuple[Case, ...]
    hardest: tuple[Case, ...]
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_predictions(
        cls,
        predictions: Predictions,
        *,
        gallery: int = GALLERY,
        pictures: dict[int, NDArray[np.uint8]] | None = None,
        cost: dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> "Evaluation":
        """Compute every number.

        Args:
            predictions: What was answered.
            gallery: The most mistakes, and the most difficult pictures, to list.
            pictures: What the network saw of some of them.
            cost: Of the network.
            provenance: Of the evaluation.

        >>> import numpy as np
        >>> answers = Predictions(np.eye(3)[[0, 1, 1]] * 9, [0, 1, 2], ("a", "b", "c"), ("cat", "dog", "owl"))
        >>> found = Evaluation.from_predictions(answers)
        >>> found.top1.hits, found.mistakes[0].name, found.pairs
        (2, 'c', ((2, 1, 1),))
        """
        labels, answers = predictions.labels, predictions.answers
        logs = predictions.log_probabilities
        probabilities = np.exp(logs)
        rows = np.arange(len(labels))
        sure, given = probabilities[rows, answers], logs[rows, labels]
        correct = predictions.correct

        def case(index: int) -> Case:
            return Case(
                index=index,
                name=predictions.names[index],
                given=int(labels[index]),
                answered=int(answers[index]),
                p_given=float(math.exp(given[index])),
                p_answered=float(sure[index]),
            )

        wrong = np.flatnonzero(~correct)
        surest = wrong[np.argsort(-sure[wrong], kind="stable")]
        hits5 = top_k_hits(predictions.logits, labels, 5)
        return cls(
            predictions=predictions,
            top1=Rate.of(int(correct.sum()), len(labels)),
            top5=Rate.of(int(hits5.sum()), len(labels)),
            loss=negative_log_likelihood(logs, labels),
            brier=brier_score(probabilities, labels),
            classes=per_class(labels, answers, len(predictions.classes)),
            calibration=reliability(np.minimum(sure, 1.0), correct),
            calibration_mass=reliability(np.minimum(sure, 1.0), correct, kind="mass"),
            pairs=tuple(confused_pairs(labels, answers)),
            mistakes=tuple(case(i) for i in surest[:gallery].tolist()),
            hardest=tuple(case(i) for i in np.argsort(given, kind="stable")[:gallery].tolist()),
            pictures=pictures or {},
            cost=cost or {},
            provenance=provenance or {},
        )

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How often class i (row) was answered with class j (column), `k k`.

        Raises:
            ConfigError: For more classes than a matrix has room for.
        """
        return confusion_matrix(self.predictions.labels, self.predictions.answers, len(self.predictions.classes))

    @property
    def hardest_classes(self) -> list[int]:
        """Classes that have pictures, the surely difficult first: by the upper end of the interval of their recall."""
        scores = self.classes
        upper = {
            int(c): Rate.of(int(scores.hits[c]), int(scores.support[c])).high for c in np.flatnonzero(scores.support)
        }
        return sorted(upper, key=lambda c: (upper[c], c))

    def to_dict(self) -> dict[str, Any]:
        """Every number but the scores of single pictures, as plain JSON values; what has no value is null."""
        names, scores = self.predictions.classes, self.classes
        means = {
            f"{kind}_{score}": _number(scores.mean(score, weighted=kind == "weighted"))
            for kind in ("macro", "weighted")
            for score in ("precision", "recall", "f1")
        }
        return {
            "format": FORMAT,
            "pictures": len(self.predictions),
            "classes": len(names),
            "top1": _rate(self.top1),
            "top5": _rate(self.top5),
            "loss": self.loss,
            "brier": self.brier,
            "balanced_accuracy": scores.balanced_accuracy,
            **means,
            "calibration": _calibration(self.calibration),
            "calibration_equal_counts": _calibration(self.calibration_mass),
            "per_class": [
                {
                    "class": name,
                    "pictures": int(scores.support[c]),
                    "answered": int(scores.answered[c]),
                    "hits": int(scores.hits[c]),
                    "precision": _number(scores.precision[c]),
                    "recall": _number(scores.recall[c]),
                    "f1": _number(scores.f1[c]),
                }
                for c, name in enumerate(names)
            ],
            "confused": [{"given": names[a], "answered": names[b], "count": n} for a, b, n in self.pairs[:MOST_PAIRS]],
            "mistakes": [self._case(case) for case in self.mistakes],
            "hardest": [self._case(case) for case in self.hardest],
            "facts": self.predictions.facts,
            "cost": self.cost,
            "provenance": self.provenance,
        }

    def _case(self, case: Case) -> dict[str, Any]:
        names = self.predictions.classes
        return {**asdict(case), "given": names[case.given], "answered": names[case.answered]}

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write `evaluation.json`, `predictions.npz` and `pictures.npz` into `folder`, each whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = {"json": folder / NUMBERS, "npz": folder / ANSWERS, "pictures": folder / PICTURES}
        self.predictions.save(written["npz"])
        packed = io.BytesIO()
        np.savez_compressed(packed, **{str(index): image for index, image in self.pictures.items()})  # type: ignore[arg-type]
        write_whole(written["pictures"], packed.getvalue())
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        write_whole(written["json"], text.encode("ascii"))
        return written

    @classmethod
    def load(cls, folder: str | Path) -> "Evaluation":
        """Read back what `save` wrote.

        Raises:
            DataError: The folder lacks the files, or they are damaged or of a later format.
        """
        folder = Path(folder)
        if not (folder / NUMBERS).is_file():
            raise DataError(
                f"{folder} holds no saved evaluation: {NUMBERS} is missing. `striate evaluate` writes one with --out."
            )
        predictions = Predictions.load(folder / ANSWERS)
        try:
            numbers = json.loads((folder / NUMBERS).read_text(encoding="ascii"))
            if numbers["format"] != FORMAT:
                raise DataError(
                    f"{folder / NUMBERS} has format {numbers['format']}; this version of Striate reads {FORMAT}."
                )
            gallery = max(len(numbers["mistakes"]), len(numbers["hardest"]))
            cost, provenance = dict(numbers["cost"]), dict(numbers["provenance"])
            with np.load(folder / PICTURES, allow_pickle=False) as file:
                pictures = {int(name): file[name] for name in file.files}
        except DataError:
            raise
        except Exception as error:  # a damaged archive fails in as many ways as zip, zlib and npy know
            raise DataError(f"{folder} holds a damaged evaluation ({error}). Make it again.") from error
        return cls.from_predictions(predictions, gallery=gallery, pictures=pictures, cost=cost, provenance=provenance)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _rate(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, "low": rate.low, "high": rate.high, "hits": rate.hits, "count": rate.count}


def _calibration(found: Reliability) -> dict[str, Any]:
    bins = zip(*(getattr(found, name).tolist() for name in _BIN), strict=True)
    return {
        "ece": found.ece,
        "mce": found.mce,
        "bias": found.bias,
        "bins": [dict(zip(_BIN, values, strict=True)) for values in bins],
    }


_BIN = ("low", "high", "counts", "confidence", "accuracy")

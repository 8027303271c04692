"""What a detector answered to a whole set of pictures, beside what was there.

Everything that is said about a detector's boxes is computed from this, so two detectors that answered the same pictures
can be compared later, without either of them. The boxes of all pictures stand one after another in long arrays;
`found_starts[i]:found_starts[i + 1]` are the rows of picture i.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.detections import Detections
from striate.data.files import printable, write_whole
from striate.errors import DataError, ShapeError

__all__ = ["BoxPredictions"]

FORMAT = 1
FOUND = ("boxes", "scores", "classes")
TRUTH = ("truth_boxes", "truth_classes", "truth_difficult", "truth_crowd", "truth_areas")
PICTURES = ("found_starts", "truth_starts", "sizes", "seconds", "proposal_seconds")


@dataclass(frozen=True, eq=False)
class BoxPredictions:
    """`d` boxes found on `n` pictures, `t` boxes that were there, `k` classes. Made by `of`.

    Attributes:
        boxes: float32 `d 4`, `xyxy` pixels of the picture, picture after picture, in the detector's order.
        scores: float32 `d`.
        classes: int64 `d`, from 0 to k − 1.
        found_starts: int64 `n + 1`, where the found boxes of each picture begin.
        truth_boxes: float32 `t 4`.
        truth_classes: int64 `t`.
        truth_difficult: bool `t`, VOC's mark: such an object counts neither way.
        truth_crowd: bool `t`, COCO's mark: a box around many objects.
        truth_areas: float32 `t`, square pixels of the objects themselves.
        truth_starts: int64 `n + 1`.
        sizes: int64 `n 2`, height and width of each picture; 0 0 where nobody knows.
        names: What each picture is called in its data set.
        labels: The classes' names.
        seconds: float64 `n`, what each picture took, proposals left out; NaN where nobody measured.
        proposal_seconds: float64 `n`, what its proposals took; NaN where there were none, or nobody measured.
        facts: Where it comes from, as JSON values: `model`, `data`, `split`, `score_threshold`, …

    Raises:
        ShapeError: If the parts do not fit together, or a class is outside of the labels.
        DataError: If a box or score is not finite, or a box has its right or lower side first; the message names the
            picture.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    found_starts: NDArray[np.int64]
    truth_boxes: NDArray[np.float32]
    truth_classes: NDArray[np.int64]
    truth_difficult: NDArray[np.bool_]
    truth_crowd: NDArray[np.bool_]
    truth_areas: NDArray[np.float32]
    truth_starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    seconds: NDArray[np.float64]
    proposal_seconds: NDArray[np.float64]
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        found: Sequence[Detections],
        truth: Sequence[Detections],
        names: Sequence[str],
        *,
        seconds: ArrayLike | None = None,
        proposal_seconds: ArrayLike | None = None,
        facts: dict[str, Any] | None = None,
    ) -> "BoxPredictions":
        """From one `Detections` a picture of each kind.

        Args:
            found: What the detector says, with scores, in pixels of the picture; an empty one where it found nothing.
            truth: What is there; in the same order.
            names: What each picture is called.
            seconds: One number a picture, proposals left out.
            proposal_seconds: One number a picture.
            facts: Where it comes from.

        Raises:
            ShapeError: As the class; if the labels of two pictures differ, or found boxes have no scores.
            DataError: As the class.

        >>> there = Detections.of([[10, 10, 50, 50]], [0], ["cat", "dog"], size=(80, 100))
        >>> found = Detections.of([[12, 10, 50, 52], [0, 0, 9, 9]], [0, 1], ["cat", "dog"], scores=[0.9, 0.2])
        >>> answers = BoxPredictions.of([found], [there], ["a.jpg"])
        >>> len(answers), answers.found(0).label(1), answers.sizes.tolist()
        (1, 'dog', [[80, 100]])
        """
        if not len(found) == len(truth) == len(names) or not len(names):
            raise ShapeError(
                f"found, truth and names must be one a picture, of at least one picture, got {len(found)}, "
                f"{len(truth)} and {len(names)}."
            )
        labels = truth[0].labels
        for name, *pair in zip(names, found, truth, strict=True):
            for boxes in pair:
                if boxes.labels != labels:
                    raise ShapeError(
                        f"{printable(name)}: its boxes are of {_classes(boxes.labels)}, those of the first picture of "
                        f"{_classes(labels)}; all pictures need the same labels in the same order."
                    )
            if pair[0].scores is None and len(pair[0]):
                raise ShapeError(f"{printable(name)}: the boxes found need scores; these have none.")
        count = len(names)
        return cls(
            boxes=_joined([one.boxes for one in found], np.float32, 4),
            scores=_joined([one.scores for one in found if one.scores is not None], np.float32),
            classes=_joined([one.classes for one in found], np.int64),
            found_starts=_starts(found),
            truth_boxes=_joined([one.boxes for one in truth], np.float32, 4),
            truth_classes=_joined([one.classes for one in truth], np.int64),
            truth_difficult=_joined([one.difficult for one in truth], np.bool_),
            truth_crowd=_joined([one.crowd for one in truth], np.bool_),
            truth_areas=_joined([one.areas for one in truth], np.float32),
            truth_starts=_starts(truth),
            sizes=np.array([a.size or b.size or (0, 0) for a, b in zip(truth, found, strict=True)], np.int64),
            names=tuple(map(str, names)),
            labels=labels,
            seconds=_times(seconds, count, "seconds"),
            proposal_seconds=_times(proposal_seconds, count, "proposal_seconds"),
            facts=dict(facts or {}),
        )

    def __post_init__(self) -> None:
        for group, starts in ((FOUND, self.found_starts), (TRUTH, self.truth_starts)):
            rows = len(getattr(self, group[0]))
            wrong = [name for name in group if len(getattr(self, name)) != rows]
            good = starts.shape == (len(self) + 1,) and starts[0] == 0 and starts[-1] == rows
            if wrong or not good or (np.diff(starts) < 0).any() or getattr(self, group[0]).shape != (rows, 4):
                raise ShapeError(f"{', '.join(group)} and their starts do not fit together ({rows} boxes).")
        if self.sizes.shape != (len(self), 2):
            raise ShapeError(f"sizes must be {len(self)} × 2 (height, width), got {self.sizes.shape}.")
        for name in ("classes", "truth_classes"):
            values = getattr(self, name)
            if len(values) and not 0 <= values.min() <= values.max() < len(self.labels):
                raise ShapeError(
                    f"{name} must lie between 0 and {len(self.labels) - 1}, got {values.min()}…{values.max()}."
                )
        finite = np.isfinite(self.boxes).all(axis=1) & np.isfinite(self.scores)
        self._require(np.asarray(finite), "found", "that is not finite")
        self._require(np.asarray(np.isfinite(self.truth_boxes).all(axis=1)), "true", "that is not finite")
        for boxes, kind in ((self.boxes, "found"), (self.truth_boxes, "true")):
            self._require(
                np.asarray((boxes[:, 2:] >= boxes[:, :2]).all(axis=1)), kind, "whose right or lower side comes first"
            )

    def _require(self, good: NDArray[np.bool_], kind: str, what: str) -> None:
        bad = np.flatnonzero(~good)
        if bad.size:
            starts, boxes = (
                (self.found_starts, self.boxes) if kind == "found" else (self.truth_starts, self.truth_boxes)
            )
            picture = int(np.searchsorted(starts, bad[0], side="right")) - 1
            raise DataError(
                f"{printable(self.names[picture])}: a {kind} box {what} ({', '.join(f'{v:g}' for v in boxes[bad[0]])}"
                + (f", score {self.scores[bad[0]]:g}" if kind == "found" else "")
                + f"); {bad.size:,} of {len(boxes):,} boxes are like that."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def found_pictures(self) -> NDArray[np.int64]:
        """`d`, the picture of each found box."""
        return np.repeat(np.arange(len(self)), np.diff(self.found_starts))

    @property
    def truth_pictures(self) -> NDArray[np.int64]:
        """`t`, the picture of each true box."""
        return np.repeat(np.arange(len(self)), np.diff(self.truth_starts))

    @property
    def truth_ignored(self) -> NDArray[np.bool_]:
        """`t`, true boxes that need not be found: difficult or crowd."""
        return np.asarray(self.truth_difficult | self.truth_crowd)

    def found(self, picture: int) -> Detections:
        """What was found on one picture."""
        rows = slice(*self.found_starts[picture : picture + 2])
        return Detections.of(
            self.boxes[rows], self.classes[rows], self.labels, scores=self.scores[rows], size=self._size(picture)
        )

    def truth(self, picture: int) -> Detections:
        """What is there."""
        rows = slice(*self.truth_starts[picture : picture + 2])
        return Detections.of(
            self.truth_boxes[rows],
            self.truth_classes[rows],
            self.labels,
            size=self._size(picture),
            difficult=self.truth_difficult[rows],
            crowd=self.truth_crowd[rows],
            areas=self.truth_areas[rows],
        )

    def _size(self, picture: int) -> tuple[int, int] | None:
        height, width = self.sizes[picture].tolist()
        return (height, width) if height and width else None

    def subset(self, indices: ArrayLike) -> "BoxPredictions":
        """The same of some pictures, in the order of `indices`; a picture may come several times."""
        chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
        arrays: dict[str, Any] = {}
        for group, name in ((FOUND, "found_starts"), (TRUTH, "truth_starts")):
            starts = getattr(self, name)
            rows = _joined([np.arange(*starts[i : i + 2]) for i in chosen.tolist()], np.int64)
            arrays |= {column: getattr(self, column)[rows] for column in group}
            arrays[name] = np.concatenate([[0], np.cumsum(np.diff(starts)[chosen])]).astype(np.int64)
        arrays |= {name: getattr(self, name)[chosen] for name in ("sizes", "seconds", "proposal_seconds")}
        return replace(self, names=tuple(self.names[i] for i in chosen.tolist()), **arrays)

    def save(self, path: str | Path) -> Path:
        """Write an `.npz`, whole or not at all; `load` reads it."""
        path = Path(path)
        words = json.dumps({"format": FORMAT, "names": self.names, "labels": self.labels, "facts": self.facts})
        packed = io.BytesIO()
        arrays = {name: getattr(self, name) for name in (*FOUND, *TRUTH, *PICTURES)}
        np.savez_compressed(packed, words=np.frombuffer(words.encode("ascii"), np.uint8), **arrays)
        write_whole(path, packed.getvalue())
        return path

    @classmethod
    def load(cls, path: str | Path) -> "BoxPredictions":
        """Read what `save` wrote.

        Raises:
            DataError: If there is no such file, or it is damaged or of a later format.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                words = json.loads(file["words"].tobytes())
                arrays = {name: file[name] for name in (*FOUND, *TRUTH, *PICTURES)}
            if words.get("format") != FORMAT:
                raise DataError(
                    f"{printable(path)} has format {words.get('format')}; this version of Striate reads {FORMAT}."
                )
            return cls(names=tuple(words["names"]), labels=tuple(words["labels"]), facts=dict(words["facts"]), **arrays)
        except FileNotFoundError:
            raise DataError(f"{printable(path)}: no such file.") from None
        except DataError:
            raise
        except Exception as error:  # a damaged archive fails in as many ways as zip, zlib and npy know
            raise DataError(f"{printable(path)}: damaged ({' '.join(str(error).split())}).") from error


def _joined(parts: Sequence[Any], kind: type, width: int = 0) -> Any:
    empty: NDArray[Any] = np.zeros((0, width) if width else (0,), kind)
    return np.concatenate([empty, *parts]).astype(kind, copy=False)


def _starts(pictures: Sequence[Detections]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(boxes) for boxes in pictures])]).astype(np.int64)


def _times(values: ArrayLike | None, count: int, name: str) -> NDArray[np.float64]:
    times = np.full(count, np.nan) if values is None else np.asarray(values, dtype=np.float64)
    if times.shape != (count,):
        raise ShapeError(f"{name} must be one number for each of the {count} pictures, got shape {times.shape}.")
    return times


def _classes(labels: Sequence[str]) -> str:
    return f"{len(labels)} classes ({', '.join(labels[:5])}{', …' if len(labels) > 5 else ''})"

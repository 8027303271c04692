"""What a network answered to labeled pictures: all scores, the right answers, and which picture is which.

Everything that is said about a network's answers is computed from this, so two networks that answered the same pictures
can be compared later, without either of them.
"""

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.files import write_whole
from striate.errors import DataError, ShapeError

__all__ = ["Predictions"]

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scores and right answers of n pictures, k classes.

    Attributes:
        logits: float32 `n k`, raw scores. Where several views of a picture were averaged, the logarithm of the mean
            probability stands here: its softmax is that mean.
        labels: int64 `n`, the right class of each picture, from 0 to k − 1.
        names: What each picture is called in its data set.
        classes: The classes' names, in the order of the scores.
        facts: Where it comes from, as JSON values: `network`, `view`, `data`, `split`, …

    Raises:
        ShapeError: If the parts do not fit together, or a label is outside of the classes.
        DataError: If a score is NaN or infinite; the message names the first picture.

    >>> answers = Predictions([[2.0, 0.0], [0.0, 1.0]], [0, 1], ("a.png", "b.png"), ("cat", "dog"))
    >>> answers.answers, answers.probabilities.round(2).tolist()
    (array([0, 1]), [[0.88, 0.12], [0.27, 0.73]])
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        logits, labels = _numbers(self.logits, "logits"), np.asarray(self.labels)
        if logits.ndim != 2 or not logits.shape[0] or not logits.shape[1]:
            raise ShapeError(f"logits must be n × k with at least one picture and one class, got {logits.shape}.")
        count, classes = logits.shape
        if labels.shape != (count,) or len(self.names) != count or len(self.classes) != classes:
            raise ShapeError(
                f"{count} × {classes} logits need {count} labels, {count} names and {classes} classes, got "
                f"{labels.shape}, {len(self.names)} and {len(self.classes)}."
            )
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= classes:
            raise ShapeError(
                f"labels must be whole numbers from 0 to {classes - 1}, got {labels.min()}…{labels.max()}."
            )
        broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        if broken.size:
            raise DataError(
                f"{broken.size} of {count} pictures were answered with numbers that are not finite (NaN or infinite), "
                f"'{self.names[broken[0]]}' is the first: the weights are damaged or from a training that diverged."
            )
        object.__setattr__(self, "logits", logits)
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        object.__setattr__(self, "classes", tuple(map(str, self.classes)))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """`n k`, softmax of the scores; each row adds up to 1."""
        return np.asarray(np.exp(self.log_probabilities))

    @property
    def log_probabilities(self) -> NDArray[np.float64]:
        """`n k`, natural logarithm of the softmax, exact also where the softmax itself would be 0."""
        shifted = self.logits.astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))

    @property
    def answers(self) -> NDArray[np.int64]:
        """`n`, the class of the highest score; of equal ones the first."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """`n`, whether that class is the right one."""
        return np.asarray(self.answers == self.labels)

    def subset(self, indices: ArrayLike) -> "Predictions":
        """The same of some pictures, in the order of `indices`."""
        chosen = np.asarray(indices, dtype=np.int64)
        names = tuple(self.names[i] for i in chosen.tolist())
        return replace(self, logits=self.logits[chosen], labels=self.labels[chosen], names=names)

    def save(self, path: str | Path) -> Path:
        """Write an `.npz`, whole or not at all; `load` reads it."""
        path = Path(path)
        words = json.dumps({"format": FORMAT, "names": self.names, "classes": self.classes, "facts": self.facts})
        packed = io.BytesIO()
        np.savez_compressed(
            packed, logits=self.logits, labels=self.labels, words=np.frombuffer(words.encode("ascii"), np.uint8)
        )
        write_whole(path, packed.getvalue())
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Predictions":
        """Read what `save` wrote.

        Raises:
            DataError: If there is no such file, or it is damaged or of a later format.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                words = json.loads(file["words"].tobytes())
                logits, labels = file["logits"], file["labels"]
            if words.get("format") != FORMAT:
                raise DataError(f"{path} has format {words.get('format')}; this version of Striate reads {FORMAT}.")
            return cls(logits, labels, tuple(words["names"]), tuple(words["classes"]), dict(words["facts"]))
        except FileNotFoundError:
            raise DataError(f"{path}: no such file.") from None
        except DataError:
            raise
        except Exception as error:  # a damaged archive fails in as many ways as zip, zlib and npy know
            raise DataError(f"{path}: damaged ({' '.join(str(error).split())}).") from error


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float32]:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise ShapeError(f"{name} must be real numbers, got {array.dtype}.")
    return array.astype(np.float32, copy=False)

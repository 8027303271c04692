"""How far a run is: plain numbers, all of them in every checkpoint, so that they survive it exactly."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from striate.errors import DataError

__all__ = ["Progress", "Sums"]


@dataclass
class Sums:
    """What an epoch has added up so far in this process."""

    told: dict[str, float] = field(default_factory=dict)
    pictures: int = 0

    @property
    def mean_loss(self) -> float:
        """Of the pictures so far; 0 before the first."""
        return self.told.get("loss", 0.0) / max(self.pictures, 1)

    def emptied(self) -> "Sums":
        """Nothing added up, under the same names: processes that add their sums up must all have the same ones."""
        return Sums(dict.fromkeys(self.told, 0.0))


@dataclass
class Progress:
    """Counters, sums and the best so far.

    Attributes:
        step: Steps done, over all epochs.
        epoch: Epochs done.
        sums: Of the epoch that is not done yet.
        best_epoch: The epoch of the best weights, from 1; 0 before the first.
        best: Its score: numbers of which the first decides, then the next; the higher, the better.
        best_score: What people ask for first of its validation scores (top-1, or mAP), or None without any.
        stale: Epochs since then.
        seconds: Wall time, over all sittings.
        skipped: Pictures that could not be read: kind, where, text.
        rows: The rows of `metrics.jsonl`.
    """

    step: int = 0
    epoch: int = 0
    sums: Sums = field(default_factory=Sums)
    best_epoch: int = 0
    best: list[float] = field(default_factory=list)
    best_score: float | None = None
    stale: int = 0
    seconds: float = 0.0
    skipped: list[list[str]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` reads them back to the last bit."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Progress":
        """The inverse of `to_dict`.

        Raises:
            DataError: If another version of Striate has written them.
        """
        try:
            return cls(**{**facts, "sums": Sums(**facts["sums"])})
        except TypeError as error:
            raise DataError(
                "The run was begun by a version of Striate that counted otherwise, and cannot go on with this one. "
                "Go on with that version, or start a new run with --weights RUN."
            ) from error

    def judge(self, score: list[float], *, headline: float | None) -> bool:
        """Count the epoch that just ended as the best, or as one more without a better one; tells which."""
        if score > self.best:
            self.best, self.best_epoch, self.best_score, self.stale = score, self.epoch + 1, headline, 0
            return True
        self.stale += 1
        return False

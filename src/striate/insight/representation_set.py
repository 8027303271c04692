"""The representations of many pictures: one vector each, with everything that is needed to show the pictures again."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.thumbnails import resized_squares
from striate.errors import ConfigError, DataError, ShapeError
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["Representations"]


@dataclass(frozen=True, eq=False)
class Representations:
    """What a network makes of `n` pictures: vectors of `d` numbers.

    Attributes:
        values: `n d`, float32 (float64 of a float64 network).
        names: `n`, the pictures' names: paths below the folder that was read.
        thumbnails: uint8 `n t t 3`: the middle square of what the network saw.
        labels: `n` names of classes (empty for a picture of none), or None where nothing is known of classes.
        answers: `n`, what the network answers, or None where it has no names for its answers.
        confidences: `n`, the softmax of that answer; None likewise.
        network: The network's name.
        layer: Where it was read, in words: `input of classifier`.
        averaged: Whether a spatial map (or tokens) was averaged over its positions.
        fingerprint: Of weights and preprocessing: representations can be compared where it and `layer` are the same.
        source: What was read.
        stamps: Size and time of change of each picture's file, empty for what is no file: what need not be read again.
        problems: What was left out, one sentence each.
        parameters: Settings that the values depend on.
        seconds: Wall time it took.
    """

    values: NDArray[np.floating[Any]]
    names: tuple[str, ...]
    thumbnails: NDArray[np.uint8]
    labels: tuple[str, ...] | None = None
    answers: tuple[str, ...] | None = None
    confidences: NDArray[np.floating[Any]] | None = None
    network: str = ""
    layer: str = ""
    averaged: bool = False
    fingerprint: str = ""
    source: str = ""
    stamps: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.values)
        if self.values.ndim != 2 or self.thumbnails.ndim != 4:
            raise ShapeError(
                f"values must be 'n d' and thumbnails 'n t t 3'; got {self.values.shape}, {self.thumbnails.shape}."
            )
        for name in ("names", "thumbnails", "labels", "answers", "confidences"):
            given = getattr(self, name)
            if given is not None and len(given) != count:
                raise ShapeError(f"{name} must have one entry for each of {count} pictures; got {len(given)}.")

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        thumbnails: NDArray[np.uint8] | None = None,
    ) -> "Representations":
        """Vectors from elsewhere, so that they can be mapped and searched like a network's.

        Args:
            values: `n d`.
            names: `n` names; `picture 0`, … by default.
            labels: `n` names of classes.
            thumbnails: uint8 `n t t 3`; gray squares by default.

        Raises:
            ShapeError: Not `n d` finite numbers, or another number of names, labels or thumbnails.
        """
        array = np.asarray(values)
        if array.ndim != 2 or not len(array) or array.dtype.kind not in "fiu":
            raise ShapeError(f"values must be numbers 'n d', n at least 1; got {array.dtype} {array.shape}.")
        array = array if array.dtype == np.float64 else array.astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(array).all(1))
        if len(wrong):
            raise ShapeError(
                f"values must be finite; row {wrong[0]} is not ({len(wrong)} of {len(array)}). Leave such rows out."
            )
        return cls(
            values=array,
            names=tuple(names) if names is not None else tuple(f"picture {i}" for i in range(len(array))),
            thumbnails=np.full((len(array), 8, 8, 3), 160, np.uint8) if thumbnails is None else thumbnails,
            labels=None if labels is None else tuple(map(str, labels)),
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, sorted; empty where nothing is known of classes."""
        return tuple(sorted(set(self.labels or ()) - {""}))

    def subset(self, rows: ArrayLike) -> "Representations":
        """Some of the pictures, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)

        def some(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
            return None if given is None else tuple(given[i] for i in chosen.tolist())

        return replace(
            self,
            values=self.values[chosen],
            names=some(self.names) or (),
            thumbnails=self.thumbnails[chosen],
            labels=some(self.labels),
            answers=some(self.answers),
            confidences=None if self.confidences is None else self.confidences[chosen],
            stamps=(some(self.stamps) or ()) if self.stamps else (),
        )

    def joined(self, other: "Representations") -> "Representations":
        """These pictures, then those of `other`, of the same network and layer.

        Raises:
            ConfigError: They are not of one network and layer.
        """
        self.require_same(other)

        def both(mine: tuple[str, ...] | None, theirs: tuple[str, ...] | None) -> tuple[str, ...] | None:
            if mine is None and theirs is None:
                return None
            return (mine or ("",) * len(self)) + (theirs or ("",) * len(other))

        side = self.thumbnails.shape[1]
        confidences = None
        if self.confidences is not None and other.confidences is not None:
            confidences = np.concatenate([self.confidences, other.confidences])
        return replace(
            self,
            values=np.concatenate([self.values, other.values]),
            names=self.names + other.names,
            thumbnails=np.concatenate([self.thumbnails, resized_squares(other.thumbnails, side)]),
            labels=both(self.labels, other.labels),
            answers=both(self.answers, other.answers) if confidences is not None else None,
            confidences=confidences,
            stamps=self.stamps + other.stamps if self.stamps and other.stamps else (),
            problems=self.problems + other.problems,
            seconds=self.seconds + other.seconds,
        )

    def require_same(self, other: "Representations") -> None:
        """Refuse representations that cannot be compared with these.

        Raises:
            ConfigError: They come from another network, other weights, another layer, or have another length.
        """
        for what, mine, theirs in (
            ("network", self.network, other.network),
            ("layer", self.layer, other.layer),
            ("weights or preprocessing", self.fingerprint, other.fingerprint),
            ("length", self.values.shape[1], other.values.shape[1]),
        ):
            if mine != theirs:
                said = "" if what.startswith("weights") else f" ({mine} and {theirs})"
                raise ConfigError(
                    f"representations of another {what} cannot be put together{said}. Use the network and layer of the "
                    f"older ones: {self.network or 'any'}, {self.layer or 'any'}."
                )

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "kind": "representations",
            "names": list(self.names),
            "labels": None if self.labels is None else list(self.labels),
            "answers": None if self.answers is None else list(self.answers),
            "network": self.network,
            "layer": self.layer,
            "averaged": self.averaged,
            "fingerprint": self.fingerprint,
            "source": self.source,
            "stamps": list(self.stamps),
            "problems": list(self.problems),
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are, by name."""
        named = {"values": self.values, "thumbnails": self.thumbnails, "confidences": self.confidences}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Representations":
        """The inverse of `settings` and `arrays`.

        Raises:
            DataError: They are of another kind of result.
        """
        if settings.get("kind") != "representations" or not {"values", "thumbnails"} <= arrays.keys():
            raise DataError("this file holds another kind of result, not representations.")
        plain: dict[str, Any] = {name: value for name, value in settings.items() if name != "kind"}
        for name in ("names", "labels", "answers", "stamps", "problems"):
            plain[name] = None if plain[name] is None else tuple(plain[name])
        return cls(arrays["values"], thumbnails=arrays["thumbnails"], confidences=arrays.get("confidences"), **plain)

    def save(self, path: str | Path) -> Path:
        """Write them: `.npz` keeps everything (`load` reads it), `.csv` names, labels, answers and numbers as text.

        Raises:
            ConfigError: Another ending.
        """
        numbers = {name: array for name, array in self.arrays().items() if name != "thumbnails"}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), self.arrays()),
                ".csv": lambda: self._table().encode(),
                ".json": lambda: json_bytes({**self.settings(), **{n: array.tolist() for n, array in numbers.items()}}),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "Representations":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "Representations") as (settings, arrays):
            return cls.restore(settings, arrays)

    def _table(self) -> str:
        import csv

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "label", "answer", *(f"v{i}" for i in range(self.values.shape[1]))])
        for i, row in enumerate(self.values):
            label = self.labels[i] if self.labels else ""
            answer = self.answers[i] if self.answers else ""
            writer.writerow([self.names[i], label, answer, *(f"{v:.7g}" for v in row.tolist())])
        return text.getvalue()

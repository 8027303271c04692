"""The result of `check_images`: what a set is, and what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from striate.data.problem import Problem

__all__ = ["LEVELS", "DataReport", "Level", "level_of"]

Level = Literal["error", "warning", "note"]

LEVELS: Mapping[str, tuple[Level, str]] = {
    "unreadable": ("error", "cannot be read"),
    "missing": ("error", "missing"),
    "bad-line": ("error", "lines that cannot be used"),
    "bad-label": ("error", "labels that cannot be read"),
    "unlabeled": ("error", "pictures without a label"),
    "label-conflict": ("error", "the same picture with two labels"),
    "leakage": ("error", "the same picture in two splits"),
    "empty-class": ("error", "classes without pictures"),
    "one-class": ("error", "a single class"),
    "cut-shard": ("error", "archives cut short"),
    "bad-annotation": ("error", "files of boxes that cannot be read"),
    "bad-box": ("error", "boxes that cannot be used"),
    "unknown-class": ("error", "objects of an unknown class"),
    "class-not-in-train": ("error", "classes that training does not have"),
    "duplicate-id": ("error", "numbers or files that stand for two things"),
    "near-leakage": ("warning", "look alike, in two splits"),
    "near-conflict": ("warning", "look alike, with two labels"),
    "duplicate": ("warning", "the same picture twice"),
    "near-duplicate": ("warning", "look alike"),
    "duplicate-line": ("warning", "listed twice"),
    "duplicate-key": ("warning", "two pictures of one key"),
    "not-compared": ("warning", "too much alike to compare"),
    "class-not-in-split": ("warning", "classes that a split lacks"),
    "split-size": ("warning", "splits of another size than asked for"),
    "clipped-box": ("warning", "boxes that reach beyond the picture"),
    "inverted-box": ("warning", "boxes with corners in the wrong order"),
    "unsigned-wrap": ("warning", "boxes that begin at −1 without a sign"),
    "duplicate-box": ("warning", "the same box twice"),
    "box-conflict": ("warning", "the same box with two classes"),
    "size-mismatch": ("warning", "sizes that are not the picture's"),
    "exif-unclear": ("warning", "turned by EXIF, perhaps not the boxes"),
    "no-label-file": ("warning", "pictures without a text file"),
    "class-numbers": ("warning", "classes without names"),
    "tiny-box": ("warning", "tiny boxes"),
    "twin-classes": ("warning", "classes of nearly the same name"),
    "imbalance": ("warning", "classes of very different size"),
    "foreign-image": ("warning", "pictures of a kind that is not read"),
    "wrong-extension": ("warning", "another format than the name says"),
    "link-loop": ("warning", "links that lead back"),
    "no-object": ("warning", "sprites without an object"),
    "rectangle": ("note", "pasted as rectangles"),
    "keyed-out": ("note", "a plain ground was cut away"),
    "blank": ("warning", "one color all over"),
    "tiny": ("warning", "tiny"),
    "giant": ("warning", "giant"),
    "aspect": ("warning", "very long or very tall"),
    "gray": ("note", "gray"),
    "rotated": ("note", "turned by EXIF"),
    "alpha": ("note", "partly transparent"),
    "cmyk": ("note", "in CMYK"),
    "16-bit": ("note", "16 bits a channel"),
    "animated": ("note", "animated"),
    "exif-turned": ("note", "boxes turned by EXIF"),
    "counted-from-0": ("note", "pixels counted from 0"),
    "outlines": ("note", "outlines taken as boxes"),
    "not-listed": ("note", "in no list"),
    "id-0": ("note", "annotations of number 0"),
    "crowded": ("note", "many objects on one picture"),
    "not-kept": ("note", "what was not kept"),
    "groups-lost": ("note", "groups that were not kept"),
    "nested": ("note", "folders below a class"),
    "other-file": ("note", "files that are no pictures"),
}
"""Every kind of problem: how bad it is, and what it is called in a list; in the order of lists."""


def level_of(problem: Problem) -> Level:
    """How bad a problem is; a kind that is not listed is a warning."""
    return LEVELS.get(problem.kind, ("warning", ""))[0]


@dataclass(frozen=True, eq=False)
class DataReport:
    """What was found in a set of pictures.

    Attributes:
        source: What was opened.
        kind: Its layout: `folder`, `csv`, `idx`, `npz` or `tar`.
        classes: The classes, in their order.
        counts: Pictures of each class, by split.
        examined: How many pictures could be read.
        formats: How many there are of each file format; `array` for rows of an array.
        smallest: Height and width of the picture with the fewest pixels.
        median: Likewise, of the one in the middle.
        largest: Likewise, of the one with the most pixels.
        mean: Of red, green and blue of the training pictures, in [0, 1]; every picture weighs the same.
        std: Their deviation over all pixels, likewise.
        problems: Everything that was found, while listing and while reading.
    """

    source: Path
    kind: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    examined: int
    formats: Mapping[str, int]
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    problems: tuple[Problem, ...]

    def by_kind(self, level: Level) -> dict[str, list[Problem]]:
        """The problems of a level by their kind, in the order of `LEVELS`."""
        order = {kind: number for number, kind in enumerate(LEVELS)}
        found: dict[str, list[Problem]] = {}
        for problem in sorted(self.problems, key=lambda each: order.get(each.kind, len(order))):
            if level_of(problem) == level:
                found.setdefault(problem.kind, []).append(problem)
        return found

    def count(self, level: Level) -> int:
        """How many problems of a level there are."""
        return sum(level_of(problem) == level for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; numbers that nothing is known of are null."""
        return {
            "source": str(self.source),
            "kind": self.kind,
            "classes": list(self.classes),
            "counts": {name: list(counts) for name, counts in self.counts.items()},
            "examined": self.examined,
            "formats": dict(self.formats),
            "sizes": {name: list(getattr(self, name)) for name in ("smallest", "median", "largest")},
            "mean": list(self.mean) if self.examined else None,
            "std": list(self.std) if self.examined else None,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "notes": self.count("note"),
            "problems": [
                {"level": level, **problem.to_dict()}
                for level in get_args(Level)
                for problems in self.by_kind(level).values()
                for problem in problems
            ],
        }

    def save(self, path: Path) -> None:
        """Write `to_dict` as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

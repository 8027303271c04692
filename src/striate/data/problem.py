"""What is wrong with a set of pictures, one fact at a time: nothing is left out without a `Problem` that names it."""

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or worth knowing, about one picture, one line or one class.

    Attributes:
        kind: What sort of thing, in a word or two: `unreadable`, `missing`, `bad-label`, `empty-class`, `duplicate` …
            (`striate.data.check_images.LEVELS` lists them with how bad they are).
        where: The file, or `labels.csv, line 17`, or `shard-0001.tar: 0007.jpg`.
        text: What is wrong, and what was done about it.

    >>> str(Problem("missing", "labels.csv, line 17", "cats/1.jpg does not exist; the line was left out"))
    'labels.csv, line 17: cats/1.jpg does not exist; the line was left out'
    """

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"

    def to_dict(self) -> dict[str, str]:
        """The three fields as JSON values."""
        return {"kind": self.kind, "where": self.where, "text": self.text}

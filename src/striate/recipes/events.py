"""What a running recipe tells whoever started it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Done", "Event", "Plan", "Progress"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Said first: what will be done.

    Attributes:
        text: One sentence.
        seconds: Estimated wall time, or None where nothing is known yet.
    """

    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Some of the work is done.

    Attributes:
        stage: What is being worked on, in a few words.
        done: Units done.
        total: Units in all, or None where that is not known.
    """

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Done:
    """The last event.

    Attributes:
        result: The recipe's result object.
        folder: Where everything was written.
        files: What was written, by name; `report` is the page to open first.
    """

    result: Any
    folder: Path
    files: dict[str, Path]


Event = Plan | Progress | Done

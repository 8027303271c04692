"""What must be the same in every sitting of a run, or its end would not be that of an uninterrupted one."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from striate.data.image_set import ImageSet
from striate.training.settings import TrainSettings

if TYPE_CHECKING:
    from striate.training.task import Task

__all__ = ["digest", "run_identity", "what_changed"]

# These change when and where things happen, and nothing that is learned but by rounding.
_FREE = {"workers", "checkpoint_minutes", "strategy"}


def run_identity(task: "Task", settings: TrainSettings) -> dict[str, Any]:
    """Settings, pictures and what is done to them, as JSON values."""
    facts = {"settings": settings.model_dump(mode="json", exclude=_FREE), **task.identity()}
    read_back: dict[str, Any] = json.loads(json.dumps(facts))
    return read_back


def what_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The parts that differ, in words.

    >>> what_changed({"settings": {"lr": 0.1}, "classes": ["a"]}, {"settings": {"lr": 0.2}, "classes": ["a"]})
    ['settings (lr)']
    """
    then = before.get("settings", {})
    settings = [f"settings ({name})" for name, value in now["settings"].items() if then.get(name) != value]
    return settings + [name for name, value in now.items() if name != "settings" and before.get(name) != value]


def digest(pictures: ImageSet, *more: bytes) -> str:
    """A number for the names of the pictures, in their order, and their classes (and whatever else is marked)."""
    found = hashlib.sha256(pictures.labels.astype("<i8").tobytes())
    for index in range(len(pictures)):
        found.update(pictures.name(index).encode("utf-8", "surrogateescape") + b"\0")
    for column in more:
        found.update(column)
    return f"{len(pictures)} {found.hexdigest()[:32]}"

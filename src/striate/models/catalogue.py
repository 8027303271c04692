"""The catalogue: which networks there are, and the facts about each, without building one (no torch here).

The facts are data, one TOML file a paper in `catalogue/`. A builder is named by `module:function` and imported only
when a network is built, so that upper floors (detectors, segmentation) can be listed here without being imported.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from striate.errors import UnknownNameError, nearest

__all__ = ["CatalogueEntry", "catalogue", "find_entry", "list_models"]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """The facts about one network.

    Attributes:
        name: torchvision's name where torchvision has the network.
        builder: `module:function`, called with `num_classes`, `in_channels` and `options`.
        options: What makes this row differ from its neighbors.
        task: `classify`, `detect`, or `features` for a trunk without a classifier.
        paper: Authors, year, title, address.
        variant: One line: which graph exactly this is.
        parameters: Learnable numbers, auxiliary heads included.
        macs: Multiply-adds of convolutions and matrix products for one picture of `input_size`; 0 where they depend on
            the picture (detectors that judge regions).
        input_size: `(channels, height, width)` of the paper.
        min_size: Smallest height and width that run.
        num_classes: Of the published network.
        classifier: Layers whose size follows the number of classes.
        first_conv: The layer that takes the picture.
        keys: Whose `state_dict` keys these are.
        same_keys_as: Other names whose weights load here without error but mean another graph.
        fit: How a photo gets to `input_size`: see `Preprocessing`.
        published: Scores of the paper.
        notes: Traps and departures, one sentence each.
    """

    name: str
    builder: str
    task: str
    paper: str
    variant: str
    parameters: int
    macs: int
    input_size: tuple[int, int, int]
    min_size: int
    num_classes: int
    classifier: tuple[str, ...]
    first_conv: str
    keys: str
    options: Mapping[str, Any] = field(default_factory=dict)
    same_keys_as: tuple[str, ...] = ()
    fit: Literal["crop", "whole", "stretch", "shorter"] = "crop"
    published: Mapping[str, Any] = field(default_factory=dict)
    published_gmacs: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def year(self) -> int:
        """Year of the paper."""
        found = re.search(r"\b(19|20)\d\d\b", self.paper)
        return int(found.group()) if found else 0


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """All entries by name, in natural order (`resnet18` before `resnet101`)."""
    entries: dict[str, CatalogueEntry] = {}
    folder = files("striate.models") / "catalogue"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            for name, facts in tomllib.loads(file.read_text(encoding="utf-8")).items():
                entries[name] = _entry(name, facts)
    return MappingProxyType({name: entries[name] for name in sorted(entries, key=_natural)})


def list_models(task: str | None = None) -> list[str]:
    """Names of the networks, in natural order.

    Args:
        task: Only networks for this task, such as `classify`.

    >>> "resnet50" in list_models("classify")
    True
    """
    return [name for name, entry in catalogue().items() if task is None or entry.task == task]


def find_entry(name: str) -> CatalogueEntry:
    """The facts about the network called `name`.

    Raises:
        UnknownNameError: There is no such network; the message names the nearest.
    """
    entries = catalogue()
    if name not in entries:
        raise UnknownNameError(
            f"No network named '{name}'. {nearest(name, entries)} `striate models` lists all of them."
        )
    return entries[name]


def _entry(name: str, facts: dict[str, Any]) -> CatalogueEntry:
    facts = {key: tuple(v) if isinstance(v, list) else v for key, v in facts.items()}
    return CatalogueEntry(name=name, **facts)


def _natural(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

"""Names and shapes of every network's tensors, to tell which network a weights file belongs to."""

from collections.abc import Iterable
from functools import cache

import torch

from striate.models.build import build
from striate.models.catalogue import catalogue, find_entry
from striate.weights import Blueprint

__all__ = ["blueprints"]


def blueprints(names: Iterable[str] | None = None) -> list[Blueprint]:
    """The blueprints of the networks called `names`, or of all but the detectors; nothing is allocated.

    A file with a detector's weights says itself what it is: detectors are not told apart by their shapes.

    Raises:
        UnknownNameError: One of the names is not in the catalogue.
    """
    return [_blueprint(name) for name in (_without_detectors() if names is None else names)]


def _without_detectors() -> list[str]:
    return [name for name, entry in catalogue().items() if entry.task != "detect"]


@cache
def _blueprint(name: str) -> Blueprint:
    entry = find_entry(name)
    with torch.device("meta"):
        module = build(entry)
    return Blueprint.of(name, module, variant=entry.variant, classifier=entry.classifier, first_conv=entry.first_conv)

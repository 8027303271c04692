"""Names and shapes of every network's tensors, to tell which network a weights file belongs to."""

from collections.abc import Iterable
from functools import cache

import torch

from striate.models.build import build
from striate.models.catalogue import catalogue, find_entry
from striate.weights import Blueprint

__all__ = ["blueprints"]


def blueprints(names: Iterable[str] | None = None) -> list[Blueprint]:
    """The blueprints of the networks called `names`, or of the whole catalogue; nothing is allocated.

    Raises:
        UnknownNameError: One of the names is not in the catalogue.
    """
    return [_blueprint(name) for name in (catalogue() if names is None else names)]


@cache
def _blueprint(name: str) -> Blueprint:
    entry = find_entry(name)
    with torch.device("meta"):
        module = build(entry)
    return Blueprint.of(name, module, variant=entry.variant, classifier=entry.classifier, first_conv=entry.first_conv)

"""The networks: a catalogue of facts, one paper a file, and `Network`, a module that knows its photos.

Names load on first use: the catalogue is read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.models.answer import Answer
    from striate.models.catalogue import CatalogueEntry, find_entry, list_models
    from striate.models.create import create_model, load
    from striate.models.network import Network

__all__ = ["Answer", "CatalogueEntry", "Network", "create_model", "find_entry", "list_models", "load"]

_HOME = {
    "Answer": "answer",
    "CatalogueEntry": "catalogue",
    "Network": "network",
    "create_model": "create",
    "find_entry": "catalogue",
    "list_models": "catalogue",
    "load": "create",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"striate.models.{_HOME[name]}"), name)
    raise AttributeError(f"module 'striate.models' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

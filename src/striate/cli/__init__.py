"""The command line: one verb a file. Parse, call a recipe, print; nothing here is imported before it is needed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.cli.entry import main

__all__ = ["main"]

_FROM = {"main": "striate.cli.entry"}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(_FROM[name]), name)
    raise AttributeError(f"module 'striate.cli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Striate: train convolutional networks, and see inside them.

The names below are loaded on first use, so that `import striate` and `striate --help` stay free of torch.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate import (
        arithmetic,
        data,
        draw,
        dreams,
        errors,
        insight,
        models,
        ops,
        probe,
        report,
        runtime,
        training,
        weights,
    )
    from striate.models import Network, create_model, list_models, load
    from striate.probe import summary

__all__ = [
    "Network",
    "__version__",
    "arithmetic",
    "create_model",
    "data",
    "draw",
    "dreams",
    "errors",
    "insight",
    "list_models",
    "load",
    "models",
    "ops",
    "probe",
    "report",
    "runtime",
    "summary",
    "training",
    "weights",
]

try:
    __version__ = version("striate")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_FLOORS = {
    "arithmetic",
    "data",
    "draw",
    "dreams",
    "errors",
    "insight",
    "models",
    "ops",
    "probe",
    "report",
    "runtime",
    "training",
    "weights",
}
_FROM = {
    "Network": "striate.models",
    "create_model": "striate.models",
    "list_models": "striate.models",
    "load": "striate.models",
    "summary": "striate.probe",
}


def __getattr__(name: str) -> Any:
    if name in _FLOORS:
        return import_module(f"striate.{name}")
    if name in _FROM:
        return getattr(import_module(_FROM[name]), name)
    raise AttributeError(f"module 'striate' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

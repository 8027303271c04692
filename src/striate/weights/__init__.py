"""Trained weights: where they come from, how they are verified, converted and loaded.

Everything that only knows facts (records, caches, downloads) works without torch; what touches tensors loads it on
first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.weights.cache import is_offline, striate_home
    from striate.weights.fetching import Progress, fetch, locate
    from striate.weights.files import LoadedWeights, load_file
    from striate.weights.fit import FitReport, fit_state
    from striate.weights.importing import import_file
    from striate.weights.load import load_state_dict
    from striate.weights.native import NativeMetadata, save_native
    from striate.weights.origin import Embedded, Hub, Origin, Package, Url, WeightFile
    from striate.weights.record import WeightRecord
    from striate.weights.records import find_record, list_records, record_for_sha256
    from striate.weights.variants import Blueprint, Identity, identify

__all__ = [
    "Blueprint",
    "Embedded",
    "FitReport",
    "Hub",
    "Identity",
    "LoadedWeights",
    "NativeMetadata",
    "Origin",
    "Package",
    "Progress",
    "Url",
    "WeightFile",
    "WeightRecord",
    "fetch",
    "find_record",
    "fit_state",
    "identify",
    "import_file",
    "is_offline",
    "list_records",
    "load_file",
    "load_state_dict",
    "locate",
    "record_for_sha256",
    "save_native",
    "striate_home",
]

_FROM = {
    "Blueprint": "variants",
    "Embedded": "origin",
    "FitReport": "fit",
    "Hub": "origin",
    "Identity": "variants",
    "LoadedWeights": "files",
    "NativeMetadata": "native",
    "Origin": "origin",
    "Package": "origin",
    "Progress": "fetching",
    "Url": "origin",
    "WeightFile": "origin",
    "WeightRecord": "record",
    "fetch": "fetching",
    "find_record": "records",
    "fit_state": "fit",
    "identify": "variants",
    "import_file": "importing",
    "is_offline": "cache",
    "list_records": "records",
    "load_file": "files",
    "load_state_dict": "load",
    "locate": "fetching",
    "record_for_sha256": "records",
    "save_native": "native",
    "striate_home": "cache",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.weights.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.weights' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

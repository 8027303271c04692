"""Photos in, numbers out: read images, prepare them as a network was trained on them, and name its classes.

`decode` and `labels` know no torch, so that the command line can use them at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.data.decode import read_image
    from striate.data.files import find_images
    from striate.data.labels import Labels
    from striate.data.preprocessing import Preprocessing, View

__all__ = ["Labels", "Preprocessing", "View", "find_images", "read_image"]

_FROM = {
    "Labels": "labels",
    "Preprocessing": "preprocessing",
    "View": "preprocessing",
    "find_images": "files",
    "read_image": "decode",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.data.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

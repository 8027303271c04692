"""Every change that training makes to a picture, one a file, and random numbers that belong to the picture.

Geometry decides on a `Cut` before a photo is decoded; what is left works on whole batches of tensors.
`build_augmentation` puts them together from a table of named policies.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.data.augment.cut import Cut, Geometry, render_cut
    from striate.data.augment.draws import Draws
    from striate.data.augment.fixed_view import FixedView
    from striate.data.augment.random_resized_crop import RandomResizedCrop

__all__ = ["Cut", "Draws", "FixedView", "Geometry", "RandomResizedCrop", "render_cut"]

_FROM = {
    "Cut": "cut",
    "Draws": "draws",
    "FixedView": "fixed_view",
    "Geometry": "cut",
    "RandomResizedCrop": "random_resized_crop",
    "render_cut": "cut",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.data.augment.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.data.augment' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Photos in, numbers out: read images and sets of them, prepare them as a network was trained, name its classes.

`decode`, `labels` and everything that lists or checks pictures know no torch, so that the command line can use them at
once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.data.decode import read_image
    from striate.data.files import find_images
    from striate.data.image_set import ImageSet
    from striate.data.labels import Labels
    from striate.data.opening import open_data
    from striate.data.preprocessing import Preprocessing, View
    from striate.data.problem import Problem
    from striate.data.scene_backgrounds import read_backgrounds
    from striate.data.scene_pictures import read_sprites
    from striate.data.scene_settings import SceneSettings
    from striate.data.scenes import build_scenes, draw_scene
    from striate.data.splitting import split_set

__all__ = [
    "ImageSet",
    "Labels",
    "Preprocessing",
    "Problem",
    "SceneSettings",
    "View",
    "build_scenes",
    "draw_scene",
    "find_images",
    "open_data",
    "read_backgrounds",
    "read_image",
    "read_sprites",
    "split_set",
]

_FROM = {
    "ImageSet": "image_set",
    "Labels": "labels",
    "Preprocessing": "preprocessing",
    "Problem": "problem",
    "SceneSettings": "scene_settings",
    "View": "preprocessing",
    "build_scenes": "scenes",
    "draw_scene": "scenes",
    "find_images": "files",
    "open_data": "opening",
    "read_backgrounds": "scene_backgrounds",
    "read_image": "decode",
    "read_sprites": "scene_pictures",
    "split_set": "splitting",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.data.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

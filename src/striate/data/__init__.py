"""Photos in, numbers out: read images and sets of them, prepare them as a network was trained, name its classes.

`decode`, `labels` and everything that lists or checks pictures know no torch, so that the command line can use them at
once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.data.box_opening import find_box_layout, open_boxes
    from striate.data.box_set import BoxSet
    from striate.data.coco_json import from_coco, to_coco
    from striate.data.decode import read_image
    from striate.data.detections import Detections
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
    from striate.data.split_boxes import split_boxes
    from striate.data.splitting import split_set
    from striate.data.voc_xml import from_voc, to_voc
    from striate.data.yolo_text import from_yolo, to_yolo

__all__ = [
    "BoxSet",
    "Detections",
    "ImageSet",
    "Labels",
    "Preprocessing",
    "Problem",
    "SceneSettings",
    "View",
    "build_scenes",
    "draw_scene",
    "find_box_layout",
    "find_images",
    "from_coco",
    "from_voc",
    "from_yolo",
    "open_boxes",
    "open_data",
    "read_backgrounds",
    "read_image",
    "read_sprites",
    "split_boxes",
    "split_set",
    "to_coco",
    "to_voc",
    "to_yolo",
]

_FROM = {
    "BoxSet": "box_set",
    "Detections": "detections",
    "ImageSet": "image_set",
    "Labels": "labels",
    "Preprocessing": "preprocessing",
    "Problem": "problem",
    "SceneSettings": "scene_settings",
    "View": "preprocessing",
    "build_scenes": "scenes",
    "draw_scene": "scenes",
    "find_box_layout": "box_opening",
    "find_images": "files",
    "from_coco": "coco_json",
    "from_voc": "voc_xml",
    "from_yolo": "yolo_text",
    "open_boxes": "box_opening",
    "open_data": "opening",
    "read_backgrounds": "scene_backgrounds",
    "read_image": "decode",
    "read_sprites": "scene_pictures",
    "split_boxes": "split_boxes",
    "split_set": "splitting",
    "to_coco": "coco_json",
    "to_voc": "voc_xml",
    "to_yolo": "yolo_text",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.data.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Every change that training makes to a picture, one a file, and random numbers that belong to the picture.

Geometry decides on a `Cut` before a photo is decoded; what is left works on whole batches of tensors.
`build_augmentation` puts them together from a table of named policies.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.data.augment.batches import BatchTransform, MixingTransform
    from striate.data.augment.box_cut import cut_detections, map_boxes, unmap_boxes
    from striate.data.augment.box_geometry import FitBoxes, ShorterSide, StretchBoxes
    from striate.data.augment.box_policies import BOX_POLICIES, BoxAugmentation, BoxPolicy, build_box_augmentation
    from striate.data.augment.box_regions import MovedRegion, ObjectPatch, WholePhoto
    from striate.data.augment.color_jitter import ColorJitter
    from striate.data.augment.cut import Cut, Geometry, render_cut
    from striate.data.augment.draws import Draws
    from striate.data.augment.fixed_view import FixedView
    from striate.data.augment.hsv_jitter import HsvJitter
    from striate.data.augment.mixing import CutMix, EitherMix, Mixup
    from striate.data.augment.pad_crop import PadCrop
    from striate.data.augment.pca_lighting import PcaLighting
    from striate.data.augment.random_erasing import RandomErasing
    from striate.data.augment.random_resized_crop import RandomResizedCrop
    from striate.data.augment.recipes import POLICIES, Augmentation, Policy, build_augmentation
    from striate.data.augment.scale_jitter import ScaleJitter
    from striate.data.augment.ten_crop import DenseView, TenCrop
    from striate.data.augment.user_transform import UserTransform
    from striate.data.augment.warp import ElasticDistortion, RandomAffine, Warp

__all__ = [
    "BOX_POLICIES",
    "POLICIES",
    "Augmentation",
    "BatchTransform",
    "BoxAugmentation",
    "BoxPolicy",
    "ColorJitter",
    "Cut",
    "CutMix",
    "DenseView",
    "Draws",
    "EitherMix",
    "ElasticDistortion",
    "FitBoxes",
    "FixedView",
    "Geometry",
    "HsvJitter",
    "MixingTransform",
    "Mixup",
    "MovedRegion",
    "ObjectPatch",
    "PadCrop",
    "PcaLighting",
    "Policy",
    "RandomAffine",
    "RandomErasing",
    "RandomResizedCrop",
    "ScaleJitter",
    "ShorterSide",
    "StretchBoxes",
    "TenCrop",
    "UserTransform",
    "Warp",
    "WholePhoto",
    "build_augmentation",
    "build_box_augmentation",
    "cut_detections",
    "map_boxes",
    "render_cut",
    "unmap_boxes",
]

_FROM = {
    "Augmentation": "recipes",
    "BOX_POLICIES": "box_policies",
    "BatchTransform": "batches",
    "BoxAugmentation": "box_policies",
    "BoxPolicy": "box_policies",
    "ColorJitter": "color_jitter",
    "Cut": "cut",
    "CutMix": "mixing",
    "DenseView": "ten_crop",
    "Draws": "draws",
    "EitherMix": "mixing",
    "ElasticDistortion": "warp",
    "FitBoxes": "box_geometry",
    "FixedView": "fixed_view",
    "Geometry": "cut",
    "HsvJitter": "hsv_jitter",
    "MixingTransform": "batches",
    "Mixup": "mixing",
    "MovedRegion": "box_regions",
    "ObjectPatch": "box_regions",
    "POLICIES": "recipes",
    "PadCrop": "pad_crop",
    "PcaLighting": "pca_lighting",
    "Policy": "recipes",
    "RandomAffine": "warp",
    "RandomErasing": "random_erasing",
    "RandomResizedCrop": "random_resized_crop",
    "ScaleJitter": "scale_jitter",
    "ShorterSide": "box_geometry",
    "StretchBoxes": "box_geometry",
    "TenCrop": "ten_crop",
    "UserTransform": "user_transform",
    "Warp": "warp",
    "WholePhoto": "box_regions",
    "build_augmentation": "recipes",
    "build_box_augmentation": "box_policies",
    "cut_detections": "box_cut",
    "map_boxes": "box_cut",
    "render_cut": "cut",
    "unmap_boxes": "box_cut",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.data.augment.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.data.augment' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

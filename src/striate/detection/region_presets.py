"""The settings of detectors that judge regions, by name: the papers', torchvision's, and ours for small machines.

They stand in `region_presets.toml`, one table a detector, so that a paper's numbers and ours can be read side by side.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from striate.detection.anchors import Anchors
from striate.detection.fpn import Levels
from striate.detection.region_proposal import RpnSettings
from striate.detection.roi_head import RoiSettings
from striate.detection.roi_pooling import PoolingSettings
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["HeadSettings", "PyramidSettings", "RegionPreset", "find_region_preset", "list_region_presets"]


@dataclass(frozen=True)
class PyramidSettings:
    """A feature pyramid on the trunk's maps.

    Attributes:
        channels: Of its maps.
        levels: `all` of them, or the `finest` alone.
        extra: Whether a coarser map follows.
    """

    channels: int = 256
    levels: Levels = "all"
    extra: bool = False


@dataclass(frozen=True)
class HeadSettings:
    """What judges a region.

    Attributes:
        stage: Path of a stage of the network, such as `layer4`, or None for two full layers.
        hidden: Outputs of the two full layers.
        dropout: Probability behind each.
        from_network: Whether they start as the two hidden full layers of the classification network (VGG, AlexNet).
    """

    stage: str | None = None
    hidden: tuple[int, int] = (1024, 1024)
    dropout: float = 0.0
    from_network: bool = False


@dataclass(frozen=True)
class RegionPreset:
    """Everything that makes one detector differ from its neighbors.

    Attributes:
        about: One line.
        backbone: Network of the catalogue.
        maps: Strides or paths of layers, the finest first.
        frozen: The last layer that does not learn: a path, or a stride; 0 for none.
        head: What judges a region.
        roi: How regions are read, drawn and found.
        canvas: Shorter and longer side of a photo in pixels, for whoever prepares it.
        rpn: How regions are proposed; None where proposals come from outside.
        pyramid: On the trunk's maps; None for none.
        freeze_norm: Whether batch normalizations stay as they are.
    """

    about: str
    backbone: str
    maps: tuple[int | str, ...]
    frozen: int | str
    head: HeadSettings
    roi: RoiSettings
    canvas: tuple[int, int]
    rpn: RpnSettings | None = None
    pyramid: PyramidSettings | None = None
    freeze_norm: bool = True


def list_region_presets() -> list[str]:
    """Names of the presets."""
    return list(_presets())


def find_region_preset(name: str) -> RegionPreset:
    """The preset called `name`.

    Raises:
        UnknownNameError: There is none; the message names the nearest.

    >>> find_region_preset("faster_rcnn_vgg16").rpn.after
    (2000, 300)
    """
    presets = _presets()
    if name not in presets:
        raise UnknownNameError(f"No detector preset named '{name}'. {nearest(name, presets)}")
    return presets[name]


@cache
def _presets() -> Mapping[str, RegionPreset]:
    text = (files("striate.detection") / "region_presets.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _preset(name, facts) for name, facts in tomllib.loads(text).items()})


def _preset(name: str, facts: dict[str, Any]) -> RegionPreset:
    facts = dict(facts)
    facts["head"] = _make(name, HeadSettings, facts["head"])
    facts["roi"] = _roi(name, dict(facts["roi"]))
    if "rpn" in facts:
        facts["rpn"] = _rpn(name, dict(facts["rpn"]))
    if "pyramid" in facts:
        facts["pyramid"] = _make(name, PyramidSettings, facts["pyramid"])
    preset: RegionPreset = _make(name, RegionPreset, facts)
    return preset


def _roi(name: str, facts: dict[str, Any]) -> RoiSettings:
    facts["pooling"] = _make(name, PoolingSettings, facts.get("pooling", {}))
    settings: RoiSettings = _make(name, RoiSettings, facts)
    return settings


def _rpn(name: str, facts: dict[str, Any]) -> RpnSettings:
    anchors = dict(facts["anchors"])
    anchors["sizes"] = [tuple(row) for row in anchors["sizes"]]
    facts["anchors"] = _make(name, Anchors, anchors)
    settings: RpnSettings = _make(name, RpnSettings, facts)
    return settings


def _make(name: str, kind: Any, facts: Mapping[str, Any]) -> Any:
    """A dataclass from a table; lists are tuples."""
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(facts) - known):
        raise ConfigError(f"Preset '{name}': {kind.__name__} has no '{unknown[0]}'. {nearest(unknown[0], known)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()})

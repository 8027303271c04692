"""Which layers hold content and which hold style, when none is named.

Published choices are VGG's: style from the first ReLU of each of five blocks (relu1_1 … relu5_1), content from
relu4_2. Read as a rule, it holds for any network whose maps become smaller in stages: style from the first activation
of each of the first five stages, content from the second activation of the last but one of these.
"""

from dataclasses import dataclass

from striate.errors import ConfigError
from striate.probe import LayerRow, Summary

__all__ = ["StyleLayers", "find_layers", "first_convolutions"]

_ACTIVATIONS = ("ReLU", "ReLU6", "LeakyReLU", "SiLU", "GELU", "Hardswish", "ELU", "PReLU", "Mish")
_STAGES = 5


@dataclass(frozen=True)
class StyleLayers:
    """Layers by name.

    Attributes:
        content: Usually one.
        style: From shallow to deep.
    """

    content: tuple[str, ...]
    style: tuple[str, ...]


def find_layers(table: Summary | None) -> StyleLayers:
    """Layers by the rule above; for a VGG, those that Gatys takes.

    Args:
        table: The network's layers, at the size it was trained at.

    Raises:
        ConfigError: Nothing is known of the network, or it has no maps.
    """
    rows = [] if table is None else [row for row in table.rows if row.leaf and len(row.output_shape) == 4]
    stages: list[list[LayerRow]] = []
    for kinds in (_ACTIVATIONS, ("Conv2d",)):  # a network with functional activations is read at its convolutions
        stages = _stages([row for row in rows if row.kind in kinds])
        if len(stages) > 1:
            break
    if not stages:
        raise ConfigError(
            "no layers for content and style could be found in this network. Name them: content_layers and "
            "style_layers (--content-layers, --style-layers)."
        )
    style = [stage[0] for stage in stages[:_STAGES]]
    home = stages[: len(style)][-2 if len(style) > 1 else -1]
    content = home[1] if len(home) > 1 else home[0]
    return StyleLayers((content.address,), tuple(row.address for row in style))


def first_convolutions(table: Summary | None) -> StyleLayers:
    """The first five convolutions for style, the fourth for content, before their activations: PyTorch's tutorial.

    Raises:
        ConfigError: Fewer than four.
    """
    rows = [] if table is None else [row for row in table.rows if row.kind == "Conv2d" and "#" not in row.address]
    if len(rows) < 4:
        raise ConfigError(
            "the tutorial's layers are the first five convolutions; this network has not so many. Name them."
        )
    return StyleLayers((rows[3].address,), tuple(row.address for row in rows[:5]))


def _stages(rows: list[LayerRow]) -> list[list[LayerRow]]:
    """Runs of layers with maps of one size; maps of one place hold no texture."""
    stages: list[list[LayerRow]] = []
    for row in rows:
        if min(row.extent) < 2 or "#" in row.address:
            continue
        if not stages or stages[-1][-1].extent != row.extent:
            stages.append([])
        stages[-1].append(row)
    return stages

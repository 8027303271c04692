"""Settings that belong together: ours, and the published ones under the names of their authors.

    striate     relative weights, from coarse to fine, L-BFGS: works on any network
    gatys       the paper: relu1_1 … relu5_1, content at relu4_2, α/β = 10⁻³, average pooling, white noise, one size
    jcjohnson   neural-style's defaults: weights 5 and 100, total variation, white noise
    tutorial    PyTorch's: the first five convolutions, before their ReLUs; weights 1 and 10⁶ a layer; from the photo
    crowsonkb   style-transfer-pytorch's: shallow layers count more, Adam over sizes a factor √2 apart, averaged

Source: Gatys et al. 2016, section 3; github.com/jcjohnson/neural-style, `neural_style.lua`; PyTorch's tutorial "Neural
transfer using PyTorch"; github.com/crowsonkb/style-transfer-pytorch, `style_transfer.py`.
Differs: the weights of `gatys` and `jcjohnson` are for activations as large as a Caffe network gives (0…255).
jcjohnson's total variation is a gradient of differences; here it is the derivative of their mean square.
"""

from dataclasses import dataclass
from typing import Literal

from striate.dreams.style_network import Pooling
from striate.dreams.style_terms import Convention
from striate.errors import UnknownNameError, nearest

__all__ = ["STYLE_PRESETS", "StylePreset", "find_preset"]


@dataclass(frozen=True)
class StylePreset:
    """What a run does unless it is told otherwise.

    Attributes:
        convention: Scale of the distances (`style_terms`).
        content_weight: Of all content layers together.
        style_weight: Of all style layers together.
        layer_ratio: How much more a style layer counts than the next deeper one.
        tv_weight: Of the mean squared difference of neighbors.
        layers: `gatys`: the rule of `find_layers`; `first`: the first five convolutions, the fourth for content.
        pooling: `max` or `average`.
        optimizer: `lbfgs` or `adam`.
        learning_rate: Of Adam.
        average: Share that an average of Adam's pictures keeps at each step; 0 for the last picture itself.
        steps: At each size.
        scales: Sizes at most.
        scale_factor: From one size to the next.
        start: `content` or `noise`.
    """

    convention: Convention = "relative"
    content_weight: float = 1.0
    style_weight: float = 100.0  # with 10, colors hardly left the photo's
    layer_ratio: float = 1.0
    tv_weight: float = 2.0
    layers: Literal["gatys", "first"] = "gatys"
    pooling: Pooling = "max"
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    learning_rate: float = 0.05
    average: float = 0.0
    steps: int = 100
    scales: int = 3
    scale_factor: float = 2.0
    start: Literal["content", "noise"] = "content"


STYLE_PRESETS = {
    "striate": StylePreset(),
    "gatys": StylePreset("gatys", 1.0, 1e3, tv_weight=0.0, pooling="average", steps=500, scales=1, start="noise"),
    "jcjohnson": StylePreset("jcjohnson", 5.0, 500.0, tv_weight=1e-3, steps=1000, scales=1, start="noise"),
    "tutorial": StylePreset("jcjohnson", 1.0, 5e6, tv_weight=0.0, layers="first", steps=300, scales=1),
    "crowsonkb": StylePreset(
        "crowsonkb",
        0.015,
        1.0,
        layer_ratio=4.0,
        tv_weight=2.0,
        optimizer="adam",
        learning_rate=0.02,
        average=0.99,
        steps=500,
        scales=5,
        scale_factor=2**0.5,
    ),
}
"""By name."""


def find_preset(name: str) -> StylePreset:
    """The preset of this name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in STYLE_PRESETS:
        raise UnknownNameError(f"No style preset named '{name}'. {nearest(name, STYLE_PRESETS)}")
    return STYLE_PRESETS[name]

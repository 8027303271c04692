"""What a classification network says about a crop, just before it names a class: R-CNN's features.

Any network of the catalogue will do. Its last layer, which knows the published classes, gives way; what that layer
would have read is the feature vector: 4096 numbers of AlexNet's fc7, 1280 averages of EfficientNet-Lite0's maps. Such
averages have forgotten where things are in the crop, and a box cannot be corrected by what has no place. So the last
maps themselves are a second answer, averaged to a grid of so few cells that a regressor can still be solved: of
AlexNet the whole pool5, 256 × 6 × 6, as in the paper.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.models import create_model
from striate.models.catalogue import find_entry
from striate.runtime.folding import alike, fold

__all__ = ["CropFeatures", "CropNetwork", "build_crop_network"]

_MOST_PLACED = 10_000  # numbers of the maps: pool5 of AlexNet has 9,216


class CropFeatures(NamedTuple):
    """What is known about some crops.

    Attributes:
        whole: `r f`: what the classifier would read.
        placed: `r p`: the last maps on a grid, for the correction of boxes.
    """

    whole: Float[Tensor, "r f"]
    placed: Float[Tensor, "r p"]


class CropNetwork(nn.Module):
    """A network without its last layer, that gives its last maps as well.

    Args:
        network: Whose last layer was taken out.
        last_maps: The module that gives the last maps, `n c h w`.
        crop_px: The side of the crops; other sizes give other numbers of cells.

    Attributes:
        features: `f`.
        placed: `p`, channels × grid².
        grid: Cells a side.
    """

    def __init__(self, network: nn.Module, last_maps: str, *, crop_px: int) -> None:
        super().__init__()
        self.network = network
        self.last_maps = last_maps
        self.crop_px = crop_px
        self.grid = 1
        with torch.no_grad():
            was_training = network.training
            crops = torch.zeros(1, 3, crop_px, crop_px).to(next(network.parameters()))
            whole, maps = self.eval()._both(crops)
            self.train(was_training)
        channels, side = maps.shape[1], min(maps.shape[2:])
        self.grid = max(1, min(side, math.isqrt(_MOST_PLACED // channels)))
        self.features = whole.shape[1]
        self.placed = channels * self.grid**2

    def forward(self, crops: Float[Tensor, "r 3 s s"]) -> CropFeatures:
        """Both kinds of features of normalized crops."""
        whole, maps = self._both(crops)
        if min(maps.shape[2:]) != self.grid:
            maps = F.adaptive_avg_pool2d(maps, self.grid)
        return CropFeatures(whole, maps.flatten(1))

    def folded(self) -> "CropNetwork":
        """A copy for answering alone, faster and equal to rounding; it shares what it can, and must not be trained."""
        crops = torch.zeros(1, 3, self.crop_px, self.crop_px)
        generator = torch.Generator().manual_seed(0)
        crops = crops.normal_(generator=generator).to(next(self.parameters()))
        self.eval()
        with torch.inference_mode():
            quick = CropNetwork(fold(self.network, crops), self.last_maps, crop_px=self.crop_px).eval()
            mine, theirs = self(crops), quick(crops)
        return quick if all(alike(a, b) for a, b in zip(theirs, mine, strict=True)) else self

    def _both(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        kept: list[Tensor] = []
        handle = self.network.get_submodule(self.last_maps).register_forward_hook(
            lambda _module, _inputs, output: kept.append(output)
        )
        try:
            answer = self.network(crops)
        finally:
            handle.remove()
        whole: Any = answer[0] if isinstance(answer, tuple) else answer  # GoogLeNet's auxiliary heads in training
        # A trunk without a classifier ends at its maps: their averages are its features.
        return (whole.mean((2, 3)) if whole.dim() == 4 else whole.flatten(1)), kept[-1]


def build_crop_network(backbone: str, *, weights: str | None = None, crop_px: int) -> CropNetwork:
    """A network of the catalogue that describes crops.

    Args:
        backbone: Its name.
        weights: A tag such as `in1k`, or None for fresh ones; R-CNN without trained weights learns little.
        crop_px: The side of the crops.

    Raises:
        UnknownNameError: If there is no such network or no such weights.
        ConfigError: If crops of this size are too small for it, or it takes no color pictures.
    """
    entry = find_entry(backbone)
    if entry.task not in {"classify", "features"} or entry.input_size[0] != 3:
        raise ConfigError(f"backbone must be a network that classifies color pictures, got '{backbone}'.")
    if crop_px < entry.min_size:
        raise ConfigError(f"crop_px must be {entry.min_size} or more for '{backbone}', got {crop_px}.")
    network = create_model(backbone, weights=weights)
    for path in entry.classifier:
        if path.startswith("aux"):
            continue  # heads beside the way, silent in evaluation
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
    for name in {path.partition(".")[0] for path in entry.classifier if path.startswith("aux")}:
        setattr(network, name, None)
    return CropNetwork(network, _last_maps(network, crop_px), crop_px=crop_px)


def _last_maps(network: nn.Module, crop_px: int) -> str:
    """The last module, as they are called, that gives maps of more than one cell."""
    found: list[str] = []
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: (
                found.append(name)
                if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1
                else None
            )
        )
        for name, module in network.named_modules()
        if name
    ]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, crop_px, crop_px))
    finally:
        for handle in handles:
            handle.remove()
        network.train(was_training)
    if not found:
        raise ConfigError(f"crop_px {crop_px} is too small: the network's last maps have one cell. Take 64 or more.")
    return found[-1]

"""What each stage of a network answers to one photo: its strongest channels, as maps.

Source: Yosinski et al. 2015, "Understanding neural networks through deep visualization", arXiv:1506.06579, section 2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.data.images import Images
from striate.errors import ConfigError
from striate.insight.heatmap import as_numpy
from striate.insight.target import module_and_input
from striate.models import Network
from striate.probe import Stage, capture, evaluating, summary

__all__ = ["StageActivations", "stage_activations"]


@dataclass(frozen=True)
class StageActivations:
    """The strongest channels at the end of one stage, for one photo.

    Attributes:
        stage: The stage's name in the summary.
        address: The layer whose output this is.
        shape: `(c, h, w)` of the whole output.
        channels: The channels kept, strongest (largest maximum) first.
        maps: `k h w`, the activations of those channels, raw.
        minimum: Smallest value over all channels of the layer.
        maximum: Largest value over all channels of the layer.
        silent: How many channels are nowhere above zero on this photo.
    """

    stage: str
    address: str
    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    maps: NDArray[np.floating[Any]]
    minimum: float
    maximum: float
    silent: int


def stage_activations(
    network: Network | nn.Module, images: Images, *, top: int = 12, stages: tuple[Stage, ...] | None = None
) -> list[list[StageActivations]]:
    """The `top` strongest channels at the end of every stage, for each photo.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        top: Channels to keep a stage.
        stages: As `summary` found them; found here by default.

    Returns:
        For each photo, one entry a stage that still has a height and a width.

    Raises:
        ConfigError: `top` is below 1.
    """
    if top < 1:
        raise ConfigError(f"top must be at least 1; got {top}.")
    module, x = module_and_input(network, images)
    found = stages if stages is not None else summary(module, tuple(x.shape[1:])).stages
    spatial = [stage for stage in found if len(stage.output_shape) == 4 and max(stage.output_shape[2:]) > 1]
    if not spatial:
        return [[] for _ in range(len(x))]
    with evaluating(module), torch.inference_mode():
        outputs = capture(module, x, [stage.address for stage in spatial])
    return [[_strongest(stage, as_numpy(outputs[stage.address][n]), top) for stage in spatial] for n in range(len(x))]


def _strongest(stage: Stage, maps: NDArray[np.floating[Any]], top: int) -> StageActivations:
    peaks = maps.max(axis=(1, 2))
    order = np.argsort(-peaks, kind="stable")[:top]
    c, h, w = maps.shape
    return StageActivations(
        stage=stage.name,
        address=stage.address,
        shape=(c, h, w),
        channels=tuple(order.tolist()),
        maps=maps[order],
        minimum=float(maps.min()),
        maximum=float(maps.max()),
        silent=int((peaks <= 0).sum()),
    )

"""Completeness: do the parts that a map gives to the pixels add up to what there is to explain?

A map that says how much each pixel adds to the score should add up to the score, less that of a picture of nothing:

    gap = sum over i of A_i - (S(x) - S(x'))

Integrated gradients promise it, gradient × (input - baseline) keeps it on linear networks, and so does occlusion with
windows that do not overlap, there. Saliency and Grad-CAM do not mean their numbers that way.

Source: Sundararajan, Taly, Yan 2017, arXiv:1703.01365, proposition 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.data.images import Images
from striate.errors import ShapeError
from striate.insight.heatmap import as_numpy
from striate.insight.integrated_gradients import Baseline, baseline_picture
from striate.insight.target import Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import evaluating

__all__ = ["Completeness", "completeness"]


@dataclass(frozen=True)
class Completeness:
    """What a map adds up to, and what it should.

    Attributes:
        total: `n`: the sum of each picture's map.
        difference: `n`: the score of the picture less that of the baseline.
        target: The class (or unit) that was scored, for each picture.
    """

    total: NDArray[np.float64]
    difference: NDArray[np.float64]
    target: tuple[int | str, ...]

    @property
    def values(self) -> NDArray[np.float64]:
        """The gap of each picture: `total - difference`."""
        return self.total - self.difference

    @property
    def relative(self) -> NDArray[np.float64]:
        """The gap as a share of the difference; NaN where there is none to explain."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.difference == 0, np.nan, np.abs(self.values / self.difference))


def completeness(
    network: Network | nn.Module, images: Images, maps: Any, *, target: Target = None, baseline: Baseline = None
) -> Completeness:
    """How far the numbers of a map are from adding up to the score that they explain.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: The images of the map.
        maps: An `InputGradient`, a `Heatmap`, or an array `n c h w` or `n h w`.
        target: What the map explains: class index, label or unit address, one for all or one for each; each image's
            best class by default.
        baseline: As for `integrated_gradients`: the picture of nothing.

    Returns:
        Totals, differences and their gaps.

    Raises:
        ShapeError: Not one map for each image.

    Source:
        Sundararajan et al. 2017, arXiv:1703.01365, proposition 1.

    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[3.0, -1.0]]))
    >>> completeness(linear, torch.ones(1, 2, 1, 1), np.array([[[[3.0]], [[-0.5]]]])).values.tolist()
    [0.5]
    """
    numbers = np.asarray(getattr(maps, "values", maps), dtype=np.float64)
    module, x = module_and_input(network, images)
    if numbers.ndim not in (3, 4) or len(numbers) != len(x):
        raise ShapeError(
            f"maps must be 'n h w' or 'n c h w' with n = {len(x)}, one for each image; got {numbers.shape}."
        )
    with evaluating(module), torch.inference_mode():
        asked = score_targets(network, module, x, read_targets(network, target, len(x)))
        start = baseline_picture(network, x, baseline)
        nothing = score_targets(module, module, start, read_targets(module, list(asked.targets), len(x)))
        difference = asked.scores.double() - nothing.scores.double()
    return Completeness(
        total=numbers.reshape(len(numbers), -1).sum(1),
        difference=as_numpy(difference).astype(np.float64),
        target=asked.targets,
    )

"""A map over pictures: the result that saliency, occlusion and their neighbors give."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.errors import ShapeError

__all__ = ["Heatmap"]


@dataclass(frozen=True)
class Heatmap:
    """One number for every pixel of every picture, and how it was made.

    Attributes:
        values: float32 `n h w`, at the size that the network got.
        method: The method's name: `saliency`, `occlusion`.
        unit: What a value means, such as `probability drop`.
        signed: True where the sign means something: drawn in a zero-centered diverging map.
        target: The class (or the channel of a layer) that was explained, for each picture.
        parameters: Every setting that the values depend on.
        grid: For occlusion, the raw score at every window: float32 `n gh gw k`, all classes kept.
        baseline: For occlusion, the score of the untouched picture: float32 `n k`.
        seconds: Wall time it took.
    """

    values: NDArray[np.float32]
    method: str
    unit: str
    signed: bool
    target: tuple[int, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    grid: NDArray[np.float32] | None = None
    baseline: NDArray[np.float32] | None = None
    seconds: float = 0.0

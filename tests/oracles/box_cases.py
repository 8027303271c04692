"""Boxes and regions that detectors meet."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["clustered", "regions", "scattered"]


def clustered(
    count: int, *, seed: int = 0, objects: int = 60, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Boxes around objects of a 1000×600 picture, as proposals come, and a third of strays; some scores are equal."""
    random = np.random.default_rng(seed)
    center = random.uniform([0, 0], [1000, 600], (objects, 2))
    side = np.exp(random.uniform(np.log(20), np.log(300), (objects, 2)))
    which, stray = random.integers(0, objects, count), random.random(count) < 0.33
    centers = center[which] + random.normal(0, 0.12, (count, 2)) * side[which]
    sides = side[which] * np.exp(random.normal(0, 0.15, (count, 2)))
    centers[stray] = random.uniform([0, 0], [1000, 600], (int(stray.sum()), 2))
    sides[stray] = np.exp(random.uniform(np.log(16), np.log(250), (int(stray.sum()), 2)))
    boxes = np.concatenate([centers - sides / 2, centers + sides / 2], 1).clip(0, [1000, 600, 1000, 600])
    scores = (random.beta(1, 3, count) + 0.3 * ~stray).round(3)
    return torch.from_numpy(boxes).to(dtype), torch.from_numpy(scores).to(dtype)


def scattered(count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Boxes of 10 to 100 pixels, three a square of 100 pixels."""
    random = torch.Generator().manual_seed(seed)
    side = 100 * (count / 3) ** 0.5
    corner = torch.rand(count, 2, generator=random) * side
    return torch.cat((corner, corner + 10 + 90 * torch.rand(count, 2, generator=random)), 1), torch.rand(
        count, generator=random
    )


def regions(count: int, *, pictures: int = 1, size: tuple[int, int] = (608, 800), seed: int = 0) -> Tensor:
    """`r 5`: sides from 12 to 245 pixels, some reaching beyond the picture, as proposals before clipping."""
    random = torch.Generator().manual_seed(seed)
    center = torch.rand(count, 2, generator=random) * torch.tensor([size[1], size[0]])
    side = torch.exp(torch.rand(count, 2, generator=random) * 3 + 2.5)
    which = torch.randint(0, pictures, (count, 1), generator=random).float()
    return torch.cat((which, center - side / 2, center + side / 2), 1)

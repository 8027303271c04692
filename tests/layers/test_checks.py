"""`striate.layers.checks`: what is refused, in which words, and what passes without being looked at."""

import pytest
import torch

from striate.errors import ConfigError, ShapeError
from striate.layers.checks import choose, require_size


@pytest.mark.parametrize("size", [(32, 32), (32, 900), (33, 32)])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_large_enough(size: tuple[int, int], device: str) -> None:
    require_size(torch.empty(0, 3, *size, device=device), 32, "VGG")


@pytest.mark.parametrize("size", [(31, 32), (32, 31), (1, 1), (0, 40)])
def test_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match=rf"VGG needs .* at least 32×32 pixels .* got {size[0]}×{size[1]}: enlarge"):
        require_size(torch.empty(2, 3, *size), 32, "VGG")


@pytest.mark.parametrize("shape", [(3, 64, 64), (64, 64), (1, 1, 3, 64, 64)])
def test_not_a_batch(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"batch of images n c h w.*\(.*64, 64\).*x\[None\]"):
        require_size(torch.empty(shape), 32, "VGG")


def test_choose() -> None:
    table = {"table": 1, "full": 2}
    assert choose("connections", "full", table) == 2
    with pytest.raises(ConfigError, match=r"connections has no choice 'fuII'\. Nearest: 'full'\."):
        choose("connections", "fuII", table)

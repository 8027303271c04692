"""Random settings of windows for the tests of this folder."""

import random
from collections.abc import Sequence
from typing import Any

LONGEST = {1: 14, 2: 9, 3: 6}


def random_settings(draw: random.Random) -> tuple[list[int], list[int], dict[str, Any]]:
    """Size, kernel, and stride, padding and dilation of a window that fits, in one to three axes."""
    axes = draw.choice([1, 2, 2, 3])
    while True:
        size = [draw.randint(1, LONGEST[axes]) for _ in range(axes)]
        kernel = [draw.randint(1, 4) for _ in range(axes)]
        dilation = [draw.randint(1, 3) for _ in range(axes)]
        stride = [draw.randint(1, 4) for _ in range(axes)]
        padding = [(draw.randint(0, 4), draw.randint(0, 4)) for _ in range(axes)]
        if all(d * (f - 1) < i + sum(p) for i, f, d, p in zip(size, kernel, dilation, padding, strict=True)):
            return size, kernel, {"stride": stride, "padding": padding, "dilation": dilation}


def fits(size: Sequence[int], kernel: Sequence[int], extra: Sequence[int], settings: dict[str, Any]) -> bool:
    """Whether anything is left of a transposed convolution when its padding is cut off."""
    each = zip(size, kernel, extra, settings["stride"], settings["dilation"], settings["padding"], strict=True)
    return all((i - 1) * s + d * (f - 1) + 1 + q > sum(p) for i, f, q, s, d, p in each)

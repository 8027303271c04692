"""From bins with their channels last to channels with their bins last, and back, one region at a time.

Sixteen channels at once: then both sides stay in the nearest cache. Places are unsigned, because one that may be
negative is counted from the end, which costs more than the copy.
"""

import numpy as np

from striate.ops.compiled import Array, compiled

__all__ = ["turn_in", "turn_out"]


@compiled
def turn_out(by_bin: Array, out: Array, start: int) -> None:
    """Write `bins k` into `c p q`, from the channel `start` on."""
    bins, c = by_bin.shape
    flat = out.reshape(out.size)
    for first in range(0, c, 16):
        few = min(16, c - first)
        for b in range(bins):
            base = (start + first) * bins + b
            for k in range(few):
                flat[np.uintp(base + k * bins)] = by_bin[b, np.uintp(first + k)]


@compiled
def turn_in(by_channel: Array, by_bin: Array, start: int) -> None:
    """Read `bins k` from `c p q`, from the channel `start` on."""
    bins, c = by_bin.shape
    flat = by_channel.reshape(by_channel.size)
    for first in range(0, c, 16):
        few = min(16, c - first)
        for b in range(bins):
            base = (start + first) * bins + b
            for k in range(few):
                by_bin[b, np.uintp(first + k)] = flat[np.uintp(base + k * bins)]

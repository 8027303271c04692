"""How far a change along one axis reaches through one operator.

A change of the pixels [a, b) of an axis can change the outputs [lo, hi) of a window of kernel k, stride s, padding p
and dilation d, which spans e = d (k - 1) + 1 pixels:

    lo = max(0, ceil((a + p - d (k - 1)) / s)),   hi = min(O, floor((b - 1 + p) / s) + 1)

and to compute the outputs [lo, hi) one must read the inputs [lo s - p, (hi - 1) s - p + e), which may reach over the
border into the padding. lo >= hi means that nothing changes. Both are written for many intervals at once, one for each
place of a patch.

Source: Nakandala, Kumar, Papakonstantinou 2019, "Incremental and approximate inference for faster occlusion-based deep
CNN explanations" (Krypton), SIGMOD, section 4.2.

Differs: The paper's intervals have one length for all places; these are tight, and end at the border.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Window", "everything", "spread", "spread_transposed", "unite"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """Half-open [lo, hi) for each place of the patch along one axis; empty where lo >= hi."""

    lo: Ints
    hi: Ints

    def clipped(self, extent: int) -> "Interval":
        """What of it lies inside of an axis."""
        return Interval(np.maximum(self.lo, 0), np.minimum(self.hi, extent))

    def shifted(self, by: int) -> "Interval":
        """The same, further along."""
        return Interval(self.lo + by, self.hi + by)


@dataclass(frozen=True)
class Window:
    """Kernel size, stride, padding before, and dilation along one axis."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def reach(self) -> int:
        """From the first pixel it reads to the last."""
        return self.dilation * (self.kernel - 1)


def spread(change: Interval, window: Window, extent: int) -> Interval:
    """The outputs, of `extent` in all, that a change reaches through a convolution or pooling."""
    lo = -((-(change.lo + window.padding - window.reach)) // window.stride)
    hi = (change.hi - 1 + window.padding) // window.stride + 1
    return _kept_empty(change, Interval(lo, hi).clipped(extent))


def spread_transposed(change: Interval, window: Window, extent: int) -> Interval:
    """The outputs that a change reaches through a transposed convolution."""
    lo = change.lo * window.stride - window.padding
    hi = (change.hi - 1) * window.stride - window.padding + window.reach + 1
    return _kept_empty(change, Interval(lo, hi).clipped(extent))


def unite(first: Interval, second: Interval) -> Interval:
    """The smallest interval around both."""
    one, two = first.lo >= first.hi, second.lo >= second.hi
    lo = np.where(one, second.lo, np.where(two, first.lo, np.minimum(first.lo, second.lo)))
    hi = np.where(one, second.hi, np.where(two, first.hi, np.maximum(first.hi, second.hi)))
    return Interval(lo, hi)


def everything(change: Interval, extent: int) -> Interval:
    """The whole axis."""
    return Interval(np.zeros_like(change.lo), np.full_like(change.hi, extent))


def _kept_empty(before: Interval, after: Interval) -> Interval:
    return Interval(after.lo, np.where(before.lo >= before.hi, after.lo, after.hi))

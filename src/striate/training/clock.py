"""Time as a run counts it: over all sittings, and pictures a second over the last steps."""

from collections import deque
from time import perf_counter

__all__ = ["Clock", "Speed"]

_STEPS = 20  # that the shown speed is averaged over


class Clock:
    """Wall time of a run, over all sittings."""

    def __init__(self, before: float) -> None:
        self._start = perf_counter() - before

    @property
    def seconds(self) -> float:
        """Seconds of all sittings together."""
        return perf_counter() - self._start


class Speed:
    """Pictures a second over the last steps."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque([(perf_counter(), 0)], maxlen=_STEPS + 1)

    def after(self, pictures: int) -> float:
        """Take in a step that learned from so many pictures; gives the speed."""
        self._steps.append((perf_counter(), pictures))
        return sum(count for _, count in list(self._steps)[1:]) / max(self._steps[-1][0] - self._steps[0][0], 1e-9)

"""Which rectangle of each map is computed again, for patches at many places.

Along each axis, and for each place of the patch, every step of a program has an interval that the patch can change
(`intervals`). Places whose intervals are alike go together: all their rectangles get the size of the largest, so that
one call computes them as one batch. A rectangle that would leave the map is moved inside, and computes some cells that
did not change; that costs a little and is right.

How many groups? One for all places computes too much at the borders, one for each calls too often. Groups are merged as
long as the estimated time falls.

Once the rectangle of a step is nearly the map, or its operator is not local, the step is computed whole, and so is
everything after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from striate.runtime.incremental.intervals import Interval, spread, spread_transposed, unite
from striate.runtime.incremental.program import Program, Step, references
from striate.runtime.incremental.rules import Aligned, Grown, Rule, Windowed, rule_for
from striate.runtime.incremental.simplify import Convolution

__all__ = ["Changes", "GroupPlan", "Region", "changes_of", "group_places", "plan_group"]

Ints = NDArray[np.int64]

# A rectangle costs more for each cell than the whole map: its surroundings must be gathered.
_WHOLE_FROM = 0.9
_CALL_MACS = 1.2e7  # what one more call of every step costs, in multiply-adds of a convolution


@dataclass(frozen=True, eq=False)
class Region:
    """One rectangle a place: all of one size.

    Attributes:
        size: Height and width.
        tops: First row, for each place along y.
        lefts: First column, for each place along x.
    """

    size: tuple[int, int]
    tops: Ints
    lefts: Ints


@dataclass
class Changes:
    """What a patch can change in each step's map, along both axes.

    Attributes:
        rules: How each step that depends on the picture is local; None where it is not.
        y: Intervals for each place along y, one a local step.
        x: The same along x.
    """

    program: Program
    rules: dict[int, Rule | None]
    y: dict[int, Interval]
    x: dict[int, Interval]


@dataclass
class GroupPlan:
    """The regions of one group of places.

    Attributes:
        ys: Numbers of the places along y.
        xs: Numbers of the places along x.
        regions: For each step its region, or None where it is computed whole.
    """

    ys: Ints
    xs: Ints
    regions: dict[int, Region | None]

    @cached_property
    def places(self) -> int:
        """How many."""
        return len(self.ys) * len(self.xs)


def changes_of(program: Program, tops: Interval, lefts: Interval) -> Changes:
    """Carry the patch's places through all steps."""
    changes = Changes(program, {0: Aligned()}, {0: tops}, {0: lefts})
    for number, step in program.steps.items():
        sources = references(step)
        if number == 0 or not sources:
            continue
        rule = rule_for(program, step) if all(source in changes.y for source in sources) else None
        changes.rules[number] = rule
        if rule is not None:
            changes.y[number] = _carried([changes.y[s] for s in sources], rule, 0, step.shape[-2])
            changes.x[number] = _carried([changes.x[s] for s in sources], rule, 1, step.shape[-1])
    return changes


def _carried(sources: list[Interval], rule: Rule, axis: int, extent: int) -> Interval:
    if isinstance(rule, Windowed):
        return spread(sources[0], rule.windows[axis], extent)
    if isinstance(rule, Grown):
        return spread_transposed(sources[0], rule.windows[axis], extent)
    change = sources[0]
    for other in sources[1:]:
        change = unite(change, other)
    return change


def _cost(step: Step) -> float:
    """Multiply-adds for one cell of the output's plane, and something for every number that is moved."""
    channels = float(np.prod(step.shape[1:-2]))
    if isinstance(step.operator, Convolution):
        weight = step.operator.weight
        return float(weight.numel()) + 40 * channels
    return 20 * channels


def _costs(changes: Changes) -> dict[int, float]:
    return {number: _cost(changes.program.steps[number]) for number in changes.y}


def group_places(changes: Changes) -> list[tuple[Ints, Ints]]:
    """Groups of places along y and along x; every pair of one and the other is computed together."""
    costs = _costs(changes)
    program = changes.program
    numbers = list(changes.y)
    planes = np.array([np.prod(program.steps[n].extent) * costs[n] for n in numbers], dtype=float)
    calls = _CALL_MACS * len(numbers)
    axes = []
    for intervals, axis in ((changes.y, 0), (changes.x, 1)):
        lengths = np.stack(
            [np.clip(intervals[n].hi - intervals[n].lo, 0, None) / program.steps[n].extent[axis] for n in numbers]
        )  # steps places, as a share of the map
        axes.append(_merged(lengths, planes, calls))
    return [(y, x) for y in axes[0] for x in axes[1]]


def _merged(lengths: NDArray[np.float64], planes: NDArray[np.float64], calls: float) -> list[Ints]:
    """Merge the places along one axis, two groups at a time, while that saves time.

    The other axis is taken for the same: g groups make g^2 batches.
    """
    kinds: dict[bytes, list[int]] = {}
    for place in range(lengths.shape[1]):
        kinds.setdefault(lengths[:, place].tobytes(), []).append(place)
    groups = list(kinds.values())
    shares = [lengths[:, places[0]] for places in groups]

    def time_of(places: list[list[int]], sides: list[NDArray[np.float64]]) -> float:
        count = np.array([len(p) for p in places], dtype=float)
        side = np.stack(sides, 1) @ count  # the sum over places of the share of each step
        area = np.minimum((side / count.sum()) ** 2, 1) * count.sum() ** 2
        return float(planes @ area) + calls * len(places) ** 2

    best, best_time = [list(g) for g in groups], time_of(groups, shares)
    while len(groups) > 1:
        options = []
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                both = np.maximum(shares[a], shares[b])
                extra = planes @ (
                    (len(groups[a]) + len(groups[b])) * both - len(groups[a]) * shares[a] - len(groups[b]) * shares[b]
                )
                options.append((float(extra), a, b))
        _, a, b = min(options)
        both = np.maximum(shares[a], shares[b])
        groups = [*(g for i, g in enumerate(groups) if i not in (a, b)), groups[a] + groups[b]]
        shares = [*(s for i, s in enumerate(shares) if i not in (a, b)), both]
        now = time_of(groups, shares)
        if now < best_time:
            best, best_time = [list(g) for g in groups], now
    return [np.array(sorted(g), dtype=np.int64) for g in best]


def plan_group(changes: Changes, ys: Ints, xs: Ints) -> GroupPlan:
    """The region of every step for the places `ys` x `xs`."""
    program = changes.program
    regions: dict[int, Region | None] = {}
    known: dict[tuple[object, ...], Region] = {}
    for number, step in program.steps.items():
        sources = references(step)
        if number != 0 and not sources:
            regions[number] = None
            continue
        if number not in changes.y or any(regions[s] is None for s in sources):
            regions[number] = None
            continue
        height, tops = _placed(changes.y[number], ys, step.shape[-2])
        width, lefts = _placed(changes.x[number], xs, step.shape[-1])
        if number != 0 and height * width >= _WHOLE_FROM * step.shape[-2] * step.shape[-1]:
            regions[number] = None
            continue
        key = (height, width, tops[ys].tobytes(), lefts[xs].tobytes())
        regions[number] = known.setdefault(key, Region((height, width), tops, lefts))
    return GroupPlan(ys, xs, regions)


def _placed(interval: Interval, places: Ints, extent: int) -> tuple[int, Ints]:
    """One length for all places, and where each begins."""
    length = int(max(np.max(interval.hi[places] - interval.lo[places]), 1))
    return length, np.clip(interval.lo, 0, extent - length)


def share_of_work(changes: Changes, plans: Sequence[GroupPlan]) -> float:
    """Estimated time of the plans, as a share of computing everything whole for every place."""
    program = changes.program
    whole = spent = 0.0
    for number, step in program.steps.items():
        if number == 0 or len(step.shape) < 3:
            continue
        cost = _cost(step)
        plane = float(np.prod(step.extent))
        for plan in plans:
            region = plan.regions[number]
            cells = plane if region is None else min(plane, region.size[0] * region.size[1] / _WHOLE_FROM)
            whole += cost * plane * plan.places
            spent += cost * cells * plan.places
    return spent / max(whole, 1.0)

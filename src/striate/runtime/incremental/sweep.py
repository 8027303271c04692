"""The answers of a network to one picture with a patch at many places, exact and without computing anything twice."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.probe import evaluating, is_compiled
from striate.runtime.folding import alike, is_hooked
from striate.runtime.incremental.assemble import Canvas
from striate.runtime.incremental.execute import Batch, CleanPass, find_neck, run_rest, run_whole
from striate.runtime.incremental.intervals import Interval
from striate.runtime.incremental.plan import (
    Changes,
    GroupPlan,
    Region,
    changes_of,
    group_places,
    plan_group,
    share_of_work,
)
from striate.runtime.incremental.program import Program, Step, trace
from striate.runtime.incremental.simplify import simplify

Ints = NDArray[np.int64]

_NECK_BYTES = 8 * 2**20  # what waits for the layers behind the neck
_BATCH = 32 * 2**20  # larger batches leave the cache, smaller ones call too often

__all__ = ["IncrementalNetwork", "Places", "follow"]


@dataclass(frozen=True)
class Places:
    """Where the patch goes: every top with every left.

    Attributes:
        tops: First rows.
        lefts: First columns.
        size: Height and width of the patch; what lies outside the picture is cut.
    """

    tops: list[int]
    lefts: list[int]
    size: tuple[int, int]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.tops) * len(self.lefts)

    def corner(self, number: int) -> tuple[int, int]:
        """Top and left of a place; places are numbered top by top."""
        return self.tops[number // len(self.lefts)], self.lefts[number % len(self.lefts)]


def follow(module: nn.Module, x: Tensor) -> "IncrementalNetwork | None":
    """The module as a program, if it has one that answers `x` as the module does; else None.

    There is none with hooks on any part (they would not be called), compiled, in 16-bit floats (rounding is coarse), or
    where `trace` cannot follow.

    Args:
        module: Any module; it is left as it was.
        x: Pictures `n c h w`.
    """
    if x.dtype not in {torch.float32, torch.float64} or not len(x) or is_hooked(module) or is_compiled(module):
        return None
    with torch.no_grad():
        program = trace(module, x)
        program = None if program is None else simplify(program)
    if program is None or len(program.steps[program.output].shape) != 2 or not program.steps[program.output].batched:
        return None
    network = IncrementalNetwork(module, program)
    with evaluating(module), torch.inference_mode(), suppress(RuntimeError):  # a program that cannot even run is none
        return network if alike(run_whole(program, x[:1])[0], module(x[:1])) else None
    return None


@dataclass
class IncrementalNetwork:
    """A module and its program.

    Attributes:
        module: The module itself.
        program: What it computes.
    """

    module: nn.Module
    program: Program

    def answers(
        self,
        x: Tensor,
        places: Places,
        patch: Tensor,
        wanted: Ints | None = None,
        *,
        most: int | None = None,
        memory: int = 2**30,
    ) -> Iterator[tuple[Ints, Tensor]]:
        """The answers with the patch at every place, in the order that is fastest.

        Args:
            x: One picture, `1 c h w`.
            places: Where the patch goes.
            patch: Its color, `c 1 1`.
            wanted: Numbers of the places to answer; all by default.
            most: Places in a batch, at most.
            memory: Bytes for the maps that are kept and for a batch.

        Yields:
            Numbers of places (top by top) and the answers to them, `n k`.
        """
        height, width = x.shape[-2:]
        tops, lefts = _sides(places.tops, places.size[0], height), _sides(places.lefts, places.size[1], width)
        with torch.inference_mode():
            changes = changes_of(self.program, tops, lefts)
            plans = [plan_group(changes, ys, xs) for ys, xs in group_places(changes)]
            x = x.contiguous(memory_format=torch.channels_last)
            _, maps = run_whole(self.program, x, keep=set(changes.y))
            clean = CleanPass(self.program, maps)
        asked = np.zeros(places.count, dtype=bool)
        asked[slice(None) if wanted is None else wanted] = True
        neck = find_neck(self.program)
        each = int(np.prod(self.program.steps[neck].shape[1:])) * x.element_size()
        room = max(min(_NECK_BYTES, memory // 8) // each, 1) if neck != self.program.output else 1
        waiting: list[tuple[Ints, Tensor]] = []  # as far as the neck
        for plan in plans:
            ys, xs = (grid.ravel() for grid in np.meshgrid(plan.ys, plan.xs, indexing="ij"))
            numbers = ys * len(places.lefts) + xs
            ys, xs, numbers = ys[asked[numbers]], xs[asked[numbers]], numbers[asked[numbers]]
            if not len(numbers):
                continue
            size = _places_at_once(changes, plan, x, memory)
            pieces = -(-len(numbers) // min(size, most or size))
            for some_y, some_x, some in zip(*(np.array_split(a, pieces) for a in (ys, xs, numbers)), strict=True):
                if waiting and sum(len(n) for n, _ in waiting) + len(some) > min(room, most or room):
                    yield self._finish(waiting, neck)
                    waiting = []
                with torch.inference_mode():
                    tile = _patched(x, plan.regions[0], (tops, lefts), some_y, some_x, patch)
                    waiting.append((some, Batch(changes, plan, clean, some_y, some_x).run(tile, until=neck)))
        if waiting:
            yield self._finish(waiting, neck)

    def _finish(self, waiting: list[tuple[Ints, Tensor]], neck: int) -> tuple[Ints, Tensor]:
        with torch.inference_mode():
            values = torch.cat([value for _, value in waiting])
            return np.concatenate([numbers for numbers, _ in waiting]), run_rest(self.program, neck, values)

    def least_memory(self, places: Places, x: Tensor) -> int:
        """Bytes that the kept maps and a batch of one place take."""
        tops, lefts = _sides(places.tops, places.size[0], x.shape[2]), _sides(places.lefts, places.size[1], x.shape[3])
        changes = changes_of(self.program, tops, lefts)
        plans = [plan_group(changes, ys, xs) for ys, xs in group_places(changes)]
        numbers = max(_live_numbers(self.program, plan.regions) for plan in plans)
        return _kept_bytes(changes, x) + numbers * x.element_size()

    def work(self, places: Places, size: tuple[int, int]) -> float:
        """Estimated time, as a share of asking the whole network for every place."""
        tops, lefts = _sides(places.tops, places.size[0], size[0]), _sides(places.lefts, places.size[1], size[1])
        changes = changes_of(self.program, tops, lefts)
        return share_of_work(changes, [plan_group(changes, ys, xs) for ys, xs in group_places(changes)])


def _sides(begins: list[int], length: int, extent: int) -> Interval:
    first = np.array(begins, dtype=np.int64)
    return Interval(first, np.minimum(first + length, extent))


def _patched(  # noqa: PLR0917 - two of each, in the order of the axes
    x: Tensor, region: Region | None, sides: tuple[Interval, Interval], ys: Ints, xs: Ints, patch: Tensor
) -> Tensor:
    """The picture's rectangles with the patch in them; at the border the rectangle is larger than the patch."""
    tops, lefts = sides
    if region is None:
        region = Region((x.shape[2], x.shape[3]), np.zeros_like(tops.lo), np.zeros_like(lefts.lo))
    canvas = Canvas.of(x, (0, 0, 0, 0), 0.0)
    down, right = (torch.from_numpy(begins).to(x.device) for begins in (region.tops[ys], region.lefts[xs]))
    rows = region.tops[ys][:, None] + np.arange(region.size[0])
    columns = region.lefts[xs][:, None] + np.arange(region.size[1])
    y = (rows >= tops.lo[ys][:, None]) & (rows < tops.hi[ys][:, None])
    across = (columns >= lefts.lo[xs][:, None]) & (columns < lefts.hi[xs][:, None])
    hidden = torch.from_numpy(y[:, None, :, None] & across[:, None, None, :]).to(x.device)
    tile = canvas.cut(down, right, region.size)
    return torch.where(hidden, patch, tile).contiguous(memory_format=torch.channels_last)


def _kept_bytes(changes: Changes, x: Tensor) -> int:
    """The maps of the clean picture, each once as it is and about once more with its border."""
    steps = (changes.program.steps[number] for number in changes.y)
    return 2 * sum(int(np.prod(step.shape[1:])) for step in steps) * x.element_size()


def _step_numbers(step: Step, region: Region | None) -> int:
    """Numbers in a step's output for one place."""
    if region is None or len(step.shape) < 3:
        return int(np.prod(step.shape[1:] or (1,)))
    return int(np.prod(step.shape[1:-2])) * region.size[0] * region.size[1]


def _live_numbers(program: Program, regions: dict[int, Region | None]) -> int:
    """Numbers that are alive at once for one place, where they are most.

    A step's inputs may be cut out with surroundings: that is counted as twice its inputs and twice its output.
    """
    last = {source: number for number, step in program.steps.items() for source in step.sources}
    alive: dict[int, int] = {}
    most = 1
    for number, step in program.steps.items():
        alive[number] = _step_numbers(step, regions[number])
        wide = sum(max(alive[s], _step_numbers(program.steps[s], regions[number])) for s in step.sources if s in alive)
        most = max(most, sum(alive.values()) + wide + alive[number])
        for source in step.sources:
            if last[source] == number:
                alive.pop(source, None)
    return most


def _places_at_once(changes: Changes, plan: GroupPlan, x: Tensor, memory: int) -> int:
    """Places in a batch: the largest map stays in the cache, and all that is alive within `memory`."""
    program, item = changes.program, x.element_size()
    largest = max(_step_numbers(step, plan.regions[number]) for number, step in program.steps.items())
    room = (memory - _kept_bytes(changes, x)) // (_live_numbers(program, plan.regions) * item)
    return max(min(_BATCH // (largest * item), room), 1)

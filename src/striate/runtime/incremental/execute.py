"""Run a program for many places of a patch at once, recomputing rectangles.

`CleanPass` keeps the maps of the unchanged picture that rectangles are surrounded by. `Batch` runs every step for some
places of one group: a step with a region gets its inputs cut and pasted together, a step without one gets whole maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from striate.runtime.incremental.assemble import Canvas, paste, rows_of
from striate.runtime.incremental.intervals import Window
from striate.runtime.incremental.plan import Changes, GroupPlan, Region
from striate.runtime.incremental.program import Program, Step, call, references
from striate.runtime.incremental.rules import Aligned, Grown, Windowed

__all__ = ["Batch", "CleanPass", "find_neck", "run_rest", "run_whole"]


_HEAVY = 2**22  # weights


def run_whole(program: Program, x: Tensor, *, keep: set[int] | None = None) -> tuple[Tensor, dict[int, Tensor]]:
    """The answer to a batch, and the outputs of the steps in `keep`."""
    values: dict[int, Any] = {0: x}
    last = {source: number for number, step in program.steps.items() for source in references(step)}
    kept = {}
    for number, step in program.steps.items():
        if number:
            values[number] = call(step, values.__getitem__, pictures=len(x))
        if keep is not None and number in keep:
            kept[number] = values[number]
        for source in references(step):
            if last[source] == number and source != program.output:
                values.pop(source, None)
    return values[program.output], kept


def find_neck(program: Program) -> int:
    """The first step that gives one vector a picture, through which alone everything after it sees the picture.

    What lies behind (the fully connected layers of AlexNet) may read more weights than numbers: then it waits for many
    pictures. With few weights behind it, the neck is the output itself.
    """
    numbers = list(program.steps)
    for place, number in enumerate(numbers):
        step = program.steps[number]
        later = numbers[place + 1 :]
        through = all(source >= number for reader in later for source in program.steps[reader].sources)
        if number and step.batched and len(step.shape) == 2 and through:
            leaves = pytree.tree_leaves([(program.steps[n].args, program.steps[n].kwargs) for n in later])
            heavy = sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor)) > _HEAVY
            return number if heavy else program.output
    return program.output


def run_rest(program: Program, neck: int, values: Tensor) -> Tensor:
    """The answers from what the neck gave."""
    known: dict[int, Any] = {neck: values}
    for number, step in program.steps.items():
        if number > neck:
            known[number] = call(step, known.__getitem__, pictures=len(values))
    answer: Tensor = known[program.output]
    return answer


@dataclass
class CleanPass:
    """The maps of the clean picture, each with the borders that its readers need."""

    program: Program
    maps: dict[int, Tensor]

    def __post_init__(self) -> None:
        self.canvases: dict[tuple[int, tuple[int, int, int, int], float], Canvas] = {}
        self.divisors: dict[int, Canvas | float] = {}

    def canvas(self, number: int, border: tuple[int, int, int, int] = (0, 0, 0, 0), fill: float = 0.0) -> Canvas:
        """The map of a step, channels-last, with a border (left, right, top, bottom) of `fill`."""
        key = (number, border, fill if any(border) else 0.0)
        if key not in self.canvases:
            clean = self.maps[number]
            self.canvases[key] = Canvas.of(clean.reshape(1, -1, *clean.shape[-2:]), border, fill)
        return self.canvases[key]

    def divisor(self, number: int, rule: Windowed) -> Canvas | float:
        """By what the sums of an average pooling are divided: one number, or a map."""
        if number not in self.divisors:
            cells = torch.ones(1, 1, 1, 1) if rule.divisor is None else rule.divisor
            first = float(cells.flatten()[0])
            uniform = bool((cells == first).all())
            self.divisors[number] = first if uniform else Canvas.of(cells.to(self.maps[0]), (0, 0, 0, 0), 0.0)
        return self.divisors[number]


class Batch:
    """All steps for some places of one group.

    Args:
        changes: Rules and intervals.
        plan: The group's regions.
        clean: The maps of the clean picture.
        ys: Numbers of the places along y, one a rectangle.
        xs: Numbers of the places along x, one a rectangle.
    """

    def __init__(self, changes: Changes, plan: GroupPlan, clean: CleanPass, ys: np.ndarray, xs: np.ndarray) -> None:
        self.program, self.rules, self.plan, self.clean = changes.program, changes.rules, plan, clean
        self.ys, self.xs = ys, xs
        self.values: dict[int, Any] = {}
        self.aligned: dict[tuple[int, Region | None], Tensor] = {}
        self.device = clean.maps[0].device

    def run(self, tile: Tensor, *, until: int) -> Tensor:
        """From the changed rectangles of the picture to the whole output of step `until`."""
        self.values[0] = tile
        last = {source: number for number, step in self.program.steps.items() for source in step.sources}
        for number, step in self.program.steps.items():
            if number:
                self.values[number] = self._run(number, step)
            if number == until:
                break
            for source in references(step):
                if last[source] == number:
                    self.values.pop(source, None)
                    for key in [key for key in self.aligned if key[0] == source]:
                        del self.aligned[key]
        answer: Tensor = self.take(until, None)
        return answer

    def _run(self, number: int, step: Step) -> Any:
        region, rule = self.plan.regions[number], self.rules.get(number)
        if region is None:
            return call(step, lambda source: self.take(source, None), pictures=len(self.ys))
        if isinstance(rule, Aligned):
            return self._aligned(step, rule, region)
        if isinstance(rule, Windowed):
            return self._windowed(number, step, rule, region)
        return self._grown(step, rule, region)  # type: ignore[arg-type]

    def _aligned(self, step: Step, rule: Aligned, region: Region) -> Tensor:
        height, width = region.size
        if rule.sized:
            sizes = [len(self.ys), *step.shape[1:-2], height, width]
            return torch.reshape(self.take(references(step)[0], region), sizes)

        out: Tensor = call(step, lambda source: self.take(source, region), pictures=len(self.ys))
        return out

    def _windowed(self, number: int, step: Step, rule: Windowed, region: Region) -> Tensor:
        source = references(step)[0]
        extent = self.program.steps[source].extent
        context, border = _context(region, rule.windows, extent)
        inputs = self._cut(source, context, border, rule.fill)
        y = rule.apply(inputs)
        if rule.divisor is not None:
            divisor = self.clean.divisor(number, rule)
            if isinstance(divisor, Canvas):
                y = y / divisor.cut(self._index(region.tops, self.ys), self._index(region.lefts, self.xs), region.size)
            else:
                y = y / divisor
        return y

    def _grown(self, step: Step, rule: Grown, region: Region) -> Tensor:
        source = references(step)[0]
        context, border, begins = _grown_context(region, rule.windows, self.program.steps[source].extent)
        grown = rule.apply(self._cut(source, context, border, 0.0))
        down = self._index(region.tops - begins[0], self.ys)
        right = self._index(region.lefts - begins[1], self.xs)
        cells = rows_of(grown)
        y = (down[:, None] + torch.arange(region.size[0], device=self.device))[:, :, None]
        x = (right[:, None] + torch.arange(region.size[1], device=self.device))[:, None, :]
        picture = torch.arange(len(self.ys), device=self.device)[:, None, None]
        return cells[picture, y, x].permute(0, 3, 1, 2)

    def take(self, number: int, region: Region | None) -> Any:
        """What a step gave, as the rectangles of another region, or whole."""
        have = self.plan.regions[number]
        value = self.values.get(number)
        if value is not None and (have is region or (have is None and region is None)):
            return value
        key = (number, region)
        if key not in self.aligned:
            self.aligned[key] = self._realigned(number, region)
        return self.aligned[key]

    def _realigned(self, number: int, region: Region | None) -> Tensor:
        step = self.program.steps[number]
        if region is None:
            tops, lefts = (np.zeros(int(places.max()) + 1, dtype=np.int64) for places in (self.ys, self.xs))
            region = Region(step.extent, tops, lefts)
        out = self._cut(number, region, (0, 0, 0, 0), 0.0)
        return out.reshape(len(self.ys), *step.shape[1:-2], *region.size)

    def _cut(self, number: int, region: Region, border: tuple[int, int, int, int], fill: float) -> Tensor:
        """The surroundings of a region from the clean map, with what was computed pasted in."""
        have = self.plan.regions[number]
        tops, lefts = self._index(region.tops, self.ys), self._index(region.lefts, self.xs)
        out = self.clean.canvas(number, border, fill).cut(tops, lefts, region.size)
        tile = self.values[number]
        if have is None:  # only the picture itself can be whole and have readers with a region
            have = Region(tile.shape[-2:], np.zeros_like(region.tops), np.zeros_like(region.lefts))
        tile = tile.reshape(len(tile), -1, *tile.shape[-2:])
        down, right = have.tops[self.ys] - region.tops[self.ys], have.lefts[self.xs] - region.lefts[self.xs]
        inside = bool(
            (down >= 0).all()
            and (right >= 0).all()
            and (down + have.size[0] <= region.size[0]).all()
            and (right + have.size[1] <= region.size[1]).all()
        )
        paste(out, tile, self._tensor(down), self._tensor(right), inside=inside)
        return out

    def _index(self, values: np.ndarray, places: np.ndarray) -> Tensor:
        return self._tensor(values[places])

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


def _context(
    region: Region, windows: tuple[Window, Window], extent: tuple[int, int]
) -> tuple[Region, tuple[int, int, int, int]]:
    """What must be read for the windows of a region, and the border of the map for any region."""
    sides = []
    for size, begins, window, n in zip(region.size, (region.tops, region.lefts), windows, extent, strict=True):
        length = (size - 1) * window.stride + window.reach + 1
        first = begins * window.stride - window.padding
        before = max(window.padding, 0)
        after = max(int(first.max()) + length - n, 0)
        sides.append((length, first, before, after))
    (height, tops, top, bottom), (width, lefts, left, right) = sides
    return Region((height, width), tops, lefts), (left, right, top, bottom)


def _grown_context(
    region: Region, windows: tuple[Window, Window], extent: tuple[int, int]
) -> tuple[Region, tuple[int, int, int, int], tuple[np.ndarray, np.ndarray]]:
    """The inputs that reach into a region, the border that they need, and where their outputs begin."""
    sides = []
    for size, begins, window, n in zip(region.size, (region.tops, region.lefts), windows, extent, strict=True):
        first = -((-(begins + window.padding - window.reach)) // window.stride)
        last = (begins + size - 1 + window.padding) // window.stride
        length = int((last - first).max()) + 1
        before = max(-int(first.min()), 0)
        after = max(int(first.max()) + length - n, 0)
        sides.append((length, first, before, after, first * window.stride - window.padding))
    (height, tops, top, bottom, down), (width, lefts, left, right, along) = sides
    return Region((height, width), tops, lefts), (left, right, top, bottom), (down, along)

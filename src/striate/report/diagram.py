"""The network as a drawing: stages from left to right, one bar a layer, branches side by side, bars for the cost below.

A bar's height is the square root of the spatial size of what the layer gives, its width the logarithm of the number of
channels; a layer that halves the size and doubles the channels looks shorter and a little wider. This module computes
places in drawing units (about one CSS pixel); `web/diagram.svg.j2` draws them.
"""

import math
from dataclasses import dataclass

from striate.probe import LayerRow, Summary
from striate.report.graph import Graph, build_graph
from striate.report.numbers import format_shape, format_share
from striate.report.paths import across, along, inward, over

__all__ = ["Bar", "Bracket", "Diagram", "StageDrawing", "draw_network", "layer_title", "layer_words"]

WIDTH = 1120.0
PICTURE = 132.0
"""Height of the input picture: the largest spatial size."""
VERDICT = 116.0
"""Room for the answer at the end."""
STAGE_GAP, STAGE_LEAST = 20.0, 84.0
BAR_GAP, LANE_GAP = 3.0, 4.0
JOIN = 5.0
BEND = 3.0
SHARE = 72.0
"""Length of a bar that means all of the network's MACs or parameters."""


@dataclass(frozen=True)
class Bar:
    """One layer (or the dot of a join), with a tooltip; `kind` names its look."""

    x: float
    y: float
    width: float
    height: float
    title: str
    kind: str


@dataclass(frozen=True)
class Bracket:
    """A mark under blocks that repeat."""

    left: float
    right: float
    y: float
    words: str


@dataclass(frozen=True)
class StageDrawing:
    """One stage, its drawing and its numbers in words."""

    number: int
    name: str
    shape: str
    x: float
    width: float
    bars: tuple[Bar, ...]
    paths: tuple[str, ...]
    repeats: tuple[Bracket, ...]
    macs_share: str
    macs_length: float
    parameters_share: str
    parameters_length: float


@dataclass(frozen=True)
class Diagram:
    """The whole drawing."""

    width: float
    height: float
    axis: float
    baseline: float
    end: float
    picture: float
    stages: tuple[StageDrawing, ...]
    links: tuple[str, ...]


def draw_network(summary: Summary) -> Diagram:
    """Places of everything in the diagram of a network."""
    largest = math.sqrt(math.prod(summary.input_size[2:])) or 1.0
    stages = [_Stage.of(summary, stage.rows, largest) for stage in summary.stages]
    unit = _unit(stages)
    axis = max([PICTURE / 2, *(-stage.top() for stage in stages)]) + 14.0
    baseline = axis + max([PICTURE / 2, *(stage.bottom() for stage in stages)]) + 14.0
    x, end = PICTURE + STAGE_GAP, PICTURE
    drawings, links = [], []
    for number, (facts, stage) in enumerate(zip(summary.stages, stages, strict=True)):
        columns = stage.column_widths(unit)
        content = sum(columns) + BAR_GAP * (len(columns) - 1)
        width = max(content, STAGE_LEAST)
        left = x + (width - content) / 2
        links.append(along(end, axis, left))
        end = left + content
        bars, paths, repeats = stage.draw(columns, left, axis)
        drawings.append(
            StageDrawing(
                number=number,
                name=facts.name,
                shape=format_shape(facts.output_shape[1:]),
                x=round(x, 1),
                width=round(width, 1),
                bars=bars,
                paths=paths,
                repeats=repeats,
                macs_share=format_share(facts.macs, summary.macs),
                macs_length=round(SHARE * facts.macs / max(summary.macs, 1), 1),
                parameters_share=format_share(facts.parameters, summary.parameters),
                parameters_length=round(SHARE * facts.parameters / max(summary.parameters, 1), 1),
            )
        )
        x += width + STAGE_GAP
    links.append(along(end, axis, x - 8))
    return Diagram(
        width=round(x + VERDICT, 1),
        height=round(baseline + 92, 1),
        axis=round(axis, 1),
        baseline=round(baseline, 1),
        end=round(x, 1),
        picture=PICTURE,
        stages=tuple(drawings),
        links=tuple(links),
    )


def layer_words(row: LayerRow) -> tuple[str, str]:
    """Two short lines for a layer's box: what it does, and how many channels it gives.

    The window comes from the row's own words (`3×3, 64 → 128, stride 2, padding 1`).
    """
    parts = row.detail.split(", ")
    window = next((part for part in parts if "×" in part and " " not in part), "")
    stride = next((f" /{part.removeprefix('stride ')}" for part in parts if part.startswith("stride ")), "")
    if "Conv" in row.kind:
        sort = " depth" if "depthwise" in parts else " group" if any(p.startswith("groups") for p in parts) else ""
        what = f"{window or row.kind}{sort}{stride}"
    elif "Pool" in row.kind:
        name = "max" if "Max" in row.kind else "mean" if "Avg" in row.kind else "pool"
        what = f"{name} {window}{stride}" if window else f"{name} of all"
    else:
        what = row.kind.lower()
    return what, str(row.output_shape[1]) if len(row.output_shape) > 1 else ""


def layer_title(row: LayerRow) -> str:
    """All of a layer in one line, for a tooltip."""
    return f"{row.address}: {row.kind.lstrip('_')} {row.detail}".rstrip() + f" → {format_shape(row.output_shape[1:])}"


@dataclass(frozen=True)
class _Box:
    """Where a node stands: left edge, width, center line, height."""

    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True)
class _Stage:
    """A stage's graph with what its drawing depends on.

    Attributes:
        rows: All rows of the network.
        graph: The stage's layers.
        largest: The largest spatial size, whose height is `PICTURE`.
        step: Distance between lanes.
        first: Center of lane 0 above the axis: 0, or half of all lanes where paths are stacked (an Inception block).
    """

    rows: tuple[LayerRow, ...]
    graph: Graph
    largest: float
    step: float
    first: float

    @classmethod
    def of(cls, summary: Summary, tops: tuple[int, ...], largest: float) -> "_Stage":
        graph = build_graph(summary, tops)
        beside = [_height(summary.rows[node.row], largest) for node in graph.nodes if node.row >= 0 and node.lane]
        step = max(beside) + LANE_GAP if beside else 0.0
        even = any(node.kind == "concat" for node in graph.nodes)
        return cls(summary.rows, graph, largest, step, -step * (graph.lanes - 1) / 2 if even else 0.0)

    def top(self) -> float:
        """How far the drawing reaches, seen from the axis; negative above it."""
        return min((y - h / 2 for y, h in self._extents()), default=0.0)

    def bottom(self) -> float:
        """The same below."""
        return max((y + h / 2 for y, h in self._extents()), default=0.0)

    def channel_columns(self) -> dict[int, float]:
        """Logarithm of the most channels in each column that holds layers."""
        widest: dict[int, float] = {}
        for node in self.graph.nodes:
            if node.row >= 0:
                widest[node.column] = max(widest.get(node.column, 0.0), _channels(self.rows[node.row]))
        return widest

    def column_widths(self, unit: float) -> list[float]:
        """Width of each column without the way in."""
        widest = self.channel_columns()
        return [max(3.0, unit * widest[c]) if c in widest else JOIN for c in range(1, self.graph.columns)] or [3.0]

    def draw(
        self, columns: list[float], left: float, axis: float
    ) -> tuple[tuple[Bar, ...], tuple[str, ...], tuple[Bracket, ...]]:
        """Bars, connections and marks of repeats."""
        starts = [left + sum(columns[:i]) + BAR_GAP * i for i in range(len(columns))]
        boxes = [_Box(left - BAR_GAP, 0.0, axis, 0.0)]
        bars = []
        for node in self.graph.nodes[1:]:
            x, width = starts[node.column - 1], columns[node.column - 1]
            if node.kind == "layer":
                row = self.rows[node.row]
                box = _Box(x, width, axis + self._lane(node.lane, node.column), _height(row, self.largest))
                bars.append(_bar(box, layer_title(row), _look(row)))
            else:
                box = _Box(x, JOIN, axis, JOIN)
                bars.append(_bar(box, node.kind, "join"))
            boxes.append(box)
        paths = [self._connect(boxes, b, i) for i, node in enumerate(self.graph.nodes) for b in node.before]
        repeats = []
        for run in self.graph.repeats:
            inside = boxes[run.first : run.last + 1]
            low = max(box.y + box.height / 2 for box in inside) + 5
            end = max(box.x + box.width for box in inside)
            repeats.append(Bracket(round(inside[0].x, 1), round(end, 1), round(low, 1), f"×\u00a0{run.times}"))
        return tuple(bars), tuple(paths), tuple(repeats)

    def _lane(self, lane: int, column: int) -> float:
        """Center of a lane, seen from the axis; a layer that no other path runs beside stands on the axis."""
        split = any(node.lane and node.column == column for node in self.graph.nodes)
        return self.first + lane * self.step if split else 0.0

    def _extents(self) -> list[tuple[float, float]]:
        return [
            (self._lane(node.lane, node.column), _height(self.rows[node.row], self.largest))
            for node in self.graph.nodes
            if node.row >= 0
        ]

    def _connect(self, boxes: list[_Box], before: int, after: int) -> str:
        a, b = self.graph.nodes[before], self.graph.nodes[after]
        source, target = boxes[before], boxes[after]
        start = (source.x + source.width, source.y)
        between = [
            box
            for node, box in zip(self.graph.nodes, boxes, strict=True)
            if node.lane == a.lane == b.lane and a.column < node.column < b.column
        ]
        if between:
            top = min(box.y - box.height / 2 for box in [*between, source]) - 6
            middle = (source.x + source.width / 2 - BEND, source.y - source.height / 2)
            return over(middle, (target.x + JOIN / 2, target.y - JOIN / 2), top=top, bend=BEND)
        if abs(source.y - target.y) < 0.05:
            return along(start[0], source.y, target.x)
        if len(b.before) > 1:
            side = JOIN / 2 if source.y > target.y else -JOIN / 2
            return inward(start, (target.x + JOIN / 2, target.y + side), bend=BEND)
        return across((start[0] - BEND, start[1]), (target.x, target.y), bend=1.0)


def _unit(stages: list[_Stage]) -> float:
    """Drawing units for a factor of two in channels, so that the whole fills the width."""
    total = gaps = 0.0
    for stage in stages:
        widest = stage.channel_columns()
        total += sum(widest.values())
        joins = stage.graph.columns - 1 - len(widest)
        gaps += STAGE_GAP + BAR_GAP * stage.graph.columns + JOIN * joins
    return min(max((WIDTH - PICTURE - VERDICT - gaps) / max(total, 1.0), 0.6), 3.0)


def _bar(box: _Box, title: str, kind: str) -> Bar:
    y = box.y - box.height / 2
    return Bar(round(box.x, 1), round(y, 1), round(box.width, 1), round(box.height, 1), title, kind)


def _channels(row: LayerRow) -> float:
    return math.log2(row.output_shape[1] + 1) if len(row.output_shape) > 1 else 1.0


def _height(row: LayerRow, largest: float) -> float:
    side = math.sqrt(math.prod(row.extent)) if row.extent else 1.0
    return max(7.0, PICTURE * math.sqrt(side / largest))


def _look(row: LayerRow) -> str:
    return "layer" if row.macs or row.parameters else "pool"

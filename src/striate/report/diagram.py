"""The network as a drawing: stages from left to right, one bar a layer, branches side by side, bars for the cost below.

A bar's height is the square root of the spatial size of what the layer gives, its width the logarithm of the number of
channels: a layer of half the size and twice the channels looks as it costs, not as it counts. This module computes
places in drawing units (about one CSS pixel); `web/diagram.svg.j2` draws them.
"""

import math
from dataclasses import dataclass

from striate.probe import LayerRow, Summary
from striate.report.graph import Graph, build_graph
from striate.report.numbers import format_count, format_shape, format_share

__all__ = ["Arc", "Bar", "Diagram", "StageDrawing", "draw_network", "layer_words"]

WIDTH = 1120.0
PICTURE = 132.0
"""Height of the input picture: the largest spatial size."""
LANE_GAP = 4.0
BAR_GAP = 3.0
STAGE_GAP = 20.0
VERDICT = 116.0
"""Room for the answer at the end."""
STAGE_MIN = 84.0
JOIN = 5.0
SHARE = 72.0
"""Length of a bar that means all of the network's MACs or parameters."""


@dataclass(frozen=True)
class Bar:
    """One layer: a box with a tooltip."""

    x: float
    y: float
    width: float
    height: float
    title: str
    kind: str


@dataclass(frozen=True)
class Arc:
    """One connection as an SVG path."""

    path: str


@dataclass(frozen=True)
class StageDrawing:
    """One stage, its drawing and its numbers in words."""

    number: int
    name: str
    shape: str
    x: float
    width: float
    bars: tuple[Bar, ...]
    arcs: tuple[Arc, ...]
    repeats: tuple[tuple[float, float, float, str], ...]
    macs: str
    macs_share: str
    macs_length: float
    parameters: str
    parameters_share: str
    parameters_length: float


@dataclass(frozen=True)
class Diagram:
    """The whole drawing."""

    width: float
    height: float
    axis: float
    baseline: float
    picture: float
    end: float
    stages: tuple[StageDrawing, ...]
    links: tuple[Arc, ...]


def draw_network(summary: Summary) -> Diagram:
    """Places of everything in the diagram of a network."""
    largest = math.sqrt(math.prod(summary.input_size[2:])) or 1.0
    graphs = [build_graph(summary, stage.rows) for stage in summary.stages]
    unit = _unit(summary, graphs)
    above = max([PICTURE / 2, *(_reach(summary, graph, largest)[0] for graph in graphs)]) + 14.0
    below = max([PICTURE / 2, *(_reach(summary, graph, largest)[1] for graph in graphs)]) + 14.0
    x = PICTURE + STAGE_GAP
    stages, links = [], []
    end = PICTURE
    for number, (stage, graph) in enumerate(zip(summary.stages, graphs, strict=True)):
        columns = _columns(summary, graph, unit)
        content = sum(columns) + BAR_GAP * (len(columns) - 1)
        width = max(content, STAGE_MIN)
        left = x + (width - content) / 2
        bars, arcs, repeats = _draw_stage(summary, graph, columns, left, above, largest)
        links.append(Arc(f"M{end:.1f} {above:.1f}H{left:.1f}"))
        end = left + content
        stages.append(
            StageDrawing(
                number=number,
                name=stage.name,
                shape=format_shape(stage.output_shape[1:]),
                x=round(x, 1),
                width=round(width, 1),
                bars=tuple(bars),
                arcs=tuple(arcs),
                repeats=tuple(repeats),
                macs=format_count(stage.macs),
                macs_share=format_share(stage.macs, summary.macs),
                macs_length=round(SHARE * stage.macs / max(summary.macs, 1), 1),
                parameters=format_count(stage.parameters),
                parameters_share=format_share(stage.parameters, summary.parameters),
                parameters_length=round(SHARE * stage.parameters / max(summary.parameters, 1), 1),
            )
        )
        x += width + STAGE_GAP
    links.append(Arc(f"M{end:.1f} {above:.1f}H{x - 8:.1f}"))
    baseline = above + below
    return Diagram(
        width=round(x + VERDICT, 1),
        end=round(x, 1),
        height=round(baseline + 92, 1),
        axis=round(above, 1),
        baseline=round(baseline, 1),
        picture=PICTURE,
        stages=tuple(stages),
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


def _draw_stage(
    summary: Summary, graph: Graph, columns: list[float], left: float, axis: float, largest: float
) -> tuple[list[Bar], list[Arc], list[tuple[float, float, float, str]]]:
    starts = [left + sum(columns[:i]) + BAR_GAP * i for i in range(len(columns))]
    step, top = _lanes(summary, graph, largest)
    boxes: list[tuple[float, float, float, float]] = []  # x, width, center y, height
    bars: list[Bar] = []
    for node in graph.nodes:
        if node.kind == "in":
            boxes.append((left - BAR_GAP, 0.0, axis, 0.0))
            continue
        place = starts[node.column - 1]
        center = axis + (top + node.lane * step if node.kind == "layer" else 0.0)
        row = summary.rows[node.row]
        wide = columns[node.column - 1]
        high = _height(row, largest) if node.kind == "layer" else JOIN
        boxes.append((place, wide, center, high))
        if node.kind == "layer":
            bars.append(Bar(round(place, 1), round(center - high / 2, 1), round(wide, 1), round(high, 1), _title(row),
                            _sort(row)))
        else:
            bars.append(Bar(round(place, 1), round(center - JOIN / 2, 1), JOIN, JOIN, node.kind, "join"))
    arcs = []
    for index, node in enumerate(graph.nodes):
        for before in node.before:
            arcs.append(_connect(graph, boxes, before, index))
    repeats = []
    for repeat in graph.repeats:
        inside = boxes[repeat.first : repeat.last + 1]
        low = max(center + high / 2 for _, _, center, high in inside) + 5
        repeats.append((round(inside[0][0], 1), round(inside[-1][0] + inside[-1][1], 1), round(low, 1),
                        f"×\u00a0{repeat.times}"))
    return bars, [arc for arc in arcs if arc is not None], repeats


def _connect(graph: Graph, boxes: list[tuple[float, float, float, float]], before: int, after: int) -> Arc | None:
    """A straight line, a fork, or an arc over what lies between."""
    (x0, w0, y0, h0), (x1, _, y1, h1) = boxes[before], boxes[after]
    start, end = x0 + w0, x1
    a, b = graph.nodes[before], graph.nodes[after]
    lane = a.lane if len(b.before) > 1 and a.kind == "layer" and a.lane else b.lane
    between = [
        boxes[i]
        for i, n in enumerate(graph.nodes)
        if a.column < n.column < b.column and n.lane == (lane if lane else 0) and n.kind != "in"
    ]
    if between and a.lane == b.lane:
        peak = min(min(center - high / 2 for _, _, center, high in between), y0 - h0 / 2, y1 - h1 / 2) - 6
        middle = x0 + w0 / 2
        return Arc(f"M{middle:.1f} {y0 - h0 / 2:.1f}C{middle:.1f} {peak:.1f} {middle:.1f} {peak:.1f} {middle + 6:.1f} "
                   f"{peak:.1f}H{x1 + JOIN / 2 - 6:.1f}Q{x1 + JOIN / 2:.1f} {peak:.1f} {x1 + JOIN / 2:.1f} "
                   f"{y1 - h1 / 2:.1f}")
    if abs(y0 - y1) < 0.05:
        return Arc(f"M{start:.1f} {y0:.1f}H{end:.1f}")
    if len(b.before) > 1:  # into a join: along the branch, then to the axis
        return Arc(f"M{start:.1f} {y0:.1f}H{end - BAR_GAP:.1f}L{end + JOIN / 2:.1f} {y1:.1f}")
    return Arc(f"M{start:.1f} {y0:.1f}L{start + BAR_GAP:.1f} {y1:.1f}H{end:.1f}")


def _columns(summary: Summary, graph: Graph, unit: float) -> list[float]:
    """Width of each column of a stage: its widest bar."""
    widths = [0.0] * graph.columns
    for node in graph.nodes:
        wide = JOIN if node.row < 0 else max(3.0, unit * _channels(summary.rows[node.row]))
        widths[node.column] = max(widths[node.column], wide)
    return widths[1:] or [3.0]


def _unit(summary: Summary, graphs: list[Graph]) -> float:
    """Drawing units for a factor of two in channels, so that the whole fills the width."""
    total = gaps = 0.0
    for graph in graphs:
        widest: dict[int, float] = {}
        for node in graph.nodes:
            if node.row >= 0:
                widest[node.column] = max(widest.get(node.column, 0.0), _channels(summary.rows[node.row]))
        total += sum(widest.values())
        gaps += STAGE_GAP + BAR_GAP * graph.columns + JOIN * (graph.columns - 1 - len(widest))
    return min(max((WIDTH - PICTURE - VERDICT - gaps) / max(total, 1.0), 0.6), 3.0)


def _channels(row: LayerRow) -> float:
    return math.log2(row.output_shape[1] + 1) if len(row.output_shape) > 1 else 1.0


def _height(row: LayerRow, largest: float) -> float:
    side = math.sqrt(math.prod(row.extent)) if row.extent else 1.0
    return max(7.0, PICTURE * math.sqrt(side / largest))


def _lanes(summary: Summary, graph: Graph, largest: float) -> tuple[float, float]:
    """Distance between lanes, and the center of lane 0 seen from the axis."""
    if graph.lanes == 1:
        return 0.0, 0.0
    step = max(_height(summary.rows[n.row], largest) for n in graph.nodes if n.row >= 0 and n.lane) + LANE_GAP
    even = any(node.kind == "concat" for node in graph.nodes)
    return step, -step * (graph.lanes - 1) / 2 if even else 0.0


def _reach(summary: Summary, graph: Graph, largest: float) -> tuple[float, float]:
    """How far a stage reaches above and below the axis."""
    step, top = _lanes(summary, graph, largest)
    ends = [
        (top + n.lane * step - _height(summary.rows[n.row], largest) / 2,
         top + n.lane * step + _height(summary.rows[n.row], largest) / 2)
        for n in graph.nodes
        if n.row >= 0
    ] or [(0.0, 0.0)]
    return -min(low for low, _ in ends), max(high for _, high in ends)


def _title(row: LayerRow) -> str:
    return f"{row.address}: {row.kind} {row.detail}".rstrip() + f" → {format_shape(row.output_shape[1:])}"


def _sort(row: LayerRow) -> str:
    if "Pool" in row.kind or "Subsampling" in row.kind:
        return "pool"
    return "layer" if row.macs or row.total_parameters else "other"

"""One stage opened: every layer a labelled box, paths side by side, joins as signs, repeated blocks once.

Places are in CSS pixels; `web/diagram.svg.j2` draws them.
"""

from dataclasses import dataclass

from striate.probe import Summary
from striate.report.diagram import Bracket, layer_title, layer_words
from striate.report.graph import Graph, build_graph
from striate.report.paths import across, along, inward, over

__all__ = ["BlockBox", "StageGraph", "draw_stage"]

BOX_WIDTH, BOX_HEIGHT = 76.0, 38.0
GAP_X, STEP_Y = 20.0, 50.0
RADIUS = 9.0
BEND = 8.0
TOP, SIDE = 34.0, 30.0
SIGNS = {"sum": "+", "product": "×", "concat": "‖"}
NAMES = {
    "sum": "added, value by value",
    "product": "multiplied, one factor a channel",
    "concat": "stacked: the channels of all paths",
}


@dataclass(frozen=True)
class BlockBox:
    """A layer's box by its left upper corner, or a join's sign by its center."""

    x: float
    y: float
    join: str
    what: str
    channels: str
    title: str


@dataclass(frozen=True)
class StageGraph:
    """The drawing of one opened stage."""

    width: float
    height: float
    boxes: tuple[BlockBox, ...]
    paths: tuple[str, ...]
    repeats: tuple[Bracket, ...]


def draw_stage(summary: Summary, number: int) -> StageGraph:
    """Places of everything in an opened stage."""
    graph = build_graph(summary, summary.stages[number].rows)
    *columns, end = _column_centers(graph)
    centers = [(columns[node.column], TOP + STEP_Y * node.lane + BOX_HEIGHT / 2) for node in graph.nodes]
    boxes = []
    for node, (x, y) in zip(graph.nodes, centers, strict=True):
        if node.kind == "layer":
            row = summary.rows[node.row]
            what, channels = layer_words(row)
            boxes.append(BlockBox(x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2, "", what, channels, layer_title(row)))
        elif node.kind != "in":
            boxes.append(BlockBox(x, y, SIGNS[node.kind], "", "", NAMES[node.kind]))
    paths = [_path(graph, centers, before, index) for index, node in enumerate(graph.nodes) for before in node.before]
    last = len(centers) - 1
    paths.append(along(centers[last][0] + _half(graph, last), centers[last][1], end))
    bottom = TOP + STEP_Y * (graph.lanes - 1) + BOX_HEIGHT
    repeats = tuple(
        Bracket(
            left=min(centers[i][0] - _half(graph, i) for i in range(run.first, run.last + 1)) - 4,
            right=max(centers[i][0] + _half(graph, i) for i in range(run.first, run.last + 1)) + 4,
            y=bottom + 8,
            words=f"{run.times} equal blocks",
        )
        for run in graph.repeats
    )
    return StageGraph(
        width=end + 4,
        height=bottom + (34 if repeats else 12),
        boxes=tuple(boxes),
        paths=tuple(paths),
        repeats=repeats,
    )


def _column_centers(graph: Graph) -> list[float]:
    """Center of every column (one that holds only a join is narrow), then the end of the drawing."""
    wide = {node.column for node in graph.nodes if node.kind == "layer"}
    centers, edge = [4.0], SIDE
    for column in range(1, graph.columns):
        width = BOX_WIDTH if column in wide else 2 * RADIUS
        centers.append(edge + width / 2)
        edge += width + GAP_X
    return [*centers, edge]


def _half(graph: Graph, index: int) -> float:
    kind = graph.nodes[index].kind
    return BOX_WIDTH / 2 if kind == "layer" else 0.0 if kind == "in" else RADIUS


def _path(graph: Graph, centers: list[tuple[float, float]], before: int, after: int) -> str:
    (x0, y0), (x1, y1) = centers[before], centers[after]
    a, b = graph.nodes[before], graph.nodes[after]
    start, end = (x0 + _half(graph, before), y0), (x1 - _half(graph, after), y1)
    if a.lane == b.lane and any(n.lane == a.lane and a.column < n.column < b.column for n in graph.nodes):
        return over(start, (x1, y1 - RADIUS), top=TOP - 14, bend=BEND)
    if y0 == y1:
        return along(start[0], y0, end[0])
    if len(b.before) > 1:
        return inward(start, (x1, y1 + (RADIUS if y0 > y1 else -RADIUS)), bend=BEND)
    return across(start, end, bend=BEND)

"""One stage opened: every layer a labelled box, paths side by side, joins as signs, repeated blocks once.

Places are in CSS pixels; `web/blocks.svg.j2` draws them.
"""

from dataclasses import dataclass

from striate.probe import Summary
from striate.report.diagram import layer_words
from striate.report.graph import Graph, build_graph
from striate.report.numbers import format_shape

__all__ = ["BlockBox", "StageGraph", "draw_stage"]

BOX_WIDTH, BOX_HEIGHT = 74.0, 38.0
STEP_X, STEP_Y = 94.0, 50.0
JOIN_WIDTH, JOIN_STEP, JOIN_RADIUS = 18.0, 38.0, 9.0
TOP, SIDE = 34.0, 30.0
SIGNS = {"sum": "+", "product": "×", "concat": "‖"}
NAMES = {"sum": "added, value by value", "product": "multiplied: one gate a channel", "concat": "stacked: channels of all"}


@dataclass(frozen=True)
class BlockBox:
    """A layer's box or a join's sign."""

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
    repeats: tuple[tuple[float, float, float, str], ...]


def draw_stage(summary: Summary, number: int) -> StageGraph:
    """Places of everything in an opened stage."""
    graph = build_graph(summary, summary.stages[number].rows)
    lefts = _column_starts(graph)
    centers = [_center(graph, lefts, index) for index in range(len(graph.nodes))]
    boxes = []
    for node, (x, y) in zip(graph.nodes, centers, strict=True):
        if node.kind == "layer":
            row = summary.rows[node.row]
            what, channels = layer_words(row)
            title = f"{row.address}: {row.kind} {row.detail}".rstrip() + f" → {format_shape(row.output_shape[1:])}"
            boxes.append(BlockBox(x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2, "", what, channels, title))
        elif node.kind != "in":
            boxes.append(BlockBox(x, y, SIGNS[node.kind], "", "", NAMES[node.kind]))
    paths = [
        _path(graph, centers, before, index) for index, node in enumerate(graph.nodes) for before in node.before
    ]
    last = centers[-1]
    paths.append(f"M{last[0] + _half(graph, len(centers) - 1):.0f} {last[1]:.0f}H{lefts[-1]:.0f}")
    bottom = TOP + STEP_Y * (graph.lanes - 1) + BOX_HEIGHT
    repeats = tuple(
        (
            min(centers[i][0] - _half(graph, i) for i in range(r.first, r.last + 1)) - 4,
            max(centers[i][0] + _half(graph, i) for i in range(r.first, r.last + 1)) + 4,
            bottom + 8,
            f"{r.times} equal blocks",
        )
        for r in graph.repeats
    )
    return StageGraph(
        width=lefts[-1] + 10,
        height=bottom + (34 if repeats else 12),
        boxes=tuple(boxes),
        paths=tuple(paths),
        repeats=repeats,
    )


def _column_starts(graph: Graph) -> list[float]:
    """Center of every column (joins stand closer than boxes), and the end of the drawing."""
    joins = {node.column for node in graph.nodes if node.kind not in ("layer", "in")}
    layers = {node.column for node in graph.nodes if node.kind == "layer"}
    places = [SIDE / 2]
    edge = SIDE
    for column in range(1, graph.columns):
        width = BOX_WIDTH if column in layers or column not in joins else JOIN_WIDTH
        places.append(edge + width / 2)
        edge += width + (STEP_X - BOX_WIDTH)
    return [*places, edge + 6]


def _center(graph: Graph, lefts: list[float], index: int) -> tuple[float, float]:
    node = graph.nodes[index]
    x = 4.0 if node.kind == "in" else lefts[node.column]
    return x, TOP + STEP_Y * node.lane + BOX_HEIGHT / 2


def _half(graph: Graph, index: int) -> float:
    kind = graph.nodes[index].kind
    return BOX_WIDTH / 2 if kind == "layer" else 0.0 if kind == "in" else JOIN_RADIUS


def _path(graph: Graph, centers: list[tuple[float, float]], before: int, after: int) -> str:
    """Straight on, across to another lane, or over what stands between."""
    (x0, y0), (x1, y1) = centers[before], centers[after]
    a, b = graph.nodes[before], graph.nodes[after]
    start, end = x0 + _half(graph, before), x1 - _half(graph, after)
    blocked = any(
        a.column < n.column < b.column and n.lane == a.lane and a.lane == b.lane
        for n in graph.nodes
        if n.kind != "in"
    )
    if blocked:
        top = TOP - 14
        turn = start + 8
        return f"M{start:.0f} {y0:.0f}Q{turn:.0f} {y0:.0f} {turn:.0f} {y0 - 8:.0f}V{top + 8:.0f}Q{turn:.0f} {top:.0f} {turn + 8:.0f} {top:.0f}H{x1 - 8:.0f}Q{x1:.0f} {top:.0f} {x1:.0f} {top + 8:.0f}V{y1 - JOIN_RADIUS:.0f}"
    if y0 == y1:
        return f"M{start:.0f} {y0:.0f}H{end:.0f}"
    down = 8 if y1 > y0 else -8
    if len(b.before) > 1:  # into a join: along the branch, then up
        return f"M{start:.0f} {y0:.0f}H{x1 - 8:.0f}Q{x1:.0f} {y0:.0f} {x1:.0f} {y0 + down:.0f}V{y1 + (JOIN_RADIUS if y0 > y1 else -JOIN_RADIUS):.0f}"
    turn = start + 10
    return f"M{start:.0f} {y0:.0f}H{turn - 8:.0f}Q{turn:.0f} {y0:.0f} {turn:.0f} {y0 + down:.0f}V{y1 - down:.0f}Q{turn:.0f} {y1:.0f} {turn + 8:.0f} {y1:.0f}H{end:.0f}"

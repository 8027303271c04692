"""The layers of a network as a graph that can be drawn: what follows what, what runs side by side, what comes together.

A summary knows, for every layer, the layers whose output goes in. Layers that change neither shape nor view
(normalization, activation, dropout) are folded into the one before, so that a block of twelve modules becomes its three
convolutions. Where the outputs of several layers go in at once they were added, multiplied or concatenated on the way:
that becomes a node of its own, a join. A join of joins names only what is new: in a chain of residual blocks the sum so
far is one node, not a list of all blocks before. Blocks that repeat are drawn once, with their number.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from striate.probe import LayerRow, Summary

__all__ = ["Graph", "Node", "Repeat", "build_graph", "fold_repeats", "rows_inside"]


@dataclass(frozen=True)
class Node:
    """A layer, a join, or the way in.

    Attributes:
        kind: `layer`, `sum`, `product`, `concat` or `in`.
        row: Index of the layer's row; -1 for the others.
        before: Indices of the nodes that go in.
        column: Steps from the way in.
        lane: 0 is the first path; paths beside it count up.
    """

    kind: str
    row: int
    before: tuple[int, ...]
    column: int = 0
    lane: int = 0


@dataclass(frozen=True)
class Repeat:
    """A run of equal blocks of which the nodes `first` to `last` show one."""

    first: int
    last: int
    times: int


@dataclass(frozen=True)
class Graph:
    """The nodes in the order of the forward pass; the first is the way in."""

    nodes: tuple[Node, ...]
    repeats: tuple[Repeat, ...] = ()

    @property
    def columns(self) -> int:
        """Length of the longest path, the way in counted."""
        return max(node.column for node in self.nodes) + 1

    @property
    def lanes(self) -> int:
        """Paths side by side."""
        return max(node.lane for node in self.nodes) + 1

    def edges(self) -> Iterator[tuple[Node, Node]]:
        """Every connection."""
        for node in self.nodes:
            for before in node.before:
                yield self.nodes[before], node


def rows_inside(summary: Summary, tops: tuple[int, ...]) -> list[int]:
    """Indices of the rows `tops` and of everything inside them, in order."""
    found: list[int] = []
    for top in tops:
        found.append(top)
        depth = summary.rows[top].depth
        for index in range(top + 1, len(summary.rows)):
            if summary.rows[index].depth <= depth:
                break
            found.append(index)
    return found


def build_graph(summary: Summary, tops: tuple[int, ...]) -> Graph:
    """The graph of the leaf layers inside the rows `tops`, equal blocks folded."""
    leaves = [index for index in rows_inside(summary, tops) if summary.rows[index].leaf]
    builder = _Builder(summary.rows, set(leaves))
    for index in leaves:
        builder.add(index)
    after = next((row for row in summary.rows[max(leaves, default=-1) + 1 :] if row.leaf), None)
    if leaves and after is not None and builder.ends(after):
        builder.arrive(after)
    nodes, repeats = fold_repeats(builder.nodes, summary.rows)
    return Graph(tuple(_place(nodes)), tuple(repeats))


def is_folded(row: LayerRow, rows: tuple[LayerRow, ...]) -> bool:
    """Whether a layer changes neither the shape nor the view of what goes in."""
    if row.macs or math.prod(row.input_shape) != math.prod(row.output_shape):
        return False
    if len(row.input_shape) != len(row.output_shape):
        return True  # the same numbers in another order
    views = [rows[source].field for source in row.sources]
    if row.field is None or not views or any(view is None for view in views):
        return "Pool" not in row.kind
    return all(size <= max(view.size[axis] for view in views if view) for axis, size in enumerate(row.field.size))


@dataclass
class _Builder:
    rows: tuple[LayerRow, ...]
    inside: set[int]
    nodes: list[Node] = field(default_factory=lambda: [Node("in", -1, ())])
    home: dict[int, int] = field(default_factory=dict)  # leaf row -> node that shows it
    joins: dict[frozenset[int], int] = field(default_factory=dict)  # source rows -> join node

    def add(self, index: int) -> None:
        row = self.rows[index]
        before = self.arrive(row)
        if is_folded(row, self.rows) and self.nodes[before].kind != "in":
            self.home[index] = before
            return
        self.nodes.append(Node("layer", index, (before,)))
        self.home[index] = len(self.nodes) - 1

    def ends(self, row: LayerRow) -> bool:
        """Whether what goes into `row` is joined from outputs of this graph."""
        return len({self.home.get(source, 0) for source in row.sources}) > 1

    def arrive(self, row: LayerRow) -> int:
        """The node whose output goes into `row`; a join is made where several do."""
        sources = frozenset(row.sources)
        places = {self.home.get(source, 0) for source in sources} or {0}
        if len(places) == 1:
            return places.pop()
        if sources in self.joins:
            return self.joins[sources]
        known = max((join for join in self.joins if join < sources), key=len, default=None)
        if known is not None:
            places = {self.joins[known]} | {self.home.get(source, 0) for source in sources - known}
            if len(places) == 1:
                return places.pop()
        self.nodes.append(Node(self._join_kind(places, row), -1, tuple(sorted(places))))
        self.joins[sources] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def _join_kind(self, places: set[int], row: LayerRow) -> str:
        """Told by the shapes: a concatenation has the channels of all, a gate one value a channel."""
        shapes = [self.rows[self.nodes[p].row].output_shape for p in places if self.nodes[p].kind == "layer"]
        channels = row.input_shape[1] if len(row.input_shape) > 1 else 0
        if any(math.prod(shape[2:]) < math.prod(row.input_shape[2:]) for shape in shapes):
            return "product"
        return "sum" if all(len(shape) > 1 and shape[1] == channels for shape in shapes) else "concat"


def fold_repeats(nodes: list[Node], rows: tuple[LayerRow, ...]) -> tuple[list[Node], list[Repeat]]:
    """Leave one of three or more equal blocks in a row; later nodes take the kept one's output for the last one's."""
    marks = [_signature(index, node, rows) for index, node in enumerate(nodes)]
    kept: list[int] = []
    stands_for = list(range(len(nodes)))
    repeats: list[Repeat] = []
    at = 0
    while at < len(nodes):
        period, times = _longest_run(marks, at)
        if times < 3:
            kept.append(at)
            at += 1
            continue
        repeats.append(Repeat(len(kept), len(kept) + period - 1, times))
        kept += range(at, at + period)
        for index in range(at, at + period * times):
            stands_for[index] = at + (index - at) % period
        at += period * times
    place = {index: new for new, index in enumerate(kept)}
    folded = [replace(nodes[i], before=tuple(sorted({place[stands_for[b]] for b in nodes[i].before}))) for i in kept]
    return folded, repeats


def _signature(index: int, node: Node, rows: tuple[LayerRow, ...]) -> tuple[object, ...]:
    """Equal for nodes that do the same and take from the same distance."""
    distance = tuple(index - before for before in node.before)
    if node.row < 0:
        return (node.kind, distance)
    row = rows[node.row]
    return (node.kind, distance, row.kind, row.detail, row.input_shape, row.output_shape)


def _longest_run(marks: list[tuple[object, ...]], at: int) -> tuple[int, int]:
    """Length and number of the equal blocks that start here and cover the most nodes."""
    best = (1, 1)
    for period in range(1, (len(marks) - at) // 3 + 1):
        times = 1
        while marks[at + times * period : at + (times + 1) * period] == marks[at : at + period]:
            times += 1
        if times >= 3 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def _place(nodes: list[Node]) -> list[Node]:
    """Columns by the longest way; each path keeps its lane until it joins another."""
    after: list[list[int]] = [[] for _ in nodes]
    columns: list[int] = []
    for index, node in enumerate(nodes):
        columns.append(max((columns[before] + 1 for before in node.before), default=0))
        for before in node.before:
            after[before].append(index)
    lanes = [0] * len(nodes)
    taken: list[tuple[int, int, int]] = []  # lane, its first and last column in use
    for index, node in enumerate(nodes):
        if not node.before:
            continue
        if len(node.before) > 1:
            lanes[index] = min(lanes[before] for before in node.before)
            continue
        source = node.before[0]
        end = max(columns[index], min((columns[a] for a in after[index]), default=columns[index] + 1) - 1)
        lanes[index] = lanes[source]
        if any(nodes[a].kind == "layer" and a < index for a in after[source]):  # the first path goes straight on
            lanes[index] += 1
            while any(lane == lanes[index] and a <= end and columns[index] <= b for lane, a, b in taken):
                lanes[index] += 1
        taken.append((lanes[index], columns[index], end))
    return [replace(node, column=columns[i], lane=lanes[i]) for i, node in enumerate(nodes)]

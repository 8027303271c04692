"""Layers as a graph: chains, residual sums, gates, concatenations, repeats."""

import pytest
import torch
from torch import nn

from striate.probe import summary
from striate.report.graph import build_graph


def graph_of(module, size=(3, 32, 32)):
    table = summary(module, size)
    return table, build_graph(table, tuple(i for i, row in enumerate(table.rows) if row.depth == 1))


def names(table, graph):
    return [node.kind if node.row < 0 else table.rows[node.row].address for node in graph.nodes]


def test_a_chain_folds_what_changes_neither_shape_nor_view():
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2048, 5)
    )
    table, graph = graph_of(layers)
    assert names(table, graph) == ["in", "0", "3", "5"]
    assert [node.before for node in graph.nodes] == [(), (0,), (1,), (2,)]
    assert graph.lanes == 1


class Residual(nn.Module):
    def __init__(self, channels, *, shortcut):
        super().__init__()
        self.a = nn.Conv2d(channels, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, 8, 1) if shortcut else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.b(self.relu(self.a(x))) + self.shortcut(x))


def test_residual_blocks_are_sums_with_the_shortcut_beside_them():
    layers = nn.Sequential(Residual(3, shortcut=True), Residual(8, shortcut=False), nn.Conv2d(8, 4, 1))
    table, graph = graph_of(layers)
    assert names(table, graph) == ["in", "0.a", "0.b", "0.shortcut", "sum", "1.a", "1.b", "sum", "2"]
    first, second = (node for node in graph.nodes if node.kind == "sum")
    assert first.before == (2, 3)
    assert second.before == (4, 6)  # the sum so far, not everything that went into it
    assert [node.lane for node in graph.nodes] == [0, 0, 0, 1, 0, 0, 0, 0, 0]


class Paths(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 2, 1)
        self.three = nn.Conv2d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.after = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.after(self.pool(x))], 1)


def test_parallel_paths_are_concatenated_and_have_lanes_of_their_own():
    table, graph = graph_of(nn.Sequential(Paths(), nn.Conv2d(8, 4, 1)))
    assert names(table, graph) == ["in", "0.one", "0.three", "0.pool", "0.after", "concat", "1"]
    assert [node.lane for node in graph.nodes] == [0, 0, 1, 2, 2, 0, 0]
    assert [node.column for node in graph.nodes] == [0, 1, 1, 1, 2, 3, 4]
    assert graph.nodes[5].before == (1, 2, 4)


def test_the_last_join_is_drawn_though_its_reader_is_outside():
    table = summary(nn.Sequential(Paths(), nn.Conv2d(8, 4, 1)), (3, 16, 16))
    first = next(i for i, row in enumerate(table.rows) if row.address == "0")
    assert build_graph(table, (first,)).nodes[-1].kind == "concat"


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(3, 3, 1)
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        y = self.mix(x)
        return y * self.excite(self.squeeze(y)).sigmoid()


def test_a_gate_is_a_product():
    table, graph = graph_of(nn.Sequential(Gate(), nn.Conv2d(3, 3, 1)))
    assert "product" in names(table, graph)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_equal_blocks_are_drawn_once_from_three_on(count):
    blocks = nn.Sequential(Residual(3, shortcut=True), *(Residual(8, shortcut=False) for _ in range(count)))
    _, graph = graph_of(nn.Sequential(blocks, nn.Conv2d(8, 4, 1)))
    sums = sum(node.kind == "sum" for node in graph.nodes)
    if count < 3:
        assert graph.repeats == ()
        assert sums == count + 1
    else:
        (run,) = graph.repeats
        assert run.times == count
        assert run.last - run.first == 2
        assert sums == 2
        assert graph.nodes[-1].before == (len(graph.nodes) - 2,)


def test_an_empty_stage_is_only_the_way_in():
    table = summary(nn.Sequential(nn.Conv2d(3, 3, 1)), (3, 8, 8))
    assert [node.kind for node in build_graph(table, ()).nodes] == ["in"]

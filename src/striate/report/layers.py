"""The network as a table of its layers, grouped by stage, and as drawings: the whole, and each stage opened."""

from dataclasses import dataclass

from striate.insight import Explanation
from striate.probe import LayerRow, Summary
from striate.report.blocks import StageGraph, draw_stage
from striate.report.diagram import Diagram, draw_network
from striate.report.graph import rows_inside
from striate.report.numbers import format_count, format_shape, format_share

__all__ = ["LayerLine", "NetworkSection", "StageGroup", "build_network"]


@dataclass(frozen=True)
class LayerLine:
    """One row of the table."""

    number: int
    address: str
    short: str
    kind: str
    detail: str
    level: int
    leaf: bool
    shape: str
    parameters: str
    parameters_exact: str
    macs: str
    macs_exact: str
    field: str
    stride: str


@dataclass(frozen=True)
class StageGroup:
    """A stage: its totals, its rows and its opened drawing."""

    number: int
    first: str
    last: str
    shape: str
    layers: int
    parameters: str
    parameters_share: str
    macs: str
    macs_share: str
    field: str
    stride: str
    lines: tuple[LayerLine, ...]
    drawing: StageGraph


@dataclass(frozen=True)
class NetworkSection:
    """The drawing, the groups and the totals."""

    name: str
    input_shape: str
    layers: int
    parameters: str
    parameters_exact: str
    macs: str
    macs_exact: str
    diagram: Diagram
    groups: tuple[StageGroup, ...]


def build_network(explanation: Explanation) -> NetworkSection:
    """Words and drawings of the sixth section."""
    summary = explanation.summary
    return NetworkSection(
        name=summary.name,
        input_shape=format_shape(summary.input_size[1:]),
        layers=sum(row.leaf for row in summary.rows),
        parameters=format_count(summary.parameters),
        parameters_exact=f"{summary.parameters:,}",
        macs=format_count(summary.macs),
        macs_exact=f"{summary.macs:,}",
        diagram=draw_network(summary),
        groups=tuple(_group(summary, number) for number in range(len(summary.stages))),
    )


def _group(summary: Summary, number: int) -> StageGroup:
    stage = summary.stages[number]
    lines: list[LayerLine] = []
    for top in stage.rows:
        base = summary.rows[top].depth
        lines += [_line(index, summary.rows[index], base) for index in rows_inside(summary, (top,))]
    last = summary.rows[stage.rows[-1]]
    return StageGroup(
        number=number,
        first=summary.rows[stage.rows[0]].address,
        last=last.address,
        shape=format_shape(stage.output_shape[1:]),
        layers=sum(line.leaf for line in lines),
        parameters=format_count(stage.parameters),
        parameters_share=format_share(stage.parameters, summary.parameters),
        macs=format_count(stage.macs),
        macs_share=format_share(stage.macs, summary.macs),
        field=_field(last),
        stride=_stride(last),
        lines=tuple(lines),
        drawing=draw_stage(summary, number),
    )


def _line(index: int, row: LayerRow, base: int) -> LayerLine:
    parent, _, last = row.address.rpartition(".")
    return LayerLine(
        number=index,
        address=row.address,
        short=last if row.depth > base and parent else row.address,
        kind=row.kind.lstrip("_"),
        detail=row.detail,
        level=row.depth - base + 1,
        leaf=row.leaf,
        shape=format_shape(row.output_shape[1:]),
        parameters=format_count(row.total_parameters) if row.total_parameters else "",
        parameters_exact=f"{row.total_parameters:,}",
        macs=format_count(row.total_macs) if row.total_macs else "",
        macs_exact=f"{row.total_macs:,}",
        field=_field(row),
        stride=_stride(row),
    )


def _field(row: LayerRow) -> str:
    if row.field is None:
        return ""
    return "all" if row.field.whole else format_shape(row.field.size)


def _stride(row: LayerRow) -> str:
    if row.field is None or not any(row.field.stride) or not row.extent:
        return ""
    return f"{float(row.field.stride[0]):g}"

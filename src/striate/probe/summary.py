"""Every layer of a network: shapes, parameters, cost, and what it can see.

The numbers come from one pass of fake tensors (see `watch`), so they hold for any module, also for functional calls,
and cost no memory. One MAC is one multiply-add of a convolution or a matrix product; biases, normalizations, poolings
and activations are not counted (the convention of the published numbers). FLOPs = 2 x MACs.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from striate.arithmetic import Field
from striate.arithmetic.text_table import text_table

__all__ = ["LayerRow", "Stage", "Summary", "find_stages"]


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One call of one module, in the order of the forward pass (a container stands before what it contains).

    Attributes:
        address: The module's path, with `#2` for the second call of a module that is used again.
        kind: The class name, such as `Conv2d`.
        detail: The layer's settings in words, such as `3×3, 64 → 128, stride 2, padding 1`.
        depth: Nesting: 1 for the network's own children.
        leaf: True for a layer, False for a container.
        input_shape: Shape of the first tensor that goes in, with the batch axis.
        output_shape: Shape of the first tensor that comes out, with the batch axis.
        parameters: Numbers learnt by this module itself, its children not counted; 0 on later calls.
        macs: Multiply-adds spent by this module itself, its children not counted.
        total_parameters: The same with everything inside.
        total_macs: The same with everything inside.
        field: The receptive field of the output's units, or None where it is not known.
        sources: Indices of the leaf rows whose output goes in (empty: the picture itself).
        follows: The leaf row whose output is this row's input, unchanged, and is read by nothing else; or None.
    """

    address: str
    kind: str
    detail: str
    depth: int
    leaf: bool
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    total_parameters: int
    total_macs: int
    field: Field | None
    sources: tuple[int, ...] = ()
    follows: int | None = None

    @property
    def extent(self) -> tuple[int, ...]:
        """Height and width of the output; empty for a vector."""
        return self.output_shape[2:]


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of layers that work at one spatial size.

    Attributes:
        name: For people: the address of the stage's main part.
        address: The last module of the stage: its output is the stage's output.
        rows: Indices of the stage's top rows in `Summary.rows`.
        output_shape: Shape of the stage's output, with the batch axis.
        parameters: Of everything in it.
        macs: Of everything in it.
    """

    name: str
    address: str
    rows: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The layer table of a network at one input size.

    Attributes:
        name: The network's name.
        input_size: Shape of the input, with the batch axis.
        rows: Every module call, containers before their contents.
        stages: The rows grouped by spatial size.
        parameters: Of the whole network (a parameter that is shared counts once).
        macs: Of one forward pass over one picture.
    """

    name: str
    input_size: tuple[int, ...]
    rows: tuple[LayerRow, ...]
    stages: tuple[Stage, ...]
    parameters: int
    macs: int

    def row(self, address: str) -> LayerRow | None:
        """The row with this address, or None."""
        return next((row for row in self.rows if row.address == address), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back."""
        return dict(json.loads(json.dumps(asdict(self), default=float)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Summary":
        """The inverse of `to_dict`."""
        return cls(
            name=values["name"],
            input_size=tuple(values["input_size"]),
            rows=tuple(_row_from_dict(row) for row in values["rows"]),
            stages=tuple(Stage(**_tuples(stage)) for stage in values["stages"]),
            parameters=values["parameters"],
            macs=values["macs"],
        )

    def to_text(self, *, depth: int | None = None) -> str:
        """A plain table, one line a row, down to `depth` levels (all of them by default)."""
        rows = [row for row in self.rows if depth is None or row.depth <= depth]
        head = ("layer", "kind", "output", "parameters", "MACs", "field", "stride")
        lines = [head, *(_cells(row, shut=row.depth == depth) for row in rows)]
        lines.append(("total", "", "", f"{self.parameters:,}", f"{self.macs:,}", "", ""))
        return text_table(lines, left=3)

    def __str__(self) -> str:
        return self.to_text()


def find_stages(rows: tuple[LayerRow, ...]) -> tuple[Stage, ...]:
    """Group the rows by the spatial size they work at.

    Containers whose direct children end at different sizes are opened (VGG's `features`), others stay whole: a ResNet's
    `layer2`, whose blocks all end at one size, and a block that works side by side on one input, such as the Inception
    module that halves the map, whose branches halve it at different layers. Pooling opens the stage that it makes room
    for.
    """
    groups: list[list[int]] = []
    for index in _pieces(rows, _children(rows, None)):
        extent = _place(rows[index])
        if groups and _place(rows[groups[-1][-1]]) == extent:
            groups[-1].append(index)
        else:
            groups.append([index])
    return tuple(
        Stage(
            name=max((rows[i] for i in group), key=lambda row: (row.total_macs, row.total_parameters)).address,
            address=rows[group[-1]].address,
            rows=tuple(group),
            output_shape=rows[group[-1]].output_shape,
            parameters=sum(rows[i].total_parameters for i in group),
            macs=sum(rows[i].total_macs for i in group),
        )
        for group in groups
    )


def _place(row: LayerRow) -> tuple[int, ...]:
    """Spatial size as far as stages go: vectors and 1x1 maps are both 'no place left'."""
    return () if all(n == 1 for n in row.extent) else row.extent


def _children(rows: tuple[LayerRow, ...], parent: int | None) -> list[int]:
    depth = 1 if parent is None else rows[parent].depth + 1
    found = []
    for index in range(0 if parent is None else parent + 1, len(rows)):
        if rows[index].depth < depth:
            break
        if rows[index].depth == depth:
            found.append(index)
    return found


def _pieces(rows: tuple[LayerRow, ...], level: list[int]) -> Iterable[int]:
    for index in level:
        inside = [] if rows[index].leaf else _children(rows, index)
        side_by_side = len({rows[i].sources for i in inside}) < len(inside)
        several_sizes = len({_place(rows[i]) for i in inside} - {()}) > 1
        if several_sizes and not side_by_side and rows[index].output_shape != rows[index].input_shape:
            yield from _pieces(rows, inside)
        else:
            yield index


def _cells(row: LayerRow, *, shut: bool) -> tuple[str, ...]:
    parameters, macs = (row.total_parameters, row.total_macs) if shut and not row.leaf else (row.parameters, row.macs)
    field = row.field
    return (
        "  " * (row.depth - 1) + row.address,
        row.kind,
        "×".join(str(n) for n in row.output_shape[1:]),
        f"{parameters:,}" if parameters else "",
        f"{macs:,}" if macs else "",
        "" if field is None else ("whole" if field.whole else "×".join(str(n) for n in field.size)),
        "" if field is None or not any(field.stride) else f"{float(field.stride[0]):g}",
    )


def _row_from_dict(values: dict[str, Any]) -> LayerRow:
    field = values["field"]
    plain = _tuples(values)
    if field is not None:
        plain["field"] = Field(
            tuple(field["size"]),
            tuple(_exact(n) for n in field["stride"]),
            tuple(_exact(n) for n in field["start"]),
            field["whole"],
        )
    return LayerRow(**plain)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the dataclasses have tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _exact(number: float) -> int | Fraction:
    return int(number) if float(number).is_integer() else Fraction(number).limit_denominator(10**6)

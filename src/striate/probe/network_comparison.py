"""Every convolution that a network really runs, what other layers would cost in its place, and all of them together."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from striate.arithmetic import Comparison, ComparisonRow, Convolution, write_layer
from striate.arithmetic.numbers import whole
from striate.arithmetic.text_table import text_table
from striate.probe.alternatives import AS_IT_IS, alternatives_to, ways_in_order
from striate.probe.convolution_calls import ConvolutionCall, convolution_calls

__all__ = ["ConvolutionRow", "ConvolutionTotal", "NetworkComparison", "compare_layers"]


@dataclass(frozen=True, slots=True)
class ConvolutionRow:
    """One call of one convolution.

    Attributes:
        address: The module that ran it, as in `summary` (`#2`: its second call); the network's name for its own calls.
        layer: The settings that it ran with.
        text: The same in the notation of `arithmetic.write_layer`.
        input_shape: `(c, *spatial)` of what it read.
        comparison: Its cost `as it is`, and that of each way that can stand in its place. Weights that were read by an
            earlier call count as 0 parameters.
    """

    address: str
    layer: Convolution
    text: str
    input_shape: tuple[int, ...]
    comparison: Comparison

    @property
    def cost(self) -> ComparisonRow:
        """What it costs as it is."""
        return self.comparison.rows[0]


@dataclass(frozen=True, slots=True)
class ConvolutionTotal:
    """All convolutions together, if each that can be were done in one way and the others stayed as they are.

    Attributes:
        name: The way.
        replaced: How many convolutions it can stand in for.
        cheaper: For how many of them it takes fewer multiply-adds.
        parameters: Of all convolutions.
        macs: Of all convolutions.
        activation_bytes: All their outputs.
    """

    name: str
    replaced: int
    cheaper: int
    parameters: int
    macs: int
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class NetworkComparison:
    """Every convolution of a network at one input size, with what could stand in its place; `print` shows the table.

    Attributes:
        name: The network's name.
        input_size: Shape of the input, with the batch axis.
        rows: Every call of a convolution, in the order of the forward pass.
        totals: First as it is, then each way.
    """

    name: str
    input_size: tuple[int, ...]
    rows: tuple[ConvolutionRow, ...]
    totals: tuple[ConvolutionTotal, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a layer is its notation."""
        rows = [
            {"address": row.address, "layer": row.text, "input_shape": row.input_shape} | row.comparison.to_dict()
            for row in self.rows
        ]
        totals = [asdict(total) for total in self.totals]
        return dict(
            json.loads(json.dumps({"name": self.name, "input_size": self.input_size, "rows": rows, "totals": totals}))
        )

    def to_text(self) -> str:
        """Two plain tables: MACs of each convolution as it is, and of each way as a share of that; and the totals."""
        ways = [total.name for total in self.totals[1:]]
        lines = [("convolution", "settings", "input", "parameters", "MACs", *ways)]
        for row in self.rows:
            names = [way.name for way in row.comparison.rows]
            shares = dict(zip(names, row.comparison.ratios("macs"), strict=True))
            lines.append(
                (
                    row.address,
                    row.text,
                    "×".join(map(str, row.input_shape)),
                    f"{row.cost.parameters:,}",
                    f"{row.cost.macs:,}",
                    *(_share(shares.get(way)) for way in ways),
                )
            )
        sums = [("all convolutions", "replaced", "cheaper", "parameters", "MACs", "bytes")]
        sums += [
            (
                total.name,
                str(total.replaced) if total.name != AS_IT_IS else "",
                str(total.cheaper) if total.name != AS_IT_IS else "",
                f"{total.parameters:,}",
                f"{total.macs:,}",
                f"{total.activation_bytes:,}",
            )
            for total in self.totals
        ]
        return f"{text_table(lines, left=3)}\n\n{text_table(sums)}"

    def __str__(self) -> str:
        return self.to_text()


def compare_layers(
    module: nn.Module, input_size: tuple[int, ...], *, groups: Sequence[int] = (2, 4, 8), name: str = ""
) -> NetworkComparison:
    """What every convolution of a module costs, and what other layers would cost in its place.

    The ways, each where it can stand in and differs: `standard`, `g groups`, `depthwise separable`, `1×1` and `layers
    of 3×3`. A transposed convolution is only measured. Convolutions that the module calls otherwise than through
    `torch.conv1d` and so on (`nn.Conv2d` and `functional.conv2d` do) are not seen.

    Args:
        module: Any module of one input; it is left as it is.
        input_size: Shape of the input, `(3, 224, 224)`, as for `summary`.
        groups: Numbers of groups to try.
        name: For the heading; the class name by default.

    Raises:
        ConfigError: A number of groups below 2, or as `summary`.
        ShapeError: As `summary`.

    >>> net = nn.Sequential(nn.Conv2d(3, 64, 7, padding=3), nn.ReLU(), nn.Conv2d(64, 64, 7, padding=3))
    >>> table = compare_layers(net, (3, 32, 32), groups=())
    >>> [(way.name, way.macs) for way in table.rows[1].comparison.rows][-1]
    ('layers of 3×3', 113246208)
    """
    tried = tuple(dict.fromkeys(whole("groups", g, at_least=2) for g in groups))
    name = name or type(module).__name__
    calls, table = convolution_calls(module, input_size, name=name)
    rows: list[ConvolutionRow] = []
    compared: dict[tuple[Convolution, tuple[int, ...]], tuple[ComparisonRow, ...]] = {}  # networks repeat their blocks
    for call in calls:
        key = (call.layer, call.input_shape)
        if key not in compared:
            compared[key] = alternatives_to(*key, groups=tried)
        rows.append(_row(call, compared[key], address=call.address or name))
    return NetworkComparison(name, table.input_size, tuple(rows), _totals(rows, tried))


def _row(call: ConvolutionCall, compared: tuple[ComparisonRow, ...], *, address: str) -> ConvolutionRow:
    """One call: its costs count once a map that it reads, its parameters at the first call that reads its weight."""
    rows = tuple(
        replace(
            row,
            parameters=row.parameters if call.first else 0,
            macs=row.macs * call.batch,
            activation_bytes=row.activation_bytes * call.batch,
        )
        for row in compared
    )
    comparison = Comparison(call.input_shape, rows)
    return ConvolutionRow(address, call.layer, write_layer(call.layer), call.input_shape, comparison)


def _totals(rows: list[ConvolutionRow], tried: tuple[int, ...]) -> tuple[ConvolutionTotal, ...]:
    totals = []
    for name in ways_in_order(tried):
        found = [next((way for way in row.comparison.rows if way.name == name), None) for row in rows]
        if not any(found) and name != AS_IT_IS:
            continue
        used = [way or row.cost for way, row in zip(found, rows, strict=True)]
        totals.append(
            ConvolutionTotal(
                name=name,
                replaced=sum(way is not None for way in found) if name != AS_IT_IS else 0,
                cheaper=sum(way.macs < row.cost.macs for way, row in zip(used, rows, strict=True)),
                parameters=sum(way.parameters for way in used),
                macs=sum(way.macs for way in used),
                activation_bytes=sum(way.activation_bytes for way in used),
            )
        )
    return tuple(totals)


def _share(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.3g}"

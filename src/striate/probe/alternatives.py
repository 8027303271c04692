"""Every convolution that a network really runs, and what other layers would cost in its place.

Each is measured, and beside it the layers that give the same output shape: without groups, in more groups, depthwise
separable, as 1×1 and as layers of 3×3.

What the network would answer with them is another question: it would have to be trained again.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from striate.arithmetic import (
    Comparison,
    ComparisonRow,
    Convolution,
    Layer,
    Padding,
    measure,
    padding_per_axis,
    per_axis,
    resolve_padding,
    separable_layers,
    write_layer,
)
from striate.arithmetic.numbers import whole
from striate.arithmetic.text_table import text_table
from striate.probe.convolution_calls import ConvolutionCall, convolution_calls

__all__ = ["ConvolutionRow", "ConvolutionTotal", "NetworkComparison", "compare_layers"]

AS_IT_IS = "as it is"


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

    The ways, each where it can stand in and differs: `standard` for a convolution in groups; `g groups` for one in
    fewer groups, where they divide its channels; `depthwise separable` for a window that is not depthwise already;
    `1×1` for a window; `layers of 3×3` for an odd window of 5 and more (1×3 for 1×7), the stride on the last. A
    transposed convolution is only measured.

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
    read: set[int] = set()
    compared: dict[tuple[Convolution, tuple[int, ...]], list[ComparisonRow]] = {}  # networks repeat their blocks
    for call in calls:
        key = (call.layer, call.input_shape)
        if key not in compared:
            compared[key] = _compared(*key, tried)
        rows.append(_row(call, compared[key], address=call.address or name, fresh=id(call.weight) not in read))
        read.add(id(call.weight))
    return NetworkComparison(name, table.input_size, tuple(rows), _totals(rows, tried))


# --- what could stand in its place

# By name: the layers, and the shape that they read.
_Ways = dict[str, tuple[tuple[Layer, ...], tuple[int, ...]]]


def _compared(layer: Convolution, shape: tuple[int, ...], tried: tuple[int, ...]) -> list[ComparisonRow]:
    """A convolution on one input as it is, and each way that can stand in its place."""
    stacks: _Ways = {AS_IT_IS: ((layer,), shape)}
    if not layer.transposed:
        stacks |= _ways(layer, shape, tried)
    return [ComparisonRow.of(name, measure(layers, read)) for name, (layers, read) in stacks.items()]


def _row(call: ConvolutionCall, compared: list[ComparisonRow], *, address: str, fresh: bool) -> ConvolutionRow:
    """One call: its costs count once a map that it reads, its parameters only where they are `fresh`."""
    rows = tuple(
        replace(
            row,
            parameters=row.parameters if fresh else 0,
            macs=row.macs * call.batch,
            activation_bytes=row.activation_bytes * call.batch,
        )
        for row in compared
    )
    comparison = Comparison(call.input_shape, rows)
    return ConvolutionRow(address, call.layer, write_layer(call.layer), call.input_shape, comparison)


def _ways(layer: Convolution, shape: tuple[int, ...], tried: tuple[int, ...]) -> _Ways:
    """Layers that give the same output shape."""
    channels, axes = shape[0], len(shape) - 1
    filters = channels if layer.out_channels is None else layer.out_channels
    groups = channels if layer.groups is None else layer.groups
    full = replace(layer, out_channels=filters, groups=1)
    ways: _Ways = {}
    if groups > 1:
        ways["standard"] = ((full,), shape)
    for g in tried:
        if g > groups and channels % g == 0 and filters % g == 0 and g < channels:
            ways[f"{g} groups"] = ((replace(full, groups=g),), shape)
    kernel = per_axis("kernel_size", layer.kernel_size, axes)
    if max(kernel) > 1:
        if groups < channels:
            ways["depthwise separable"] = (separable_layers(full), shape)
        pads, dilation = _pads(layer, shape), per_axis("dilation", layer.dilation, axes)
        # A 1×1 in the middle of every window reads the places where a window has its middle, and no others.
        middles = [i + sum(p) - d * (f - 1) for i, p, d, f in zip(shape[1:], pads, dilation, kernel, strict=True)]
        ways["1×1"] = ((replace(full, kernel_size=1, padding=0, dilation=1),), (channels, *middles))
        small = _small_filters(replace(layer, out_channels=filters, groups=groups), kernel, pads)
        if small:
            ways["layers of 3×3"] = (small, shape)
    return ways


def _pads(layer: Convolution, shape: tuple[int, ...]) -> list[Padding]:
    """The padding of each axis in numbers."""
    axes = len(shape) - 1
    settings = zip(
        padding_per_axis(layer.padding, axes),
        shape[1:],
        per_axis("kernel_size", layer.kernel_size, axes),
        per_axis("stride", layer.stride, axes),
        per_axis("dilation", layer.dilation, axes),
        strict=True,
    )
    return [resolve_padding(p, input_size=i, kernel_size=f, stride=s, dilation=d) for p, i, f, s, d in settings]


def _small_filters(layer: Convolution, kernel: tuple[int, ...], pads: list[Padding]) -> tuple[Layer, ...]:
    """(f − 1)/2 layers of 3 × 3 for one of f × f; none where f is even or below 5, or is not the same on all its axes.

    Each takes its share of the padding, so that the sizes between fit; the stride is the last one's, so that the field
    is the same. Groups stay.
    """
    sides = {f for f in kernel if f > 1}
    if len(sides) != 1 or max(sides) < 5 or max(sides) % 2 == 0:
        return ()
    count = (max(sides) - 1) // 2
    small = tuple(min(f, 3) for f in kernel)
    layers = []
    for number in range(count):
        share = _short([(_share_of(p.before, count, number), _share_of(p.after, count, number)) for p in pads])
        stride = layer.stride if number == count - 1 else 1
        layers.append(replace(layer, kernel_size=small, padding=share, stride=stride))
    return tuple(layers)


def _short(padding: list[tuple[int, int]]) -> int | tuple[tuple[int, int], ...]:
    """One number where all sides have the same."""
    sides = {side for pair in padding for side in pair}
    return max(sides) if len(sides) == 1 else tuple(padding)


def _share_of(total: int, count: int, number: int) -> int:
    """`total` in `count` whole parts, the larger ones first."""
    return total // count + (number < total % count)


def _totals(rows: list[ConvolutionRow], tried: tuple[int, ...]) -> tuple[ConvolutionTotal, ...]:
    names = [AS_IT_IS, "standard", *(f"{g} groups" for g in tried), "depthwise separable", "1×1", "layers of 3×3"]
    totals = []
    for name in names:
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

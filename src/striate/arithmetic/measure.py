"""What a stack of layers costs and sees, layer by layer, without running it.

Parameters and multiply-adds are sums over the layers (see `cost`), the receptive field grows from layer to layer (see
`receptive_field`). Memory is that of one picture on its way through: `activation_bytes` adds up every output, as they
are all kept while training; `peak_bytes` is the most that must be there at once when each is thrown away as soon as
nobody needs it any more. Branches run one after another; what a later one reads, and what the others gave, waits.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from striate.arithmetic.cost import LayerCost, field_after_layer, layer_cost
from striate.arithmetic.layer import Branches, Flatten, Layer
from striate.arithmetic.notation import write_layer
from striate.arithmetic.numbers import whole
from striate.arithmetic.receptive_field import Field, merge_fields
from striate.arithmetic.sizes import OutputSize
from striate.arithmetic.text_table import text_table
from striate.errors import ConfigError, ShapeError

__all__ = ["LayerMeasure", "Measurement", "measure"]


@dataclass(frozen=True, slots=True)
class LayerMeasure:
    """One layer in its place. Branches stand before the layers that they hold; the costs of those are their own.

    Attributes:
        layer: Its settings.
        text: The same in the notation of `write_layer`.
        path: Where it stands: for each `Branches` around it, the index of the path that it lies on.
        input_shape: `(c, *spatial)` of what comes in, or `(features,)` after flattening.
        output_shape: The same of what goes out.
        parameters: Numbers that it learns, biases included.
        macs: Multiply-adds for one picture.
        activation_bytes: Size of its output; 0 for `flatten`, which moves nothing.
        field: Receptive field of the output's units; None where the input has no places.
        sizes: How each spatial size came about; empty where no window slides.
    """

    layer: Layer
    text: str
    path: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    activation_bytes: int
    field: Field | None
    sizes: tuple[OutputSize, ...]

    @property
    def depth(self) -> int:
        """How many `Branches` it lies inside of."""
        return len(self.path)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A stack of layers, measured at one input shape; `print` shows the table.

    Attributes:
        input_shape: `(c, *spatial)`, or `(features,)`.
        output_shape: Of the last layer.
        rows: One a layer.
        parameters: Of all layers.
        macs: Of all layers, for one picture.
        activation_bytes: All outputs together.
        peak_bytes: The most that must be kept at once to run it: input, output, and what waits for a later branch.
        field: Receptive field of the last layer's units; None where the input has no places.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    rows: tuple[LayerMeasure, ...]
    parameters: int
    macs: int
    activation_bytes: int
    peak_bytes: int
    field: Field | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a layer is its notation."""
        values = asdict(self)
        for row, measured in zip(values["rows"], self.rows, strict=True):
            row["layer"] = row.pop("text")
            row["depth"] = measured.depth
        return dict(json.loads(json.dumps(values, default=float)))

    def to_text(self) -> str:
        """A plain table, one line a layer, the totals below; paths of branches are numbered."""
        lines: list[tuple[str, ...]] = [("layer", "output", "parameters", "MACs", "bytes", "field", "stride", "start")]
        before: tuple[int, ...] = ()
        for row in self.rows:
            lines.append(_cells(row, begins=row.depth > 0 and row.path != before[: row.depth]))
            before = row.path
        lines.append(("total", "", f"{self.parameters:,}", f"{self.macs:,}", f"{self.activation_bytes:,}", *("",) * 3))
        return f"{text_table(lines, left=2)}\nAt most {self.peak_bytes:,} bytes of activations at once."

    def __str__(self) -> str:
        return self.to_text()


def measure(layers: Sequence[Layer], input_shape: tuple[int, ...], *, bytes_per_value: int = 4) -> Measurement:
    """Shapes, parameters, multiply-adds, memory and receptive fields of a stack of layers.

    Args:
        layers: In the order of the forward pass.
        input_shape: `(c, *spatial)` with 1 to 3 spatial axes, or `(features,)`.
        bytes_per_value: Size of one number of an activation: 4 for float32.

    Raises:
        ShapeError: A layer does not fit what it is given; the message says which and why.
        ConfigError: Groups that do not divide the channels, settings for another number of axes.

    >>> from striate.arithmetic.notation import parse_layers
    >>> stack = measure(parse_layers("conv f=7 s=2 p=3 n=64; relu; maxpool f=3 s=2 p=1"), (3, 224, 224))
    >>> stack.parameters, stack.macs, stack.output_shape, stack.field.size
    (9472, 118013952, (64, 56, 56), (11, 11))
    """
    shape = _input_shape(input_shape)
    _require_layers(layers)
    walk = _Walk(whole("bytes_per_value", bytes_per_value, at_least=1))
    start = _Tensor(shape, Field.of_input(len(shape) - 1) if len(shape) > 1 else None)
    walk.peak = walk.bytes(start.shape)
    end = walk.run(layers, start, path=(), place="", held=0)
    return Measurement(
        input_shape=shape,
        output_shape=end.shape,
        rows=tuple(walk.rows),
        parameters=sum(row.parameters for row in walk.rows),
        macs=sum(row.macs for row in walk.rows),
        activation_bytes=sum(row.activation_bytes for row in walk.rows),
        peak_bytes=walk.peak,
        field=end.field,
    )


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What goes from layer to layer.

    `kept`: a later branch reads it too, so that it outlives its next reader. `entered`: it is still the tensor that
    entered the path, at most in another shape.
    """

    shape: tuple[int, ...]
    field: Field | None
    kept: bool = False
    entered: bool = True


class _Walk:
    """One pass over the layers, in the order in which they would run."""

    def __init__(self, bytes_per_value: int) -> None:
        self.bytes_per_value = bytes_per_value
        self.rows: list[LayerMeasure] = []
        self.peak = 0

    def bytes(self, shape: tuple[int, ...]) -> int:
        return prod(shape) * self.bytes_per_value

    def run(self, layers: Sequence[Layer], tensor: _Tensor, *, path: tuple[int, ...], place: str, held: int) -> _Tensor:
        """Walk one sequence; `held` bytes are kept outside of it, its input not among them."""
        for number, layer in enumerate(layers, 1):
            here = f"{place}{number}"
            if isinstance(layer, Branches):
                after = self.branch(layer, tensor, path=path, place=here, held=held)
            else:
                after = self.layer(layer, tensor, path=path, place=here, held=held)
            held += self.bytes(tensor.shape) if tensor.kept and not after.kept else 0
            tensor = after
        return tensor

    def layer(self, layer: Layer, tensor: _Tensor, *, path: tuple[int, ...], place: str, held: int) -> _Tensor:
        try:
            cost = layer_cost(layer, tensor.shape)
        except (ShapeError, ConfigError) as error:
            raise type(error)(f"Layer {place}, {write_layer(layer)!r}, gets {_shape(tensor.shape)}. {error}") from error
        field = field_after_layer(layer, tensor.field, tensor.shape, cost)
        same = isinstance(layer, Flatten)  # the same numbers under another shape
        new = 0 if same else self.bytes(cost.output_shape)
        self.note(layer, tensor, cost, path=path, field=field, new=new)
        self.peak = max(self.peak, held + self.bytes(tensor.shape) + new)
        return _Tensor(cost.output_shape, field, kept=tensor.kept and same, entered=tensor.entered and same)

    def branch(self, layer: Branches, tensor: _Tensor, *, path: tuple[int, ...], place: str, held: int) -> _Tensor:
        """Run the paths one after another, each result kept until all are there, and join them."""
        index, size = len(self.rows), self.bytes(tensor.shape)
        ends: list[_Tensor] = []
        done, handed = 0, False  # bytes that the finished paths gave; whether one of them gave the input itself
        for number, inside in enumerate(layer.paths):
            needed = tensor.kept or handed or number < len(layer.paths) - 1
            start = _Tensor(tensor.shape, tensor.field, kept=needed)
            end = self.run(inside, start, path=(*path, number), place=f"{place}.{number + 1}.", held=held + done)
            ends.append(end)
            done += 0 if end.entered else self.bytes(end.shape)
            handed = handed or end.entered
        shape = _join(layer, [end.shape for end in ends], place)
        fields = [end.field for end in ends if end.field is not None]
        field = merge_fields(fields, extent=shape[1:] or None) if fields else None
        new = self.bytes(shape)
        self.note(layer, tensor, LayerCost(shape), path=path, field=field, new=new, index=index)
        self.peak = max(self.peak, held + done + new + (size if tensor.kept or handed else 0))
        return _Tensor(shape, field, entered=False)

    def note(
        self,
        layer: Layer,
        tensor: _Tensor,
        cost: LayerCost,
        *,
        path: tuple[int, ...],
        field: Field | None,
        new: int,
        index: int | None = None,
    ) -> None:
        """Write a row, at the end or at `index`."""
        row = LayerMeasure(
            layer=layer,
            text=write_layer(layer),
            path=path,
            input_shape=tensor.shape,
            output_shape=cost.output_shape,
            parameters=cost.parameters,
            macs=cost.macs,
            activation_bytes=new,
            field=field,
            sizes=cost.sizes,
        )
        self.rows.insert(len(self.rows) if index is None else index, row)


def _input_shape(given: object) -> tuple[int, ...]:
    if not isinstance(given, tuple) or not 1 <= len(given) <= 4:
        raise ShapeError(
            f"input_shape must be channels and 1 to 3 spatial sizes, such as (3, 224, 224), got {given!r}."
        )
    return tuple(whole("input_shape", size, at_least=1) for size in given)


def _require_layers(layers: object) -> None:
    if not isinstance(layers, Sequence):
        raise ConfigError(f"layers must be a sequence of layers, got {layers!r}; put a single layer in brackets.")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ConfigError(f"layers must hold layers, got {layer!r}; parse_layers('conv f=3 n=8; relu') makes them.")


def _join(layer: Branches, shapes: list[tuple[int, ...]], place: str) -> tuple[int, ...]:
    first = shapes[0]
    listed = ", ".join(map(_shape, shapes))
    if layer.join == "add":
        if len(set(shapes)) > 1:
            raise ShapeError(f"Layer {place}, 'add', needs paths of one shape, and gets {listed}.")
        return first
    if len({(len(shape), shape[1:]) for shape in shapes}) > 1:
        raise ShapeError(f"Layer {place}, 'concat', needs paths of one spatial size, and gets {listed}.")
    return (sum(shape[0] for shape in shapes), *first[1:])


def _cells(row: LayerMeasure, *, begins: bool) -> tuple[str, ...]:
    text = row.text
    if isinstance(row.layer, Branches):
        text = row.layer.join if all(row.layer.paths) else f"{row.layer.join}, with the input"
    if row.depth:
        text = "   " * (row.depth - 1) + (f"{row.path[-1] + 1}  " if begins else "   ") + text
    field = row.field
    return (
        text,
        _shape(row.output_shape),
        f"{row.parameters:,}" if row.parameters else "",
        f"{row.macs:,}" if row.macs else "",
        f"{row.activation_bytes:,}" if row.activation_bytes else "",
        "" if field is None else ("whole" if field.whole else _shape(field.size)),
        "" if field is None or not any(field.stride) else f"{float(field.stride[0]):g}",
        "" if field is None or not any(field.stride) else f"{float(field.start[0]):g}".replace("-", "−"),
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))

"""From pixels to logits, layer by layer, with every number on the way.

A layer without weights of its own gets small whole numbers from a seed, so that each sum can be checked by hand.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from striate.arithmetic.convolution_trace import ConvolutionTrace, trace_convolution
from striate.arithmetic.layer import Activation, Convolution, Flatten, GlobalPooling, Layer, Linear, Pooling
from striate.arithmetic.layer_traces import ElementTrace, FlattenTrace, LinearTrace
from striate.arithmetic.notation import write_layer
from striate.arithmetic.numbers import whole
from striate.arithmetic.pooling_trace import PoolingTrace, trace_pooling
from striate.arithmetic.trace_document import AXES, layer_document, lists
from striate.arithmetic.trace_words import say_number
from striate.arithmetic.window import Numbers, check_amount, numbers_of
from striate.errors import ConfigError, ShapeError

__all__ = ["LayerTrace", "NetworkTrace", "trace_network"]

LayerTrace = ConvolutionTrace | PoolingTrace | ElementTrace | FlattenTrace | LinearTrace


@dataclass(frozen=True, slots=True, eq=False)
class NetworkTrace:
    """A picture on its way through a sequence of layers.

    Attributes:
        input: `c h w`.
        layers: What happened in each.
        texts: Each layer in one line of notation.
    """

    input: Numbers
    layers: tuple[LayerTrace, ...]
    texts: tuple[str, ...]

    @property
    def output(self) -> Numbers:
        """What the last layer gave."""
        return self.layers[-1].output if self.layers else self.input

    @property
    def logits(self) -> Numbers | None:
        """The output, where it is one row of numbers."""
        return self.output if self.output.ndim == 1 else None

    @property
    def probabilities(self) -> Numbers | None:
        """The softmax of the logits."""
        if self.logits is None:
            return None
        powers = np.exp(self.logits - self.logits.max())
        return np.asarray(powers / powers.sum())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the data of the page that one can step through. Padding of pooling is null."""
        return {
            "input": lists(self.input),
            "layers": [layer_document(layer, text) for layer, text in zip(self.layers, self.texts, strict=True)],
            "logits": None if self.logits is None else lists(self.logits),
            "probabilities": None if self.probabilities is None else lists(self.probabilities),
        }

    def to_text(self, *, limit: int | None = None) -> str:
        """Every step in words.

        Args:
            limit: Steps to show of each layer, None for all; how many are left out is said.

        Raises:
            ConfigError: A limit below 1.
        """
        if limit is not None and limit < 1:
            raise ConfigError(f"limit must be at least 1, got {limit}.")
        lines = []
        for layer, text in zip(self.layers, self.texts, strict=True):
            shapes = f"{_times(layer.input.shape)} → {_times(layer.output.shape)}"
            lines.append(f"{layer.name}  {text}  {shapes}")
            if isinstance(layer, ConvolutionTrace | PoolingTrace):
                each = zip(AXES, layer.sizes, strict=True)
                lines += [f"  {axis}: o = {size.symbols} = {size.numbers}" for axis, size in each]
            taken = 0
            for taken, step in enumerate(layer.steps(), start=1):
                if limit is None or taken <= limit:
                    lines.append(f"  {step.number}. {step.text}")
            if limit is not None and taken > limit:
                lines.append(f"  … and {taken - limit} more steps")
            lines.append("")
        if self.logits is not None and self.probabilities is not None:
            pairs = zip(self.logits, self.probabilities, strict=True)
            lines += [f"logit {k}: {say_number(float(z))}, probability {p:.4f}" for k, (z, p) in enumerate(pairs)]
        return "\n".join(lines).rstrip()


def _sigmoid(x: Numbers) -> Numbers:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))  # no overflow on either side


_FUNCTIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}


def trace_network(
    input: ArrayLike,  # noqa: A002 - as torch names it
    layers: Sequence[Layer],
    *,
    parameters: Mapping[str, tuple[ArrayLike, ArrayLike | None]] | None = None,
    seed: int = 0,
) -> NetworkTrace:
    """Everything that happens to one picture in a sequence of layers.

    Args:
        input: `c h w`, or `h w` for one channel.
        layers: The layers, in order; convolution, pooling, activation, flatten and fully connected.
        parameters: Weight and bias of layers, by their place as text: `"0"`, `"3"`. Others are drawn from the seed.
        seed: Of the whole numbers from -2 to 2 that stand in for weights.

    Raises:
        ShapeError: A layer that does not fit what comes before it.
        ConfigError: A kind of layer that is not traced (branches, transposed convolutions), parameters for a layer that
            has none, or as `trace_convolution`.

    >>> from striate.arithmetic import parse_layers
    >>> trace = trace_network([[1, 2, 0], [0, 1, 3], [4, 1, 1]], parse_layers("conv f=2 n=1; relu; flatten; fc n=2"))
    >>> [layer.output.shape for layer in trace.layers]
    [(1, 2, 2), (1, 2, 2), (4,), (2,)]
    """
    given = dict(parameters or {})
    unknown = set(given) - {str(at) for at, layer in enumerate(layers) if isinstance(layer, Convolution | Linear)}
    if unknown:
        raise ConfigError(f"parameters are for convolutions and fully connected layers, got some for '{min(unknown)}'.")
    generator = np.random.default_rng(whole("seed", seed, at_least=0))
    start = numbers_of("input", input)
    start = start[None] if start.ndim == 2 else start
    traces: list[LayerTrace] = []
    shape: tuple[int, ...] = start.shape
    current = start
    counts: dict[str, int] = {}
    for at, layer in enumerate(layers):
        word = re.split(r"[ (]", write_layer(layer))[0]
        counts[word] = counts.get(word, 0) + 1
        name = f"{word}{counts[word]}"
        if current.ndim == 3:
            shape = current.shape
        traces.append(_run(layer, current, shape=shape, parameters=given.get(str(at)), generator=generator, name=name))
        current = traces[-1].output
    return NetworkTrace(start, tuple(traces), tuple(write_layer(layer) for layer in layers))


def _run(
    layer: Layer,
    x: Numbers,
    *,
    shape: tuple[int, ...],
    parameters: tuple[ArrayLike, ArrayLike | None] | None,
    generator: np.random.Generator,
    name: str,
) -> LayerTrace:
    if isinstance(layer, Convolution | Pooling | GlobalPooling | Flatten) and x.ndim != 3:
        raise ShapeError(f"{name} takes a map c×h×w, but gets {x.size} numbers in a row; put it before the flatten.")
    match layer:
        case Convolution(transposed=True):
            raise ConfigError(
                f"{name} is a transposed convolution, which is not traced; its adjoint, a convolution, is."
            )
        case Convolution():
            groups = x.shape[0] if layer.groups is None else layer.groups
            filters = x.shape[0] if layer.out_channels is None else layer.out_channels
            kernel = layer.kernel_size if isinstance(layer.kernel_size, tuple) else (layer.kernel_size,) * 2
            check_amount(filters * max(x.shape[0] // groups, 1) * kernel[0] * kernel[1], name)  # before they are drawn
            drawn = generator.integers(-2, 3, (filters, max(x.shape[0] // groups, 1), *kernel))
            weight, bias = parameters or (drawn, generator.integers(-1, 2, filters) if layer.bias else None)
            return trace_convolution(
                x,
                weight,
                bias,
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                groups=groups,
                name=name,
            )
        case Pooling():
            return trace_pooling(
                x,
                layer.kernel_size,
                kind=layer.kind,
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                ceil_mode=layer.ceil_mode,
                name=name,
            )
        case GlobalPooling():
            return trace_pooling(x, (x.shape[1], x.shape[2]), kind=layer.kind, name=name)
        case Activation():
            return ElementTrace(name, layer.function, x, _FUNCTIONS[layer.function](x))
        case Flatten():
            return FlattenTrace(name, x, x.ravel())
        case Linear():
            return _linear(layer, x, shape=shape, parameters=parameters, generator=generator, name=name)
    raise ConfigError(f"{name} is not traced: a trace follows one path of layers; trace each branch by itself.")


def _linear(
    layer: Linear,
    x: Numbers,
    *,
    shape: tuple[int, ...],
    parameters: tuple[ArrayLike, ArrayLike | None] | None,
    generator: np.random.Generator,
    name: str,
) -> LinearTrace:
    if x.ndim != 1:
        raise ShapeError(f"{name} takes numbers in a row, but gets a map {_times(x.shape)}; put 'flatten' before it.")
    check_amount(x.size * (layer.out_features + 1), name)  # before they are drawn
    drawn = generator.integers(-2, 3, (layer.out_features, x.size))
    given = parameters or (drawn, generator.integers(-1, 2, layer.out_features) if layer.bias else None)
    weight = numbers_of("weight", given[0])
    bias = np.zeros(layer.out_features) if given[1] is None else numbers_of("bias", given[1])
    if weight.shape != (layer.out_features, x.size) or bias.shape != (layer.out_features,):
        raise ShapeError(
            f"{name} needs a weight {layer.out_features}×{x.size} and a bias {layer.out_features}, "
            f"got {_times(weight.shape)} and {_times(bias.shape)}."
        )
    size = (shape[0], shape[1], shape[2]) if len(shape) == 3 and np.prod(shape) == x.size else (x.size, 1, 1)
    return LinearTrace(name, x, weight, bias, weight @ x + bias, size)


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in shape)

"""Traces as plain JSON values: the data of the page that one can step through."""

from typing import Any

import numpy as np

from striate.arithmetic.convolution_trace import CONVOLUTION_STEPS, ConvolutionTrace
from striate.arithmetic.layer_traces import ElementTrace, FlattenTrace, LinearTrace
from striate.arithmetic.pooling_trace import POOLING_STEPS, PoolingTrace
from striate.arithmetic.window import Numbers

__all__ = ["AXES", "layer_document", "lists"]

AXES = ("rows", "columns")


def layer_document(
    layer: ConvolutionTrace | PoolingTrace | ElementTrace | FlattenTrace | LinearTrace, text: str
) -> dict[str, Any]:
    """One layer as plain JSON values, with its line of notation."""
    common = {"name": layer.name, "text": text, "input": lists(layer.input), "output": lists(layer.output)}
    match layer:
        case ConvolutionTrace():
            return {
                "kind": "convolution",
                **common,
                "sizes": _sizes(layer),
                "padded": lists(layer.padded),
                "padding": [list(side) for side in layer.padding],
                "weight": lists(layer.weight),
                "bias": lists(layer.bias),
                "stride": list(layer.stride),
                "dilation": list(layer.dilation),
                "groups": layer.groups,
                "steps": list(CONVOLUTION_STEPS),
            }
        case PoolingTrace():
            return {
                "kind": "pooling",
                **common,
                "pooling": layer.kind,
                "sizes": _sizes(layer),
                "padded": lists(layer.padded),
                "padding": [list(side) for side in layer.padding],
                "kernel_size": list(layer.kernel_size),
                "stride": list(layer.stride),
                "dilation": list(layer.dilation),
                "steps": list(POOLING_STEPS),
            }
        case ElementTrace():
            return {"kind": "element", **common, "function": layer.function}
        case FlattenTrace():
            return {"kind": "flatten", **common}
        case LinearTrace():
            return {
                "kind": "linear",
                **common,
                "weight": lists(layer.weight),
                "bias": lists(layer.bias),
                "shape": list(layer.shape),
            }


def _sizes(layer: ConvolutionTrace | PoolingTrace) -> list[dict[str, str]]:
    each = zip(AXES, layer.sizes, strict=True)
    return [{"axis": axis, "symbols": size.symbols, "numbers": size.numbers} for axis, size in each]


def lists(array: Numbers) -> Any:
    """Nested lists of JSON numbers: whole ones as such, no number as null."""
    if array.ndim > 1:
        return [lists(part) for part in array]
    return [_json(float(v)) for v in array]


def _json(value: float) -> int | float | None:
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value

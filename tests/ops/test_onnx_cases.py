"""Every case of ONNX's conformance suite for convolution, pooling and normalization, on the operator and on its twin.

The cases are read from the `onnx` package. Their attributes are translated here and nowhere else: `auto_pad`,
`output_shape`, and column-major places of maxima are ONNX's own ways of saying what our arguments say.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from striate import ops
from striate.arithmetic import resolve_padding, split_padding
from striate.ops import reference

onnx = pytest.importorskip("onnx", reason="needs the package onnx")

EXPECTED = {
    "AveragePool": 20,
    "Conv": 6,
    "ConvTranspose": 11,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
    "LRN": 2,
    "LpPool": 8,
    "MaxPool": 19,
}


def _collect() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other operators' cases
        cases = collect_testcases(None)
    graphs = [(case, case.model.graph.node) for case in cases if case.model is not None]
    return [case for case, nodes in graphs if len(nodes) == 1 and nodes[0].op_type in EXPECTED]


CASES = _collect()
Pads = list[tuple[int, int]]
Runs = tuple[Callable[[], Any], Callable[[], Any]]  # the operator, and its twin


def test_no_case_of_the_suite_is_left_out() -> None:
    """A new release of the suite may add cases; they run too, and this list says how many there were."""
    counts = {kind: sum(case.model.graph.node[0].op_type == kind for case in CASES) for kind in EXPECTED}
    assert all(counts[kind] >= number for kind, number in EXPECTED.items())


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def _pairs(flat: list[int]) -> Pads:
    """ONNX lists all beginnings, then all ends."""
    half = len(flat) // 2
    return list(zip(flat[:half], flat[half:], strict=True))


def _window(attributes: dict[str, Any], size: tuple[int, ...], kernel: tuple[int, ...]) -> dict[str, Any]:
    axes = len(kernel)
    stride = attributes.get("strides", [1] * axes)
    dilation = attributes.get("dilations", [1] * axes)
    name = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(
        attributes.get("auto_pad", "NOTSET")
    )
    padding = _pairs(attributes.get("pads", [0] * 2 * axes))
    if name is not None:
        padding = [
            tuple(resolve_padding(name, input_size=i, kernel_size=f, stride=s, dilation=d))
            for i, f, s, d in zip(size, kernel, stride, dilation, strict=True)
        ]
    return {"stride": list(stride), "padding": padding, "dilation": list(dilation)}


def _pool_settings(attributes: dict[str, Any], x: NDArray[Any]) -> tuple[list[int], dict[str, Any]]:
    kernel = list(attributes["kernel_shape"])
    settings = _window(attributes, x.shape[2:], tuple(kernel))
    return kernel, {**settings, "ceil_mode": bool(attributes.get("ceil_mode", 0))}


def _conv(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
    x, w, *b = inputs
    settings = {**_window(attributes, x.shape[2:], w.shape[2:]), "groups": attributes.get("group", 1)}
    tensors = [torch.from_numpy(a) for a in inputs]
    return lambda: ops.cross_correlation(*tensors, **settings), lambda: reference.cross_correlation(
        x, w, *b, **settings
    )


def _conv_transpose(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
    x, w, *b = inputs
    axes = x.ndim - 2
    stride, dilation = attributes.get("strides", [1] * axes), attributes.get("dilations", [1] * axes)
    extra = list(attributes.get("output_padding", [0] * axes))
    padding = _pairs(attributes.get("pads", [0] * 2 * axes))
    wanted = attributes.get("output_shape")
    if attributes.get("auto_pad", "NOTSET").startswith("SAME"):
        wanted = [i * s for i, s in zip(x.shape[2:], stride, strict=True)]
    if wanted is not None:
        # A total below zero is output padding; with SAME_UPPER the larger half of a total comes after.
        upper = attributes.get("auto_pad") == "SAME_UPPER"
        for axis, (i, f, s, d) in enumerate(zip(x.shape[2:], w.shape[2:], stride, dilation, strict=True)):
            total = s * (i - 1) + extra[axis] + d * (f - 1) + 1 - wanted[axis]
            if total < 0:
                extra[axis], total = extra[axis] - total, 0
            padding[axis] = tuple(split_padding(total, larger="after" if upper else "before"))
    settings = {
        "stride": list(stride),
        "padding": padding,
        "output_padding": extra,
        "dilation": list(dilation),
        "groups": attributes.get("group", 1),
    }
    tensors = [torch.from_numpy(a) for a in inputs]
    return (
        lambda: ops.transposed_convolution(*tensors, **settings),
        lambda: reference.transposed_convolution(x, w, *b, **settings),
    )


def _max_pool(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
    (x,) = inputs
    kernel, settings = _pool_settings(attributes, x)

    def columns_first(found: tuple[Any, Any]) -> tuple[Any, Any]:
        """ONNX numbers places over all pictures and channels, and with `storage_order` 1 column by column."""
        values, places = found[0], np.asarray(found[1])
        size = x.shape[2:]
        if attributes.get("storage_order", 0):
            places = np.ravel_multi_index(np.unravel_index(places, size), size, order="F")
        start = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2] + (1,) * len(size)) * int(np.prod(size))
        return values, places + start

    return (
        lambda: columns_first(ops.max_pool_with_indices(torch.from_numpy(x), kernel, **settings)),
        lambda: columns_first(reference.pool(x, kernel, kind="max", **settings)),
    )


def _average_pool(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
    (x,) = inputs
    kernel, settings = _pool_settings(attributes, x)
    settings["count_padding"] = bool(attributes.get("count_include_pad", 0))
    return (
        lambda: ops.average_pool(torch.from_numpy(x), kernel, **settings),
        lambda: reference.pool(x, kernel, kind="average", **settings)[0],
    )


def _lp_pool(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
    (x,) = inputs
    kernel, settings = _pool_settings(attributes, x)
    power = float(attributes.get("p", 2))
    return (
        lambda: ops.lp_pool(torch.from_numpy(x), kernel, p=power, **settings),
        lambda: reference.pool(x, kernel, kind="lp", p=power, **settings)[0],
    )


def _global(kind: str) -> Callable[..., Runs]:
    def build(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
        (x,) = inputs
        size, ones, none = x.shape[2:], [1] * (x.ndim - 2), [(0, 0)] * (x.ndim - 2)
        return (
            lambda: ops.global_pool(torch.from_numpy(x), kind),
            lambda: reference.pool(x, size, kind=kind, stride=ones, padding=none, dilation=ones)[0],
        )

    return build


def _lrn(attributes: dict[str, Any], inputs: list[NDArray[Any]]) -> Runs:
    (x,) = inputs
    settings = {
        "alpha": attributes.get("alpha", 1e-4),
        "beta": attributes.get("beta", 0.75),
        "k": attributes.get("bias", 1.0),
    }
    size = attributes["size"]
    return (
        lambda: ops.local_response_norm(torch.from_numpy(x), size, **settings),
        lambda: reference.local_response_norm(x, size, **settings),
    )


BUILD = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global("average"),
    "GlobalMaxPool": _global("max"),
    "LRN": _lrn,
    "LpPool": _lp_pool,
    "MaxPool": _max_pool,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Any, record_property: Callable[[str, object], None]) -> None:
    node = case.model.graph.node[0]
    for inputs, outputs in case.data_sets:
        for run in BUILD[node.op_type](_attributes(node), [np.array(x) for x in inputs]):
            results = run()
            results = results if isinstance(results, tuple) else (results,)
            for result, expected in zip(results, outputs, strict=False):
                found = np.asarray(result)
                assert found.shape == expected.shape
                np.testing.assert_allclose(found, expected, rtol=case.rtol, atol=1e-6)
    record_property("counted", (f"ONNX cases of {node.op_type}, each on the operator and on its twin", 1))

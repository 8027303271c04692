"""Every case of ONNX's conformance suite for convolution, pooling and normalization, on the operator and on its twin.

The cases are read from the `onnx` package: those of its operators, and the layers that PyTorch once exported. Their
attributes are translated here and nowhere else: `auto_pad`, `output_shape`, and column-major places of maxima are
ONNX's own ways of saying what our arguments say.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from striate import ops
from striate.arithmetic import resolve_padding, split_padding
from striate.errors import ConfigError
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
EXPORTED = {"AveragePool": 7, "Conv": 27, "ConvTranspose": 3, "MaxPool": 9}
LARGE = ("test_MaxPool1d_stride_padding_dilation", "test_MaxPool2d_stride_padding_dilation", "test_operator_conv")
"""Exported layers of millions of products, over which the twin takes seconds to minutes: a test of their own."""

# Operators of the suite whose names say convolution or pooling and which are others.
UNSUPPORTED = {
    "CausalConvWithState": "a convolution that keeps the end of the last call",
    "ConvInteger": "whole numbers with a zero point",
    "DeformConv": "places that a second map moves",
    "QLinearConv": "whole numbers with a scale and a zero point",
}


def _collect() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other operators' cases
        cases = collect_testcases(None)
    graphs = [(case, case.model.graph.node) for case in cases if case.model is not None]
    return [case for case, nodes in graphs if len(nodes) == 1 and nodes[0].op_type in EXPECTED]


def _collect_exported() -> list[Any]:
    """Folders of models with one layer of ours, what it was given and what it answered."""
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    folders = [
        folder for kind in ("pytorch-converted", "pytorch-operator") for folder in sorted((data / kind).iterdir())
    ]
    return [folder for folder in folders if EXPECTED.keys() & {node.op_type for node in _graph(folder).node}]


def _graph(folder: Path) -> Any:
    return onnx.load(folder / "model.onnx").graph


def _layer(graph: Any) -> Any:
    """The layer alone: averages along one axis stand between an `Unsqueeze` and a `Squeeze`."""
    (node,) = [node for node in graph.node if node.op_type not in ("Squeeze", "Unsqueeze")]
    return node


CASES = _collect()
FOLDERS = _collect_exported()
Pads = list[tuple[int, int]]
Runs = tuple[Callable[[], Any], Callable[[], Any]]  # the operator, and its twin


def test_no_case_of_the_suite_is_left_out() -> None:
    """A new release of the suite may add cases; they run too, and this list says how many there were."""
    counts = {kind: sum(case.model.graph.node[0].op_type == kind for case in CASES) for kind in EXPECTED}
    assert all(counts[kind] >= number for kind, number in EXPECTED.items())
    exported = [_layer(_graph(folder)).op_type for folder in FOLDERS]
    assert {kind: exported.count(kind) for kind in EXPORTED} == EXPORTED
    assert len(exported) == sum(EXPORTED.values())


def test_operators_of_the_suite_that_are_not_ours_are_listed() -> None:
    from onnx.defs import get_all_schemas

    alike = {schema.name for schema in get_all_schemas() if "Conv" in schema.name and schema.domain == ""}
    assert alike <= EXPECTED.keys() | UNSUPPORTED.keys()


@pytest.mark.parametrize("run", [ops.cross_correlation, ops.convolution, ops.transposed_convolution])
def test_refuses_quantized_maps_by_the_name_of_the_operator(run: Callable[..., Any]) -> None:
    """`ConvInteger` and `QLinearConv` read such maps."""
    whole = torch.ones(1, 1, 3, 3, dtype=torch.uint8)
    with pytest.raises(ConfigError, match=r"(cross_correlation|transposed_convolution) takes floating-point .* uint8"):
        run(whole, whole)


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
        _compare(node, [np.array(x) for x in inputs], outputs, rtol=case.rtol)
    record_property("counted", (f"ONNX cases of {node.op_type}, each on the operator and on its twin", 1))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_layer_exported_by_pytorch(folder: Path, record_property: Callable[[str, object], None]) -> None:
    node, inputs, expected = _exported(folder)
    large = folder.name in LARGE
    _compare(node, inputs, [expected], rtol=1e-5, which=(0,) if large else (0, 1))
    where = "on the operator, its twin among the slow tests" if large else "on the operator and on its twin"
    record_property("counted", (f"ONNX layers exported by PyTorch, {node.op_type}, {where}", 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_twin_on_a_large_layer_exported_by_pytorch(name: str, record_property: Callable[[str, object], None]) -> None:
    (folder,) = [folder for folder in FOLDERS if folder.name == name]
    node, inputs, expected = _exported(folder)
    _compare(node, inputs, [expected], rtol=1e-5, which=(1,))
    record_property("counted", (f"ONNX layers exported by PyTorch, {node.op_type}, on the twin", 1))


def _exported(folder: Path) -> tuple[Any, list[NDArray[Any]], NDArray[Any]]:
    """The layer, what it reads and what it answered."""
    graph = _graph(folder)
    node = _layer(graph)
    (given,) = sorted(folder.glob("test_data_set_*"))
    x, expected = (_tensor(given / f"{name}_0.pb") for name in ("input", "output"))
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kernel = next(a.ints for a in node.attribute if a.name == "kernel_shape")
    if len(kernel) > x.ndim - 2:  # see `_layer`
        x, expected = x[..., None], expected[..., None]
    return node, [x, *(weights[name].copy() for name in node.input if name in weights)], expected


def _tensor(path: Path) -> NDArray[Any]:
    return np.array(onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes())))


def _compare(
    node: Any, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]], *, rtol: float, which: tuple[int, ...] = (0, 1)
) -> None:
    """The operator (0) and its twin (1) give what the suite says."""
    runs = BUILD[node.op_type](_attributes(node), inputs)
    for run in (runs[i] for i in which):
        results = run()
        results = results if isinstance(results, tuple) else (results,)
        for result, expected in zip(results, outputs, strict=False):
            found = np.asarray(result)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-6)

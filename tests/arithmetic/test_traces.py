"""Traces: their numbers are torch's, and every window adds up to what it writes."""

import json
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from striate import ops
from striate.arithmetic import (
    ConvolutionTrace,
    LinearTrace,
    PoolingTrace,
    parse_layers,
    trace_convolution,
    trace_network,
    trace_pooling,
)
from striate.errors import ConfigError, ShapeError

CASES = 150


def _geometry(draw: random.Random) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any]]:
    while True:
        size, kernel, stride, dilation = ((draw.randint(1, high), draw.randint(1, high)) for high in (8, 3, 3, 2))
        padding = tuple((draw.randint(0, 2), draw.randint(0, 2)) for _ in range(2))
        if all(d * (f - 1) < i + sum(p) for i, f, d, p in zip(size, kernel, dilation, padding, strict=True)):
            return size, kernel, {"stride": stride, "padding": padding, "dilation": dilation}


def test_convolutions_are_torchs_and_every_window_adds_up() -> None:
    draw, generator = random.Random("conv"), np.random.default_rng(0)
    for _ in range(CASES):
        size, kernel, settings = _geometry(draw)
        groups = draw.choice([1, 1, 2])
        c, n = groups * draw.randint(1, 2), groups * draw.randint(1, 2)
        x, w, b = (
            generator.normal(size=(c, *size)),
            generator.normal(size=(n, c // groups, *kernel)),
            generator.normal(size=n),
        )
        trace = trace_convolution(x, w, b, groups=groups, **settings)
        tensors = (torch.from_numpy(x)[None], torch.from_numpy(w), torch.from_numpy(b))
        expected = ops.cross_correlation(*tensors, groups=groups, **settings)[0].numpy()
        np.testing.assert_allclose(trace.output, expected, rtol=1e-11, atol=1e-11)
        for window in trace.windows():
            assert window.products is not None
            assert window.value == pytest.approx(window.products.sum() + window.bias, abs=1e-11)
            assert window.value == pytest.approx(sum(window.channel_sums) + window.bias, abs=1e-11)
            under = trace.padded[np.ix_(window.channels, window.rows, window.columns)]
            np.testing.assert_array_equal(window.patch, under)
        if groups == 1:
            view = trace.as_linear()
            np.testing.assert_allclose(view.patches @ view.weight + view.bias, view.output, atol=1e-11)


@pytest.mark.parametrize("kind", ["max", "min", "average", "lp"])
def test_poolings_are_the_operators(kind: Any) -> None:
    draw, generator = random.Random(kind), np.random.default_rng(0)
    operator = {"max": ops.max_pool, "min": ops.min_pool, "average": ops.average_pool, "lp": ops.lp_pool}[kind]
    done = 0
    while done < CASES:
        size, kernel, settings = _geometry(draw)
        spans = [d * (f - 1) for d, f in zip(settings["dilation"], kernel, strict=True)]
        if any(max(p) > span for p, span in zip(settings["padding"], spans, strict=True)):
            continue
        done += 1
        settings["ceil_mode"] = draw.random() < 0.5
        x = generator.normal(size=(2, *size))
        trace = trace_pooling(x, kernel, kind=kind, **settings)
        expected = operator(torch.from_numpy(x)[None], kernel, **settings)[0].numpy()
        np.testing.assert_allclose(trace.output, expected, rtol=1e-11, atol=1e-11)


def test_the_seven_steps_come_in_their_order() -> None:
    trace = trace_convolution(np.arange(16).reshape(4, 4), np.ones((2, 1, 3, 3)), padding=1, stride=2)
    numbers = [step.number for step in trace.steps()]
    row = [2, 3, 4, 5, 3, 4, 6]
    assert numbers == [1, *row, *row, 7, *row, *row, 7]
    texts = [step.text for step in trace.steps()]
    assert texts[0] == "Pad with zeros, 1 on each side: 4×4 becomes 6×6."
    assert texts[3] == "0·1 + 0·1 + 0·1 + 0·1 + 0·1 + 1·1 + 0·1 + 4·1 + 5·1 = 10, written to (0, 0) of filter 0."


def test_the_six_steps_of_pooling_come_in_their_order() -> None:
    trace = trace_pooling(np.arange(16).reshape(4, 4), 2)
    row = [1, 2, 3, 4, 2, 3, 5]
    assert [step.number for step in trace.steps()] == [*row, *row, 6]
    assert (
        next(s.text for s in trace.steps() if s.number == 3) == "max(0, 1, 4, 5) = 5, written to (0, 0) of channel 0."
    )


def test_a_mean_says_the_padding_that_it_counts() -> None:
    def said(layer: str, x: Any = None) -> list[str]:
        trace = trace_network(np.arange(16).reshape(4, 4) if x is None else x, parse_layers(layer))
        return [step.text for step in trace.layers[0].steps() if step.number == 3]

    means = said("avgpool f=3 s=2 p=1 ceil")
    assert means[0] == "mean(0, 1, 4, 5 and 5 zeros of the padding) = 1.111, written to (0, 0) of channel 0."
    assert means[1].startswith("mean(1, 2, 3, 5, 6, 7 and 3 zeros of the padding) = 2.667,")
    assert means[-1].startswith("mean(15 and 3 zeros of the padding) = 3.75,")  # hangs over by a row and a column
    assert said("avgpool f=1x2 s=1 p=0x1", [[6]])[0].startswith("mean(6 and 1 zero of the padding) = 3,")
    assert said("avgpool f=2 d=2 s=1 p=2", [[6]])[4].startswith("mean(4 zeros of the padding) = 0,")
    assert said("avgpool f=2")[0].startswith("mean(0, 1, 4, 5) = 2.5,")
    assert said("maxpool f=3 p=1")[0].startswith("max(0, 1, 4, 5) = 5,")


def test_the_linear_view_can_be_checked_by_hand() -> None:
    trace = trace_convolution([[1, 2], [3, 4]], [[[[1, -1]]], [[[0, 2]]]], [3, 0])
    assert trace.as_linear().to_text().splitlines() == [
        "patches 2×2 × weights 2×2 + bias = output 2×2",
        "weights of filter 0: 1 −1, bias 3",
        "weights of filter 1: 0 2, bias 0",
        "1 2 → 2 4",
        "3 4 → 2 8",
    ]


def test_negative_numbers_channels_and_bias_are_said() -> None:
    trace = trace_convolution(np.array([[[1.0]], [[-2.5]]]), np.array([[[[-1.0]], [[2.0]]]]), [3.0])
    said = next(step.text for step in trace.steps() if step.number == 4)
    assert said == "(−1) + (−5) (one sum a channel) + 3 (bias) = −3, written to (0, 0) of filter 0."


def test_a_network_is_traced_to_its_logits() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(3, 12, 11))
    layers = parse_layers(
        "conv f=3 p=1 n=4; relu; maxpool f=2; conv f=3 s=2 n=6 g=2; tanh; avgpool f=2 s=1; flatten; fc n=5"
    )
    w0, b0 = generator.normal(size=(4, 3, 3, 3)), generator.normal(size=4)
    w3 = generator.normal(size=(6, 2, 3, 3))
    first = trace_network(x, layers, parameters={"0": (w0, b0), "3": (w3, None)})
    w7, b7 = first.layers[7].weight, first.layers[7].bias  # type: ignore[union-attr]
    y = F.relu(F.conv2d(torch.from_numpy(x)[None], torch.from_numpy(w0), torch.from_numpy(b0), padding=1))
    y = torch.tanh(F.conv2d(F.max_pool2d(y, 2), torch.from_numpy(w3), stride=2, groups=2))
    y = F.linear(F.avg_pool2d(y, 2, 1).flatten(1), torch.from_numpy(w7), torch.from_numpy(b7))[0]
    np.testing.assert_allclose(first.logits, y.numpy(), atol=1e-10)
    np.testing.assert_allclose(first.probabilities, y.softmax(0).numpy(), atol=1e-12)


def test_a_fully_connected_layer_is_a_convolution_over_the_whole_map() -> None:
    trace = trace_network(np.arange(18.0).reshape(2, 3, 3), parse_layers("flatten; fc n=4"), seed=3)
    linear = trace.layers[1]
    assert isinstance(linear, LinearTrace)
    convolution = linear.as_convolution()
    assert convolution.weight.shape == (4, 2, 3, 3)
    np.testing.assert_array_equal(convolution.output.ravel(), linear.output)


def test_the_document_is_json_and_holds_every_number() -> None:
    layers = parse_layers("conv f=2 n=2; relu; maxpool f=2 s=1 p=1; globalavgpool; flatten; fc n=2")
    trace = trace_network(np.arange(9).reshape(3, 3), layers)
    document = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert [layer["kind"] for layer in document["layers"]] == [
        "convolution",
        "element",
        "pooling",
        "pooling",
        "flatten",
        "linear",
    ]
    for layer, traced in zip(document["layers"], trace.layers, strict=True):
        np.testing.assert_array_equal(np.array(layer["output"]), traced.output)
    assert document["layers"][2]["padded"][0][0] == [None] * 4
    assert len(document["layers"][0]["steps"]) == 7
    assert len(document["layers"][2]["steps"]) == 6


def test_the_same_seed_gives_the_same_numbers() -> None:
    layers = parse_layers("conv f=3 n=2; flatten; fc n=3")
    one, same, other = (trace_network(np.ones((5, 5)), layers, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.output, same.output)
    assert not np.array_equal(one.layers[0].weight, other.layers[0].weight)  # type: ignore[union-attr]


def test_text_says_what_it_leaves_out() -> None:
    trace = trace_network(np.ones((5, 5)), parse_layers("conv f=3 n=1; flatten; fc n=2"))
    text = trace.to_text(limit=2)
    assert "  … and 30 more steps" in text
    assert "rows: o = i − f + 1 = 5 − 3 + 1 = 3" in text
    assert "probability" in text.splitlines()[-1]
    assert "more steps" not in trace.to_text()


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[1, 2], [3]], ShapeError, r"input must be an array of numbers with rows of one length"),
        ([[1.0, float("nan")]], ConfigError, r"input must hold finite numbers, got nan at \(0, 1\)"),
        (
            [[2**60, 1]],
            ConfigError,
            r"up to 2\^53, beyond which they are not exact, got 1152921504606846976",
        ),
        ([[1.0, -1e200]], ConfigError, r"input must hold numbers up to 1e\+150, .* overflow, got -1e\+200 at \(0, 1\)"),
        (np.zeros((0, 3)), ShapeError, r"none of them empty, got the shapes \(1, 0, 3\)"),
        (np.zeros((2, 3, 3)), ShapeError, r"The weight of shape \(1, 1, 1, 1\) reads 1 channels, but the input has 2"),
        (np.zeros((600, 600)), ConfigError, r"would hold 1,080,001 numbers, and at most 200,000 are kept"),
    ],
)
def test_input_that_cannot_be_traced_is_refused(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        trace_convolution(x, [[1.0]])


def test_layers_that_do_not_fit_are_refused() -> None:
    x = np.ones((4, 4))
    with pytest.raises(ShapeError, match=r"fc1 takes numbers in a row, but gets a map 1×4×4; put 'flatten' before it"):
        trace_network(x, parse_layers("fc n=2"))
    with pytest.raises(ShapeError, match=r"conv1 takes a map c×h×w, but gets 16 numbers in a row"):
        trace_network(x, parse_layers("flatten; conv f=1 n=2"))
    with pytest.raises(ConfigError, match=r"transposed convolution, which is not traced"):
        trace_network(x, parse_layers("deconv f=2 n=2"))
    with pytest.raises(ConfigError, match=r"^add1 is not traced: a trace follows one path of layers"):
        trace_network(x, parse_layers("relu; add(conv f=1 n=1 | )"))
    with pytest.raises(ConfigError, match=r"are for convolutions and fully connected layers, got some for '1'"):
        trace_network(x, parse_layers("conv f=2 n=1; relu"), parameters={"1": ([[1.0]], None)})
    with pytest.raises(ConfigError, match=r"The place \(0, 9, 0\) is outside of the output, which is 1×4×4"):
        trace_convolution(x, [[1.0]]).window(0, 9, 0)
    with pytest.raises(ConfigError, match=r"padding must be less than the window spans"):
        trace_pooling(x, 2, padding=2)
    with pytest.raises(ShapeError, match=r"a kernel of 5 does not fit into 4"):
        trace_convolution(x, np.ones((5, 5)))
    with pytest.raises(ConfigError, match=r"would hold [\d,]{50,} numbers"):
        trace_convolution(x, [[1.0]], padding=10**20)  # before there is room for them
    with pytest.raises(ConfigError, match=r"would hold 400,000,000,080,000,000,024 numbers"):
        trace_pooling(x, 10**10, padding=10**10 - 1, stride=10**10)
    with pytest.raises(ConfigError, match=r"stride must be a whole number of at least 1, got 1\.5"):
        trace_convolution(x, [[1.0]], stride=1.5)  # type: ignore[arg-type]


def test_sums_of_the_largest_numbers_are_numbers() -> None:
    x = np.full((1, 200, 200), 1e150)
    assert np.isfinite(trace_convolution(x, np.full((190, 190), 1e150)).output).all()


def test_traces_are_of_both_kinds() -> None:
    trace = trace_network(np.ones((4, 4)), parse_layers("conv f=2 n=1; minpool f=2"))
    assert isinstance(trace.layers[0], ConvolutionTrace)
    assert isinstance(trace.layers[1], PoolingTrace)
    assert trace.logits is None

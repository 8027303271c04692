"""Measurements of stacks: against torch's own layer table, memory counted tensor by tensor."""

from collections.abc import Callable
from math import prod

import pytest
import torch

from striate.arithmetic import (
    Activation,
    Branches,
    Flatten,
    GlobalPooling,
    Layer,
    LayerMeasure,
    Linear,
    Measurement,
    measure,
    parse_layers,
)
from striate.errors import ConfigError, ShapeError
from striate.probe import LayerRow, summary
from tests.oracles.stacks import build, random_stack

STACKS = 60  # 1 in 4 of them and more with branches


def _paired(measured: Measurement) -> list[tuple[str, LayerMeasure]]:
    """Each row with the address that it has in the torch module."""
    numbers: dict[str, int] = {}
    pairs: list[tuple[str, LayerMeasure]] = []
    for row in measured.rows:
        # The branches around a row are the last rows of each smaller depth.
        around = [next(a for a, other in reversed(pairs) if other.depth == depth) for depth in range(row.depth)]
        prefix = f"{around[-1]}.paths.{row.path[-1]}." if around else ""
        numbers[prefix] = numbers.get(prefix, -1) + 1
        pairs.append((f"{prefix}{numbers[prefix]}", row))
    return pairs


def _assert_same(row: LayerMeasure, layer: LayerRow) -> None:
    assert layer.input_shape[1:] == row.input_shape
    assert layer.output_shape[1:] == row.output_shape
    if not isinstance(row.layer, Branches):
        assert (layer.total_parameters, layer.total_macs) == (row.parameters, row.macs)
    assert layer.field == row.field


def test_random_stacks_and_branches_measure_as_torchs_modules_do(
    record_property: Callable[[str, object], None],
) -> None:
    branched = 0
    for seed in range(STACKS):
        measured = random_stack(seed)
        table = summary(build(measured), measured.input_shape)
        for address, row in _paired(measured):
            layer = table.row(address)
            assert layer is not None, address
            _assert_same(row, layer)
        assert (table.parameters, table.macs) == (measured.parameters, measured.macs)
        branched += any(row.depth for row in measured.rows)
    assert branched > STACKS // 4
    record_property("counted", ("random stacks of layers against torch", STACKS))


@pytest.mark.parametrize(
    ("text", "shape", "module"),
    [
        ("conv f=5 s=2 p=2 n=6; relu; maxpool f=2", (2, 31), torch.nn.Conv1d(2, 6, 5, 2, 2)),
        ("conv f=3x2x1 n=4 d=2 g=2", (2, 9, 8, 7), torch.nn.Conv3d(2, 4, (3, 2, 1), dilation=2, groups=2)),
        ("deconv f=4 s=2 p=1 n=3", (2, 9), torch.nn.ConvTranspose1d(2, 3, 4, 2, 1)),
    ],
)
def test_one_and_three_axes(text: str, shape: tuple[int, ...], module: torch.nn.Module) -> None:
    row = measure(parse_layers(text), shape).rows[0]
    assert row.output_shape == tuple(module(torch.zeros(1, *shape)).shape[1:])
    assert row.parameters == sum(p.numel() for p in module.parameters())
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *shape))
    assert row.macs == counter.get_total_flops() // 2
    assert row.field is not None
    assert len(row.field.size) == len(row.sizes) == len(shape) - 1


def test_a_row_of_numbers_has_no_field() -> None:
    measured = measure(parse_layers("fc n=300; relu; fc n=10 b=no"), (784,))
    assert (measured.parameters, measured.macs) == (784 * 300 + 300 + 3000, 784 * 300 + 3000)
    assert measured.field is None
    assert "whole" not in measured.to_text()


# --- memory


def _live_at_most(layers: tuple[Layer, ...], shape: tuple[int, ...], size: int) -> int:
    """The peak by writing down every operation, then asking at each which tensors are still to be read."""
    tensors = [prod(shape) * size]
    operations: list[tuple[set[int], int]] = []  # what is read, what is made

    def walk(sequence: tuple[Layer, ...], tensor: int, now: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        for layer in sequence:
            if isinstance(layer, Branches):
                ends = [walk(path, tensor, now) for path in layer.paths]
                read = {end for end, _ in ends}
                first = ends[0][1]
                joined = sum(s[0] for _, s in ends) if layer.join == "concat" else first[0]
                now = (joined, *first[1:])
            else:
                now = measure([layer], now).output_shape
                read = {tensor}
                if isinstance(layer, Flatten):
                    continue
            tensors.append(prod(now) * size)
            tensor = len(tensors) - 1
            operations.append((read, tensor))
        return tensor, now

    end, _ = walk(layers, 0, shape)
    peak = tensors[0]
    for at, (read, made) in enumerate(operations):
        later = {end}.union(*(needed for needed, _ in operations[at + 1 :]))
        there = {0, *(m for _, m in operations[:at])}
        peak = max(peak, sum(tensors[t] for t in (there & (later | read)) | {made}))
    return peak


def test_peak_memory_is_what_counting_every_live_tensor_gives() -> None:
    branched = 0
    for seed in range(STACKS):
        measured = random_stack(seed)
        layers = tuple(row.layer for row in measured.rows if not row.path)
        assert measured.peak_bytes == _live_at_most(layers, measured.input_shape, 4), layers
        branched += any(row.depth > 1 for row in measured.rows)
    assert branched > 5


@pytest.mark.parametrize(
    ("text", "peak"),
    [
        ("relu", 2),  # input and output
        ("relu; relu; relu", 2),
        ("flatten", 1),  # nothing moves
        ("flatten; relu", 2),
        ("add(relu | )", 3),  # the input waits for the sum
        ("add( | relu)", 3),
        ("add( | )", 2),
        ("add(relu; relu | )", 3),
        ("add(relu | relu)", 3),  # the input is gone when the sum is made
        ("add(relu | relu | relu)", 4),
        ("add(relu; relu; relu | relu | )", 4),
        ("concat( | flatten; relu)", 4),
        ("concat(add(relu | ) | )", 4),
    ],
)
def test_peak_memory_by_hand(text: str, peak: int) -> None:
    shape = (5,) if "concat" in text else (1, 1, 5)
    assert measure(parse_layers(text), shape, bytes_per_value=2).peak_bytes == peak * 10


def test_activations_count_every_output_once() -> None:
    measured = measure(parse_layers("conv f=3 p=1 n=4; relu; flatten; fc n=2"), (1, 4, 4), bytes_per_value=2)
    assert [row.activation_bytes for row in measured.rows] == [128, 128, 0, 4]
    assert measured.activation_bytes == 260


# --- networks of the catalogue


def _bottleneck(n: int, *, stride: int, shortcut: bool, first: bool) -> Branches:
    inner = parse_layers(
        f"conv f=1 s={stride if first else 1} n={n} b=no; relu; "
        f"conv f=3 s={1 if first else stride} p=1 n={n} b=no; relu; conv f=1 n={4 * n} b=no"
    )
    aside = parse_layers(f"conv f=1 s={stride} n={4 * n} b=no") if shortcut else ()
    return Branches(paths=(inner, aside), join="add")


def _resnet50(*, first: bool) -> list[Layer]:
    layers = list(parse_layers("conv f=7 s=2 p=3 n=64 b=no; relu; maxpool f=3 s=2 p=1"))
    for stage, count in enumerate((3, 4, 6, 3)):
        for unit in range(count):
            stride = 2 if stage and not unit else 1
            layers += [
                _bottleneck(64 * 2**stage, stride=stride, shortcut=not unit, first=first),
                Activation(function="relu"),
            ]
    return [*layers, GlobalPooling(kind="average"), Flatten(), Linear(out_features=1000)]


def _fire(squeeze: int, expand: int) -> str:
    wide = f"conv f=1 n={expand}; relu | conv f=3 p=1 n={expand}; relu"
    return f"conv f=1 n={squeeze}; relu; concat({wide})"


def _vgg16() -> tuple[Layer, ...]:
    stages = [
        "; ".join([f"conv f=3 p=1 n={n}; relu"] * count) + "; maxpool f=2"
        for n, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    ]
    return parse_layers("; ".join(stages) + "; flatten; fc n=4096; relu; fc n=4096; relu; fc n=1000")


SQUEEZENET = "; ".join(
    (
        "conv f=3 s=2 n=64; relu; maxpool f=3 s=2 ceil",
        _fire(16, 64),
        _fire(16, 64),
        "maxpool f=3 s=2 ceil",
        _fire(32, 128),
        _fire(32, 128),
        "maxpool f=3 s=2 ceil",
        _fire(48, 192),
        _fire(48, 192),
        _fire(64, 256),
        _fire(64, 256),
        "conv f=1 n=1000; relu; globalavgpool",
    )
)
ALEXNET = (
    "conv f=11 s=4 p=2 n=64; relu; maxpool f=3 s=2; conv f=5 p=2 n=192; relu; maxpool f=3 s=2; conv f=3 p=1 n=384;"
    "relu; conv f=3 p=1 n=256; relu; conv f=3 p=1 n=256; relu; maxpool f=3 s=2; flatten;"
    "fc n=4096; relu; fc n=4096; relu; fc n=1000"
)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("alexnet", parse_layers(ALEXNET)),
        ("vgg16", _vgg16()),
        ("squeezenet1_1", parse_layers(SQUEEZENET)),
        ("resnet50", _resnet50(first=False)),
        ("resnet50_v1", _resnet50(first=True)),
    ],
)
def test_networks_of_the_catalogue(name: str, layers: list[Layer]) -> None:
    import striate

    with torch.device("meta"):
        network = striate.create_model(name)
    table = summary(network, (3, 224, 224))
    measured = measure(layers, (3, 224, 224))
    # Normalization learns numbers that convolutions alone do not have.
    learnt = {m: p for m in network.modules() for p in [sum(t.numel() for t in m.parameters(recurse=False))]}
    normalized = sum(p for m, p in learnt.items() if isinstance(m, torch.nn.BatchNorm2d))
    assert measured.macs == table.macs
    assert measured.parameters == table.parameters - normalized
    assert measured.output_shape == table.rows[-1].output_shape[1:]
    places = [row.field for row in measured.rows if row.field is not None and not row.field.whole]
    theirs = [row.field for row in table.rows if row.field is not None and not row.field.whole]
    assert places[-1] == theirs[-1]


# --- the table, and refusals


def test_text_and_json_have_every_layer() -> None:
    measured = measure(parse_layers("conv f=3 p=1 n=2; add(relu; relu | ); deconv f=2 s=2 n=1; flatten"), (1, 4, 4))
    lines = measured.to_text().splitlines()
    assert [line[: lines[0].index("output")].rstrip() for line in lines[1:6]] == [
        "conv f=3 p=1 n=2",
        "add, with the input",
        "1  relu",
        "   relu",
        "deconv f=2 s=2 n=1",
    ]
    assert lines[-2].split() == ["total", "29", "416", "768"]
    assert lines[-1] == f"At most {measured.peak_bytes:,} bytes of activations at once."
    values = measured.to_dict()
    assert [row["layer"] for row in values["rows"]][1] == "add(relu; relu | )"
    assert [row["depth"] for row in values["rows"]] == [0, 0, 1, 1, 0, 0]
    assert values["rows"][4]["field"]["stride"] == [0.5, 0.5]
    assert values["rows"][0]["sizes"][0]["numbers"] == "4 + 2·1 − 3 + 1 = 4"


def test_no_layers_are_the_input_itself() -> None:
    measured = measure((), (3, 5, 7))
    assert (measured.output_shape, measured.peak_bytes, measured.rows) == ((3, 5, 7), 420, ())


@pytest.mark.parametrize(
    ("text", "shape", "error", "message"),
    [
        (
            "conv f=3 n=8; maxpool f=5",
            (3, 6, 6),
            ShapeError,
            r"^Layer 2, 'maxpool f=5', gets 8×4×4\. The input is too small",
        ),
        ("relu; add(relu | conv f=9 n=3)", (3, 6, 6), ShapeError, r"^Layer 2\.2\.1, 'conv f=9 n=3', gets 3×6×6\."),
        (
            "conv f=3 n=8 g=2",
            (3, 6, 6),
            ConfigError,
            r"groups must divide .*, got 2 groups for 3 channels and 8 filters",
        ),
        ("conv f=3x3x3 n=8", (3, 6, 6), ConfigError, r"kernel_size has 3 axes.*the input has 2"),
        ("conv f=3 n=8 p=1x1x1", (3, 6, 6), ConfigError, r"padding has 3 axes.*the input has 2"),
        ("fc n=10", (3, 6, 6), ShapeError, r"put 'flatten' before it"),
        ("flatten; conv f=1 n=2", (3, 6, 6), ShapeError, r"Layer 2, .* gets 108\. A layer with a window needs a map"),
        ("flatten; globalmaxpool", (3, 6, 6), ShapeError, r"needs a map"),
        (
            "add(conv f=1 n=2 | )",
            (3, 6, 6),
            ShapeError,
            r"Layer 1, 'add', needs paths of one shape, and gets 2×6×6, 3×6×6",
        ),
        (
            "concat(maxpool f=2 | )",
            (3, 6, 6),
            ShapeError,
            r"'concat', needs paths of one spatial size, and gets 3×3×3, 3×6×6",
        ),
        ("concat(flatten | )", (3, 1, 1), ShapeError, r"needs paths of one spatial size, and gets 3, 3×1×1"),
        ("relu", (), ShapeError, r"input_shape must be channels and 1 to 3 spatial sizes.*got \(\)"),
        ("relu", (1, 2, 3, 4, 5), ShapeError, r"input_shape must be"),
        ("relu", [3, 4, 4], ShapeError, r"input_shape must be.*got \[3, 4, 4\]"),
        ("relu", (3, 0, 4), ConfigError, r"input_shape must be at least 1, got 0"),
        ("relu", (3, 4.0, 4), ConfigError, r"input_shape must be a whole number"),
    ],
)
def test_refusals_say_which_layer_and_why(
    text: str, shape: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        measure(parse_layers(text), shape)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["conv f=3 n=8"], r"layers must hold layers, got 'conv f=3 n=8'; parse_layers"),
        ("relu", r"layers must hold layers, got 'r'"),
        (
            Activation(function="relu"),
            r"layers must be a sequence of layers, got Activation.*put a single layer in brackets",
        ),
    ],
)
def test_refuses_what_is_no_layer(layers: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        measure(layers, (3, 4, 4))


def test_refuses_values_of_no_bytes() -> None:
    with pytest.raises(ConfigError, match="bytes_per_value must be at least 1, got 0"):
        measure([Activation(function="relu")], (1, 1), bytes_per_value=0)

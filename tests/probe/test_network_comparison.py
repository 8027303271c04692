"""Every convolution of a module and what could stand in its place, counted by torch; every network there is."""

import random
from collections.abc import Callable
from math import prod

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from striate.errors import ConfigError, ShapeError
from striate.probe import ConvolutionRow, NetworkComparison, compare_layers, summary

# Detectors take sizes beside the picture; their trunks are in the list by themselves.
ONE_INPUT = [name for name in striate.list_models() if striate.models.find_entry(name).task != "detect"]
# Relatives of networks that are in the default run, with more of the same blocks.
DEEPER = {
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "googlenet",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet101_v1",
    "resnet110",
    "resnet152",
    "resnet152_v1",
    "se_resnet101",
    "se_resnet152",
    "se_resnext50_32x4d",
    "se_resnext101_32x4d",
    "senet154",
    "squeezenet1_0",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg19",
    "vgg19_bn",
}


def _ways(row: ConvolutionRow) -> dict[str, int]:
    return {way.name: way.macs for way in row.comparison.rows}


def _macs_by_hand(row: ConvolutionRow) -> dict[str, int]:
    """From the shapes alone: c, n, the taps and the places of the output."""
    c, cost, g = row.input_shape[0], row.cost, row.layer.groups
    n, places = cost.output_shape[0], prod(cost.output_shape[1:])
    g = c if g is None else g
    taps = cost.macs * g // (n * c * places)
    macs = {"as it is": n * (c // g) * taps * places}
    if g > 1:
        macs["standard"] = n * c * taps * places
    macs |= {f"{k} groups": n * (c // k) * taps * places for k in (2, 4, 8) if g < k < c and c % k == 0 and n % k == 0}
    if taps > 1 and g < c:
        macs["depthwise separable"] = (c * taps + n * c) * places
    if taps > 1:
        macs["1×1"] = n * c * places
    return macs


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in DEEPER else name for name in ONE_INPUT],
)
def test_every_network_of_the_catalogue(name: str) -> None:
    channels, side = (1, 32) if name.startswith("lenet5") else (3, 224)
    with torch.device("meta"):
        network = striate.create_model(name)
    comparison = compare_layers(network, (channels, side, side))
    table = summary(network, (channels, side, side))
    convolved = sum(row.macs for row in table.rows if "Conv" in row.kind)
    assert comparison.rows
    assert comparison.totals[0].macs == sum(row.cost.macs for row in comparison.rows) == convolved
    for row in comparison.rows:
        assert len({way.output_shape for way in row.comparison.rows}) == 1
        macs = _ways(row)
        macs.pop("layers of 3×3", None)
        assert macs == _macs_by_hand(row)
        layer = network.get_submodule(row.address)
        if isinstance(layer, nn.Conv2d):
            assert row.cost.parameters == sum(p.numel() for p in layer.parameters(recurse=False))
            assert row.cost.output_shape == table.row(row.address).output_shape[1:]


class Shared(nn.Module):
    """A convolution that runs twice, and one on a kernel of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 5, padding=2)
        self.kernel = nn.Parameter(torch.zeros(8, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.conv(self.conv(x)), self.kernel)


def test_a_users_own_module_with_shared_weights() -> None:
    comparison = compare_layers(Shared(), (4, 9, 9), groups=[2, 2])
    assert [row.address for row in comparison.rows] == ["conv", "conv#2", "Shared"]
    assert [row.cost.parameters for row in comparison.rows] == [404, 0, 288]
    assert [row.text for row in comparison.rows] == ["conv f=5 p=2 n=4"] * 2 + ["conv f=3 n=8 b=no"]
    first, again, last = comparison.rows
    assert [way.parameters for way in again.comparison.rows] == [0] * len(first.comparison.rows)
    assert list(_ways(first)) == ["as it is", "2 groups", "depthwise separable", "1×1", "layers of 3×3"]
    assert list(_ways(last)) == ["as it is", "2 groups", "depthwise separable", "1×1"]
    totals = {total.name: total for total in comparison.totals}
    assert totals["as it is"].parameters == 404 + 288
    assert (totals["layers of 3×3"].replaced, totals["layers of 3×3"].cheaper) == (2, 2)
    assert totals["layers of 3×3"].macs == 2 * 2 * 9 * 16 * 81 + last.cost.macs
    assert totals["layers of 3×3"].parameters == 2 * (9 * 16 + 4) + 288


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel lengths")
def test_every_way_gives_the_same_size_whatever_the_settings(record_property: Callable[[str, object], None]) -> None:
    draw, counted = random.Random(0), 0
    while counted < 100:
        g = draw.choice((1, 1, 2, 3))
        kernel = (draw.randint(1, 9), draw.randint(1, 9))
        padding = draw.choice(("same", "valid", (draw.randint(0, 9), draw.randint(0, 9))))
        net = nn.Conv2d(
            g * draw.randint(1, 3),
            g * draw.randint(1, 3),
            draw.choice((kernel, (5, 5), (7, 7))),
            stride=1 if padding == "same" else (draw.randint(1, 3), draw.randint(1, 3)),
            padding=padding,
            dilation=draw.randint(1, 2),
            groups=g,
            device="meta",
        )
        shape = (net.in_channels, draw.randint(1, 20), draw.randint(1, 20))
        try:
            out = net(torch.empty(1, *shape, device="meta"))
        except RuntimeError:  # the window does not fit
            continue
        row = compare_layers(net, shape, groups=(2, 3)).rows[0]
        assert {way.output_shape for way in row.comparison.rows} == {tuple(out.shape[1:])}, (net, shape)
        assert row.cost.macs == summary(nn.Sequential(net), shape).macs
        counted += 1
    record_property("counted", ("random convolutions with their alternatives", counted))


def test_a_transposed_convolution_and_a_folded_batch_are_measured_as_they_run() -> None:
    up = compare_layers(nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1), (4, 5, 5)).rows[0]
    assert _ways(up) == {"as it is": 4 * 2 * 16 * 25}

    class Folded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(3, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x[0].permute(1, 0, 2))

    folded = compare_layers(Folded(), (3, 6, 8)).rows[0]
    assert folded.cost.macs == summary(Folded(), (3, 6, 8)).macs == 6 * (2 * 3 * 3 * 6)
    assert folded.cost.activation_bytes == 6 * 2 * 6 * 4


def test_a_network_without_convolutions_has_no_rows() -> None:
    comparison = compare_layers(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2))
    assert comparison.rows == ()
    assert [total.macs for total in comparison.totals] == [0]
    assert "as it is" in comparison.to_text()


def _small() -> NetworkComparison:
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 8, 1))
    return compare_layers(net, (3, 8, 8), groups=(4,), name="small")


def test_text_and_json() -> None:
    comparison = _small()
    lines = comparison.to_text().splitlines()
    head = "convolution settings input parameters MACs 4 groups depthwise separable 1×1 layers of 3×3"
    assert lines[0].split() == head.split()
    assert lines[1].split() == ["0", "conv", "f=5", "n=8", "3×8×8", "608", "9,600", "0.165", "0.04", "1.77"]
    assert lines[2].split() == ["2", "conv", "f=1", "n=8", "8×4×4", "72", "1,024", "0.25"]
    assert lines[-4].split()[:4] == ["4", "groups", "1", "1"]
    values = comparison.to_dict()
    assert (values["name"], values["input_size"]) == ("small", [1, 3, 8, 8])
    assert values["rows"][0]["layer"] == "conv f=5 n=8"
    assert [way["name"] for way in values["rows"][0]["rows"]][-1] == "layers of 3×3"
    assert values["totals"][0]["macs"] == 9_600 + 1_024


def test_refusals() -> None:
    net = nn.Conv2d(3, 4, 3)
    with pytest.raises(ConfigError, match="groups must be at least 2, got 1"):
        compare_layers(net, (3, 8, 8), groups=[1])
    with pytest.raises(ShapeError, match=r"input_size must be \(channels, height, width\)"):
        compare_layers(net, (8, 8))
    with pytest.raises(ShapeError, match="Conv2d refuses an input of size"):
        compare_layers(net, (3, 2, 2))

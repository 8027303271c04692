"""What can stand in a convolution's place: the same output, the same field where that is promised, counted by hand."""

import pytest
import torch
from torch.nn import functional as F

from striate.arithmetic import Convolution, parse_layer, parse_layers
from striate.errors import ShapeError
from striate.probe.alternatives import alternatives_to, ways_in_order


def _macs(text: str, shape: tuple[int, ...], groups: tuple[int, ...] = ()) -> dict[str, int]:
    layer = parse_layer(text)
    assert isinstance(layer, Convolution)
    return {way.name: way.macs for way in alternatives_to(layer, shape, groups=groups)}


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel", [(5, 5), (7, 7), (1, 7), (9, 9)])
@pytest.mark.parametrize("padding", [0, 2, 7])
def test_layers_of_three_see_the_same_and_give_the_same_size(
    stride: int, dilation: int, kernel: tuple[int, int], padding: int
) -> None:
    layer = Convolution(out_channels=4, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    itself, *_, small = alternatives_to(layer, (3, 21, 26))
    assert small.name == "layers of 3×3"
    assert small.field_size == itself.field_size
    # torch agrees that they fit
    x, channels = torch.zeros(1, 3, 21, 26), 3
    for one in parse_layers(small.text):
        pads = one.padding if isinstance(one.padding, tuple) else ((one.padding,) * 2,) * 2
        f = one.kernel_size if isinstance(one.kernel_size, tuple) else (one.kernel_size,) * 2
        x = F.pad(x, (*pads[-1], *pads[0]))
        x = F.conv2d(x, torch.zeros(4, channels, *f), stride=one.stride, dilation=one.dilation)
        channels = 4
    assert tuple(x.shape[1:]) == small.output_shape == itself.output_shape


def test_each_way_is_counted_as_by_hand() -> None:
    assert _macs("conv f=3 p=1 n=12 g=2", (8, 5, 5), (2, 3, 4)) == {
        "as it is": 12 * 4 * 9 * 25,
        "standard": 12 * 8 * 9 * 25,
        "4 groups": 12 * 2 * 9 * 25,
        "depthwise separable": (8 * 9 + 12 * 8) * 25,
        "1×1": 12 * 8 * 25,
    }


def test_the_stem_of_vgg_would_cost_more_and_a_depthwise_window_is_split_too() -> None:
    stem = _macs("conv f=7 p=3 n=64", (3, 224, 224))
    assert stem["layers of 3×3"] / stem["as it is"] == pytest.approx(8.02, abs=0.01)
    assert _macs("depthwise f=5 p=2", (16, 8, 8), (2, 4, 8)) == {
        "as it is": 16 * 25 * 64,
        "standard": 16 * 16 * 25 * 64,
        "1×1": 16 * 16 * 64,
        "layers of 3×3": 2 * 16 * 9 * 64,
    }


def test_what_has_no_alternative_is_measured_alone() -> None:
    assert _macs("deconv f=4 s=2 p=1 n=2", (4, 5, 5), (2,)) == {"as it is": 4 * 2 * 16 * 25}
    assert _macs("conv f=1 n=2", (4, 5, 5)) == {"as it is": 2 * 4 * 25}


def test_ways_come_in_one_order() -> None:
    order = ways_in_order((2, 4))
    found = list(_macs("conv f=5 p=2 n=8 g=2", (8, 9, 9), (2, 4)))
    assert found == [name for name in order if name in found]


def test_refuses_an_input_that_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="The input is too small: a kernel of 5 does not fit into 4"):
        _macs("conv f=5 n=2", (3, 4, 4))

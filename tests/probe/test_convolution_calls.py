"""Every convolution that runs is noted, however it is called, and nothing is left behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from striate.arithmetic import write_layer
from striate.errors import ConfigError, ShapeError
from striate.probe.convolution_calls import convolution_calls


class Everything(nn.Module):
    """Modules, functional calls, a module that is used twice, one by keyword, and a map folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(1, 2))
        self.shared = nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=8, bias=False)
        self.kernel = nn.Parameter(torch.zeros(6, 4, 1, 1))
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.rows = nn.Conv1d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(self.shared(self.stem(x)))
        x = F.conv2d(input=x, weight=self.kernel, groups=2)
        x = self.up(x)
        n, c, h, w = x.shape
        return self.rows(x.permute(0, 2, 1, 3).reshape(n * h, c, w))


def test_every_call_with_its_settings() -> None:
    calls, table = convolution_calls(Everything(), (3, 8, 10))
    assert [(call.address, write_layer(call.layer), call.input_shape, call.batch) for call in calls] == [
        ("stem", "conv f=3x5 s=2x1 p=1x2 n=8", (3, 8, 10), 1),
        ("shared", "depthwise f=3 p=same d=2 b=no", (8, 4, 10), 1),
        ("shared#2", "depthwise f=3 p=same d=2 b=no", (8, 4, 10), 1),
        ("", "conv f=1 n=6 g=2 b=no", (8, 4, 10), 1),
        ("up", "deconv f=3 s=2 p=1 q=1 n=4 g=2", (6, 4, 10), 1),
        ("rows", "conv f=3 n=2", (4, 20), 8),
    ]
    assert [call.first for call in calls] == [True, True, False, True, True, True]
    assert {call.address for call in calls if call.address} == {row.address for row in table.rows}


class Values(nn.Module):
    """Looks at values, so that it cannot be followed without them and is run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if float(y.sum()) > 1e9 else y + 1


def test_a_pass_that_starts_again_is_noted_once() -> None:
    calls, _ = convolution_calls(Values(), (1, 5, 5))
    assert [call.address for call in calls] == ["conv"]


class Fallback(nn.Module):
    """Tries one layer, and another where that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(5, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.first(x)
        except RuntimeError:
            return self.second(x)


def test_a_call_that_fails_is_none() -> None:
    calls, _ = convolution_calls(Fallback(), (3, 4, 4))
    assert [call.address for call in calls] == ["second"]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_refuses_torchscript_with_a_sentence() -> None:
    with pytest.raises(ConfigError, match="is TorchScript, which cannot be watched"):
        convolution_calls(torch.jit.script(nn.Sequential(nn.Conv2d(3, 2, 1))), (3, 4, 4))


def test_a_border_that_is_not_zeros_is_padded_before() -> None:
    calls, _ = convolution_calls(nn.Sequential(nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="circular")), (3, 8, 10))
    assert [(write_layer(call.layer), call.input_shape) for call in calls] == [("conv f=3 n=4", (3, 10, 14))]


class Computed(nn.Module):
    """A weight that is computed anew each time it is read, by a parametrization and by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(nn.Conv2d(4, 4, 3, padding=1))
        self.hand = Scaled()

    def forward(self, x: Tensor) -> Tensor:
        return self.hand(self.hand(self.conv(self.conv(x))))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(4, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, 2 * self.kernel), 3 * self.kernel)


def test_a_weight_that_is_computed_again_is_the_same_weight() -> None:
    calls, _ = convolution_calls(Computed(), (4, 8, 8))
    assert [(call.address, call.first) for call in calls] == [
        ("conv", True),
        ("conv#2", False),
        ("hand", True),
        ("hand", True),
        ("hand#2", False),
        ("hand#2", False),
    ]


class Half(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return F.conv2d(weight, weight.new_ones(weight.shape[1], 1, 1, 1), groups=weight.shape[1])


def test_what_computes_a_weight_is_not_part_of_the_network() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3))
    parametrize.register_parametrization(net[0], "weight", Half())
    calls, _ = convolution_calls(net, (2, 6, 6))
    assert [call.address for call in calls] == ["0"]


def test_nothing_is_left_behind_also_after_a_refusal() -> None:
    net = Everything().train()
    convolution_calls(net, (3, 8, 10))
    with pytest.raises(ShapeError, match="Everything refuses an input of size"):
        convolution_calls(net, (4, 8, 10))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert all(part.training for part in net.modules())
    assert all(p.grad is None and p.device.type == "cpu" for p in net.parameters())
    assert len(convolution_calls(net, (3, 8, 10))[0]) == 6


def test_other_threads_use_the_same_module() -> None:
    net = Everything()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: len(convolution_calls(net, (3, 8, 10))[0]), range(12)))
    assert found == [6] * 12


def test_a_module_that_is_a_convolution_itself() -> None:
    calls, _ = convolution_calls(nn.Conv2d(3, 4, 3), (1, 3, 8, 8))
    assert [(call.address, call.input_shape) for call in calls] == [("", (3, 8, 8))]

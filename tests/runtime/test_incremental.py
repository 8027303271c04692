"""Exact incremental inference against asking the whole module, for every operator of its table and then some."""

# ruff: noqa: E501 - one network a line

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.models import create_model
from striate.runtime import Places, follow, visible_places
from striate.runtime.incremental.intervals import Interval, Window, spread, spread_transposed
from tests.oracles.networks import forget_statistics


def starts(extent: int, window: int, stride: int) -> list[int]:
    return [i * stride for i in range(max(math.ceil((extent - window) / stride), 0) + 1)]


def asked(module: nn.Module, x: Tensor, places: Places, patch: Tensor) -> Tensor:
    """One picture, one place at a time."""
    rows = []
    with torch.no_grad():
        for number in range(places.count):
            hidden = x.clone()
            top, left = places.corner(number)
            hidden[:, :, top : top + places.size[0], left : left + places.size[1]] = patch
            rows.append(module(hidden))
    return torch.cat(rows)


def assert_exact(module: nn.Module, x: Tensor, window: int = 4, stride: int = 3) -> float:
    """Every answer is the naive loop's to 1e-9 of what the patch changes; gives the share of the work that was planned.

    Not to 1e-9 of the answer: a network whose answer hardly depends on the picture would pass with anything.
    """
    module.eval()
    places = Places(starts(x.shape[2], window, stride), starts(x.shape[3], window, stride), (window, window))
    patch = torch.linspace(-1, 1, x.shape[1], dtype=x.dtype).view(-1, 1, 1)
    network = follow(module, x)
    assert network is not None
    wanted = asked(module, x, places, patch)
    with torch.no_grad():
        signal = float((wanted - module(x)).abs().max())
    assert signal > 1e-4 * float(wanted.abs().max()), "the answer does not depend on the picture: nothing is tested"
    got = torch.full_like(wanted, float("nan"))
    for numbers, answers in network.answers(x, places, patch):
        got[numbers] = answers
    torch.testing.assert_close(got / signal, wanted / signal, rtol=0, atol=1e-9)
    return network.work(places, (x.shape[2], x.shape[3]))


def lively(module: nn.Module) -> nn.Module:
    """Weights that keep a signal's size through any depth; GoogLeNet's own shrink it to 1e-12."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    return module


class Head(nn.Module):
    """A body, then one score a channel and place: nothing of the body can be wrong unseen."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).flatten(1)


class Call(nn.Module):
    """Any function of a picture and some layers."""

    def __init__(self, function, *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def conv(i: int, o: int, k: int = 3, **settings) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, **settings)


def inplace(x: Tensor, layer: nn.Module) -> Tensor:
    y = layer(x)
    y += 1
    F.relu_(y)
    y[:, 0].mul_(2)
    return y


def shuffle(x: Tensor, layer: nn.Module) -> Tensor:
    y = layer(x)
    n, c, h, w = y.shape
    return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def squeeze_excite(x: Tensor, layer: nn.Module, gate: nn.Module, last: nn.Module) -> Tensor:
    y = layer(x)
    return last(y * torch.sigmoid(gate(y.mean((2, 3), keepdim=True))))


def attention(x: Tensor, layer: nn.Module) -> Tensor:
    y = layer(x)
    tokens = y.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens)


BODIES = {
    "conv": lambda: conv(3, 5),
    "strided": lambda: nn.Sequential(conv(3, 4, 3, stride=2, padding=1), conv(4, 4, 3, stride=2, padding=1)),
    "stride above kernel": lambda: nn.Sequential(conv(3, 4, 2, stride=3), conv(4, 4, 1, stride=2)),
    "dilated": lambda: nn.Sequential(conv(3, 4, 3, dilation=2, padding=2), conv(4, 4, 3, dilation=3, padding=1)),
    "grouped": lambda: nn.Sequential(conv(3, 6, 3, groups=3, padding=1), conv(6, 6, 3, groups=6, padding=1, stride=2)),
    "oblong": lambda: nn.Sequential(conv(3, 4, (1, 5), padding=(0, 2)), conv(4, 4, (5, 1), padding=(2, 0), stride=(1, 2))),
    "wide padding": lambda: conv(3, 4, 3, padding=4),
    "asymmetric": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), conv(3, 4, 3, stride=2), nn.ConstantPad2d((1, 0, 0, 2), 0.5), conv(4, 4)),
    "cropped": lambda: Call(lambda x, a, b: b(a(x)[:, :, 1:-2, 2:]), conv(3, 4), conv(4, 3)),
    "every second": lambda: Call(lambda x, a, b: b(a(x)[:, :, ::2, 1::2]), conv(3, 4), conv(4, 3)),
    "reflected": lambda: nn.Sequential(conv(3, 4), nn.ReflectionPad2d(1), conv(4, 4)),
    "norm": lambda: nn.Sequential(conv(3, 4, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4), conv(4, 4)),
    "norm first": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(inplace=True), conv(3, 4)),
    "max pool": lambda: nn.Sequential(conv(3, 4, padding=1), nn.MaxPool2d(3, 2, padding=1), conv(4, 4), nn.MaxPool2d(2)),
    "max pool, ceil": lambda: nn.Sequential(conv(3, 4), nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True)),
    "max pool, dilated": lambda: nn.Sequential(conv(3, 4), nn.MaxPool2d(3, 1, padding=1, dilation=2)),
    "average": lambda: nn.Sequential(conv(3, 4), nn.AvgPool2d(3, 2, padding=1), nn.AvgPool2d(2)),
    "average, ceil": lambda: nn.Sequential(conv(3, 4), nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), conv(4, 4)),
    "average of what is there": lambda: nn.Sequential(conv(3, 4), nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False)),
    "average, divided": lambda: nn.Sequential(conv(3, 4), nn.AvgPool2d(3, 2, divisor_override=5)),
    "adaptive": lambda: nn.Sequential(conv(3, 4), nn.AdaptiveAvgPool2d(5), nn.AdaptiveAvgPool2d(1)),
    "adaptive, even": lambda: nn.Sequential(nn.AdaptiveAvgPool2d((19, 17)), nn.ZeroPad2d((0, 1, 0, 1)), nn.AdaptiveAvgPool2d((5, 6))),
    "transposed": lambda: nn.Sequential(conv(3, 4, stride=2), nn.ConvTranspose2d(4, 5, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
    "transposed, dilated, grouped": lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 4, stride=3, dilation=2, groups=3), nn.BatchNorm2d(6), conv(6, 2)),
    "nearest": lambda: nn.Sequential(conv(3, 4, stride=2), nn.Upsample(scale_factor=3), conv(4, 3)),
    "bilinear": lambda: nn.Sequential(conv(3, 4, stride=2), nn.Upsample(scale_factor=2, mode="bilinear"), conv(4, 3)),
    "activations": lambda: nn.Sequential(
        conv(3, 4), nn.ReLU6(), conv(4, 4), nn.LeakyReLU(0.2), conv(4, 4), nn.SiLU(), conv(4, 4), nn.Hardswish(), conv(4, 4), nn.GELU(),
        conv(4, 4, padding=3), nn.ELU(), nn.PReLU(4), nn.Tanh(), nn.Softplus(), nn.Dropout(), nn.Hardtanh(-0.2, 0.7)
    ),
    "lrn": lambda: nn.Sequential(conv(3, 6), nn.LocalResponseNorm(3), conv(6, 4), nn.LocalResponseNorm(2)),
    "softmax of channels": lambda: nn.Sequential(conv(3, 4), nn.Softmax(1), conv(4, 4), nn.LogSoftmax(1)),
    "sum": lambda: Call(lambda x, a, b: F.relu(a(x) + b(x)) * 2 - x.mean(1, keepdim=True), conv(3, 4, 5, padding=2), conv(3, 4, 1)),
    "unequal branches": lambda: Call(
        lambda x, a, b, c, d: d(torch.cat([a(x), b(x), c(x), F.max_pool2d(x, 3, 1, 1)], 1)),
        conv(3, 2, 1), conv(3, 3, 3, padding=1), conv(3, 4, 5, padding=2), conv(12, 4),
    ),
    "dense": lambda: Call(lambda x, a, b: torch.cat([x, a(x), b(torch.cat([x, a(x)], 1))], 1), conv(3, 4, padding=1), conv(7, 2, padding=1)),
    "shared module": lambda: Call(lambda x, a, b: b(F.relu(b(b(a(x)).relu_()))), conv(3, 4), conv(4, 4)),
    "in place": lambda: Call(lambda x, a, b: b(inplace(x, a)), conv(3, 4), conv(4, 2)),
    "shuffle": lambda: Call(lambda x, a, b: b(shuffle(x, a)), conv(3, 6), conv(6, 4, groups=2)),
    "chunks": lambda: Call(lambda x, a, b: b(torch.maximum(*a(x).chunk(2, 1))) - a(x)[:, 2:3, 1:-1, 1:-1], conv(3, 6), conv(3, 4)),
    "a channel": lambda: Call(lambda x, a, b: b(a(x)[:, 1].unsqueeze(1)) + a(x).select(1, 0)[:, None, 1:-1, 1:-1], conv(3, 4), conv(1, 2)),
    "constants": lambda: Call(lambda x, a: a((x - torch.tensor([0.1, 0.2, 0.3], dtype=x.dtype).view(3, 1, 1)) / 0.5).clamp(min=0.1), conv(3, 4)),
    "a mean picture": lambda: Call(lambda x, a: a(x - torch.arange(19 * 17, dtype=x.dtype).view(19, 17) / 99), conv(3, 4)),
    "zeros for the batch": lambda: Call(lambda x, a, b: b(torch.cat([a(x), torch.zeros_like(a(x)[:, :2])], 1)), conv(3, 4), conv(6, 2)),
    "squeeze and excite": lambda: Call(squeeze_excite, conv(3, 4), conv(4, 4, 1), conv(4, 3)),
    "attention": lambda: Call(attention, conv(3, 4, 3, stride=3)),
    "group norm": lambda: nn.Sequential(conv(3, 4), nn.GroupNorm(2, 4), conv(4, 4), nn.InstanceNorm2d(4)),
    "batch in the channels": lambda: Call(lambda x, a: F.conv2d(a(x).reshape(-1, 1, 17, 15), torch.ones(1, 1, 3, 3, dtype=x.dtype)).view(len(x), -1), conv(3, 4)),
    "nothing": lambda: nn.Identity(),
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_every_operator_on_odd_sizes(body: str) -> None:
    torch.manual_seed(0)
    module = forget_statistics(Head(BODIES[body]())).double()
    x = torch.randn(1, 3, 19, 17, dtype=torch.float64)
    assert_exact(module, x)
    assert_exact(module, x, window=7, stride=5)  # the last windows are cut at the border


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 2), (5, 1), (16, 8), (19, 19), (40, 40)])
def test_any_window_and_stride(window: int, stride: int) -> None:
    torch.manual_seed(1)
    module = Head(BODIES["unequal branches"]()).double()
    assert_exact(module, torch.randn(1, 3, 19, 17, dtype=torch.float64), window, stride)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_chain_of_windows(data: st.DataObject) -> None:
    number = st.integers
    layers: list[nn.Module] = []
    height = width = data.draw(number(9, 24))
    channels, size = 2, height
    for _ in range(data.draw(number(1, 4))):
        kernel, dilation, stride = data.draw(number(1, 4)), data.draw(number(1, 2)), data.draw(number(1, 3))
        padding = data.draw(number(0, kernel // 2))
        reach = dilation * (kernel - 1) + 1
        if size + 2 * padding < reach:
            break
        if data.draw(st.booleans()):
            layers.append(nn.Conv2d(channels, 3, kernel, stride, padding, dilation))
            channels = 3
        else:
            layers.append(nn.MaxPool2d(kernel, stride, padding, dilation))
        size = (size + 2 * padding - reach) // stride + 1
    torch.manual_seed(0)
    module = Head(nn.Sequential(*layers)).double()
    window = data.draw(number(1, 8))
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    assert_exact(module, x, window, data.draw(number(1, window)))


@settings(max_examples=300)
@given(
    extent=st.integers(1, 16),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
    data=st.data(),
)
def test_an_interval_covers_what_changes(
    extent: int, kernel: int, stride: int, padding: int, dilation: int, data: st.DataObject
) -> None:
    lo = data.draw(st.integers(0, extent - 1))
    hi = data.draw(st.integers(lo + 1, extent))
    x = torch.zeros(1, 1, extent, dtype=torch.float64)
    x[..., lo:hi] = 1
    weight = torch.ones(1, 1, kernel, dtype=torch.float64)
    window, change = Window(kernel, stride, padding, dilation), Interval(np.array([lo]), np.array([hi]))
    outcomes = []
    if extent + 2 * padding > window.reach:
        outcomes.append((F.conv1d(x, weight, None, stride, padding, dilation), spread))
    if (extent - 1) * stride - 2 * padding + window.reach + 1 > 0:
        outcomes.append((F.conv_transpose1d(x, weight, None, stride, padding, dilation=dilation), spread_transposed))
    for y, rule in outcomes:
        got = rule(change, window, y.shape[-1])
        changed = y[0, 0].nonzero().view(-1)
        if len(changed):
            assert got.lo[0] <= changed[0]
            assert changed[-1] < got.hi[0]
            if dilation == 1 and stride <= kernel:
                assert (got.lo[0], got.hi[0]) == (changed[0], changed[-1] + 1)
        elif dilation == 1 and stride <= kernel:
            assert got.lo[0] >= got.hi[0]


@pytest.mark.parametrize(
    "name", ["alexnet", "squeezenet1_1", "googlenet", "resnet18", "efficientnet_lite0", "se_resnet50", "vgg11_bn"]
)
def test_networks_of_the_catalogue(name: str) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        module = forget_statistics(create_model(name, num_classes=5)).double()
        module = lively(module) if name in {"alexnet", "googlenet", "squeezenet1_1"} else module
    side = 128 if name == "alexnet" else 96
    share = assert_exact(module, torch.randn(1, 3, side, side, dtype=torch.float64), window=16, stride=40)
    assert share < 1


def test_locality_saves_work() -> None:
    module = nn.Sequential(
        *(conv(3 if i == 0 else 4, 4, padding=1) for i in range(4)), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    share = assert_exact(module.double(), torch.randn(1, 3, 64, 64, dtype=torch.float64), window=8, stride=8)
    assert share < 0.1


class ByValue(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if x.sum() > 0 else -x.flatten(1)


class Kept(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.last = x + 1
        return self.last.flatten(1)


@pytest.mark.parametrize(
    "module",
    [
        ByValue(),
        Call(lambda x: F.dropout(x).flatten(1)),
        Call(lambda x: (x + torch.rand_like(x)).flatten(1)),
        Call(lambda x: F.batch_norm(x, None, None, training=True).flatten(1)),
        Call(lambda x: torch.from_numpy(x.numpy() * 2).flatten(1)),
        Call(lambda x: x),
        Call(lambda x: (x.flatten(1), x)),
        Call(lambda x: x.as_strided((len(x), 3), (x.stride(0), 1))),
    ],
    ids=["value", "dropout", "random", "statistics", "numpy", "map", "two", "memory"],
)
def test_what_cannot_be_followed_is_not(module: nn.Module) -> None:
    assert follow(module.eval(), torch.randn(1, 3, 6, 6)) is None


def test_following_leaves_nothing_behind() -> None:
    module = Head(
        nn.Sequential(Kept(), nn.Unflatten(1, (3, 9, 9)), conv(3, 4), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    ).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    network = follow(module, torch.randn(1, 3, 9, 9))
    assert network is not None
    assert all(part.training for part in module.modules())
    kept = module.body[0].__dict__.get("last")
    assert kept is None or type(kept) is Tensor
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_hooks_are_not_passed_by() -> None:
    module = nn.Sequential(conv(3, 4), nn.Flatten()).eval()
    handle = module[0].register_forward_hook(lambda *_: None)
    assert follow(module, torch.randn(1, 3, 6, 6)) is None
    handle.remove()
    assert follow(module, torch.randn(1, 3, 6, 6)) is not None


def test_only_places_where_something_shows() -> None:
    picture = torch.zeros(1, 8, 8)
    picture[0, 5, 6] = 1
    places = Places([0, 4], [0, 4], (4, 4))
    assert visible_places(picture, places, torch.zeros(1, 1, 1)).tolist() == [3]
    assert visible_places(picture, places, torch.ones(1, 1, 1)).tolist() == [0, 1, 2, 3]
    assert visible_places(picture, Places([4], [6], (9, 9)), torch.zeros(1, 1, 1)).tolist() == [0]

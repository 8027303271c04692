"""Receptive fields against the gradient: where an output's gradient is not zero is what it really sees."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.arithmetic import Field
from striate.probe import summary

SIDE = 29


class Does(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Branches(nn.Module):
    """Two ways up, the second brought to the first one's size, added or put side by side."""

    def __init__(self, left: nn.Module, right: nn.Module, *, mode: str, stacked: bool) -> None:
        super().__init__()
        self.left, self.right, self.mode, self.stacked = left, right, mode, stacked

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.left(x), self.right(x)
        right = F.interpolate(right, size=left.shape[-2:], mode=self.mode)
        return torch.cat([left, right], 1).sum(1, keepdim=True) if self.stacked else left + right


def convolution(kernel: int, stride: int, padding: int, dilation: int) -> nn.Module:
    return nn.Conv2d(1, 1, (kernel, 3), stride=(stride, 1), padding=(padding, 1), dilation=(dilation, 1))


def transposed(kernel: int, stride: int, padding: int) -> nn.Module:
    return nn.ConvTranspose2d(1, 1, kernel, stride=stride, padding=min(padding, kernel - 1))


few, some = st.integers(1, 3), st.integers(1, 4)
windows = st.one_of(
    st.builds(convolution, some, few, st.integers(0, 2), st.integers(1, 2)),
    st.builds(lambda k, s, up: nn.AvgPool2d(k, s, ceil_mode=up), some, few, st.booleans()),
)
layers = st.one_of(
    windows,
    st.builds(transposed, some, few, st.integers(0, 1)),
    st.builds(lambda k, s, d: nn.MaxPool2d(k, s, dilation=d), some, few, st.integers(1, 2)),
    st.builds(nn.AdaptiveAvgPool2d, st.integers(2, 9)),
    st.builds(nn.AdaptiveMaxPool2d, st.integers(2, 9)),
    st.builds(lambda mode: nn.Conv2d(1, 1, 3, padding=1, padding_mode=mode), st.sampled_from(["reflect", "replicate"])),
    st.builds(
        lambda size, mode: nn.Upsample(size=(size, size + 3), mode=mode),
        st.integers(2, 20),
        st.sampled_from(["nearest", "nearest-exact", "bilinear", "bicubic"]),
    ),
    st.builds(lambda f: nn.Upsample(scale_factor=f, mode="nearest"), st.sampled_from([0.7, 1.5, 2.0, 3.0])),
    st.builds(
        lambda n, mode: Does(lambda x: F.interpolate(x, size=n, mode=mode, antialias=True)),
        st.integers(2, 12),
        st.sampled_from(["bilinear", "bicubic"]),
    ),
    st.builds(lambda n: nn.Upsample(size=n, mode="bilinear", align_corners=True), st.integers(2, 12)),
    st.just(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.PixelShuffle(2))),
    st.just(nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 1, 1))),
    st.builds(lambda a, s: Does(lambda x: x[:, :, a::s, s:-a]), few, few),
    st.builds(lambda a, b: nn.ZeroPad2d((a, b, b, a)), st.integers(-1, 2), st.integers(-1, 2)),
    st.just(nn.LocalResponseNorm(3)),
)
stacks = st.lists(layers, min_size=1, max_size=4).map(lambda parts: nn.Sequential(*parts))
branched = st.builds(
    lambda a, b, mode, stacked: Branches(a, b, mode=mode, stacked=stacked),
    stacks,
    stacks,
    st.sampled_from(["nearest", "bilinear"]),
    st.booleans(),
)
networks = st.lists(st.one_of(layers, branched), min_size=1, max_size=3).map(lambda parts: nn.Sequential(*parts))


def positive(net: nn.Module) -> nn.Module:
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return net.double().eval()


def seen(net: nn.Module, y: int, x: int) -> list[tuple[int, int]]:
    """First and end of the rows and columns that one output unit has a gradient to; empty where it has none."""
    picture = (1 + torch.rand(1, 1, SIDE, SIDE, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(net(picture)[0, 0, y, x], picture)
    places = gradient[0, 0].nonzero()
    return [] if not len(places) else [(int(p.min()), int(p.max()) + 1) for p in places.T]


def field_and_size(net: nn.Module) -> tuple[Field, tuple[int, int]] | None:
    try:
        with torch.no_grad():
            height, width = net(torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64)).shape[-2:]
    except (RuntimeError, ValueError, ZeroDivisionError):
        return None  # one of the layers does not fit on the one before
    if min(height, width) < 2:
        return None  # one unit sees what it sees; places do not matter any more
    field = summary(nn.Sequential(net), (1, SIDE, SIDE)).rows[0].field
    assert field is not None
    return field, (height, width)


def corners_and_middle(height: int, width: int) -> list[tuple[int, int]]:
    return [(0, 0), (height - 1, width - 1), (height // 2, width // 3), (0, width - 1)]


@settings(max_examples=100)
@given(networks)
def test_no_unit_sees_more_than_its_field(net: nn.Module) -> None:
    found = field_and_size(positive(net))
    if found is None:
        return
    field, size = found
    assert any(field.stride)
    assert not field.whole
    for y, x in corners_and_middle(*size):
        for (low, high), (first, end) in zip(seen(net, y, x), field.box(y, x), strict=False):
            assert first <= low < high <= end, (net, (y, x), field)


@settings(max_examples=40)
@given(st.lists(windows, min_size=1, max_size=4).map(lambda parts: nn.Sequential(*parts)))
def test_windows_see_all_of_their_field(net: nn.Module) -> None:
    """Not only covered: for sliding windows the box is exactly what is seen, cut at the picture's border."""
    found = field_and_size(positive(net))
    if found is None:
        return
    field, (height, width) = found
    y, x = height // 2, width // 2
    rows_columns = seen(net, y, x)
    strided_over = any(getattr(p, "kernel_size", 1) != 1 for p in net)
    if rows_columns and strided_over and all(first >= 0 and end <= SIDE for first, end in field.box(y, x)):
        assert tuple(rows_columns) == field.box(y, x)


@pytest.mark.parametrize(
    ("function", "local"),
    [
        (lambda x: F.group_norm(x, 1), True),
        (lambda x: F.instance_norm(x), True),
        (lambda x: F.layer_norm(x, x.shape[1:]), True),
        (lambda x: x.softmax(3), True),
        (lambda x: x * x.mean((2, 3), keepdim=True), True),
        (lambda x: x.flip(3), False),
        (lambda x: x.roll(5, 2), False),
        (lambda x: x.transpose(2, 3), False),
        (lambda x: x.cumsum(2), False),
        (lambda x: F.conv2d(x, x.mean((2, 3), keepdim=True)), True),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"), False),
        (lambda x: F.unfold(x, 3)[:, :, None], False),
        (lambda x: (x.flatten(2) @ x.flatten(2).mT @ x.flatten(2)).view_as(x), False),
    ],
    ids=lambda value: "" if isinstance(value, bool) else None,
)
def test_what_mixes_places_sees_the_whole(function: Callable[[Tensor], Tensor], local: bool) -> None:
    field = summary(nn.Sequential(nn.Conv2d(1, 1, 3), Does(function)), (1, SIDE, SIDE)).rows[1].field
    assert field is not None
    assert field.whole
    assert (field.size == (3, 3)) == local  # statistics and gates keep the place of the local path


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.hardswish(F.gelu(F.silu(x))),
        lambda x: F.normalize(x) + x.amax(1, keepdim=True) + x.mean(1, keepdim=True),
        lambda x: torch.stack([x, x], 1)[:, 0],
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: F.channel_shuffle(x, 2),
        lambda x: x.softmax(1),
        lambda x: x[:, [1, 0]].clone().clamp_(0),
        lambda x: F.batch_norm(x, torch.zeros(2), torch.ones(2)),
        lambda x: x.transpose(0, 1).transpose(0, 1).permute(0, 1, 2, 3),
    ],
)
def test_what_works_at_its_place_keeps_the_field(function: Callable[[Tensor], Tensor]) -> None:
    field = summary(nn.Sequential(nn.Conv2d(1, 2, 3), Does(function)), (1, SIDE, SIDE)).rows[1].field
    assert field == Field((3, 3), (1, 1), (0, 0))


def test_layers_of_one_axis_come_after_the_places() -> None:
    """A 1-D convolution over flattened rows has no height and width; this was an IndexError."""
    field = summary(nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 2, 3)), (3, 8, 8)).rows[1].field
    assert field is not None
    assert field.whole

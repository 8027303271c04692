"""Layers as torch modules, and random stacks of them that fit their input."""

import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.arithmetic import (
    Activation,
    Branches,
    Convolution,
    Flatten,
    GlobalPooling,
    Layer,
    LayerMeasure,
    Linear,
    Measurement,
    Pooling,
    measure,
)
from striate.errors import ConfigError, ShapeError

_ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class Pool(nn.Module):
    """Every kind of pooling out of torch's functions; padding never wins a maximum, and is counted in a mean."""

    def __init__(self, layer: Pooling, pads: list[int], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.layer, self.pads, self.stride = layer, pads, stride

    def forward(self, x: Tensor) -> Tensor:
        kind, ceil = self.layer.kind, self.layer.ceil_mode
        k = self.layer.kernel_size if isinstance(self.layer.kernel_size, tuple) else (self.layer.kernel_size,) * 2
        if kind in ("max", "min"):
            sign = 1 if kind == "max" else -1
            x = F.pad(sign * x, self.pads, value=-float("inf"))
            return sign * F.max_pool2d(x, k, self.stride, dilation=self.layer.dilation, ceil_mode=ceil)
        x = F.pad(x, self.pads)
        return (
            F.avg_pool2d(x, k, self.stride, ceil_mode=ceil) if kind == "average" else F.lp_pool2d(x, 2, k, self.stride)
        )


class Joined(nn.Module):
    """Paths side by side."""

    def __init__(self, paths: list[nn.Sequential], join: str) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        first, *others = outputs = [path(x) for path in self.paths]
        if self.join == "concat":
            return torch.cat(outputs, 1)
        for other in others:
            first = first + other
        return first


class Global(nn.Module):
    """One number a channel."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(x, 1) if self.kind == "max" else F.adaptive_avg_pool2d(x, 1)


def build(measured: Measurement) -> nn.Sequential:
    """The torch module of a stack of two spatial axes, each layer under its number."""
    rows = list(measured.rows)
    return _sequence(rows, depth=0, path=())


def _sequence(rows: list[LayerMeasure], *, depth: int, path: tuple[int, ...]) -> nn.Sequential:
    parts = []
    while rows and rows[0].path == path:
        row = rows.pop(0)
        if isinstance(row.layer, Branches):
            paths = [_sequence(rows, depth=depth + 1, path=(*path, number)) for number in range(len(row.layer.paths))]
            parts.append(Joined(paths, row.layer.join))
        else:
            parts.append(_one(row))
    return nn.Sequential(*parts)


def _one(row: LayerMeasure) -> nn.Module:
    layer, channels = row.layer, row.input_shape[0]
    # torch lists pads from the last axis backwards.
    pads = [side for size in reversed(row.sizes) for side in size.padding]
    stride = tuple(size.stride for size in row.sizes)
    match layer:
        case Convolution(transposed=True):
            assert pads[::2] == pads[1::2], "torch pads transposed convolutions evenly"
            return nn.ConvTranspose2d(
                channels,
                row.output_shape[0],
                layer.kernel_size,
                stride,
                tuple(size.padding.before for size in row.sizes),
                output_padding=layer.output_padding,
                groups=channels if layer.groups is None else layer.groups,
                bias=layer.bias,
                dilation=layer.dilation,
            )
        case Convolution():
            conv = nn.Conv2d(
                channels,
                row.output_shape[0],
                layer.kernel_size,
                stride,
                groups=channels if layer.groups is None else layer.groups,
                bias=layer.bias,
                dilation=layer.dilation,
            )
            return nn.Sequential(nn.ZeroPad2d(tuple(pads)), conv) if any(pads) else conv
        case Pooling():
            return Pool(layer, pads, stride)
        case GlobalPooling():
            return Global(layer.kind)
        case Activation():
            return _ACTIVATIONS[layer.function]()
        case Flatten():
            return nn.Flatten()
        case Linear():
            return nn.Linear(channels, layer.out_features, bias=layer.bias)
    raise AssertionError(layer)


def random_stack(seed: int, *, branches: bool = True) -> Measurement:
    """A stack of layers that fit, measured: 1 to 6 of them, branches among them, sometimes a classifier at the end."""
    draw = random.Random(seed)
    shape = (draw.randint(1, 6), draw.randint(5, 24), draw.randint(5, 24))
    layers: list[Layer] = []
    now = shape
    for _ in range(draw.randint(1, 6)):
        layer = _branches(draw, now) if branches and draw.random() < 0.35 else _random_layer(draw, now)
        try:
            now = measure([layer], now).output_shape
        except (ShapeError, ConfigError):
            continue
        layers.append(layer)
    if draw.random() < 0.3:
        if draw.random() < 0.5:
            layers.append(GlobalPooling(kind=draw.choice(("max", "average"))))
        layers += [Flatten(), Linear(out_features=draw.randint(1, 9), bias=draw.random() < 0.5)]
    return measure(layers, shape)


def _random_layer(draw: random.Random, shape: tuple[int, ...]) -> Layer:
    def axes(low: int, high: int) -> int | tuple[int, int]:
        return draw.randint(low, high) if draw.random() < 0.6 else (draw.randint(low, high), draw.randint(low, high))

    kind = draw.choice(("conv", "conv", "conv", "deconv", "pool", "pool", "activation"))
    if kind == "activation":
        return Activation(function=draw.choice(("relu", "sigmoid", "tanh")))
    if kind == "pool":
        pool = draw.choice(("max", "min", "average", "lp"))
        ceil = draw.random() < 0.5
        return Pooling(
            kind=pool,
            kernel_size=axes(1, 4),
            stride=draw.choice((None, axes(1, 3))),
            padding=0 if ceil or pool == "lp" else axes(0, 1),
            dilation=axes(1, 2) if pool in ("max", "min") else 1,
            ceil_mode=ceil and pool != "lp",
        )
    c = shape[0]
    divisors = [g for g in range(1, c + 1) if c % g == 0]
    groups = draw.choice((*divisors, None))
    g = c if groups is None else groups
    return Convolution(
        out_channels=draw.choice((None, g * draw.randint(1, 3))),
        kernel_size=axes(1, 5),
        stride=axes(1, 3),
        padding=axes(0, 2)
        if kind == "deconv"
        else draw.choice(
            (axes(0, 3), ((draw.randint(0, 2), draw.randint(0, 2)),), "valid", "same", "same_lower", "full")
        ),
        dilation=axes(1, 2),
        groups=groups,
        bias=draw.random() < 0.5,
        transposed=kind == "deconv",
    )


def _branches(draw: random.Random, shape: tuple[int, ...]) -> Branches:
    """Paths that keep the size, or halve it; those of a sum end with as many channels."""
    stride, join = draw.choice((1, 2)), draw.choice(("add", "concat"))
    filters = shape[0] if stride == 1 and draw.random() < 0.5 else draw.randint(1, 5)
    paths = []
    for _ in range(draw.randint(2, 3)):
        f = draw.choice((1, 3, 5))
        inner: list[Layer] = [
            Convolution(out_channels=filters, kernel_size=f, stride=stride, padding=f // 2, bias=draw.random() < 0.5)
        ]
        if draw.random() < 0.5:
            inner.append(Activation(function="relu"))
        if draw.random() < 0.3:
            inner.insert(0, Pooling(kind="max", kernel_size=3, stride=1, padding=1))
        if draw.random() < 0.3:
            inner.append(Branches(paths=((), (Activation(function="tanh"),)), join="add"))
        paths.append(tuple(inner))
    if stride == 1 and (join == "concat" or filters == shape[0]):
        paths.append(())
        draw.shuffle(paths)
    return Branches(paths=tuple(paths), join=join)

"""6,000 random cases against torch without one difference: sizes, values and gradients, in float64.

torch is asked in its own words: padding is done beforehand where its functions take one number for both sides, and
where it has no such function (dilated averages, per-side padding of pooling) the windows are cut out by their indices.
The twins see a tenth of the cases, since they are slow.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striate import ops
from striate.arithmetic import conv_output_size, conv_transpose_output_size, pool_output_size
from striate.ops import reference

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACK = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
BATCHES, CASES = 20, 100  # for each of three operators
LONGEST = {1: 14, 2: 9, 3: 6}


def _double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def _flat(pads: list[tuple[int, int]]) -> list[int]:
    return [side for pair in reversed(pads) for side in pair]


def _same(ours: Tensor, theirs: Tensor, leaves: list[Tensor]) -> None:
    """Equal values, and equal gradients of a random weighing of them."""
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    weigh = torch.randn_like(theirs)
    mine, torchs = (torch.autograd.grad((out * weigh).sum(), leaves, retain_graph=True) for out in (ours, theirs))
    torch.testing.assert_close(mine, torchs, rtol=1e-10, atol=1e-10)


def _geometry(draw: random.Random) -> dict[str, Any]:
    """Random settings whose window fits."""
    axes = draw.choice([1, 2, 2, 3])
    while True:
        size = [draw.randint(1, LONGEST[axes]) for _ in range(axes)]
        kernel = [draw.randint(1, 4) for _ in range(axes)]
        dilation = [draw.randint(1, 3) for _ in range(axes)]
        stride = [draw.randint(1, 4) for _ in range(axes)]
        pads = [(draw.randint(0, 4), draw.randint(0, 4)) for _ in range(axes)]
        spans = [d * (f - 1) + 1 for d, f in zip(dilation, kernel, strict=True)]
        if all(i + sum(p) >= span for i, p, span in zip(size, pads, spans, strict=True)):
            return {"axes": axes, "size": size, "kernel": kernel, "dilation": dilation, "stride": stride, "pads": pads}


def _convolution(draw: random.Random, *, with_twin: bool) -> None:
    g = _geometry(draw)
    groups = draw.choice([1, 1, 2, 3])
    n, c, m = draw.randint(1, 2), groups * draw.randint(1, 2), groups * draw.randint(1, 2)
    x, w, b = _double(n, c, *g["size"]), _double(m, c // groups, *g["kernel"]), _double(m)
    bias = b if draw.random() < 0.5 else None
    settings = {"stride": g["stride"], "dilation": g["dilation"], "groups": groups}
    ours = ops.cross_correlation(x, w, bias, padding=g["pads"], **settings)
    theirs = CONV[g["axes"]](F.pad(x, _flat(g["pads"])), w, bias, g["stride"], 0, g["dilation"], groups)
    each = zip(g["size"], g["kernel"], g["stride"], g["pads"], g["dilation"], strict=True)
    sizes = [conv_output_size(i, f, stride=s, padding=p, dilation=d).size for i, f, s, p, d in each]
    assert list(theirs.shape[2:]) == sizes
    _same(ours, theirs, [x, w] if bias is None else [x, w, b])
    _same(ops.convolution(x, ops.flip_kernel(w), bias, padding=g["pads"], **settings), theirs, [x, w])
    if with_twin:
        twin = reference.cross_correlation(
            x.detach().numpy(),
            w.detach().numpy(),
            None if bias is None else b.detach().numpy(),
            padding=g["pads"],
            **settings,
        )
        np.testing.assert_allclose(ours.detach().numpy(), twin, rtol=1e-11, atol=1e-11)


def _transposed(draw: random.Random, *, with_twin: bool) -> None:
    while True:
        g = _geometry(draw)
        extra = [draw.randint(0, max(s, d) - 1) for s, d in zip(g["stride"], g["dilation"], strict=True)]
        base = [
            (i - 1) * s + d * (f - 1) + 1 + q
            for i, s, f, d, q in zip(g["size"], g["stride"], g["kernel"], g["dilation"], extra, strict=True)
        ]
        if all(size > sum(p) for size, p in zip(base, g["pads"], strict=True)):
            break
    groups = draw.choice([1, 1, 2, 3])
    n, c, m = draw.randint(1, 2), groups * draw.randint(1, 2), draw.randint(1, 2)
    x, w, b = _double(n, c, *g["size"]), _double(c, m, *g["kernel"]), _double(groups * m)
    settings = {"stride": g["stride"], "dilation": g["dilation"], "groups": groups, "output_padding": extra}
    ours = ops.transposed_convolution(x, w, b, padding=g["pads"], **settings)
    whole = BACK[g["axes"]](x, w, b, g["stride"], 0, extra, groups, g["dilation"])
    cut = tuple(slice(p[0], size - p[1]) for p, size in zip(g["pads"], base, strict=True))
    theirs = whole[(..., *cut)]
    each = zip(g["size"], g["kernel"], g["stride"], g["pads"], extra, g["dilation"], strict=True)
    sizes = [
        conv_transpose_output_size(i, f, stride=s, padding=p, output_padding=q, dilation=d).size
        for i, f, s, p, q, d in each
    ]
    assert list(theirs.shape[2:]) == sizes
    _same(ours, theirs, [x, w, b])
    if with_twin:
        arrays = [t.detach().numpy() for t in (x, w, b)]
        twin = reference.transposed_convolution(*arrays, padding=g["pads"], **settings)
        np.testing.assert_allclose(ours.detach().numpy(), twin, rtol=1e-11, atol=1e-11)


def _windows(x: Tensor, g: dict[str, Any], sizes: list[int], fill: float) -> Tensor:
    """All windows, cut out one after the other: `n c *out taps`."""
    ends = [
        max((o - 1) * s + d * (f - 1) + 1 - i - p[0], p[1])
        for o, s, d, f, i, p in zip(sizes, g["stride"], g["dilation"], g["kernel"], g["size"], g["pads"], strict=True)
    ]
    x = F.pad(x, _flat([(p[0], end) for p, end in zip(g["pads"], ends, strict=True)]), value=fill)
    for axis in range(g["axes"]):
        places = (
            torch.arange(sizes[axis])[:, None] * g["stride"][axis]
            + torch.arange(g["kernel"][axis]) * g["dilation"][axis]
        )
        moved = x.movedim(2 + axis, -1)[..., places]  # … out tap
        x = moved.movedim(-2, 2 + axis)
    return x.flatten(2 + g["axes"])


def _pooling(draw: random.Random, *, with_twin: bool) -> None:
    while True:
        g = _geometry(draw)
        spans = [d * (f - 1) + 1 for d, f in zip(g["dilation"], g["kernel"], strict=True)]
        if draw.random() < 0.5:  # torch's own ground: one padding for both sides, half the window at most
            g["pads"] = [(q, q) for q in (draw.randint(0, f // 2) for f in g["kernel"])]
        fits = all(i + sum(p) >= span for i, p, span in zip(g["size"], g["pads"], spans, strict=True))
        if fits and all(max(p) < span for p, span in zip(g["pads"], spans, strict=True)):
            break
    ceil_mode, kind = draw.random() < 0.5, draw.choice(["max", "min", "average", "lp"])
    # Different numbers, so that there are no ties whose gradient is a matter of taste.
    x = torch.randn(draw.randint(1, 2), draw.randint(1, 3), *g["size"], dtype=torch.float64, requires_grad=True)
    each = zip(g["size"], g["kernel"], g["stride"], g["pads"], g["dilation"], strict=True)
    sizes = [
        pool_output_size(i, f, stride=s, padding=p, dilation=d, ceil_mode=ceil_mode).size for i, f, s, p, d in each
    ]
    settings = {"stride": g["stride"], "padding": g["pads"], "dilation": g["dilation"], "ceil_mode": ceil_mode}
    arguments = {"kind": kind, **settings}
    if kind in ("max", "min"):
        empty = -torch.inf if kind == "max" else torch.inf
        windows = _windows(x, g, sizes, empty)
        theirs = windows.amax(-1) if kind == "max" else windows.amin(-1)
        ours = (ops.max_pool if kind == "max" else ops.min_pool)(x, g["kernel"], **settings)
        found = (ops.max_pool_with_indices if kind == "max" else ops.min_pool_with_indices)(x, g["kernel"], **settings)
        real = found[0].isfinite()  # a dilated window may hold nothing but padding
        torch.testing.assert_close(
            x.flatten(2).gather(2, found[1].flatten(2)).reshape(real.shape)[real], found[0][real]
        )
        ours, theirs = ours.where(real, 0.0), theirs.where(real, 0.0)
    elif kind == "average":
        arguments["count_padding"] = counted = draw.random() < 0.5
        ones = torch.ones_like(x)
        inside = _windows(F.pad(ones, _flat(g["pads"]), value=float(counted)), _grown(g), sizes, 0.0).sum(-1)
        if (inside == 0).any():  # the mean of nothing: torch divides by zero as well
            _pooling(draw, with_twin=with_twin)  # another one instead
            return
        theirs = _windows(x, g, sizes, 0.0).sum(-1) / inside
        ours = ops.average_pool(x, g["kernel"], count_padding=counted, **settings)
    else:
        windows = _windows(x, g, sizes, 0.0)
        empty_windows = (windows == 0).all(-1)
        safe = windows.where(~empty_windows[..., None], 1.0)
        theirs = safe.abs().pow(3.0).sum(-1).pow(1 / 3.0).where(~empty_windows, 0.0)
        arguments["p"] = 3.0
        ours = ops.lp_pool(x, g["kernel"], p=3.0, **settings)
    assert list(ours.shape[2:]) == sizes
    _same(ours, theirs, [x])
    if with_twin:
        twin = reference.pool(x.detach().numpy(), g["kernel"], **arguments)[0]
        finite = np.isfinite(twin)
        np.testing.assert_allclose(ours.detach().numpy()[finite], twin[finite], rtol=1e-11, atol=1e-11)


def _grown(g: dict[str, Any]) -> dict[str, Any]:
    """The same windows over a map that has its padding already."""
    size = [i + sum(p) for i, p in zip(g["size"], g["pads"], strict=True)]
    return {**g, "size": size, "pads": [(0, 0)] * g["axes"]}


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("compare", [_convolution, _transposed, _pooling], ids=lambda f: f.__name__.strip("_"))
def test_random_cases(compare: Callable[..., None], batch: int, record_property: Callable[[str, object], None]) -> None:
    draw = random.Random(f"{compare.__name__} {batch}")
    torch.manual_seed(batch)
    for number in range(CASES):
        compare(draw, with_twin=number % 10 == 0)
    what = compare.__name__.strip("_")
    record_property("counted", (f"random cases of {what} against torch: size, values, gradients", CASES))

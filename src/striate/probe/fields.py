"""What the units of an operation's output see, from what the units of its inputs see.

Three kinds of operation: those that read a run of places (convolution, pooling, resizing, cutting), those that stay at
their place (arithmetic, activations, channels put together), and all others, of which nothing is assumed: each of their
units may depend on the whole picture.

What is painted into the padding counts as padding, zeros as well as mirrored or repeated pixels.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from striate.arithmetic import Field, merge_fields, read_field, span_field, upsample_field, window_field

__all__ = ["everywhere", "field_after"]


def field_after(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: list[tuple[Tensor, Field]], out: Tensor
) -> Field:
    """The field of `out`'s units after the operator `func`.

    Args:
        func: An operator as `__torch_dispatch__` gets it.
        args: Its arguments.
        kwargs: Its arguments by name.
        inputs: The tensors among them that come from the picture, each with its field.
        out: One of the tensors that it gave.
    """
    settings = _settings(func, args, kwargs)
    name = func._schema.name.removeprefix("aten::")
    read = settings.get("input", settings.get("self"))
    here = []
    for tensor, field in inputs:
        if name in _READS and tensor is read and tensor.dim() >= 4 and any(field.stride):
            here.append(_READS[name](field, settings, tensor, out))
        elif _stays(name, func, settings, tensor, out):
            here.append(field)
        else:  # also a kernel that was computed from the picture
            here.append(everywhere(field, tensor))
    if _mixes(name, settings):  # the place is kept, and statistics of the whole map come in
        here += [everywhere(f, t) for t, f in inputs]
    return merge_fields(here, extent=tuple(out.shape[-2:]) if out.dim() >= 4 else None)


def everywhere(field: Field, tensor: Tensor) -> Field:
    """The field of something that depends on all places of `tensor` together."""
    return span_field(field, tuple(tensor.shape[-2:])) if tensor.dim() >= 4 and any(field.stride) else field


def _settings(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Every argument of the call by name, also those left at their defaults."""
    arguments = func._schema.arguments
    defaults = {a.name: a.default_value for a in arguments if a.has_default_value()}
    return defaults | {a.name: value for a, value in zip(arguments, args, strict=False)} | kwargs


# --- operations that read a run of places


def _convolution(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    after = upsample_field if settings["transposed"] else window_field
    return after(
        field,
        kernel_size=tuple(settings["weight"].shape[-2:]),
        stride=_pair(settings["stride"]),
        padding=_pair(settings["padding"]),
        dilation=_pair(settings["dilation"]),
    )


def _pool(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    kernel = _pair(settings["kernel_size"])
    return window_field(
        field,
        kernel_size=kernel,
        stride=_pair(settings["stride"]) if settings["stride"] else kernel,
        padding=_pair(settings["padding"]),
        dilation=_pair(settings.get("dilation", 1)),
    )


def _pad(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    # Pads are listed from the last axis backwards: left, right, top, bottom; further axes hold no places.
    pads = [*(settings["pad"] if "pad" in settings else settings["padding"]), 0, 0, 0]
    before = (-int(pads[2]), -int(pads[0]))
    return read_field(field, step=(1, 1), first=before, last=before)


def _cut(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    axis = settings["dim"] % tensor.dim() - (tensor.dim() - 2)
    if axis < 0:  # along channels or pictures
        return field
    begin = range(tensor.shape[axis - 2])[slice(settings["start"], None)]
    first, step = [0, 0], [1, 1]
    first[axis], step[axis] = (begin.start, settings["step"])
    return read_field(field, step=tuple(step), first=tuple(first), last=tuple(first))


def _adaptive_pool(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    if all(n == 1 for n in out.shape[-2:]):
        return span_field(field, tuple(tensor.shape[-2:]))

    def runs(n: int, bins: int) -> tuple[Fraction, Sequence[tuple[int, int]]]:
        return Fraction(n, bins), [(i * n // bins, -(-(i + 1) * n // bins) - 1) for i in range(bins)]

    return _covering(field, [runs(n, bins) for n, bins in zip(tensor.shape[-2:], out.shape[-2:], strict=True)])


def _resize(reach: int, *, smooth: bool = False) -> Callable[[Field, dict[str, Any], Tensor, Tensor], Field]:
    """Interpolation from `reach` places on either side (0: the nearest), `smooth` from more where the map shrinks."""

    def after(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
        factors = settings.get("scale_factors") or (settings.get("scales_h"), settings.get("scales_w"))
        rows = [
            _resize_runs(n, m, factor, reach=reach, smooth=smooth, corners=bool(settings.get("align_corners")))
            for n, m, factor in zip(tensor.shape[-2:], out.shape[-2:], factors, strict=True)
        ]
        return _covering(field, rows)

    return after


def _resize_runs(
    n: int, m: int, factor: float | None, *, reach: int, smooth: bool, corners: bool
) -> tuple[Fraction, list[tuple[int, int]]]:
    """Which of `n` places each of `m` resized ones reads, and how far apart those runs lie."""
    step = Fraction(1 / factor).limit_denominator(4096) if factor else Fraction(n, m)
    if corners and m > 1 and n > 1:
        step = Fraction(n - 1, m - 1)
    wide = math.ceil(reach * max(step, Fraction(1))) if smooth else reach
    runs = []
    for i in range(m):
        # Centers of pixels lie half a pixel inside.
        center = i * step if corners else (i + Fraction(1, 2)) * step - Fraction(1, 2)
        if reach:
            low, high = math.floor(center) - wide + 1, math.floor(center) + wide
        else:  # `nearest` takes the place at i * step, `nearest-exact` the one around the center
            low, high = math.floor(i * step), math.floor((i + Fraction(1, 2)) * step)
        runs.append((min(max(low, 0), n - 1), min(max(high, 0), n - 1)))
    return step, runs


def _shuffled_up(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    r = settings["upscale_factor"]
    return _covering(field, [(Fraction(1, r), [(i // r, i // r) for i in range(n)]) for n in out.shape[-2:]])


def _shuffled_down(field: Field, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> Field:
    side = _pair(settings["downscale_factor"])
    return window_field(field, kernel_size=side, stride=side, padding=(0, 0), dilation=(1, 1))


def _covering(field: Field, axes: Sequence[tuple[Fraction, Sequence[tuple[int, int]]]]) -> Field:
    """The field of units whose runs are listed one by one: the widest of them, at their mean distance."""
    listed = [(step, [(a - i * step, b - i * step) for i, (a, b) in enumerate(runs)]) for step, runs in axes]
    return read_field(
        field,
        step=tuple(step for step, _ in listed),
        first=tuple(min(a for a, _ in runs) for _, runs in listed),
        last=tuple(max(b for _, b in runs) for _, runs in listed),
    )


def _pair(value: Any) -> tuple[int, ...]:
    """Height and width: the last two of the sizes that an operator was given."""
    numbers = tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),)
    return (numbers * 2)[:2] if len(numbers) == 1 else numbers[-2:]


_READS: dict[str, Callable[[Field, dict[str, Any], Tensor, Tensor], Field]] = {
    "_adaptive_avg_pool2d": _adaptive_pool,
    "_upsample_bicubic2d_aa": _resize(2, smooth=True),
    "_upsample_bilinear2d_aa": _resize(1, smooth=True),
    "_upsample_nearest_exact2d": _resize(0),
    "adaptive_max_pool2d": _adaptive_pool,
    "avg_pool2d": _pool,
    "avg_pool3d": _pool,
    "constant_pad_nd": _pad,
    "convolution": _convolution,
    "max_pool2d_with_indices": _pool,
    "max_pool3d_with_indices": _pool,
    "pixel_shuffle": _shuffled_up,
    "pixel_unshuffle": _shuffled_down,
    "reflection_pad2d": _pad,
    "replication_pad2d": _pad,
    "slice": _cut,
    "upsample_bicubic2d": _resize(2),
    "upsample_bilinear2d": _resize(1),
    "upsample_nearest2d": _resize(0),
}


# --- operations that stay at their place

_PLACEWISE = {
    "_prelu_kernel",
    "_to_copy",
    "_unsafe_view",
    "alias",
    "channel_shuffle",
    "copy_",
    "detach",
    "expand",
    "hardswish",
    "hardswish_",
    "lift_fresh",
    "log_sigmoid_forward",
    "native_dropout",
    "rrelu_with_noise",
    "view",
}
_STATISTICS = {"native_group_norm", "native_layer_norm", "_softmax", "_log_softmax"}
_AXES = ("dim", "dims", "dim0", "dim1")


def _stays(name: str, func: Any, settings: dict[str, Any], tensor: Tensor, out: Tensor) -> bool:
    """Whether a unit of `out` depends on no other place of `tensor` than its own (and on statistics; see `_mixes`)."""
    if tensor.dim() < 4 or out.dim() < 4 or tensor.shape[-2:] != out.shape[-2:]:
        return False
    if torch.Tag.pointwise in func.tags or name in _PLACEWISE or name in _STATISTICS or "batch_norm" in name:
        return True
    if name == "permute":
        rank = tensor.dim()
        return [d % rank for d in settings["dims"]][-2:] == [rank - 2, rank - 1]
    if name == "index":
        return len(settings["indices"]) <= tensor.dim() - 2
    given = [settings[axis] for axis in _AXES if settings.get(axis) is not None]
    axes = [d for value in given for d in (value if isinstance(value, list | tuple) else [value])]
    return bool(axes) and all(d % tensor.dim() < tensor.dim() - 2 for d in axes)


def _mixes(name: str, settings: dict[str, Any]) -> bool:
    if "batch_norm" in name:
        return bool(settings.get("training", "no_training" not in name and "no_update" not in name))
    if name in {"_softmax", "_log_softmax"}:
        rank = settings["self"].dim()
        return bool(settings["dim"] % rank >= rank - 2)
    return name in _STATISTICS

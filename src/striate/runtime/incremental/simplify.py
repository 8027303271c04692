"""A program with fewer passes over memory: normalization folded, activations inside their convolutions.

At inference a batch normalization is a scale and a shift for each channel. A convolution that it alone reads takes both
into its weights (`folding` has the equations); elsewhere it stays one multiply-add. An activation that alone reads a
convolution is applied while the sum is still in the register, where the processor's library can do that.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.runtime.incremental.program import Program, Ref, Scaled, Step

__all__ = ["Activation", "Affine", "Convolution", "MaxPool", "pair", "simplify"]

aten = torch.ops.aten

_NORMALIZATIONS: dict[Any, int | None] = {
    aten.native_batch_norm.default: 5,
    aten._native_batch_norm_legit.default: 5,
    aten._native_batch_norm_legit_no_training.default: None,
    aten.cudnn_batch_norm.default: 5,
}  # the place of `training` among the arguments


@cache
def _has_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


@dataclass(frozen=True)
class Activation:
    """What follows a convolution: the function, and its name and numbers in oneDNN's words."""

    function: Callable[[Tensor], Tensor]
    name: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Convolution:
    """A convolution of constant weights with what follows it; called like a function."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    activation: Activation | None = None
    border: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """Of whole maps."""
        x = F.pad(x, self.border) if any(self.border) else x
        return self.apply(x, self.padding, self.output_padding)

    def apply(self, x: Tensor, padding: tuple[int, ...] = (0, 0), output_padding: tuple[int, ...] = (0, 0)) -> Tensor:
        """Of maps that have their border already."""
        if not self.transposed and x.dtype is torch.float32 and x.device.type == "cpu" and _has_onednn():
            # The activation in the same loop; and for small maps torch's choice would be a slower kernel.
            name, numbers = ("none", ()) if self.activation is None else (self.activation.name, self.activation.numbers)
            fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, padding, self.stride, self.dilation, self.groups, name, list(numbers), ""
            )
            return fused
        sizes = (self.stride, padding, self.dilation, self.transposed, output_padding, self.groups)
        y = aten.convolution.default(x, self.weight, self.bias, *sizes)
        return y if self.activation is None else self.activation.function(y)


@dataclass(frozen=True)
class MaxPool:
    """The largest of each window, without its place."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    ceil_mode: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Of whole maps."""
        return F.max_pool2d(x, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)

    def apply(self, x: Tensor) -> Tensor:
        """Of maps that have their border already."""
        return F.max_pool2d(x, self.kernel, self.stride, 0, self.dilation)


@dataclass(frozen=True)
class Affine:
    """A scale and a shift for each channel: what a normalization is at inference."""

    scale: Tensor
    shift: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Of maps of any size."""
        around = (-1, *[1] * (x.dim() - 2))
        return torch.addcmul(self.shift.view(around), x, self.scale.view(around))


def simplify(program: Program) -> Program | None:
    """Fold and fuse; None where a normalization uses statistics over several pictures."""
    for number in list(program.steps):
        step = program.steps[number]  # as it is now: earlier rounds change who reads whom
        if step.operator in _NORMALIZATIONS:
            affine = _as_affine(step)
            if affine is None and _mixes_pictures(program, number):
                return None
            if affine is None:
                continue
            program.steps[number] = replace(
                step, operator=affine, args=step.args[:1], kwargs={}, shape=_shape(program, step)
            )
        elif _is_affine(step):
            shift, _, scale = step.args
            program.steps[number] = replace(step, operator=Affine(scale.view(-1), shift.view(-1)), args=step.args[1:2])
        elif step.operator is aten.convolution.default:
            convolution = _as_convolution(step)
            if convolution is not None:
                program.steps[number] = replace(step, operator=convolution, args=step.args[:1], kwargs={})
        elif _is_member(step):
            _replace_member(program, number, step)
    program.connect()
    for number in list(program.steps):
        step = program.steps[number]
        if isinstance(step.operator, Convolution) and not step.operator.transposed:
            _take_border(program, number, step)
    program.connect()
    for number in list(program.steps):
        if number in program.steps:
            _absorb(program, number)
    program.connect()
    return program


def _shape(program: Program, step: Step) -> tuple[int, ...]:
    return program.steps[step.args[0].step].shape


def _is_affine(step: Step) -> bool:
    """A constant, plus the picture's map times a constant, both one number a channel."""
    if step.operator is not aten.addcmul.default or step.kwargs or len(step.args) != 3:
        return False
    shift, x, scale = step.args
    channels = (1, step.shape[1], 1, 1) if len(step.shape) == 4 else ()
    constants = [tuple(t.shape) for t in (shift, scale) if isinstance(t, Tensor)]
    return isinstance(x, Ref) and constants == [channels, channels]


def _mixes_pictures(program: Program, number: int) -> bool:
    """Whether a normalization by statistics of its input averages over pictures (instance normalization does not)."""
    source = program.steps[number].args[0]
    return not isinstance(source, Ref) or program.steps[source.step].batched


def _as_affine(step: Step) -> Affine | None:
    place = _NORMALIZATIONS[step.operator]
    if place is not None and step.args[place]:
        return None
    weight, bias, mean, variance = step.args[1:5]
    eps = step.args[-1]
    if any(isinstance(leaf, Ref | Scaled) for leaf in step.args[1:]) or mean is None or variance is None:
        return None
    scale = torch.rsqrt(variance + eps) if weight is None else weight / torch.sqrt(variance + eps)
    shift = -mean * scale if bias is None else bias - mean * scale
    return Affine(scale, shift)


def _as_convolution(step: Step) -> Convolution | None:
    x, weight, bias, stride, padding, dilation, transposed, output_padding, groups = step.args
    if not isinstance(x, Ref) or not isinstance(weight, Tensor) or weight.dim() != 4 or isinstance(bias, Ref | Scaled):
        return None
    if isinstance(groups, Scaled):
        return None
    pairs = [pair(two) for two in (stride, padding, dilation, output_padding)]
    return Convolution(weight, bias, pairs[0], pairs[1], pairs[2], transposed, pairs[3], groups)


def _is_member(step: Step) -> bool:
    """One of several outputs."""
    return getattr(step.operator, "__name__", "") == "getitem" and isinstance(step.args[0], Ref)


def _replace_member(program: Program, number: int, step: Step) -> None:
    """Ask for the one output that is read, where the operator gives several."""
    place: int = step.args[1]
    source = program.steps[step.args[0].step]
    if isinstance(source.operator, Affine) and place == 0:
        _forward(program, number, step.args[0].step)
    elif source.operator is aten.max_pool2d_with_indices.default and place == 0:
        x, kernel, stride, padding, dilation, ceil_mode = (*source.args, *(None, None, None, None, None))[:6]
        pool = MaxPool(pair(kernel), pair(stride or kernel), pair(padding or 0), pair(dilation or 1), bool(ceil_mode))
        program.steps[number] = replace(step, operator=pool, args=(x,), kwargs={})
    elif source.operator in (aten.split.Tensor, aten.split_with_sizes.default):
        x, size, dim = (*source.args, 0)[:3]
        length = program.steps[x.step].shape[dim] if isinstance(x, Ref) else 0
        if isinstance(size, Scaled) or (not isinstance(size, int) and any(isinstance(n, Scaled) for n in size)):
            return
        sizes = [size] * (place + 1) if isinstance(size, int) else list(size)
        begin = sum(sizes[:place])
        end = min(begin + sizes[place], length)
        program.steps[number] = replace(step, operator=aten.slice.Tensor, args=(x, dim, begin, end), kwargs={})


def _take_border(program: Program, number: int, step: Step) -> None:
    """A convolution pads for itself what was padded with zeros for it alone."""
    before = program.steps[step.args[0].step]
    if before.operator is not aten.constant_pad_nd.default or len(program.readers[step.args[0].step]) != 1:
        return
    x, pads, value = (*before.args, 0)[:3]
    if value != 0 or len(pads) > 4 or min(pads) < 0 or len(before.shape) != 4:
        return
    border = (*pads, 0, 0)[:4]
    convolution = replace(step.operator, border=border)  # type: ignore[type-var]
    program.steps[number] = replace(step, operator=convolution, args=(x,))


def pair(value: Any) -> tuple[int, int]:
    """One number for both axes, or one each."""
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])


def _forward(program: Program, number: int, source: int) -> None:
    """Let all who read step `number` read `source` instead."""

    def swap(leaf: Any) -> Any:
        return Ref(source) if isinstance(leaf, Ref) and leaf.step == number else leaf

    for reader in program.readers[number]:
        step = program.steps[reader]
        args, kwargs = torch.utils._pytree.tree_map(swap, (step.args, step.kwargs))
        program.steps[reader] = replace(step, args=args, kwargs=kwargs)
        program.readers[source].append(reader)
    if program.output == number:
        program.output = source


def _absorb(program: Program, number: int) -> None:
    """Let this convolution do the work of the steps that alone read it."""
    while True:
        step = program.steps[number]
        readers = program.readers[number]
        if not isinstance(step.operator, Convolution) or len(readers) != 1 or program.output == number:
            return
        follower = program.steps[readers[0]]
        merged = _merge(step.operator, follower)
        if merged is None or follower.args[0] != Ref(number) or follower.sources != (number,):
            return
        program.steps[number] = replace(step, operator=merged)
        _forward(program, readers[0], number)
        gone = readers[0]
        program.readers[number] = [r for r in program.readers[number] if r != gone]
        del program.steps[gone]


def _merge(convolution: Convolution, follower: Step) -> Convolution | None:
    if convolution.activation is not None:
        return None
    if isinstance(follower.operator, Affine):
        scale, shift = follower.operator.scale, follower.operator.shift
        if convolution.transposed:  # weight: in_channels, out_channels / groups, h, w
            inputs, outputs = convolution.weight.shape[:2]
            by_group = scale.view(convolution.groups, 1, outputs, 1, 1)
            weight = convolution.weight.view(
                convolution.groups, inputs // convolution.groups, outputs, *convolution.weight.shape[2:]
            )
            weight = (weight * by_group).view(convolution.weight.shape)
        else:
            weight = convolution.weight * scale.view(-1, 1, 1, 1)
        bias = shift if convolution.bias is None else convolution.bias * scale + shift
        return replace(convolution, weight=weight, bias=bias)
    activation = _as_activation(follower)
    return None if activation is None else replace(convolution, activation=activation)


def _as_activation(step: Step) -> Activation | None:
    if step.kwargs:
        return None
    rest = step.args[1:]
    if step.operator is aten.relu.default:
        return Activation(torch.relu_, "relu")
    if step.operator in (aten.hardtanh.default, aten.clamp.default) and all(isinstance(b, int | float) for b in rest):
        low, high = (*rest, None)[:2] if step.operator is aten.clamp.default else (*rest, -1.0, 1.0)[:2]
        if low is None or high is None:
            return None
        return Activation(lambda y: torch.clamp_(y, low, high), "hardtanh", (float(low), float(high)))
    if step.operator is aten.relu6.default:
        return Activation(lambda y: torch.clamp_(y, 0.0, 6.0), "hardtanh", (0.0, 6.0))
    if step.operator is aten.leaky_relu.default:
        slope = float(rest[0]) if rest else 0.01
        return Activation(lambda y: F.leaky_relu_(y, slope), "leaky_relu", (slope,))
    if step.operator is aten.silu.default:
        return Activation(lambda y: F.silu(y, inplace=True), "swish")
    if step.operator is aten.sigmoid.default:
        return Activation(torch.sigmoid_, "sigmoid")
    if step.operator is aten.tanh.default:
        return Activation(torch.tanh_, "tanh")
    return None

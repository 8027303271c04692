"""Every convolution that a module really runs, with the settings that it is called with, functional calls too.

The network is followed once, as by `summary`, on shapes without numbers. What is noted are calls of torch's public
functions (`torch.conv2d`, which `nn.Conv2d` and `functional.conv2d` are too); who reaches below them, to
`torch.convolution`, is not seen. A padding that mirrors or repeats is an operation of its own in torch: the
convolution behind it reads the padded map, with no padding.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.arithmetic import Convolution
from striate.probe.summary import Summary
from striate.probe.watch import summary

__all__ = ["ConvolutionCall", "convolution_calls"]


@dataclass(frozen=True, slots=True)
class ConvolutionCall:
    """A convolution as it was called.

    Attributes:
        address: The module that ran it, as in `summary` (`#2`: its second call); empty for the network itself.
        layer: The settings, one number where all axes have the same.
        batch: How many maps it read at once for one picture.
        input_shape: `(c, *spatial)` of each.
        first: Whether no earlier call read the same weight.
    """

    address: str
    layer: Convolution
    batch: int
    input_shape: tuple[int, ...]
    first: bool


def convolution_calls(
    module: nn.Module, input_size: tuple[int, ...], *, name: str = ""
) -> tuple[list[ConvolutionCall], Summary]:
    """The convolutions of one forward pass in their order, and the summary of that pass.

    Raises:
        ConfigError: As `summary`.
        ShapeError: As `summary`.
    """
    calls: list[ConvolutionCall] = []
    with _noting(module, calls):
        table = summary(module, input_size, name=name)
    return calls, table


@dataclass(slots=True)
class _Running:
    """One module call while it runs; `computed`: how many convolutions it ran on weights that are no parameters."""

    path: str
    address: str
    computed: int = 0

    def identity(self, weight: Tensor) -> object:
        """What tells a weight from others.

        A weight that is computed (weight normalization) is another tensor each time, and the same weight when the same
        module computes it again.
        """
        if isinstance(weight, nn.Parameter):
            return id(weight)
        self.computed += 1
        return self.path, self.computed


@contextmanager
def _noting(module: nn.Module, calls: list[ConvolutionCall]) -> Iterator[None]:
    """Write every convolution that `module` runs into `calls`; a pass that begins anew empties them."""
    thread = get_ident()  # another thread may be using the same module
    running: list[_Running] = []
    times: dict[str, int] = {}
    read: set[object] = set()

    def enter(path: str) -> Any:
        def hook(part: nn.Module, args: Any) -> None:
            if get_ident() != thread:
                return
            if not running:
                calls.clear()
                times.clear()
                read.clear()
            times[path] = times.get(path, 0) + 1
            running.append(_Running(path, path if times[path] == 1 else f"{path}#{times[path]}"))

        return hook

    def leave(part: nn.Module, args: Any, output: Any) -> None:
        if get_ident() == thread:
            running.pop()

    class Noting(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            named = dict(kwargs or {})
            out = func(*args, **named)  # first: a call that fails is none
            # What computes a parametrized layer's weight never sees the picture.
            if func in _ARGUMENTS and running and "parametrizations" not in running[-1].path.split("."):
                settings = dict(zip(_ARGUMENTS[func], args, strict=False)) | named
                weight = running[-1].identity(settings["weight"])
                address, transposed = running[-1].address, func in _TRANSPOSED
                calls.append(_call(address, settings, transposed=transposed, first=weight not in read))
                read.add(weight)
            return out

    with ExitStack() as stack:
        for path, part in module.named_modules():
            if isinstance(part, torch.jit.ScriptModule):  # has no hooks; `summary` refuses it with a sentence
                continue
            stack.callback(part.register_forward_pre_hook(enter(path)).remove)
            stack.callback(part.register_forward_hook(leave, always_call=True).remove)
        with Noting():
            yield


_TRANSPOSED = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)
_PLAIN = (torch.conv1d, torch.conv2d, torch.conv3d)
_ARGUMENTS: dict[Any, tuple[str, ...]] = dict.fromkeys(
    _PLAIN, ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
) | dict.fromkeys(_TRANSPOSED, ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"))


def _call(address: str, settings: Mapping[str, Any], *, transposed: bool, first: bool) -> ConvolutionCall:
    read, weight = settings["input"], settings["weight"]
    axes = weight.dim() - 2
    channels, groups = read.shape[-axes - 1], int(settings.get("groups", 1))
    filters = weight.shape[1] * groups if transposed else weight.shape[0]
    padding = settings.get("padding", 0)
    depthwise = groups == channels > 1
    layer = Convolution(
        out_channels=None if depthwise and filters == channels else filters,
        kernel_size=_plain(weight.shape[2:]),
        stride=_plain(settings.get("stride", 1)),
        padding=padding if isinstance(padding, str) else _plain(padding),
        dilation=_plain(settings.get("dilation", 1)),
        groups=None if depthwise else groups,
        bias=settings.get("bias") is not None,
        transposed=transposed,
        output_padding=_plain(settings.get("output_padding", 0)),
    )
    batch = read.shape[0] if read.dim() == axes + 2 else 1
    return ConvolutionCall(address, layer, batch, tuple(read.shape[-axes - 1 :]), first)


def _plain(value: Any) -> int | tuple[int, ...]:
    """One number where all axes have the same."""
    numbers = tuple(int(number) for number in value) if isinstance(value, list | tuple) else (int(value),)
    return numbers[0] if len(set(numbers)) == 1 else numbers

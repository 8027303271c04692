"""Watch one forward pass: what every module call takes and gives, what it costs, and what its units can see.

Hooks on modules tell where a call begins and ends; `Watcher` sees every tensor operation in between.

The pass runs on fake tensors (shapes without storage): nothing is computed or allocated, so a VGG-16 takes as long as a
LeNet. A module that looks at values, which fake tensors do not have, is run once for real instead.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from striate.arithmetic import Field
from striate.errors import ConfigError, ShapeError
from striate.probe.running import evaluating, running_eagerly
from striate.probe.summary import Summary, find_stages
from striate.probe.watcher import Call, Watcher, tensors_in

__all__ = ["summary"]


def summary(module: nn.Module, input_size: tuple[int, ...], *, name: str = "", run: bool = True) -> Summary:
    """The layer table of any module: shapes, parameters, MACs, receptive fields, one row a call.

    Args:
        module: Any module of one input; its weights, mode, gradients and attributes are left as they are.
        input_size: Shape of the input without batch axis (`(3, 224, 224)`) or with one of 1 (`(1, 3, 224, 224)`).
        name: For the heading; the class name by default.
        run: Whether a module that looks at values, and so cannot be followed without them, is run on zeros instead.

    Returns:
        The table; `print` shows it.

    Raises:
        ShapeError: The module refuses an input of this size; the message carries its reason.
        ConfigError: The module is TorchScript, or has lazy layers that have never seen an input.

    >>> table = summary(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), (3, 32, 32))
    >>> table.parameters, table.macs, table.rows[0].field.size
    (224, 221184, (3, 3))
    """
    size = tuple(input_size) if len(input_size) == 4 else (1, *input_size)
    if len(size) != 4 or min(size) < 1 or size[0] != 1:
        raise ShapeError(
            f"input_size must be (channels, height, width), each at least 1; got {tuple(input_size)}. "
            "Example: (3, 224, 224)."
        )
    name = name or type(module).__name__
    _require_watchable(module, name)
    parameter = next(iter(module.parameters()), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    dtype = torch.float32 if parameter is None or not parameter.is_floating_point() else parameter.dtype
    # Inside inference mode torch hides from the watcher which operations a composed one is made of.
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        evaluating(module),
        _attributes_kept(module),
        running_eagerly(module),
    ):
        try:
            with FakeTensorMode(allow_non_fake_inputs=True):
                watcher = _watch(module, torch.empty(size, device=device, dtype=dtype))
        except RuntimeError as error:  # the module's own, or torch's about tensors without values
            if not run or device.type == "meta":
                raise _refusal(name, size, error) from error
            try:
                watcher = _watch(module, torch.zeros(size, device=device, dtype=dtype))
            except RuntimeError as own:
                raise _refusal(name, size, own) from own
    rows = watcher.finish()
    return Summary(
        name=name,
        input_size=size,
        rows=rows,
        stages=find_stages(rows),
        parameters=sum(p.numel() for p in module.parameters()),
        macs=watcher.macs,
    )


def _refusal(name: str, size: tuple[int, ...], error: RuntimeError) -> ShapeError:
    reason = str(error).strip().partition("\n")[0]
    return ShapeError(f"{name} refuses an input of size {size[1:]}: {reason}")


def _require_watchable(module: nn.Module, name: str) -> None:
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise ConfigError(f"{name} is TorchScript, which cannot be watched. Give the Python module it was made from.")
    if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        raise ConfigError(
            f"{name} has lazy layers whose shapes are not known yet. Run it once on an input of its real size first."
        )


@contextmanager
def _attributes_kept(module: nn.Module) -> Iterator[None]:
    """Give every part of `module` its attributes and buffers back: a forward pass may store (fake) tensors there."""
    kept = [(now, dict(now)) for part in module.modules() for now in (part.__dict__, part._buffers, part._parameters)]
    try:
        yield
    finally:
        for now, then in kept:
            for name in now.keys() - then.keys():
                del now[name]
            now.update((name, value) for name, value in then.items() if now.get(name) is not value)


def _watch(module: nn.Module, x: Tensor) -> Watcher:
    watcher = Watcher()
    watcher.fields[x] = Field.of_input()
    watcher.origins[x] = frozenset()
    thread = get_ident()  # another thread may be using the same module
    times: dict[str, int] = {}
    counted: set[int] = set()

    def enter(path: str) -> Callable[..., None]:
        def hook(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if get_ident() != thread:
                return
            times[path] = times.get(path, 0) + 1
            address = path if times[path] == 1 else f"{path}#{times[path]}"
            call = Call(address, part, len(watcher.open) + 1)
            first = next(iter(tensors_in((args, kwargs))), None)
            if first is not None:
                call.input_shape = tuple(first.shape)
            noted = [t for t in tensors_in((args, kwargs)) if t in watcher.origins]
            call.sources = frozenset().union(*(watcher.origins[t] for t in noted)) if noted else frozenset()
            if first is not None and first in watcher.makers:
                call.takes = watcher.makers[first]
            for parameter in _own_parameters(part):
                if id(parameter) not in counted:  # a shared parameter belongs to its first user
                    counted.add(id(parameter))
                    call.parameters += parameter.numel()
            if watcher.open:
                watcher.calls[watcher.open[-1]].leaf = False
            watcher.open.append(len(watcher.calls))
            watcher.calls.append(call)

        return hook

    def leave(part: nn.Module, args: Any, output: Any) -> None:
        if get_ident() != thread:
            return
        index = watcher.open.pop()
        call = watcher.calls[index]
        first = next(iter(tensors_in(output)), None)
        if first is None:
            return
        call.output_shape = tuple(first.shape)
        call.field = watcher.fields[first] if first in watcher.fields else None  # noqa: SIM401 - its get() is untyped
        if call.leaf:
            for tensor in tensors_in(output):
                watcher.makers[tensor] = index
                if tensor in watcher.origins:
                    watcher.origins[tensor] = frozenset({index})

    with ExitStack() as stack:
        for path, part in _layers(module):
            if path:
                stack.callback(part.register_forward_pre_hook(enter(path), with_kwargs=True).remove)
                stack.callback(part.register_forward_hook(leave).remove)
        with watcher:
            output = module(x)
    watcher.operations += 1
    for tensor in tensors_in(output):
        watcher.read(tensor)
    return watcher


def _layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every part but the ones that compute a parametrized layer's weights: those never see the picture."""
    return ((path, part) for path, part in module.named_modules() if "parametrizations" not in path.split("."))


def _own_parameters(part: nn.Module) -> Iterator[nn.Parameter]:
    yield from part.parameters(recurse=False)
    if is_parametrized(part):
        yield from part.parametrizations.parameters()  # type: ignore[union-attr]

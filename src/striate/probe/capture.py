"""Take what chosen layers give, from one ordinary forward pass of any module.

Layers are named by their path (`features.3`; `layer1.0.relu#2` for the second call of a module used twice). The pass
stops as soon as the last wanted layer has answered, and every hook is gone afterwards, also after an error.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from threading import get_ident
from typing import Any

from torch import Tensor, nn

from striate.errors import ConfigError, ShapeError, UnknownNameError, nearest
from striate.probe.running import running_eagerly

__all__ = ["capture", "require_layer", "visit_layers"]


class _AllCaptured(Exception):  # noqa: N818 - a signal to leave the forward pass, not an error
    """Raised inside the forward pass once every wanted layer has answered."""


def capture(module: nn.Module, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """The outputs of `layers` for the batch `x`, each as the layer gave it.

    Args:
        module: Any module, run in the mode it is in.
        x: What the module takes: a batch, already preprocessed.
        layers: Module paths as in `module.named_modules()`; add `#k` for the k-th call of a module used again.

    Returns:
        Layer → a copy of its output, which no later in-place operation overwrites.

    Raises:
        UnknownNameError: A layer does not exist, or is not called in the pass.
        ShapeError: A layer's output is not a tensor.
        ConfigError: What stands after `#` is no number of a call.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    >>> capture(network, torch.zeros(1, 3, 9, 9), ["1"])["1"].shape
    torch.Size([1, 8, 7, 7])
    """
    wanted = list(dict.fromkeys(layers))
    for layer in wanted:
        require_layer(module, layer.partition("#")[0])
    found: dict[str, Tensor] = {}

    def keep(layer: str, output: Any) -> None:
        # A ReLU in place right behind this layer would otherwise change what was taken.
        found[layer] = _require_tensor(layer, output).clone()

    visit_layers(module, x, {layer: partial(keep, layer) for layer in wanted})
    return {layer: found[layer] for layer in wanted}


def visit_layers(module: nn.Module, x: Tensor, visitors: Mapping[str, Callable[[Any], None]]) -> None:
    """Call each visitor with what its layer gives, in the middle of the pass, before anything overwrites it.

    What a visitor works out, it works out on the layer's own memory: nothing is copied. It must not write there, and
    must not keep it.

    Args:
        module: Any module, run in the mode it is in.
        x: What the module takes.
        visitors: Layer, as in `capture` (or an empty string, the module itself) → what is called with its output.

    Raises:
        UnknownNameError: A layer does not exist, or is not called in the pass.
        ConfigError: What stands after `#` is no number of a call.
    """
    calls: dict[str, dict[int, str]] = {}
    for layer in visitors:
        path, mark, number = layer.partition("#")
        if layer:
            require_layer(module, path)
        if mark and (not number.isdecimal() or int(number) < 1):
            raise ConfigError(f"layer '{layer}': after # stands the number of a call, 1 or more, such as '{path}#2'.")
        calls.setdefault(path, {})[int(number or 1)] = layer
    visited: set[str] = set()
    thread = get_ident()  # a hook sees every caller of the module: another thread's pass is not ours to take or stop

    def take(path: str) -> Callable[..., None]:
        count = 0

        def hook(part: nn.Module, args: Any, output: Any) -> None:
            nonlocal count
            if get_ident() != thread:
                return
            count += 1
            layer = calls[path].get(count)
            if layer is None:
                return
            visitors[layer](output)
            visited.add(layer)
            if len(visited) == len(visitors):
                raise _AllCaptured

        return hook

    with running_eagerly(module), ExitStack() as stack:
        for path in calls:
            part = module.get_submodule(path)
            stack.callback(part.register_forward_hook(take(path)).remove)
        with suppress(_AllCaptured):
            module(x)
    missing = [layer for layer in visitors if layer not in visited]
    if missing:
        raise UnknownNameError(
            f"layer '{missing[0]}' exists but is not called in the forward pass. Choose a layer of the table that "
            "`striate.summary(module, input_size)` prints."
        )


def _require_tensor(layer: str, output: Any) -> Tensor:
    if not isinstance(output, Tensor):
        raise ShapeError(f"layer '{layer}' gives a {type(output).__name__}, not a tensor. Choose a layer inside it.")
    return output


def require_layer(module: nn.Module, path: str) -> nn.Module:
    """The submodule at `path`.

    Raises:
        UnknownNameError: There is none; the message names the nearest paths.
    """
    parts = dict(module.named_modules())
    if path not in parts or not path:
        raise UnknownNameError(
            f"{type(module).__name__} has no layer '{path}'. {nearest(path, (p for p in parts if p))}"
        )
    return module.get_submodule(path)

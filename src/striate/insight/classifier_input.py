"""What goes into the classifier: the last representation that a network makes of a picture, before it is named.

The last fully connected layer is a linear question to the vector before it, so pictures whose vectors lie near each
other are alike to the network. Networks end in different ways: with a linear layer, with a 1×1 convolution that is
pooled afterwards (SqueezeNet), with distances to prototypes (LeNet-5), or without any classifier. One watched pass
tells which.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from threading import get_ident
from typing import Any, Literal

import torch
from torch import Tensor, nn

from striate.errors import ShapeError, StriateError, UnknownNameError
from striate.probe import LayerRow, require_layer, summary
from striate.probe.running import running_eagerly

__all__ = ["ReadPoint", "find_read_point", "named_read_point", "read_vectors"]

_RESHAPES = {"Flatten", "Unflatten", "Identity", "PixelShuffle", "PixelUnshuffle"}


@dataclass(frozen=True, slots=True)
class ReadPoint:
    """Where a representation is read.

    Attributes:
        layer: The layer's address (`classifier`, `relu#2`); empty for the network as a whole.
        side: What goes into it, or what comes out of it.
    """

    layer: str
    side: Literal["input", "output"]

    def __str__(self) -> str:
        if not self.layer:
            return "output of the network"
        return f"{self.side} of {self.layer}"


def find_read_point(module: nn.Module, x: Tensor, *, classes: int | None = None) -> ReadPoint:
    """Where the vector is that the classifier of `module` sees.

    The last layer that weighs channels against each other is the classifier: what goes into it is read. Where a
    normalization follows a convolution, where the answer is a map, or where what follows changes the number of channels
    again (a classifier that is a function without a layer of its own), there is none to be seen, and what comes out
    last is read.

    Args:
        module: Any module of one input; left as it was.
        x: A batch that it takes; its first picture is used.
        classes: How many answers the network has a name for; 0 for none; None where that is not known.
    """
    with torch.inference_mode(), running_eagerly(module):
        answer = module(x[:1])
    whole = ReadPoint("", "output")
    if classes == 0 or not isinstance(answer, Tensor) or answer.shape[2:].numel() > 1:
        return whole
    try:
        rows = summary(module, tuple(x.shape[1:])).rows
    except (StriateError, RuntimeError):  # a pass that cannot be watched still has an answer
        return whole
    place = _last_weighing(rows)
    if place is None:
        return whole
    row = rows[place]
    width = answer.shape[1] if answer.dim() > 1 else 1
    if _channels(row.output_shape) != width:
        return ReadPoint(row.address, "output")
    normalized = any(later.leaf and later.parameters for later in rows[place + 1 :])
    pooled = len(row.output_shape) > 2 and torch.Size(row.output_shape[2:]).numel() > 1
    if pooled and normalized and classes is None:
        return whole
    return ReadPoint(row.address, "input")


def _last_weighing(rows: tuple[LayerRow, ...]) -> int | None:
    for place in range(len(rows) - 1, -1, -1):
        row = rows[place]
        if not row.leaf or row.kind in _RESHAPES or not row.output_shape:
            continue
        moved = torch.Size(row.input_shape).numel() == torch.Size(row.output_shape).numel()
        if row.macs or (not moved and _channels(row.input_shape) != _channels(row.output_shape)):
            return place
    return None


def _channels(shape: tuple[int, ...]) -> int:
    """Channels stand first after the batch in maps, and last in rows of tokens."""
    return shape[-1] if len(shape) == 3 else shape[1] if len(shape) > 1 else 1


def read_vectors(module: nn.Module, x: Tensor, point: ReadPoint) -> tuple[Tensor, Tensor | None, bool]:
    """The vectors at `point` for a batch, and the network's answer.

    Args:
        module: Any module, run in the mode it is in; its hooks and flags are as before afterwards, also after an error.
        x: `n c h w`.
        point: Where to read.

    Returns:
        Vectors `n d` (maps are averaged over their positions, tokens over the tokens); the output of the whole pass, or
        None where it is no tensor; whether anything was averaged.

    Raises:
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: What is there is no tensor, or not one row a picture.
    """
    path, _, number = point.layer.partition("#")
    if point.layer:
        require_layer(module, path)
    wanted = int(number) if number.isdecimal() else 1
    found: list[Any] = []
    thread = get_ident()
    count = 0

    def take(value: Any) -> None:
        nonlocal count
        if get_ident() == thread:  # another thread's pass is not ours
            count += 1
            if count == wanted:
                # What comes later may write into it, or average it away: it is taken as it is now.
                found.append(value.clone() if isinstance(value, Tensor) else value)

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        take(next(iter((*args, *kwargs.values())), None))

    def after(_: nn.Module, __: Any, output: Any) -> None:
        take(output)

    with torch.inference_mode(), running_eagerly(module), ExitStack() as stack:
        if point.layer:
            part = module.get_submodule(path)
            register: Callable[[], Any] = (
                (lambda: part.register_forward_pre_hook(before, with_kwargs=True))
                if point.side == "input"
                else (lambda: part.register_forward_hook(after))
            )
            stack.callback(register().remove)
        answer = module(x)
        if not point.layer:
            found.append(answer)
    if not found:
        raise UnknownNameError(
            f"layer '{point.layer}' exists but is not called in the forward pass. Choose a layer of the table that "
            "`striate.summary(module, input_size)` prints."
        )
    vectors, averaged = _as_vectors(found[0], point, len(x))
    return vectors, answer if isinstance(answer, Tensor) else None, averaged


def _as_vectors(value: Any, point: ReadPoint, count: int) -> tuple[Tensor, bool]:
    if not isinstance(value, Tensor) or value.dim() not in {2, 3, 4, 5} or len(value) != count:
        got = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ShapeError(f"{point} is {got}; it must be a tensor with one row a picture. Choose another layer.")
    numbers = value if value.dtype == torch.float64 else value.float()
    if value.dim() == 2:
        return numbers, False
    axes = (1,) if value.dim() == 3 else tuple(range(2, value.dim()))  # n t c, or n c h w
    averaged = any(value.shape[axis] > 1 for axis in axes)
    return numbers.mean(axes), averaged


def named_read_point(module: nn.Module, layer: str) -> ReadPoint:
    """A layer that a person named, as a place to read what comes out of it.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    path, mark, number = layer.partition("#")
    require_layer(module, path)
    if mark and (not number.isdecimal() or int(number) < 1):
        raise UnknownNameError(f"layer '{layer}': after # stands the number of a call, such as '{path}#2'.")
    return ReadPoint(layer, "output")

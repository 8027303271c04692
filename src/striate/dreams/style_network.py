"""What looks at the picture in a style transfer: the network as a copy, fast, up to the deepest layer of interest.

What costs is the convolutions, once forward and once back. So the copy lies channels-last, lets ReLUs overwrite what
nobody reads again, and works in bfloat16 where the processor multiplies it; what is worked out of a layer is worked out
in the middle of the pass, on the layer's own memory.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.dreams.lean_subject import lean_subject
from striate.dreams.subject import Subject
from striate.errors import ConfigError, ShapeError, StriateError
from striate.probe import Summary, evaluating, require_layer, summary, visit_layers

__all__ = ["Pooling", "StyleNetwork", "StylePrecision", "layer_table", "pick_precision"]

StylePrecision = Literal["auto", "float32", "bfloat16"]
Pooling = Literal["max", "average"]


class StyleNetwork:
    """A network's own copy, which the caller's module knows nothing of.

    Args:
        subject: The network.
        layers: Those that will be visited.
        precision: `float32`, `bfloat16`, or `auto` (`pick_precision`); weights of 64 bits stay so.
        pooling: `average` puts averages where maxima were, as Gatys' pictures were made.

    Raises:
        UnknownNameError: A layer that does not exist or is not called.
        ConfigError: An unknown precision or pooling.
        ShapeError: A layer gives no maps.
    """

    def __init__(
        self, subject: Subject, layers: Sequence[str], *, precision: StylePrecision = "auto", pooling: Pooling = "max"
    ) -> None:
        if pooling not in ("max", "average"):
            raise ConfigError(f"pooling must be 'max' or 'average'; got {pooling!r}.")
        for layer in layers:
            require_layer(subject.module, layer.partition("#")[0])
        self.name, self.layers, self.dtype = subject.name, tuple(layers), pick_precision(subject, precision)
        if pooling == "average":
            subject = replace(subject, module=_averaging(subject.module))
        self.subject = lean_subject(
            subject, self.layers, precision="bfloat16" if self.dtype == torch.bfloat16 else "float32"
        )
        self._copied: frozenset[str] = frozenset()
        self._copied = self._overwritten()

    def visit(self, image: Float[Tensor, "1 c h w"], visitors: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Call each visitor with what its layer answers to the picture, `1 c h w`; the pass ends at the last.

        Raises:
            ShapeError: The network refuses pictures of this size, or a layer gives no maps.
        """
        x = self.subject.prepare(image).contiguous(memory_format=torch.channels_last)

        def take(layer: str, output: Any) -> None:
            if not isinstance(output, Tensor) or output.dim() != 4:
                raise ShapeError(f"layer '{layer}' gives no maps 'n c h w'. Choose a convolution or its activation.")
            visitors[layer](output.clone() if layer in self._copied else output)

        with evaluating(self.subject.module):
            try:
                visit_layers(self.subject.module, x, {layer: partial(take, layer) for layer in visitors})
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                if "memory" in str(error) or isinstance(error, StriateError):
                    raise
                reason = str(error).strip().partition("\n")[0]
                size = f"{image.shape[2]} × {image.shape[3]}"
                raise ShapeError(f"{self.name} refuses pictures of {size} pixels: {reason}.") from error

    def _overwritten(self) -> frozenset[str]:
        """Layers whose answers something later writes on: they are handed out as copies."""
        size, device = self.subject.input_size or (64, 64), self.subject.device
        seen: dict[str, tuple[Tensor, int]] = {}

        def note(layer: str, output: Tensor) -> None:
            seen[layer] = (output, output._version)

        with torch.inference_mode(False), torch.no_grad():
            picture = torch.full((1, self.subject.channels, *size), 0.5, device=device, dtype=self.subject_dtype)
            self.visit(picture, {layer: partial(note, layer) for layer in self.layers})
        return frozenset(layer for layer, (output, version) in seen.items() if output._version != version)

    @property
    def subject_dtype(self) -> torch.dtype:
        """That of pictures: 32 bits, or 64 where the weights are."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32


def pick_precision(subject: Subject, precision: StylePrecision) -> torch.dtype:
    """The type to work in: bfloat16 only where it is asked for, or where the processor multiplies it by itself.

    Raises:
        ConfigError: An unknown precision.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"precision must be 'auto', 'float32' or 'bfloat16'; got {precision!r}.")
    if subject.dtype == torch.float64:
        return torch.float64
    if precision != "auto":
        return getattr(torch, precision)  # type: ignore[no-any-return]
    if subject.device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = subject.device.type == "cpu" and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    return torch.bfloat16 if fast else torch.float32


def layer_table(subject: Subject) -> Summary | None:
    """The network's layers at the size it was trained at, or None where they cannot be followed."""
    size = subject.input_size or (64, 64)
    try:
        with torch.inference_mode(False), torch.no_grad():
            zero = torch.zeros(1, subject.channels, *size, device=subject.device, dtype=subject.dtype)
            return summary(subject.module, tuple(subject.prepare(zero).shape[1:]))
    except (StriateError, RuntimeError):
        return None


def _averaging(module: nn.Module) -> nn.Module:
    """A copy that averages where the module takes the largest."""
    with torch.inference_mode(False):
        found = copy.deepcopy(module)
    for path, part in list(found.named_modules()):
        if isinstance(part, nn.MaxPool2d):
            parent, _, name = path.rpartition(".")
            mean = nn.AvgPool2d(
                part.kernel_size, part.stride, part.padding, ceil_mode=part.ceil_mode, count_include_pad=False
            )
            setattr(found.get_submodule(parent), name, mean)
    return found

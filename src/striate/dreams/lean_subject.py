"""The same network with less work for each gradient to the picture.

Three things cost time and change no number, or hardly one: normalization is folded into the convolutions before it,
activations write over what nobody else reads (`runtime.fold`), and the pass stops at the deepest layer that is asked.
Sixteen-bit floats change numbers, so they have a name: `bfloat16` keeps eight bits of every activation, while the
picture, the objective and the step stay in 32.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from striate.dreams.objectives import OUTPUT, Objective, Seen
from striate.dreams.subject import Subject
from striate.errors import ConfigError, StriateError
from striate.runtime import fold
from striate.runtime.folding import alike

__all__ = ["Precision", "in_full_precision", "lean_subject"]

Precision = Literal["float32", "bfloat16"]

_SMALL_PX = 128  # of the trial picture
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


def lean_subject(subject: Subject, layers: Iterable[str], *, precision: Precision = "float32") -> Subject:
    """A subject that answers at `layers` as this one does, to rounding, and costs less.

    Args:
        subject: Left as it is; weights that are not folded are shared.
        layers: What will be asked for; other layers may answer something else.
        precision: Of the activations and their gradients.

    Raises:
        ConfigError: `precision` is not one of the two.
    """
    if precision not in ("float32", "bfloat16"):
        raise ConfigError(f"precision must be 'float32' or 'bfloat16'; got {precision!r}.")
    size = subject.input_size or (_SMALL_PX, _SMALL_PX)
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, subject.channels, *size, generator=generator, dtype=torch.float64)
    picture = picture.to(device=subject.device, dtype=subject.dtype)
    with torch.inference_mode(False), torch.no_grad():
        lean = _folded(subject, picture, [*layers])
        if precision == "bfloat16":
            module = deepcopy(lean.module).to(torch.bfloat16)
            for part in module.modules():
                if isinstance(part, _NORMS):
                    part.float()  # running sums of squares need more than eight bits
            prepare = lean.prepare
            lean = replace(lean, module=module, prepare=lambda view: prepare(view).to(torch.bfloat16))
    return lean


def in_full_precision(objective: Objective) -> Objective:
    """The objective, of activations as 32-bit floats: sums over a map need them."""

    def value(seen: Seen) -> Tensor:
        return objective(Seen(seen.image, {layer: a.to(seen.image.dtype) for layer, a in seen.activations.items()}))

    return replace(objective, function=value)


def _folded(subject: Subject, picture: Tensor, layers: list[str]) -> Subject:
    """With a folded module, if that answers the same at every layer."""
    try:
        lean = replace(subject, module=fold(subject.module, subject.prepare(picture)))
        if lean.module is subject.module:
            return subject
        wanted = subject.read(picture, [layer for layer in layers if layer != OUTPUT])
        found = lean.read(picture, wanted)
    except (StriateError, RuntimeError):  # what is wrong with a layer or a size is said at the picture itself
        return subject
    return lean if all(alike(found[layer], wanted[layer]) for layer in wanted) else subject

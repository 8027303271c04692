"""Put weights into a network: every tensor in its place, or a sentence that says what does not fit.

Only two things may differ, and only if the caller asks for it: another number of classes (the classifier then keeps its
random start, and the file's is dropped) and another number of image channels (the first kernel is adapted). Everything
else is strict in both directions.
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import WeightsError, WeightsWarning
from striate.weights.state import State, all_numbers
from striate.weights.variants import Blueprint, Blueprints, look_like, shapes_of

__all__ = ["FitReport", "adapt_channels", "fit_state"]


@dataclass(frozen=True)
class FitReport:
    """What became of the weights.

    Attributes:
        loaded: Names of the tensors that were taken as they are.
        dropped: Names that were left out, because the number of classes differs.
        adapted: Names that were changed to another number of image channels, with how.
    """

    loaded: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()


def fit_state(
    module: nn.Module,
    state: State,
    *,
    classifier: tuple[str, ...] = (),
    first_conv: str | None = None,
    allow_adapt: bool = False,
    name: str = "",
    blueprints: Blueprints = (),
) -> FitReport:
    """Load `state` into `module`, in place; nothing is changed if anything does not fit.

    Args:
        module: The network.
        state: Tensors under our names.
        classifier: Paths of the modules whose size depends on the number of classes.
        first_conv: Path of the convolution that sees the image.
        allow_adapt: Whether the number of classes and of image channels may differ.
        name: The network's name, for messages.
        blueprints: Other networks, to say what the weights look like if they do not fit.

    Raises:
        WeightsError: With the first differences.

    Warns:
        WeightsWarning: If tensors were dropped or adapted, or hold values that are no numbers.
    """
    own = module.state_dict()
    blueprint = Blueprint(name or type(module).__name__, shapes_of(own), "", classifier, first_conv)
    shapes = shapes_of(state)
    problems = blueprint.differences(shapes)
    if problems:
        raise WeightsError(
            f"The weights do not fit {blueprint.name}: {'; '.join(problems)}. {look_like(shapes, blueprints)}".rstrip()
        )
    # Counters of batch normalization that an old file lacks begin at 0, and a dropped classifier stays as it is.
    fitted: State = {key: tensor if key in state else torch.zeros_like(tensor) for key, tensor in own.items()}
    loaded, dropped, adapted = [], [], []
    for key, tensor in state.items():
        if tensor.is_floating_point() != own[key].is_floating_point():
            raise WeightsError(f"'{key}' holds {tensor.dtype} where {own[key].dtype} is expected.")
        if tensor.shape == own[key].shape:
            fitted[key] = tensor
            loaded.append(key)
        elif not allow_adapt:
            raise WeightsError(_not_asked(blueprint, key, tensor, own[key]))
        elif blueprint.is_classifier(key):
            dropped.append(key)
        else:
            fitted[key] = adapt_channels(tensor, own[key].shape[1])
            adapted.append(f"{key} ({tensor.shape[1]} to {own[key].shape[1]} image channels)")
    module.load_state_dict(fitted, strict=True)
    _warn(blueprint, dropped, adapted, [key for key in loaded if not all_numbers(state[key])])
    return FitReport(tuple(loaded), tuple(dropped), tuple(adapted))


def adapt_channels(kernel: Float[Tensor, "k c h w"], channels: int) -> Float[Tensor, "k channels h w"]:
    """A first kernel for another number of image channels.

    For one channel the kernel is summed over its channels: a gray picture gives exactly what the old kernel gave for
    the same picture with all channels equal. For more channels than one the kernel's channels are repeated in turn and
    scaled by old / new, so that the response keeps its size.

    Raises:
        WeightsError: If `channels` is below 1.
    """
    old = kernel.shape[1]
    if channels < 1:
        raise WeightsError(f"A network needs at least one image channel, got {channels}.")
    if channels == 1:
        return kernel.sum(1, keepdim=True)
    repeats = -(-channels // old)
    return kernel.repeat(1, repeats, 1, 1)[:, :channels] * (old / channels)


def _not_asked(blueprint: Blueprint, key: str, tensor: Tensor, own: Tensor) -> str:
    if blueprint.is_classifier(key):
        return (
            f"The weights are for {tensor.shape[0]} classes, {blueprint.name} has {own.shape[0]}; give "
            f"num_classes={tensor.shape[0]}, or let the classifier be dropped."
        )
    return (
        f"The weights are for {tensor.shape[1]} image channels, {blueprint.name} takes {own.shape[1]}; give "
        f"in_channels={tensor.shape[1]}, or let the first layer be adapted."
    )


def _warn(blueprint: Blueprint, dropped: list[str], adapted: list[str], broken: list[str]) -> None:
    sentences = []
    if dropped:
        sentences.append(f"the classifier starts from random values ({', '.join(dropped)} left out)")
    if adapted:
        sentences.append(f"adapted: {', '.join(adapted)}")
    if broken:
        sentences.append(f"{', '.join(broken[:3])} hold values that are no numbers (NaN or infinite)")
    if sentences:
        warnings.warn(f"{blueprint.name}: {'; '.join(sentences)}.", WeightsWarning, stacklevel=3)

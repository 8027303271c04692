"""What is asked of a network: which tensors go in, and which number that comes out is asked about.

A target is a class (its index, or its label where the network has labels) or a unit anywhere inside (its address, such
as `features.3:17@4,5`). Either is one number a picture: a logit, or the unit's activation.

A unit without a position means the unit of that channel that is most active in the picture.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.models import Network
from striate.probe import UnitAddress, require_layer
from striate.probe.capture import visit_layers

__all__ = ["Asked", "OutsideError", "Target", "choose_targets", "module_and_input", "read_targets", "score_targets"]

Target = (
    int
    | str
    | UnitAddress
    | Sequence[int | str | UnitAddress | None]
    | np.integer
    | NDArray[np.integer]
    | Tensor
    | None
)


_NOT_FINITE = (
    "{}: the network answers {}, which no map explains. Its weights are damaged or from a training that diverged, the "
    "picture holds such numbers, or 16 bits are too few for it."
)


class OutsideError(ConfigError):
    """A unit's position is outside of its layer's map."""


@dataclass(frozen=True)
class Asked:
    """One number for each target, from one forward pass.

    Attributes:
        scores: `t`: the logit or the activation of each target, with its gradient where gradients are on.
        images: For each target, the index of its picture.
        targets: For each target, the class index, or the address of the unit with its position.
    """

    scores: Float[Tensor, " t"]
    images: tuple[int, ...]
    targets: tuple[int | str, ...]


def module_and_input(network: Network | nn.Module, images: Images) -> tuple[nn.Module, Tensor]:
    """The module, and the tensor `n c h w` that goes into it.

    A `Network` preprocesses photos, in the precision of its weights; a plain module is fed the tensor as it is.

    Raises:
        ShapeError: A plain module got something else than a tensor `n c h w` of at least one picture.
    """
    if isinstance(network, Network):
        x = network.preprocess(images)
        weight = next((p for p in network.module.parameters() if p.is_floating_point()), x)
        return network.module, x.to(weight.dtype)
    if not isinstance(images, Tensor) or images.dim() != 4 or not len(images):
        got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ShapeError(
            f"images for a plain module must be a tensor 'n c h w' of at least one, fed as it is; got {got}. "
            "Wrap the module in a striate.Network to give photos."
        )
    return network, images.detach()


def read_targets(
    network: Network | nn.Module, target: Target, count: int, *, many: bool = False
) -> list[int | UnitAddress | None]:
    """One target for each of `count` images, names turned into class indices and unit addresses.

    Args:
        network: Its labels turn names into indices, its layers make addresses true.
        target: A class index, a label, a unit address (`UnitAddress` or text), or one of those for each image (a list,
            an array or a tensor). None means each image's best class. Text is a label if the network knows it, else an
            address.
        count: How many images there are.
        many: Take a list of any length for a single image: as many questions about it.

    Returns:
        A class index, a unit, or None for the best class, for each image (or for each of the `many` questions).

    Raises:
        ConfigError: A bare layer, a name for a module without labels, or a wrong number of targets.
        UnknownNameError: A label that the network does not have or that means more than one class, or a layer that it
            does not have.
    """
    plain = target.tolist() if isinstance(target, np.generic | np.ndarray | Tensor) else target
    if plain is None or isinstance(plain, str | bytes | Mapping) or not isinstance(plain, Iterable):
        return [_read(network, plain)] * count
    wanted = list(plain)
    if len(wanted) != count and not (many and count == 1 and wanted):
        more = ", or any number for a single image" if many else ""
        raise ConfigError(
            f"target must be one for all, or one for each of the {count} images{more}; got {len(wanted)}."
        )
    return [_read(network, item) for item in wanted]


def choose_targets(network: Network | nn.Module, logits: object, target: Target) -> Tensor:
    """One class index for each row of `logits` (`n k`): the one asked for, or the best.

    Args:
        network: Its labels turn names into indices.
        logits: What the module answered.
        target: A class index or label, one of those for each image (a list, an array or a tensor), or None for each
            image's best class.

    Raises:
        ShapeError: `logits` is not `n k`.
        ConfigError: An index out of range, a unit instead of a class, or a wrong number of targets.
        DataError: A score is not a number.
        UnknownNameError: A label that the network does not have, or that means more than one class.
    """
    scores = _class_scores(logits)
    indices = []
    for row, item in zip(scores, read_targets(network, target, len(scores)), strict=True):
        if isinstance(item, UnitAddress):
            raise ConfigError(
                f"target must be a class here, because only classes have a probability; got unit '{item}'."
            )
        indices.append(_class_index(row, item))
    if bool(scores.isnan().any()):  # one of them makes all probabilities NaN
        raise DataError(_NOT_FINITE.format("the scores of the classes", "NaN"))
    return torch.tensor(indices, device=scores.device)


def score_targets(
    network: Network | nn.Module, module: nn.Module, x: Tensor, wanted: Sequence[int | UnitAddress | None]
) -> Asked:
    """Run `x` through `module`, no further than the targets need, and pick their numbers.

    Where every target is a unit, the pass stops at the last of their layers: what comes after it is never called.

    Args:
        network: Only for messages: a plain module, or the network that `module` belongs to.
        module: Runs in the mode it is in, with gradients if they are enabled.
        x: `n c h w`.
        wanted: From `read_targets`: one for each picture, or any number for a single one.

    Raises:
        ShapeError: A class of an answer that is not `n k`, or a unit of a layer that gives neither `n c h w` nor `n k`.
        ConfigError: A class, a channel or a position out of range.
        UnknownNameError: A layer that is not called in the pass.
        DataError: A score or an activation that is asked about is not finite.
    """
    images = tuple(range(len(x))) if len(wanted) == len(x) else (0,) * len(wanted)
    scores: dict[int, Tensor] = {}
    targets: dict[int, int | str] = {}
    layers: dict[str, list[int]] = {}
    for place, item in enumerate(wanted):
        layers.setdefault(item.layer if isinstance(item, UnitAddress) else "", []).append(place)

    def pick(output: object, places: list[int]) -> None:
        for place in places:
            item, n = wanted[place], images[place]
            if isinstance(item, UnitAddress):
                score, unit = _unit_score(output, n, item, count=len(x))
                targets[place] = str(unit)
            else:
                row = _class_scores(output)[n]
                targets[place] = index = _class_index(row, item)
                score = row[index]
            scores[place] = score.clone()  # what comes behind may work in place

    visit_layers(module, x, {layer: partial(pick, places=places) for layer, places in layers.items()})
    order = range(len(wanted))
    asked = Asked(torch.stack([scores[i] for i in order]), images, tuple(targets[i] for i in order))
    for place, value in enumerate(asked.scores.detach().tolist()):
        if not math.isfinite(value):
            raise DataError(_NOT_FINITE.format(f"target {asked.targets[place]!r}", value))
    return asked


def _read(network: Network | nn.Module, item: object) -> int | UnitAddress | None:
    labels = network.labels if isinstance(network, Network) else None
    if item is None:
        return None
    if isinstance(item, bool) or not isinstance(item, int | str | UnitAddress):
        raise ConfigError(f"target must be a class index, a label or a unit address; got {item!r}.")
    if isinstance(item, int):
        return labels.find(item) if labels else item
    if isinstance(item, str) and labels:
        try:
            return labels.find(item)
        except UnknownNameError:
            if not _names_a_layer(network, item):
                raise
    return _unit(network, item)


def _names_a_layer(network: Network | nn.Module, text: str) -> bool:
    """Whether text that is no label is meant as an address: it says a channel, or a layer that exists."""
    try:
        address = UnitAddress.parse(text)
    except ConfigError:
        return False
    path = address.layer.partition("#")[0]
    module = network.module if isinstance(network, Network) else network
    return address.channel is not None or any(path == name for name, _ in module.named_modules())


def _unit(network: Network | nn.Module, item: str | UnitAddress) -> UnitAddress:
    if isinstance(item, str) and not _names_a_layer(network, item):
        raise ConfigError(
            f"target must be a class index, because a plain module has no labels; got {item!r}. "
            "Or give the address of a unit, such as 'features.3:17'."
        )
    address = UnitAddress.parse(item) if isinstance(item, str) else item
    require_layer(network.module if isinstance(network, Network) else network, address.layer.partition("#")[0])
    if address.channel is None:
        raise ConfigError(
            f"target must be one unit, and '{address}' is a layer: name a channel, such as '{address}:0', or a place "
            f"in it, such as '{address}:0@4,5'."
        )
    return address


def _class_scores(logits: object) -> Tensor:
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ShapeError(
            f"the network must give one score for each class, 'n k', to be asked for a class; got {got}. "
            "Ask for a unit by its address, such as 'features.3:17'."
        )
    return logits


def _class_index(row: Float[Tensor, " k"], item: int | None) -> int:
    if item is None:
        return int(row.detach().argmax())
    if not 0 <= item < len(row):
        raise ConfigError(f"target must be a class index from 0 to {len(row) - 1}; got {item}.")
    return item


def _unit_score(output: object, n: int, unit: UnitAddress, *, count: int) -> tuple[Tensor, UnitAddress]:
    if not isinstance(output, Tensor) or output.dim() not in (2, 4) or len(output) != count:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ShapeError(
            f"layer '{unit.layer}' must give 'n c h w' or 'n k' with n = {count} to have units; got {got}."
        )
    channel, channels = unit.channel or 0, output.shape[1]
    if channel >= channels:
        raise ConfigError(f"target '{unit}': channel must be from 0 to {channels - 1}; got {channel}.")
    if output.dim() == 2:
        if unit.position is not None:
            raise ConfigError(f"target '{unit}': layer '{unit.layer}' gives vectors, whose units have no position.")
        return output[n, channel], unit
    height, width = output.shape[2:]
    if unit.position is None:
        y, x = divmod(int(output[n, channel].detach().argmax()), width)
    else:
        y, x = unit.position
        if y >= height or x >= width:
            raise OutsideError(
                f"target '{unit}': position must be within {height} × {width}, from 0,0 to {height - 1},{width - 1}; "
                f"got {y},{x}."
            )
    return output[n, channel, y, x], UnitAddress(unit.layer, channel, (y, x))

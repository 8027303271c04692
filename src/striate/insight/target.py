"""What is asked of a network: which tensors go in, and which class is asked about."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError, ShapeError
from striate.models import Network

__all__ = ["Target", "choose_targets", "module_and_input"]

Target = int | str | Sequence[int | str] | np.integer | NDArray[np.integer] | Tensor | None


def module_and_input(network: Network | nn.Module, images: Images) -> tuple[nn.Module, Tensor]:
    """The module, and the tensor `n c h w` that goes into it.

    A `Network` preprocesses photos; a plain module is fed the tensor as it is.

    Raises:
        ShapeError: A plain module got something else than a tensor `n c h w` of at least one picture.
    """
    if isinstance(network, Network):
        return network.module, network.preprocess(images)
    if not isinstance(images, Tensor) or images.dim() != 4 or not len(images):
        got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ShapeError(
            f"images for a plain module must be a tensor 'n c h w' of at least one, fed as it is; got {got}. "
            "Wrap the module in a striate.Network to give photos."
        )
    return network, images


def choose_targets(network: Network | nn.Module, logits: object, target: Target) -> Tensor:
    """One class index for each row of `logits` (`n k`): the one asked for, or the best.

    Args:
        network: Its labels turn names into indices.
        logits: What the module answered.
        target: A class index or label, one of those for each image (a list, an array or a tensor), or None for each
            image's best class.

    Raises:
        ShapeError: `logits` is not `n k`.
        ConfigError: An index out of range, a name for a module without labels, or a wrong number of targets.
        UnknownNameError: A label that the network does not have, or that means more than one class.
    """
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ShapeError(f"the network must give one score for each class, 'n k', to be asked for a class; got {got}.")
    count, classes = logits.shape
    if target is None:
        return logits.detach().argmax(1)
    plain = target.tolist() if isinstance(target, np.generic | np.ndarray | Tensor) else target
    wanted = [plain] * count if isinstance(plain, int | str) else list(plain)
    if len(wanted) != count:
        raise ConfigError(f"target must be one class, or one for each of the {count} images; got {len(wanted)}.")
    indices = []
    for item in wanted:
        if isinstance(network, Network):
            index = network.labels.find(item)
        elif isinstance(item, int):
            index = item
        else:
            raise ConfigError(f"target must be a class index, because a plain module has no labels; got {item!r}.")
        if not 0 <= index < classes:
            raise ConfigError(f"target must be a class index from 0 to {classes - 1}; got {index}.")
        indices.append(index)
    return torch.tensor(indices, device=logits.device)

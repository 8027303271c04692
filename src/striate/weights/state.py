"""A network's numbers by name, as read from a file: unwrapped, and nothing but tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from striate.errors import WeightsError

__all__ = ["State", "all_numbers", "plain_state", "strip_prefixes"]

State: TypeAlias = dict[str, Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "weights")
_PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name
_MOST_TENSORS = 100_000


def plain_state(content: object, path: Path) -> State:
    """The named tensors in what a checkpoint file holds.

    Training scripts save the weights beside the epoch, the optimizer and more, as `{"state_dict": …}` or
    `{"model": …}`; wrappers of the module put a prefix before every name. Both are taken off.

    Raises:
        WeightsError: If there is anything but plain named tensors, or none.
    """
    inner = content
    for _ in range(2):
        if isinstance(inner, Mapping) and not any(isinstance(value, Tensor) for value in inner.values()):
            inner = next((inner[key] for key in _WRAPPERS if isinstance(inner.get(key), Mapping)), inner)
    if not isinstance(inner, Mapping):
        raise WeightsError(f"{path} holds a {type(inner).__name__}, not named tensors; save `module.state_dict()`.")
    if not inner or len(inner) > _MOST_TENSORS:
        raise WeightsError(f"{path} holds {len(inner)} entries, where 1 to {_MOST_TENSORS} named tensors are expected.")
    state: State = {}
    for name, value in inner.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path} holds a {type(value).__name__} under {name!r}, not only tensors; save `module.state_dict()`."
            )
        state[name] = _checked(name, value.detach(), path)
    return strip_prefixes(state)


def _checked(name: str, tensor: Tensor, path: Path) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise WeightsError(f"{path}: tensor '{name}' is sparse, quantized or empty of data; only plain ones are read.")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise WeightsError(f"{path}: tensor '{name}' claims shape {tuple(tensor.shape)}, but the file holds less data.")
    return tensor


def strip_prefixes(state: State) -> State:
    """Names without `module.` and `_orig_mod.`, where every name has them."""
    for _ in _PREFIXES:
        for prefix in _PREFIXES:
            if state and all(name.startswith(prefix) for name in state):
                state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def all_numbers(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor)
    return bool(low.isfinite() and high.isfinite())

"""Weights drawn anew, layer by layer from the top, on a copy: what the parameter-randomization check needs."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from striate.errors import ConfigError, StriateError
from striate.probe import summary

__all__ = ["Init", "draw_anew", "weight_groups"]

Init: TypeAlias = Literal["reset", "normal", "shuffle"]


def weight_groups(module: nn.Module, input_shape: tuple[int, ...]) -> list[list[str]]:
    """The layers with weights, from the last called to the first; a normalization goes with the layer before it.

    Args:
        module: Any module that `probe.summary` can follow; else its parts in the order in which they were made.
        input_shape: `(c, h, w)`.

    Returns:
        Module paths, in groups; weights of the network itself (path '') go with the last layer.

    Raises:
        ConfigError: The module has no weights.

    >>> weight_groups(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)), (3, 8, 8))
    [['3'], ['0', '1']]
    """
    try:
        called = [row.address.partition("#")[0] for row in summary(module, input_shape).rows]
    except (StriateError, RuntimeError):
        called = [path for path, _ in module.named_modules()]
    paths = dict.fromkeys(path for path in called if path)
    groups: list[list[str]] = []
    for path in paths:
        own = list(module.get_submodule(path).parameters(recurse=False))
        if not own:
            continue
        if groups and all(p.dim() <= 1 for p in own):
            groups[-1].append(path)
        else:
            groups.append([path])
    if any(True for _ in module.parameters(recurse=False)):  # the network's own, whose place in the pass is not known
        groups = [*groups[:-1], [*groups[-1], ""]] if groups else [[""]]
    if not groups:
        raise ConfigError(f"{type(module).__name__} has no weights that could be drawn anew.")
    return groups[::-1]


def draw_anew(module: nn.Module, *, init: Init, generator: torch.Generator) -> None:
    """Replace the weights of this module itself, its children's not, in place.

    Args:
        module: A layer of a copy.
        init: `reset` calls the layer's own `reset_parameters` (layers without one are drawn as `normal`); `normal`
            draws each tensor from a normal distribution of its own mean and deviation; `shuffle` gives the numbers of
            each tensor new places.
        generator: On the CPU.
    """
    own = getattr(module, "reset_parameters", None)
    if init == "reset" and callable(own):
        devices = sorted({p.device.index or 0 for p in module.parameters(recurse=False) if p.is_cuda})
        seed = int(torch.randint(2**31, (1,), generator=generator))
        # Layers draw from torch's own random numbers: the caller's go on as if nothing had been drawn.
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            own()
        return
    with torch.no_grad():
        for weight in module.parameters(recurse=False):
            weight.copy_(_shuffled(weight, generator) if init == "shuffle" else _normal(weight, generator))


def _normal(weight: Tensor, generator: torch.Generator) -> Tensor:
    numbers = weight.detach().double()
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(numbers.device)
    return (numbers.mean() + numbers.std(correction=0) * drawn).to(weight.dtype)


def _shuffled(weight: Tensor, generator: torch.Generator) -> Tensor:
    order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
    return weight.detach().reshape(-1)[order].view_as(weight)

"""Grad-CAM: which places of a layer's maps speak for a class.

Late maps still know where things are, and each of their channels stands for something. The gradient of the score, taken
on average over places, says how much a channel speaks for the class; the maps are added up with these weights, and only
what speaks for the class is kept:

    alpha_k = 1/Z sum_ij  dS / dA_k[i, j],        L = ReLU( sum_k alpha_k A_k )

The map has the size of the layer and is enlarged to the picture's. Guided Grad-CAM multiplies it with guided
back-propagation: the place from the one, the detail from the other.

Source: Selvaraju et al. 2017, "Grad-CAM", arXiv:1610.02391, equations 1 and 2, section 3.3.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from striate.data.images import Images
from striate.errors import ConfigError, ShapeError
from striate.insight.heatmap import Heatmap, as_numpy
from striate.insight.last_maps import last_map_layer
from striate.insight.target import Asked, Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import UnitAddress, evaluating, require_layer

__all__ = ["grad_cam"]


def grad_cam(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    layer: str | None = None,
    relu: bool = True,
    batch_size: int | None = None,
) -> Heatmap:
    """Where in the picture a layer's maps speak for a class or a later unit.

    The part of the network before the layer runs without gradients, so that a batch needs little memory.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: Class index, label or unit address, one for all or one for each; each image's best class by default.
        layer: Whose output to weigh, as in the layer table, `layer4.1.relu#2` included; by default the last maps that
            have a place and are no pooling.
        relu: Keep only what speaks for the target (the paper). False keeps the signs, as captum does.
        batch_size: Pictures that go through the network at once; by default all.

    Returns:
        `values` `n h w` at the picture's size, enlarged bilinearly; `grid` `n h' w' 1`: the layer's own places, before
        ReLU and enlargement.

    Raises:
        ConfigError: The target does not come after the layer, or no layer can be chosen.
        UnknownNameError: No such layer or label.
        ShapeError: The layer's output is not `n c h w`.

    Source:
        Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> result = grad_cam(network, torch.ones(2, 3, 6, 6), target=1)
    >>> result.values.shape, result.grid.shape, result.parameters["layer"]
    ((2, 6, 6), (2, 6, 6, 1), '1')
    """
    began = perf_counter()
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")
    module, x = module_and_input(network, images)
    wanted = read_targets(network, target, len(x))
    units = [item for item in wanted if isinstance(item, UnitAddress)]
    if layer is None:
        layer = last_map_layer(module, tuple(x.shape[1:]), before=units[0].layer if units else None)
    size = batch_size or len(x)
    raw: list[Tensor] = []
    targets: list[int | str] = []
    for begin in range(0, len(x), size):
        part = slice(begin, begin + size)
        found = _maps_and_gradient(network, module, x[part], wanted[part], layer)
        alpha = found.gradient.mean((2, 3), keepdim=True)  # n c 1 1
        raw.append((alpha * found.maps).sum(1))  # n h' w'
        targets += found.asked.targets
    grid = torch.cat(raw)
    kept = grid.clamp(min=0) if relu else grid
    values = F.interpolate(kept[:, None], size=tuple(x.shape[2:]), mode="bilinear", align_corners=False)[:, 0]
    return Heatmap(
        values=as_numpy(values),
        method="grad_cam",
        unit=f"{'activation' if units else 'logit'}-weighted activation",
        signed=not relu,
        target=tuple(targets),
        parameters={
            "layer": layer,
            "layer_size": list(grid.shape[1:]),
            "relu": relu,
            "enlarged": "bilinear",
        },
        grid=as_numpy(grid[..., None]),
        seconds=perf_counter() - began,
    )


@dataclass(frozen=True)
class _Weighed:
    """A layer's maps `n c h w`, the gradient of the scores with respect to them, and what was asked."""

    maps: Float[Tensor, "n c h w"]
    gradient: Float[Tensor, "n c h w"]
    asked: Asked


def _maps_and_gradient(
    network: Network | nn.Module,
    module: nn.Module,
    x: Float[Tensor, "n c h w"],
    wanted: list[int | UnitAddress | None],
    layer: str,
) -> _Weighed:
    # A tensor made under the caller's inference mode can carry no gradient; its copy can.
    with torch.inference_mode(False), torch.no_grad(), evaluating(module):
        with _leaf_at(module, layer) as leaves:
            asked = score_targets(network, module, x.detach().clone(), wanted)
        if not leaves:
            raise ConfigError(
                f"layer '{layer}' has not answered when the target {asked.targets[0]!r} has; choose a layer before it."
            )
        (leaf,) = leaves
        if not asked.scores.requires_grad:
            raise ConfigError(_cut_off(asked, layer))
        # Pictures of a batch do not mix in evaluation mode: the sum's gradient is each one's own.
        (gradient,) = torch.autograd.grad(asked.scores, leaf, torch.ones_like(asked.scores), allow_unused=True)
        if gradient is None:  # the scores have a gradient, but not to this layer
            raise ConfigError(_cut_off(asked, layer))
    return _Weighed(leaf.detach(), gradient, asked)


def _cut_off(asked: Asked, layer: str) -> str:
    return (
        f"target {asked.targets[0]!r} does not depend on layer '{layer}' in a way that has a gradient. Choose another "
        "layer, or occlusion, which needs no gradient."
    )


@contextmanager
def _leaf_at(module: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Let gradients begin at a layer: its output is replaced by a leaf, and only what follows is recorded."""
    path, mark, number = layer.partition("#")
    part = require_layer(module, path)
    if mark and (not number.isdecimal() or int(number) < 1):
        raise ConfigError(f"layer '{layer}': after # stands the number of a call, 1 or more, such as '{path}#2'.")
    leaves: list[Tensor] = []
    thread, call, count = get_ident(), int(number or 1), 0

    def replace(_: nn.Module, __: Any, output: Any) -> Any:
        nonlocal count
        if get_ident() != thread:
            return None
        count += 1
        if count != call:
            return None
        if not isinstance(output, Tensor) or output.dim() != 4:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ShapeError(f"layer '{layer}' must give maps 'n c h w' for Grad-CAM; got {got}.")
        leaves.append(output.detach().clone().requires_grad_(True))
        torch.set_grad_enabled(True)  # ends with the caller's no_grad
        return leaves[0].clone()  # what follows may work in place

    hook = part.register_forward_hook(replace)
    try:
        yield leaves
    finally:
        hook.remove()
        torch.set_grad_enabled(False)

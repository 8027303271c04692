"""The same network with fewer passes over memory: for inference only.

On a CPU, batch normalization and activations cost as much as the convolutions between them, because each reads and
writes the whole map once more. At inference, normalization is a fixed scale and shift of every channel, which the
convolution before it can do itself:

    bn(conv(x)) = gamma (w * x + b - mean) / sqrt(var + eps) + beta
                = w' * x + b',   w' = w gamma / sqrt(var + eps),   b' = (b - mean) gamma / sqrt(var + eps) + beta

and an activation whose input nobody else reads can write over it.
"""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import StriateError
from striate.layers.same_padding import SamePadConv2d
from striate.probe import LayerRow, evaluating, is_compiled, summary

__all__ = ["alike", "duplicate", "fold", "is_hooked"]

# SamePadConv2d pads its input and then is a plain convolution: linear in its weights, as folding needs.
_CONVOLUTIONS = {nn.Conv1d, nn.Conv2d, nn.Conv3d, SamePadConv2d}
_NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
_ACTIVATIONS = {nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardtanh, nn.SiLU, nn.Hardswish}


def fold(module: nn.Module, x: Tensor, *, rows: tuple[LayerRow, ...] | None = None) -> nn.Module:
    """A copy of `module` for inference, with normalization folded into convolutions and activations in place.

    Only what one pass shows to be safe is changed: a normalization that alone reads its convolution, an activation that
    alone reads its layer, all of them torch's own classes. The copy must answer `x` as the original does, to rounding;
    else the original comes back. It shares every weight that is not folded. Do not train it, and do not look inside it:
    layers give other things.

    A module comes back as it is where folding could change what somebody relies on: with hooks on any layer (they would
    see other values), compiled, in 16-bit floats (rounding is coarse, and folding rounds once more), or deciding by the
    values of a picture (another picture may take another way).

    Args:
        module: Any module; it is left as it was.
        x: A batch `n c h w` that it takes; its first picture is used.
        rows: The layer table at this size, as `summary(…, run=False)` found it; found here by default.

    Returns:
        The copy, in evaluation mode, or `module` itself where nothing can be folded.
    """
    if x.dtype not in {torch.float32, torch.float64} or not len(x) or is_hooked(module) or is_compiled(module):
        return module
    if rows is None:
        try:
            rows = summary(module, tuple(x.shape[1:]), run=False).rows
        except (StriateError, RuntimeError):  # a pass that cannot be followed is not folded
            return module
    twin = duplicate(module)
    changed = [_absorb(module, twin, rows, row) for row in rows if row.follows is not None]
    if not any(changed):
        return module
    for part in twin.modules():
        part.training = False
    with evaluating(module), torch.inference_mode():
        wanted = module(x[:1])
        with suppress(RuntimeError):
            if alike(twin(x[:1]), wanted):
                return twin
    return module


def is_hooked(module: nn.Module) -> bool:
    """Whether anybody watches a part of it: then every part must run as it is."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _absorb(module: nn.Module, twin: nn.Module, rows: tuple[LayerRow, ...], row: LayerRow) -> bool:
    """Fold this row into the one it follows, or let it write over its input; tells whether anything changed."""
    before = rows[row.follows or 0]
    calls = [r.address.partition("#")[0] for r in rows]
    if any(calls.count(r.address.partition("#")[0]) > 1 for r in (row, before)):
        return False  # a module that is called twice must stay what it is
    # Exact classes of the original: a subclass may do anything, and a folded normalization is an identity by now.
    kind, previous_kind = type(module.get_submodule(row.address)), type(module.get_submodule(before.address))
    layer, previous = twin.get_submodule(row.address), twin.get_submodule(before.address)
    if kind in _NORMS and previous_kind in _CONVOLUTIONS and _fold_norm(previous, layer):
        parent, _, name = row.address.rpartition(".")
        setattr(twin.get_submodule(parent), name, nn.Identity())
        return True
    # Only behind a layer that makes new memory: behind a view, writing would reach what the view looks at.
    if kind in _ACTIVATIONS and previous_kind in _CONVOLUTIONS | _NORMS | {nn.Linear}:
        layer.inplace = True  # type: ignore[assignment]  # a plain flag of all of them
        return True
    return False


def _fold_norm(convolution: Any, norm: Any) -> bool:
    """Give `convolution` (a duplicate) the scale and shift of `norm`; False where that cannot be done."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None or len(mean) != convolution.out_channels:
        return False
    weight = convolution.weight.detach()
    gamma = norm.weight.detach() if norm.affine else torch.ones_like(mean)
    beta = norm.bias.detach() if norm.affine else torch.zeros_like(mean)
    bias = torch.zeros_like(mean) if convolution.bias is None else convolution.bias.detach()
    scale = gamma / torch.sqrt(variance + norm.eps)
    folded = weight * scale.view(-1, *[1] * (weight.dim() - 1))  # k c h w by k 1 1 1
    convolution.weight = nn.Parameter(folded, requires_grad=False)
    convolution.bias = nn.Parameter((bias - mean) * scale + beta, requires_grad=False)
    return True


def alike(mine: object, wanted: object) -> bool:
    """Whether two answers are one, to rounding."""
    if not isinstance(mine, Tensor) or not isinstance(wanted, Tensor) or mine.shape != wanted.shape:
        return False
    # Folding rounds each weight once more: 2e-7 to 3e-6 for the networks of the catalogue in float32.
    slack = 1e2 * torch.finfo(wanted.dtype).eps if wanted.is_floating_point() else 0.0
    return bool((mine - wanted).norm() <= slack * wanted.norm())


def duplicate(module: nn.Module, made: dict[int, nn.Module] | None = None) -> nn.Module:
    """New module objects around the same tensors; a part that is used twice stays one part."""
    made = {} if made is None else made
    if id(module) not in made:
        # Not `copy.copy`: modules answer that with their own ideas (parametrized ones refuse, traced graphs recompile).
        made[id(module)] = twin = object.__new__(type(module))
        twin.__dict__.update(module.__dict__)
        for name in ("_parameters", "_buffers"):
            twin.__dict__[name] = dict(module.__dict__[name])
        twin.__dict__["_modules"] = {
            name: None if part is None else duplicate(part, made) for name, part in module._modules.items()
        }
    return made[id(module)]

"""Which layers are meant when none is named: every one that makes something new of what it gets."""

from functools import partial

import torch
from torch import Tensor, nn

from striate.errors import ConfigError, StriateError
from striate.probe import capture, summary, visit_layers

__all__ = ["list_layers"]

_SAME = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def list_layers(module: nn.Module, x: Tensor) -> list[str]:
    """Addresses of the layers whose outputs are units, in the order of the pass.

    Those without layers of their own, and those whose own output is not what a layer in them gave: a block that ends
    with a functional ReLU or a sum. Left out are layers that hand on what they get in evaluation (dropout, flatten) and
    those that give no tensor `n c h w` or `n c`.

    Args:
        module: Any module, in evaluation mode.
        x: A batch that it takes; the first picture goes through it.

    Raises:
        ConfigError: There are none.
    """
    try:
        rows = summary(module, tuple(x.shape[1:])).rows
        calls = [(row.address, row.depth, row.leaf) for row in rows]
        outputs = _outputs(module, x, calls)
    except (StriateError, RuntimeError):  # it takes another way for another picture: the first calls of this one
        calls = _called(module, x)
        outputs = _outputs(module, x, calls)
    shown = {}
    for place, (address, depth, leaf) in enumerate(calls):
        output = outputs[address]
        part = module.get_submodule(address.partition("#")[0])
        if output is None or isinstance(part, _SAME):
            continue
        if leaf:
            shown[address] = place
            continue
        inside = [a for a, d, _ in _below(calls, place, depth)]
        given = [outputs[a] for a in inside]
        if not any(o is not None and o.shape == output.shape and torch.equal(o, output) for o in given):
            shown[address] = place + len(inside)  # after what is in it
    if not shown:
        raise ConfigError(f"{type(module).__name__} has no layers whose outputs are units 'n c h w' or 'n c'.")
    return sorted(shown, key=lambda address: (shown[address], -address.count(".")))


def _outputs(module: nn.Module, x: Tensor, calls: list[tuple[str, int, bool]]) -> dict[str, Tensor | None]:
    """What every call gives, or None where it is nothing with units."""
    found: dict[str, Tensor | None] = {}

    def keep(address: str, output: object) -> None:
        fits = isinstance(output, Tensor) and output.dim() in (2, 4) and output.is_floating_point()
        found[address] = output.clone() if fits and isinstance(output, Tensor) else None

    with torch.inference_mode():
        visit_layers(module, x[:1], {address: partial(keep, address) for address, _, _ in calls})
    return found


def _below(calls: list[tuple[str, int, bool]], place: int, depth: int) -> list[tuple[str, int, bool]]:
    end = place + 1
    while end < len(calls) and calls[end][1] > depth:
        end += 1
    return calls[place + 1 : end]


def _called(module: nn.Module, x: Tensor) -> list[tuple[str, int, bool]]:
    """Every layer whose first call can be captured."""
    found = []
    for path, part in module.named_modules():
        if path:
            try:
                with torch.inference_mode():
                    capture(module, x[:1], [path])
            except StriateError:
                continue
            found.append((path, path.count(".") + 1, next(part.children(), None) is None))
    return found

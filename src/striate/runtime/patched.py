"""The answers to pictures with a patch at many places, by the cheapest way that is exact.

Either every patched picture goes through the network (`fold`ed, in batches that fit the cache), or, where the network
can be followed operator by operator and locality saves enough, only what each patch can have changed is computed again
(`incremental`). Which of the two follows from shapes alone, so that the same question gives the same rounding.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from striate.errors import ConfigError, StriateError
from striate.probe import evaluating, is_compiled, summary
from striate.runtime.batching import best_batch_size
from striate.runtime.folding import alike, fold, is_hooked
from striate.runtime.incremental import IncrementalNetwork, Places, follow

__all__ = ["patched_answers", "visible_places"]

Ints = NDArray[np.int64]

_MEMORY = 2**30
_PAYS_MACS = 2e10  # about what following a network costs, in multiply-adds of asking it
_PAYS_SHARE = 0.85


def visible_places(picture: Float[Tensor, "c h w"], places: Places, patch: Float[Tensor, "c 1 1"]) -> Ints:
    """Numbers of the places (top by top) where the patch changes at least one pixel."""
    differs = (picture != patch).any(0).long()
    height, width = differs.shape
    sums = torch.zeros(height + 1, width + 1, dtype=torch.long, device=differs.device)
    sums[1:, 1:] = differs.cumsum(0).cumsum(1)  # of everything above and to the left
    top, left = (torch.tensor(begins) for begins in (places.tops, places.lefts))
    bottom, right = (top + places.size[0]).clamp(max=height), (left + places.size[1]).clamp(max=width)
    sums = sums.cpu()
    inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    numbers: Ints = inside.view(-1).nonzero().view(-1).numpy()
    return numbers


def patched_answers(
    module: nn.Module,
    x: Float[Tensor, "n c h w"],
    places: Places,
    patch: Float[Tensor, "c 1 1"],
    wanted: Sequence[Ints],
    *,
    batch_size: int | None = None,
    memory: int | None = None,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The module's answers with the patch at the wanted places, batch by batch, in any order.

    Args:
        module: Any module of one input; it runs in evaluation mode and is left as it was.
        x: Pictures as the module takes them.
        places: Where the patch may go.
        patch: Its color.
        wanted: For each picture the numbers of the places to answer, top by top.
        batch_size: Pictures at once, at most.
        memory: Bytes for maps that are kept and for the batch, 1 GiB by default.

    Yields:
        The picture's number, the places' numbers, the answers `n k`.

    Raises:
        ConfigError: `memory` is less than one picture takes.
    """
    memory = memory or _MEMORY
    left = [np.asarray(numbers) for numbers in wanted]
    network = _followed(module, x, places, sum(len(numbers) for numbers in left), memory)
    if network is not None:
        for n, numbers in enumerate(left):
            trusted = False
            for some, answers in network.answers(x[n : n + 1], places, patch, numbers, most=batch_size, memory=memory):
                if not trusted and not _agrees(module, x[n], (places, patch), some, answers):
                    break
                trusted = True
                left[n] = np.setdiff1d(left[n], some)
                yield n, torch.from_numpy(some), answers
            if len(left[n]):
                break  # it does something else when it sees another picture: ask the module itself
    if not sum(len(numbers) for numbers in left):
        return
    with evaluating(module), torch.inference_mode():
        runner = fold(module, x)
        size = _batch_size(module, x, batch_size, memory)
    pairs = [(n, number) for n, numbers in enumerate(left) for number in numbers.tolist()]
    for begin in range(0, len(pairs), size):
        batch = pairs[begin : begin + size]
        with evaluating(runner), torch.inference_mode():
            answers = runner(hide(x[[n for n, _ in batch]], places, patch, [number for _, number in batch]))
        yield from _by_picture(batch, answers)


def hide(pictures: Tensor, places: Places, patch: Tensor, numbers: Sequence[int]) -> Tensor:
    """Paint the patch over each picture, at its place; the pictures are written over."""
    for picture, number in zip(pictures, numbers, strict=True):
        top, left = places.corner(number)
        picture[:, top : top + places.size[0], left : left + places.size[1]] = patch
    return pictures


def _by_picture(batch: list[tuple[int, int]], answers: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    for n in dict.fromkeys(n for n, _ in batch):
        rows = [i for i, (of, _) in enumerate(batch) if of == n]
        yield n, torch.tensor([batch[i][1] for i in rows]), answers[rows]


def _followed(module: nn.Module, x: Tensor, places: Places, asked: int, memory: int) -> IncrementalNetwork | None:
    if is_hooked(module) or is_compiled(module):
        return None
    # Counted on a real pass: the layer table would say it too, but takes longer than the pass does.
    with evaluating(module), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(x[:1])
    macs = counter.get_total_flops() // 2
    if macs * asked < _PAYS_MACS:
        return None
    network = follow(module, x)
    if network is None or network.work(places, (x.shape[2], x.shape[3])) > _PAYS_SHARE:
        return None
    return network if network.least_memory(places, x) <= memory else None


def _agrees(
    module: nn.Module, picture: Tensor, covering: tuple[Places, Tensor], numbers: Ints, answers: Tensor
) -> bool:
    """Whether the module itself says the same, for the first and the last of some places."""
    some = [0, len(numbers) - 1]
    with evaluating(module), torch.inference_mode():
        pictures = picture.expand(2, -1, -1, -1).clone()
        return alike(answers[some], module(hide(pictures, *covering, numbers[some].tolist())))


def _batch_size(module: nn.Module, x: Tensor, batch_size: int | None, memory: int) -> int:
    size = batch_size or best_batch_size(module, x)
    try:
        shapes = [row.output_shape[1:] for row in summary(module, tuple(x.shape[1:]), run=False).rows]
    except (StriateError, RuntimeError):
        shapes = []
    # Three maps at once are alive in the worst layer: what goes in, what comes out, and a shortcut.
    each = 3 * max((int(np.prod(shape)) for shape in shapes), default=x[0].numel()) * x.element_size()
    if each > memory:
        raise ConfigError(
            f"memory must be at least what one picture takes, {each:,} bytes here; got {memory:,}. "
            "Give more, or leave it out."
        )
    return max(1, min(size, memory // each))

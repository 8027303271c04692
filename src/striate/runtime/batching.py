"""How many pictures to put through a network at once."""

from collections.abc import Sequence

from torch import Tensor, nn

from striate.errors import StriateError
from striate.probe import LayerRow, summary

__all__ = ["best_batch_size"]

_CACHE_BYTES = 32 * 2**20  # the last-level cache of an ordinary CPU
_GPU_BYTES = 2 * 2**30


def best_batch_size(module: nn.Module, x: Tensor, *, most: int = 32, rows: Sequence[LayerRow] | None = None) -> int:
    """A batch whose largest map stays in the cache: a larger one is slower on a CPU, not faster.

    Measured on two cores (docs/notes): 6 to 12 pictures at once are within a tenth of the best for three networks,
    1 and 24 are not. The number depends on shapes alone, so that the same question gives the same rounding every time.

    Args:
        module: Any module.
        x: What goes in, `n c h w`; only its shape, type and device count.
        most: Upper bound; a GPU may take 8 times as many.
        rows: The layer table at this size, as `summary` found it; found here by default.
    """
    if rows is None:
        try:
            rows = summary(module, tuple(x.shape[1:])).rows
        except (StriateError, RuntimeError):
            return min(most, 8)
    largest = max((_numel(row.output_shape) for row in rows), default=x[0].numel()) * x.element_size()
    if x.is_cuda:
        return max(1, min(8 * most, _GPU_BYTES // largest))
    return max(1, min(most, _CACHE_BYTES // largest))


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count

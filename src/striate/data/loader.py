"""Batches of pictures for a network, read ahead by threads, the same for any number of them.

Decoders and resizers let go of Python's lock, so threads are enough: nothing is copied between processes, nothing has
to be pickled, and a worker cannot die unseen. The order of batches is the order asked for; where a picture lands in its
batch does not depend on who read it; and its random numbers are its own (`striate.data.augment.draws`).
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.cut import Geometry, Shifts
from striate.data.augment.draws import Draws
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.data.stores import ArrayStore
from striate.errors import ConfigError, DataError, ShapeError

__all__ = ["Batch", "load_batches"]

_CHUNK = 8  # pictures a task: large enough that handing it over costs nothing, small enough that no worker waits

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pictures, ready for the augmentations that work on tensors.

    Attributes:
        images: uint8 `n h w 3`. Gray pictures of an array share one channel (a stride of 0): nothing is copied.
        labels: int64 `n`.
        indices: Where the pictures stand in their set, int64 `n`.
        problems: What could not be read; such pictures are left out of the three above.
        views: Rows of `images` that each picture has: with more than one, `images` is `n·views h w 3`, picture by
            picture.
    """

    images: UInt8[Tensor, "n h w 3"]
    labels: Int64[Tensor, "pictures"]
    indices: NDArray[np.int64]
    problems: tuple[Problem, ...] = ()
    views: int = 1

    def __len__(self) -> int:
        return len(self.labels)

    def float_images(self, device: torch.device | str | None = None) -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1], float32, laid out channels-last; on `device`, to which the bytes travel before they grow."""
        images = self.images.permute(0, 3, 1, 2)  # n 3 h w
        if images.stride(1) == 0:
            return images[:, :1].to(device).float().div_(255).expand(-1, 3, -1, -1)
        return images.to(device).float().div_(255)


def load_batches(
    images: ImageSet,
    batches: Iterable[NDArray[np.int64]],
    geometry: Geometry,
    *,
    seed: int,
    epoch: int,
    workers: int,
    prefetch: int = 2,
    max_megapixels: float = 64.0,
) -> Generator[Batch, None, None]:
    """The pictures of each batch, decoded and cut, in the order asked for.

    Args:
        images: The set.
        batches: Positions in `images`, one array a batch; read ahead by at most `prefetch` batches.
        geometry: Which part of a picture is cut, and how large it becomes.
        seed: Of the run.
        epoch: From 0.
        workers: Threads; with 0 the work is done when a batch is asked for, in the caller's thread.
        prefetch: Batches that are worked on before they are asked for.
        max_megapixels: Larger pictures are refused from their header.

    Yields:
        One `Batch` for each, also where none of its pictures can be read (it is then empty).

    Raises:
        ConfigError: If `workers` is below 0 or `prefetch` below 1.
        ShapeError: If pictures of one batch come out in different sizes (a geometry without a size).
        Exception: Whatever a worker raises, but for pictures that cannot be read: those become problems.

    Closing the generator, or letting go of it, ends its threads before it returns.
    """
    if workers < 0 or prefetch < 1:
        raise ConfigError(f"workers must be 0 or more and prefetch 1 or more, got {workers} and {prefetch}.")

    def read(index: int, draws: Draws, row: int) -> Pixels | Problem:
        try:
            return geometry(images.pixels(index, max_megapixels=max_megapixels), draws, row)
        except DataError as error:
            return _unreadable(images, index, error)

    return _batches(images, batches, geometry, read, seed=seed, epoch=epoch, workers=workers, prefetch=prefetch)


Read = Callable[[int, Draws, int], Pixels | Problem]


def _batches(
    images: ImageSet,
    batches: Iterable[NDArray[np.int64]],
    geometry: Geometry,
    read: Read,
    *,
    seed: int,
    epoch: int,
    workers: int,
    prefetch: int,
) -> Generator[Batch, None, None]:
    if workers == 0:
        for indices in batches:
            draws = Draws(seed, epoch, indices)
            whole = _from_array(images, geometry, draws)
            yield whole or _collated(images, geometry, draws, _read_rows(read, draws, 0, len(draws)))
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="striate-loader")
    waiting: deque[tuple[Draws, list[Future[list[Pixels | Problem]]] | Future[Batch]]] = deque()

    def submit(indices: NDArray[np.int64]) -> None:
        draws = Draws(seed, epoch, indices)
        if _takes_array(images, geometry, draws):
            waiting.append((draws, pool.submit(_required_array, images, geometry, draws)))
            return
        starts = range(0, len(draws), _CHUNK)
        waiting.append((draws, [pool.submit(_read_rows, read, draws, start, start + _CHUNK) for start in starts]))

    def finish() -> Batch:
        draws, work = waiting.popleft()
        if isinstance(work, Future):
            return work.result()
        return _collated(images, geometry, draws, [row for part in work for row in part.result()])

    try:
        for indices in batches:
            submit(indices)
            if len(waiting) > prefetch:
                yield finish()
        while waiting:
            yield finish()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_rows(read: Read, draws: Draws, start: int, stop: int) -> list[Pixels | Problem]:
    indices = draws.indices[start:stop].tolist()
    return [read(index, draws, start + number) for number, index in enumerate(indices)]


def _collated(images: ImageSet, geometry: Geometry, draws: Draws, rows: list[Pixels | Problem]) -> Batch:
    good = [number for number, row in enumerate(rows) if not isinstance(row, Problem)]
    problems = tuple(row for row in rows if isinstance(row, Problem))
    pictures = [row for row in rows if not isinstance(row, Problem)]
    if len({picture.shape for picture in pictures}) > 1:
        sizes = ", ".join(sorted({f"{picture.shape[-3]} × {picture.shape[-2]}" for picture in pictures}))
        raise ShapeError(f"Pictures of one batch must come out in one size, got {sizes}; give each size its own batch.")
    h, w = geometry.result_size() or (0, 0)
    stacked = np.stack(pictures) if pictures else np.zeros((0, h, w, 3), dtype=np.uint8)
    indices = draws.indices[good]
    return Batch(
        torch.from_numpy(stacked.reshape(-1, *stacked.shape[-3:])),
        torch.from_numpy(images.labels[indices]),
        indices,
        problems,
        geometry.views,
    )


def _unreadable(images: ImageSet, index: int, error: DataError) -> Problem:
    where = images.where(index)
    return Problem("unreadable", where, str(error).removeprefix(f"{where}: ") + " It was left out.")


def _takes_array(images: ImageSet, geometry: Geometry, draws: Draws) -> bool:
    return _array_shifts(images, geometry, draws) is not None


def _array_shifts(images: ImageSet, geometry: Geometry, draws: Draws) -> Shifts | None:
    """Where a whole batch can be cut out of one array without a resize: where each cut begins."""
    store = images.store
    if not isinstance(store, ArrayStore) or geometry.views != 1 or (geometry.gray and store.array.ndim == 4):
        return None
    return geometry.shifts((store.array.shape[1], store.array.shape[2]), draws)


def _required_array(images: ImageSet, geometry: Geometry, draws: Draws) -> Batch:
    batch = _from_array(images, geometry, draws)
    if batch is None:
        raise ShapeError("The geometry changed its mind about an array.")
    return batch


def _from_array(images: ImageSet, geometry: Geometry, draws: Draws) -> Batch | None:
    shifts = _array_shifts(images, geometry, draws)
    if shifts is None or not isinstance(images.store, ArrayStore):
        return None
    array = images.store.take(draws.indices)
    pixels = torch.from_numpy(cut_rows(array, shifts, geometry.result_size() or array.shape[1:3]))
    if pixels.ndim == 3:
        pixels = pixels[..., None].expand(-1, -1, -1, 3)
    return Batch(pixels, torch.from_numpy(images.labels[draws.indices]), draws.indices)


def cut_rows(array: Pixels, shifts: Shifts, size: tuple[int, ...]) -> Pixels:
    """Cuts of one size out of `n h w` or `n h w 3`, each at its own place; black where there is no picture."""
    n, h, w = array.shape[:3]
    (new_h, new_w), top, left = size, shifts.top, shifts.left
    if n == 0:
        return np.zeros((0, new_h, new_w, *array.shape[3:]), dtype=np.uint8)
    low = (max(-int(top.min()), 0), max(-int(left.min()), 0))
    high = (max(int(top.max()) + new_h - h, 0), max(int(left.max()) + new_w - w, 0))
    if any(low + high):
        padding = ((0, 0), (low[0], high[0]), (low[1], high[1]))
        array = np.pad(array, padding + ((0, 0),) * (array.ndim - 3))
    y, x = top + low[0], left + low[1]
    if (y == y[0]).all() and (x == x[0]).all():
        array = array[:, y[0] : y[0] + new_h, x[0] : x[0] + new_w]
    else:
        rows, columns = y[:, None] + np.arange(new_h), x[:, None] + np.arange(new_w)
        array = array[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    if shifts.flip.any():
        turned = shifts.flip.reshape((n,) + (1,) * (array.ndim - 1))
        array = np.where(turned, array[:, :, ::-1], array)
    return np.ascontiguousarray(array)

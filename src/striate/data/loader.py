"""Batches of pictures for a network, read ahead by threads, the same for any number of them.

Decoders and resizers let go of Python's lock, so threads are enough: nothing is copied between processes, nothing has
to be pickled, and a worker cannot die unseen. The order of batches is the order asked for; where a picture lands in its
batch does not depend on who read it; and its random numbers are its own (`striate.data.augment.draws`).
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.cut import Geometry
from striate.data.augment.draws import Draws
from striate.data.fast_decode import decode_cut_and_size, decode_pixels, fast_cut, one_opencv_thread
from striate.data.image_set import ImageSet
from striate.data.pixel_cache import PixelCache
from striate.data.problem import Problem
from striate.data.stores import ArrayStore
from striate.data.whole_array import cut_array, fits_array
from striate.errors import ConfigError, DataError, ShapeError

__all__ = ["Batch", "load_batches"]

_CHUNK = 8  # pictures a task: large enough that handing it over costs nothing, small enough that no worker waits

Pixels = NDArray[np.uint8]
Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pictures, ready for the augmentations that work on tensors.

    Attributes:
        images: uint8 `n h w 3`. Gray pictures of an array share one channel (a stride of 0): nothing is copied. Where
            the geometry allows different sizes (`Geometry.pads_to`), black is added at the right and at the bottom.
        labels: int64 `n`.
        indices: Where the pictures stand in their set, int64 `n`.
        sizes: Height and width of the pictures as decoded, int64 `n 2`: `geometry.cut(size, draws, row)` is then the
            cut that was made, through which whatever is known in the picture's pixels gets into the batch's.
        problems: What could not be read; such pictures are left out of the four above.
        views: Rows of `images` that each picture has: with more than one, `images` is `n·views h w 3`, picture by
            picture.
    """

    images: UInt8[Tensor, "n h w 3"]
    labels: Int64[Tensor, "pictures"]
    indices: NDArray[np.int64]
    sizes: NDArray[np.int64]
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
    decode: Literal["exact", "fast"] = "exact",
    cache: PixelCache | None = None,
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
        decode: `exact`: every level is Pillow's, with antialias. `fast`: JPEGs at a fraction of their scale and a
            linear resize without antialias, for training; views of evaluation stay exact all the same.
        cache: Made for `images`, where a small set shall be kept decoded from one call to the next.
        max_megapixels: Larger pictures are refused from their header.

    Yields:
        One `Batch` for each, also where none of its pictures can be read (it is then empty).

    Raises:
        ConfigError: If `workers` is below 0, `prefetch` below 1, `decode` is neither, or the cache is another set's.
        ShapeError: If pictures of one batch come out in different sizes (a geometry without a size, which pads none).
        Exception: Whatever a worker raises, but for pictures that cannot be read: those become problems.

    Closing the generator, or letting go of it, ends its threads before it returns. While it is open, OpenCV uses one
    thread of its own in each of them.
    """
    if workers < 0 or prefetch < 1:
        raise ConfigError(f"workers must be 0 or more and prefetch 1 or more, got {workers} and {prefetch}.")
    if decode not in {"exact", "fast"}:
        raise ConfigError(f"decode must be 'exact' or 'fast', got {decode!r}.")
    if cache is not None and not cache.belongs_to(images):
        raise ConfigError("cache was made for another set of pictures; make one with PixelCache(images).")
    fast = decode == "fast" and not geometry.exact
    reader = _Reader(images, geometry, fast, cache if cache is not None and cache.enabled else None, max_megapixels)
    drawn = (Draws(seed, epoch, indices) for indices in batches)
    return _in_turn(reader, drawn) if workers == 0 else _ahead(reader, drawn, workers, prefetch)


@dataclass(frozen=True, eq=False)
class _Reader:
    """How one picture is read."""

    images: ImageSet
    geometry: Geometry
    fast: bool
    cache: PixelCache | None
    max_megapixels: float

    def read(self, draws: Draws, row: int) -> tuple[Pixels, Size] | Problem:
        """The cut, and the size of the picture that it was made of."""
        index = int(draws.indices[row])
        try:
            if self.cache is not None:
                return self._drawn(self._cached(self.cache, index), draws, row)
            data = self.images.read(index)
            if not isinstance(data, bytes):
                return self._drawn(data, draws, row)
            if self.fast:
                return decode_cut_and_size(data, self.geometry, draws, row, max_megapixels=self.max_megapixels)
            pixels = decode_pixels(data, max_megapixels=self.max_megapixels)
            return self.geometry(pixels, draws, row), _size(pixels)
        except DataError as error:
            return self._problem(index, error)

    def _cached(self, cache: PixelCache, index: int) -> Pixels:
        pixels = cache.get(index)
        if pixels is None:
            data = self.images.read(index)
            pixels = decode_pixels(data, max_megapixels=self.max_megapixels) if isinstance(data, bytes) else data
            cache.put(index, pixels)
        return pixels

    def _drawn(self, pixels: Pixels, draws: Draws, row: int) -> tuple[Pixels, Size]:
        size = _size(pixels)
        if self.fast:
            return fast_cut(pixels, self.geometry.cut(size, draws, row)), size
        return self.geometry(pixels, draws, row), size

    def _problem(self, index: int, error: DataError) -> Problem:
        where, text = self.images.where(index), str(error)
        for opening in (f"{where}: ", f"image of {text.split(' ')[2]} bytes: " if text.startswith("image of ") else ""):
            text = text.removeprefix(opening)
        return Problem("unreadable", where, f"{text} It was left out.")


def _size(pixels: Pixels) -> Size:
    return pixels.shape[0], pixels.shape[1]


class _Work:
    """One batch in the making: tasks for any thread, then the batch itself."""

    def __init__(self, reader: _Reader, draws: Draws) -> None:
        self.reader, self.draws = reader, draws
        self.rows: list[Pixels | Problem] = []
        self.whole: Pixels | None = None
        self.room: Pixels | None = None
        self.sizes = np.zeros((len(draws), 2), dtype=np.int64)
        if fits_array(reader.images, reader.geometry, draws):
            self.tasks = [self._cut_array]
            return
        self.rows = [Problem("unreadable", "", "")] * len(draws)
        size = reader.geometry.result_size()
        if size is not None and reader.geometry.views == 1:
            self.room = np.empty((len(draws), *size, 3), dtype=np.uint8)
        self.tasks = [partial(self._read, start) for start in range(0, len(draws), _CHUNK)]

    def _cut_array(self) -> None:
        self.whole = cut_array(self.reader.images, self.reader.geometry, self.draws)
        if isinstance(store := self.reader.images.store, ArrayStore):
            self.sizes[:] = store.array.shape[1:3]

    def _read(self, start: int) -> None:
        for row in range(start, min(start + _CHUNK, len(self.rows))):
            found = self.reader.read(self.draws, row)
            if isinstance(found, Problem):
                self.rows[row] = found
                continue
            pixels, self.sizes[row] = found
            if self.room is not None:
                self.room[row] = pixels
                pixels = self.room[row]
            self.rows[row] = pixels

    def finished(self) -> Batch:
        """The batch, once all tasks are done."""
        images, geometry, draws = self.reader.images, self.reader.geometry, self.draws
        if self.whole is not None:
            pixels = torch.from_numpy(self.whole)
            pixels = pixels[..., None].expand(-1, -1, -1, 3) if pixels.ndim == 3 else pixels
            return Batch(pixels, torch.from_numpy(images.labels[draws.indices]), draws.indices, self.sizes)
        good = [number for number, row in enumerate(self.rows) if not isinstance(row, Problem)]
        problems = tuple(row for row in self.rows if isinstance(row, Problem))
        indices = draws.indices[good]
        labels = torch.from_numpy(images.labels[indices])
        pixels = torch.from_numpy(self._stacked(good))
        return Batch(pixels, labels, indices, self.sizes[good], problems, geometry.views)

    def _stacked(self, good: list[int]) -> Pixels:
        if self.room is not None:
            return self.room if len(good) == len(self.rows) else self.room[good]
        pictures = [row for row in self.rows if not isinstance(row, Problem)]
        if not pictures:
            return np.zeros((0, *(self.reader.geometry.result_size() or (0, 0)), 3), dtype=np.uint8)
        multiple = self.reader.geometry.pads_to
        if multiple is not None:
            return _padded(pictures, multiple)
        if len({picture.shape for picture in pictures}) > 1:
            sizes = ", ".join(sorted({f"{picture.shape[-3]} × {picture.shape[-2]}" for picture in pictures}))
            raise ShapeError(f"Pictures of one batch must come out in one size, got {sizes}; give each its own batch.")
        stacked = np.stack(pictures)
        return stacked.reshape(-1, *stacked.shape[-3:])


def _padded(pictures: list[Pixels], multiple: int) -> Pixels:
    """Pictures of any sizes in the upper left corners of canvases whose sides are multiples of a number."""
    h, w = (-(-max(picture.shape[axis] for picture in pictures) // multiple) * multiple for axis in (0, 1))
    canvas = np.zeros((len(pictures), h, w, 3), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        canvas[row, : picture.shape[0], : picture.shape[1]] = picture
    return canvas


def _in_turn(reader: _Reader, drawn: Iterable[Draws]) -> Generator[Batch, None, None]:
    for draws in drawn:
        work = _Work(reader, draws)
        for task in work.tasks:
            task()
        yield work.finished()


def _ahead(reader: _Reader, drawn: Iterable[Draws], workers: int, prefetch: int) -> Generator[Batch, None, None]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="striate-loader")
    waiting: deque[tuple[_Work, list[Future[None]]]] = deque()

    def finished() -> Batch:
        work, tasks = waiting.popleft()
        for task in tasks:
            task.result()
        return work.finished()

    with one_opencv_thread() if reader.fast else nullcontext():
        try:
            for draws in drawn:
                work = _Work(reader, draws)
                waiting.append((work, [pool.submit(task) for task in work.tasks]))
                if len(waiting) > prefetch:
                    yield finished()
            while waiting:
                yield finished()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

"""Pictures from anywhere, one batch after the other: what a pass over a whole data set reads.

A folder of a million photos does not fit into memory, so nothing is read before it is needed and nothing is kept.
Threads decode ahead; the order is that of the source, whoever reads.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data import ImageSet, find_images, open_data, read_image
from striate.data.files import EXTENSIONS, printable
from striate.data.images import Images, read_photos
from striate.errors import ConfigError, DataError, ShapeError
from striate.models import Network
from striate.runtime import best_batch_size

__all__ = ["PictureBatch", "PictureStream", "Pictures", "Seen", "fitting_batch"]

Pictures: TypeAlias = Images | ImageSet | Mapping[str, ImageSet] | Iterable[Any]
"""A folder, a data file, photos, an `ImageSet` or several by name, a tensor, or batches of tensors."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One picture as the network saw it.

    Attributes:
        number: Its place in the source.
        name: For people.
        pixels: uint8 `h w 3`.
        crop: The part of the photo that `pixels` shows, `xyxy` in photo pixels.
        photo_size: `(h, w)` of the photo.
    """

    number: int
    name: str
    pixels: NDArray[np.uint8]
    crop: tuple[float, float, float, float]
    photo_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class PictureBatch:
    """Pictures of one size.

    Attributes:
        x: `n c h w`, as the module takes it.
        numbers: Their places in the source.
        show: The picture in a row of the batch, as the network saw it.
        problems: What could not be read since the batch before, one sentence each; such pictures are left out.
    """

    x: Tensor
    numbers: tuple[int, ...]
    show: Callable[[int], Seen]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Photo:
    """Where one photo is, and how it is read."""

    name: str
    read: Callable[[], NDArray[np.uint8]]


class PictureStream:
    """Pictures of a source in batches.

    Args:
        network: A `Network` sees photos as it was trained to; a plain module is fed tensors as they are.
        images: For a `Network`: a folder (with folders in it), a data file that `open_data` knows, an `ImageSet` or
            several by name, photos, or an RGB tensor in [0, 1]. For a plain module: a tensor `n c h w`, or an iterable
            of such batches (of a `DataLoader`: also tuples that begin with one).
        batch_size: Pictures at once.
        workers: Threads that read ahead; 0 reads when a batch is asked for. By default one less than there are cores.
        max_megapixels: Larger photos are left out, and named among the problems.

    Raises:
        ConfigError: `batch_size` below 1 or `workers` below 0.
        DataError: The source cannot be opened, or holds no picture.
        ShapeError: A plain module got something else than tensors.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        images: Pictures,
        *,
        batch_size: int,
        workers: int | None = None,
        max_megapixels: float = 64.0,
    ) -> None:
        workers = max((os.cpu_count() or 1) - 1, 1) if workers is None else workers
        if batch_size < 1 or workers < 0:
            raise ConfigError(f"batch_size must be 1 or more and workers 0 or more; got {batch_size} and {workers}.")
        self.network = network
        self.batch_size = batch_size
        self.workers = workers
        self._channels = 0
        self._photos: list[_Photo] | None = None
        self._tensors: Tensor | Iterable[Any] | None = None
        if isinstance(images, Tensor):
            if images.dim() != 4 or not len(images):
                raise ShapeError(
                    f"images must be a tensor 'n c h w' of at least one picture; got {tuple(images.shape)}."
                )
            self._tensors = images
        elif isinstance(network, Network):
            self._photos = _photos(images, max_megapixels)
        elif isinstance(images, str | bytes | Path | ImageSet | Mapping | np.ndarray) or not isinstance(
            images, Iterable
        ):
            raise ShapeError(
                "images for a plain module must be a tensor 'n c h w' or an iterable of such batches, fed as they are; "
                f"got {type(images).__name__}. Wrap the module in a striate.Network to give photos."
            )
        else:
            self._tensors = images

    @property
    def count(self) -> int | None:
        """How many pictures there are, or None for batches that come from outside."""
        if self._photos is not None:
            return len(self._photos)
        return len(self._tensors) if isinstance(self._tensors, Tensor) else None

    @property
    def channels(self) -> int:
        """How many the module takes; known once a batch has been read."""
        return self._channels

    @property
    def again(self) -> bool:
        """Whether one picture can be read a second time."""
        return self._photos is not None or isinstance(self._tensors, Tensor)

    def picture(self, number: int) -> Seen:
        """One picture, read again.

        Raises:
            ConfigError: The source can be read only once.
            DataError: The picture is gone or changed since.
        """
        if self._photos is not None:
            seen = self._view(number)
            if isinstance(seen, str):
                raise DataError(seen)
            return seen
        if isinstance(self._tensors, Tensor):
            return self._shown(self._prepared(self._tensors[number : number + 1]), 0, number)
        raise ConfigError("batches that come from outside can be read only once.")

    def __iter__(self) -> Iterator[PictureBatch]:
        for batch in self._batches():
            self._channels = batch.x.shape[1] if len(batch.numbers) else self._channels
            yield batch

    def _batches(self) -> Iterator[PictureBatch]:
        if self._photos is not None:
            yield from self._photo_batches()
        elif isinstance(self._tensors, Tensor):
            for start in range(0, len(self._tensors), self.batch_size):
                yield self._tensor_batch(self._tensors[start : start + self.batch_size], start)
        else:
            start = 0
            for given in self._tensors or ():
                x = given[0] if isinstance(given, list | tuple) and given else given
                if not isinstance(x, Tensor) or x.dim() != 4:
                    got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
                    raise ShapeError(f"each batch of images must be, or begin with, a tensor 'n c h w'; got {got}.")
                for part in torch.split(x, self.batch_size):
                    yield self._tensor_batch(part, start)
                    start += len(part)

    # --- tensors

    def _tensor_batch(self, given: Tensor, start: int) -> PictureBatch:
        x = self._prepared(given)
        return PictureBatch(x, tuple(range(start, start + len(x))), lambda row: self._shown(x, row, start + row))

    def _prepared(self, given: Tensor) -> Tensor:
        if isinstance(self.network, Network):
            return self.network.preprocess(given)
        parameter = next(self.network.parameters(), None)
        return given if parameter is None else given.to(parameter.device)

    def _shown(self, x: Tensor, row: int, number: int) -> Seen:
        one = x[row : row + 1].detach()
        if isinstance(self.network, Network):
            levels = self.network.preprocessing.denormalize(one)[0].clamp(0, 1)
        else:
            levels = one[0] if one.shape[1] in (1, 3) else one.mean(1)
            low, high = levels.aminmax()
            levels = ((levels - low) / (high - low).clamp_min(torch.finfo(one.dtype).tiny)).expand(3, -1, -1)
        pixels = (255 * levels.float()).round().byte().permute(1, 2, 0).cpu().numpy()  # 3 h w -> h w 3
        h, w = pixels.shape[:2]
        return Seen(number, f"picture {number}", np.ascontiguousarray(pixels), (0.0, 0.0, float(w), float(h)), (h, w))

    # --- photos

    def _photo_batches(self) -> Iterator[PictureBatch]:
        waiting: list[Seen] = []
        problems: list[str] = []
        for seen in self._in_order():
            if isinstance(seen, str):
                problems.append(seen)
                continue
            if waiting and (len(waiting) == self.batch_size or waiting[0].pixels.shape != seen.pixels.shape):
                yield self._batch(waiting, problems)
                waiting, problems = [], []
            waiting.append(seen)
        if waiting or problems:
            yield self._batch(waiting, problems)

    def _batch(self, seen: list[Seen], problems: list[str]) -> PictureBatch:
        network = self.network
        if not isinstance(network, Network) or not seen:
            return PictureBatch(torch.zeros(0, 3, 1, 1), (), seen.__getitem__, tuple(problems))
        levels = torch.from_numpy(np.stack([one.pixels for one in seen])).to(network.device)  # n h w 3
        # As `Preprocessing.__call__` does it; a permuted tensor is channels-last, which convolutions run fastest on.
        x = network.preprocessing.normalize(levels.permute(0, 3, 1, 2).float().div(255))
        return PictureBatch(x, tuple(one.number for one in seen), seen.__getitem__, tuple(problems))

    def _in_order(self) -> Iterator[Seen | str]:
        count = len(self._photos or ())
        if self.workers == 0:
            yield from map(self._view, range(count))
            return
        ahead = 2 * self.batch_size + self.workers
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="striate-pictures")
        waiting: deque[Future[Seen | str]] = deque()
        try:
            for number in range(count):
                waiting.append(pool.submit(self._view, number))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _view(self, number: int) -> Seen | str:
        """One photo as the network sees it, or why it cannot be read."""
        photo = (self._photos or [])[number]
        if not isinstance(self.network, Network):
            raise ConfigError("only a Network knows how to see a photo.")
        try:
            view = self.network.preprocessing.view(photo.read())
        except DataError as error:
            return f"{error} It was left out."
        return Seen(number, photo.name, view.pixels, view.crop, view.photo_size)


def fitting_batch(network: Network | nn.Module, images: Pictures) -> int:
    """How many pictures at once suit the processor."""
    if isinstance(network, Network):
        preprocessing = network.preprocessing
        if preprocessing.resize is None:
            return 8
        channels = 1 if preprocessing.channels == "L" else 3
        return best_batch_size(
            network.module, torch.empty(1, channels, *preprocessing.input_size, device=network.device)
        )
    if isinstance(images, Tensor) and images.dim() == 4 and len(images):
        return best_batch_size(network, images[:1])
    return 32


def _photos(images: Pictures, max_megapixels: float) -> list[_Photo]:
    """Every photo of a source, none of them decoded yet."""
    if isinstance(images, str | Path):
        return _photos_at(Path(images), max_megapixels)
    if isinstance(images, ImageSet):
        images = {"": images}
    if isinstance(images, Mapping):
        several = len(images) > 1
        found = [
            _Photo(f"{part}/{one.name(i)}" if several else one.name(i), _of_set(one, i, max_megapixels))
            for part, one in images.items()
            for i in range(len(one))
        ]
    else:
        each = images if isinstance(images, Sequence) and not isinstance(images, bytes) else [images]
        if isinstance(images, np.ndarray) and images.ndim == 4:
            each = list(images)
        found = [_of_photo(photo, i, max_megapixels) for i, photo in enumerate(each)]
    if not found:
        raise DataError("images is empty; give at least one picture.")
    return found


def _photos_at(path: Path, max_megapixels: float) -> list[_Photo]:
    if path.is_file() and path.suffix.lower() not in EXTENSIONS:
        return _photos(open_data(path), max_megapixels)
    try:
        files = find_images(path)
    except DataError:
        if not path.is_dir():
            raise
        return _photos(open_data(path), max_megapixels)  # a folder of shards or of idx files
    root = path if path.is_dir() else path.parent
    return [_Photo(printable(file.relative_to(root)), _of_file(file, max_megapixels)) for file in files]


def _of_photo(photo: Any, number: int, max_megapixels: float) -> _Photo:
    if isinstance(photo, str | Path):
        return _Photo(printable(Path(photo).name), _of_file(Path(photo), max_megapixels))
    read_photos(photo) if not isinstance(photo, bytes) else None  # what is no photo is refused at once
    return _Photo(f"picture {number}", lambda: read_photos(photo)[0])


def _of_file(file: Path, max_megapixels: float) -> Callable[[], NDArray[np.uint8]]:
    return lambda: read_image(file, max_megapixels=max_megapixels)


def _of_set(images: ImageSet, index: int, max_megapixels: float) -> Callable[[], NDArray[np.uint8]]:
    return lambda: images.pixels(index, max_megapixels=max_megapixels)

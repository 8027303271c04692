"""Boxes that may hold an object, for all pictures of a set: found once, then read from the disk.

R-CNN and Fast R-CNN answer about boxes that somebody else proposes. Finding them costs more than Fast R-CNN's own work,
and they depend on nothing that is learned: so they are found before training, by threads, and kept.
"""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.box_set import BoxSet
from striate.data.fast_decode import one_opencv_thread
from striate.data.problem import Problem
from striate.detection.proposal_cache import ProposalCache, picture_key
from striate.detection.selective_search import SearchMode, selective_search
from striate.detection.sliding_windows import sliding_windows
from striate.errors import ConfigError, DataError

__all__ = ["ProposalProgress", "ProposalSettings", "Proposals", "find_proposals", "proposals_for", "propose"]

ProposalSource: TypeAlias = Literal["selective_search", "sliding_windows"]
Boxes = NDArray[np.float32]

_METHOD = 1  # counted up whenever the same settings give other boxes: older files of a cache are then not used


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """How proposals are found.

    Attributes:
        source: `selective_search` (needs the extra `proposals`) or `sliding_windows` (needs nothing, and is worse).
        mode: Of selective search: `single`, `fast` or `quality`.
        max_boxes: The most boxes a picture.
        min_side_px: Boxes with a shorter side are left out.
        longest_px: Of selective search: larger pictures are searched at this size; None: as they are.
        seed: Of selective search's order. Every picture draws with the same seed.

    Raises:
        ConfigError: If the source is unknown. What else is wrong is said when the first picture is searched.
    """

    source: ProposalSource = "selective_search"
    mode: SearchMode = "fast"
    max_boxes: int = 2000
    min_side_px: float = 20.0
    longest_px: int | None = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.source not in {"selective_search", "sliding_windows"}:
            raise ConfigError(f"source must be 'selective_search' or 'sliding_windows', got {self.source!r}.")

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that the boxes of a picture depend on beside the picture."""
        text = json.dumps({"method": _METHOD} | asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ProposalProgress:
    """Some pictures have their proposals.

    Attributes:
        done: Pictures so far.
        total: Pictures in all.
        from_cache: How many of `done` were found before.
        boxes: Proposals so far.
        seconds: Wall time so far.
    """

    done: int
    total: int
    from_cache: int
    boxes: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Proposals:
    """The proposals of a set, in its order.

    Attributes:
        boxes: One float32 `r 4` a picture, `xyxy` in photo pixels, the most promising first.
        settings: How they were found.
        problems: Pictures that cannot be read; they have no boxes.
        seconds: Wall time it took.
        from_cache: How many pictures' boxes were found before.
        times: Seconds that each picture took one thread, also those found before; NaN where nobody knows, empty where
            nobody measured.
    """

    boxes: tuple[Boxes, ...]
    settings: ProposalSettings
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    from_cache: int = 0
    times: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> Boxes:
        return self.boxes[index]

    def subset(self, indices: ArrayLike) -> "Proposals":
        """Those of some of the pictures, in the order given; problems stay."""
        places = np.asarray(indices, dtype=np.int64).tolist()
        times = tuple(self.times[i] for i in places) if self.times else ()
        return replace(self, boxes=tuple(self.boxes[i] for i in places), times=times)

    def first(self, count: int) -> "Proposals":
        """At most `count` boxes of each picture: the most promising."""
        return replace(self, boxes=tuple(boxes[:count] for boxes in self.boxes))


class _Found(NamedTuple):
    """The proposals of one picture, the seconds they took, and whether they were found before."""

    boxes: Boxes
    seconds: float
    is_kept: bool


def propose(pixels: NDArray[np.uint8], settings: ProposalSettings) -> Boxes:
    """The proposals of one picture, uint8 `h w 3`: float32 `r 4`, `xyxy` in its pixels.

    Raises:
        ConfigError: If OpenCV is needed and missing, or a setting is out of range.
        ShapeError: If `pixels` is no RGB picture.
    """
    if settings.source == "sliding_windows":
        size = (pixels.shape[0], pixels.shape[1])
        return sliding_windows(size, max_boxes=settings.max_boxes, min_side_px=settings.min_side_px)
    return selective_search(
        pixels,
        mode=settings.mode,
        max_boxes=settings.max_boxes,
        min_side_px=settings.min_side_px,
        longest_px=settings.longest_px,
        seed=settings.seed,
    )


def find_proposals(
    pictures: BoxSet,
    settings: ProposalSettings,
    *,
    cache: ProposalCache | None = None,
    workers: int = 2,
    max_megapixels: float = 64.0,
) -> Generator[ProposalProgress, None, Proposals]:
    """Find the proposals of all pictures of a set, and tell how far it is after each.

    Args:
        pictures: The set; its truth is not looked at.
        settings: How to find them.
        cache: Where those found before lie, and new ones go, each as soon as it is found: whoever is killed and comes
            again goes on where it was.
        workers: Threads; OpenCV works without Python's lock. The boxes are the same for any number.
        max_megapixels: Larger pictures are not read.

    Returns:
        The proposals, as the generator's value (`result = yield from find_proposals(…)`).

    Raises:
        ConfigError: If OpenCV is needed and missing, or a setting is out of range.
        DataError: If the cache's disk is full.
    """
    if workers < 1:
        raise ConfigError(f"find_proposals: workers must be 1 or more, got {workers}.")
    begun = time.perf_counter()
    every: list[Boxes] = []
    times: list[float] = []
    problems: list[Problem] = []
    from_cache = boxes = 0

    def one(index: int) -> _Found | Problem:
        return _of_picture(pictures, index, settings, cache, max_megapixels)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="striate-proposals")
    with one_opencv_thread() if settings.source == "selective_search" else nullcontext():
        try:
            for found in _in_order(pool, one, range(len(pictures)), ahead=4 * workers):
                if isinstance(found, Problem):
                    problems.append(found)
                    every.append(np.zeros((0, 4), dtype=np.float32))
                    times.append(float("nan"))
                else:
                    every.append(found.boxes)
                    times.append(found.seconds)
                    from_cache += found.is_kept
                    boxes += len(found.boxes)
                yield ProposalProgress(len(every), len(pictures), from_cache, boxes, time.perf_counter() - begun)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    took = time.perf_counter() - begun
    return Proposals(tuple(every), settings, tuple(problems), took, from_cache, tuple(times))


def proposals_for(
    pictures: BoxSet,
    settings: ProposalSettings | None = None,
    cache: ProposalCache | None = None,
    *,
    workers: int = 2,
    max_megapixels: float = 64.0,
    on_progress: Callable[[ProposalProgress], None] | None = None,
) -> Proposals:
    """The proposals of all pictures of a set at once; `find_proposals` tells more on the way.

    Raises:
        ConfigError: As `find_proposals`.
        DataError: As `find_proposals`.
    """
    work = find_proposals(
        pictures, settings or ProposalSettings(), cache=cache, workers=workers, max_megapixels=max_megapixels
    )
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if on_progress is not None:
            on_progress(event)


def _of_picture(
    pictures: BoxSet, index: int, settings: ProposalSettings, cache: ProposalCache | None, max_megapixels: float
) -> _Found | Problem:
    try:
        data = pictures.store.read(index)
        key = f"{picture_key(data)[:40]}-{settings.fingerprint}"
        kept = cache.get_timed(key) if cache is not None else None
        if kept is not None:
            return _Found(*kept, True)
        pixels = pictures.pictures.decode(index, data, max_megapixels=max_megapixels)
    except DataError as error:
        where = pictures.where(index)
        return Problem("unreadable", where, f"{str(error).removeprefix(f'{where}: ')} It has no proposals.")
    begun = time.perf_counter()
    boxes = propose(pixels, settings)
    seconds = time.perf_counter() - begun
    if cache is not None:
        cache.put(key, boxes, seconds=seconds)
    return _Found(boxes, seconds, False)


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[int], _Found | Problem],
    indices: Iterable[int],
    *,
    ahead: int,
) -> Generator[_Found | Problem, None, None]:
    """Results in the order of the indices; no more than `ahead` pictures are held at a time."""
    waiting: deque[Future[_Found | Problem]] = deque()
    for index in indices:
        waiting.append(pool.submit(work, index))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()

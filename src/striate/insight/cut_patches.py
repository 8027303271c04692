"""From running lists to patches: which pictures they need, what their units see there, and the cut itself."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.arithmetic import Field
from striate.errors import DataError, ShapeError, StriateError
from striate.insight.field_boxes import Sight, boxes_of, cut_box, inside_of, shrink, sight_of
from striate.insight.heatmap import as_numpy
from striate.insight.patches import LayerPatches, TopPatches
from striate.insight.picture_stream import PictureStream, Seen
from striate.insight.running_top import RunningTop
from striate.probe import summary

__all__ = ["PictureShelf", "cut_patches"]

_GONE = np.zeros((0, 0, 3), np.uint8)


class PictureShelf:
    """The pictures that are in some list now.

    Args:
        most_bytes: Their pixels are kept up to this size; None where a picture cannot be read again.
    """

    def __init__(self, most_bytes: int | None) -> None:
        self.most_bytes = most_bytes
        self.seen: dict[int, Seen] = {}
        self.bytes = 0
        self._cleared = 0
        self._full = False

    def put(self, seen: Seen) -> None:
        """Keep a picture."""
        if self.most_bytes is not None and self.bytes + seen.pixels.nbytes > self.most_bytes:
            seen = replace(seen, pixels=_GONE)
            self._full = True
        self.seen[seen.number] = seen
        self.bytes += seen.pixels.nbytes

    def clear(self, tops: Iterable[RunningTop]) -> None:
        """Let go of the pictures that are in no list any more.

        Done when there are twice as many as after the last time, or when a picture did not fit.
        """
        if len(self.seen) < max(2 * self._cleared, 256) and not self._full:
            return
        self._full = False
        alive = _listed(tops)
        self.seen = {number: seen for number, seen in self.seen.items() if number in alive}
        self.bytes = sum(seen.pixels.nbytes for seen in self.seen.values())
        self._cleared = len(self.seen)


def _listed(tops: Iterable[RunningTop]) -> set[int]:
    return {int(n) for top in tops for n in top.pictures.flatten().tolist()} - {-1}


def cut_patches(
    module: nn.Module, tops: dict[str, RunningTop], shelf: PictureShelf, stream: PictureStream, crop_bytes: int
) -> TopPatches:
    """The result, with the patches of at most `crop_bytes` a layer; pictures that were let go of are read again."""
    numbers = sorted(_listed(tops.values()))
    problems: list[str] = []
    seen: list[Seen] = []
    for number in numbers:
        one = shelf.seen[number]
        if one.pixels is _GONE:
            try:
                one = stream.picture(number)
            except DataError as error:  # it was there a minute ago
                problems.append(f"{error} Its patches are empty.")
                one = replace(one, pixels=np.zeros((1, 1, 3), np.uint8))
        seen.append(one)
    fields = _fields(module, {(one.pixels.shape[0], one.pixels.shape[1]) for one in seen}, stream)
    return TopPatches(
        layers={layer: _layer(layer, top, seen, fields, crop_bytes) for layer, top in tops.items()},
        names=tuple(one.name for one in seen),
        numbers=np.array(numbers, np.int64),
        seen_sizes=np.array([one.pixels.shape[:2] for one in seen], np.int64).reshape(-1, 2),
        photo_crops=np.array([one.crop for one in seen], np.float64).reshape(-1, 4),
        photo_sizes=np.array([one.photo_size for one in seen], np.int64).reshape(-1, 2),
        count=0,
        problems=tuple(problems),
    )


_Fields = dict[tuple[int, int], dict[str, Field | None]]


def _fields(module: nn.Module, sizes: set[tuple[int, int]], stream: PictureStream) -> _Fields:
    """For each size of picture, what the units of every layer see."""
    found: _Fields = {}
    for size in sizes:
        try:
            rows = summary(module, (stream.channels, *size)).rows
        except (StriateError, RuntimeError):  # it cannot be followed; whole pictures are shown, and it is said
            rows = ()
        found[size] = {row.address: row.field for row in rows}
    return found


def _layer(layer: str, top: RunningTop, seen: list[Seen], fields: _Fields, crop_bytes: int) -> LayerPatches:
    if top.shape is None:
        raise ShapeError(f"layer '{layer}' gave nothing.")
    place = {one.number: i for i, one in enumerate(seen)}
    numbers = _whole(top.pictures)
    pictures = np.array([place.get(n, -1) for n in numbers.ravel().tolist()], np.int64).reshape(numbers.shape)
    rows, columns = _whole(top.rows), _whole(top.columns)
    sizes = [(one.pixels.shape[0], one.pixels.shape[1]) for one in seen]
    boxes = np.zeros((*pictures.shape, 4), np.int64)
    for size in set(sizes):
        here = np.isin(pictures, [i for i, other in enumerate(sizes) if other == size])
        boxes[here] = boxes_of(fields[size].get(layer), size, rows[here], columns[here])
    largest = max(sizes, key=lambda size: size[0] * size[1])
    sight = sight_of(fields[largest].get(layer), largest)
    crops, step = _crops(pictures, boxes, seen, sight, crop_bytes)
    values = as_numpy(top.values).copy()
    values[pictures < 0] = np.nan
    units = len(values)
    return LayerPatches(
        layer=layer,
        shape=top.shape,
        channels=_whole(top.channels) if top.channels is not None else np.arange(units, dtype=np.int64),
        values=values,
        pictures=pictures,
        positions=np.stack([rows, columns], axis=-1),
        boxes=boxes,
        crops=crops,
        crop_step=step,
        sight=sight,
        peak_mean=as_numpy(top.peak_mean),
        peak_std=as_numpy(top.peak_std),
    )


def _whole(tensor: Tensor) -> NDArray[np.int64]:
    array: NDArray[np.int64] = tensor.detach().cpu().numpy()
    return array


def _crops(
    pictures: NDArray[np.int64], boxes: NDArray[np.int64], seen: list[Seen], sight: Sight, crop_bytes: int
) -> tuple[NDArray[np.uint8], int]:
    """The patches `u k h w 3`, and how much smaller they were made."""
    whole = sight.sees in ("picture", "unknown")
    size = sight.size
    if whole:
        size = (max(one.pixels.shape[0] for one in seen), max(one.pixels.shape[1] for one in seen))
    step = 1
    while pictures.size * -(-size[0] // step) * -(-size[1] // step) * 3 > crop_bytes and step < max(size):
        step += 1
    crops = np.zeros((*pictures.shape, -(-size[0] // step), -(-size[1] // step), 3), np.uint8)
    made: dict[int, NDArray[np.uint8]] = {}
    for at in np.ndindex(*pictures.shape):
        number = int(pictures[at])
        if number < 0:
            continue
        pixels = seen[number].pixels
        if not whole:
            crops[at] = _cut(pixels, boxes[at], size, step)
            continue
        if number not in made:  # many units share a picture
            made[number] = _cut(pixels, np.array([0, 0, size[1], size[0]], np.int64), size, step)
        crops[at] = made[number]
    return crops, step


def _cut(pixels: NDArray[np.uint8], box: NDArray[np.int64], size: tuple[int, int], step: int) -> NDArray[np.uint8]:
    inside = inside_of(box, (pixels.shape[0], pixels.shape[1]), size, 1)
    return shrink(cut_box(pixels, box, size), inside, step)

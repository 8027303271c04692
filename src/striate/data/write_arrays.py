"""Write a set as arrays: one npz file, or MNIST's idx files. All pictures must have one size."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.class_names import CLASS_FILE
from striate.data.idx import save_idx
from striate.data.image_set import ImageSet
from striate.errors import DataError

__all__ = ["write_idx", "write_npz"]

_IDX_PREFIX = {"all": "", "train": "train-", "val": "val-", "test": "t10k-"}


def write_npz(sets: Mapping[str, ImageSet], path: Path) -> Iterator[None]:
    """`images`, `labels`, `classes` (and `groups`), or these for each split; yields after every picture.

    Raises:
        DataError: If pictures differ in size, or one cannot be read.
    """
    stacked = yield from _stacked(sets)
    arrays: dict[str, Any] = {"classes": np.array(next(iter(sets.values())).classes)}
    for split, images in sets.items():
        prefix = "" if split == "all" else f"{split}_"
        arrays[f"{prefix}images"] = stacked[split]
        arrays[f"{prefix}labels"] = images.labels
        if images.groups is not None:
            arrays[f"{prefix}groups"] = np.array(["" if g.startswith("\0") else g for g in images.groups])
    np.savez_compressed(path, **arrays)


def write_idx(sets: Mapping[str, ImageSet], out: Path) -> Iterator[None]:
    """`train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, `t10k-…`, `classes.txt`; yields after every picture.

    Raises:
        DataError: If pictures differ in size, there are more than 256 classes, or a picture cannot be read.
    """
    classes = next(iter(sets.values())).classes
    if len(classes) > 256:
        raise DataError(f"idx files hold one byte a label, but there are {len(classes)} classes; use npz or tar.")
    stacked = yield from _stacked(sets)
    for split, images in sets.items():
        prefix = _IDX_PREFIX[split]
        axes = stacked[split].ndim
        save_idx(out / f"{prefix}images-idx{axes}-ubyte.gz", stacked[split])
        save_idx(out / f"{prefix}labels-idx1-ubyte.gz", images.labels.astype(np.uint8))
    (out / CLASS_FILE).write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")


def _stacked(sets: Mapping[str, ImageSet]) -> Generator[None, None, dict[str, NDArray[np.uint8]]]:
    """The pictures of each split as one array, `n h w` where all of them are gray, or else `n h w 3`."""
    found: dict[str, list[NDArray[np.uint8]]] = {}
    first: tuple[str, tuple[int, ...]] | None = None
    gray = True
    for split, images in sets.items():
        found[split] = []
        for index in range(len(images)):
            pixels = images.pixels(index)
            first = first or (images.where(index), pixels.shape)
            if pixels.shape != first[1]:
                raise DataError(
                    f"{images.where(index)} has {pixels.shape[1]} × {pixels.shape[0]} pixels, {first[0]} "
                    f"{first[1][1]} × {first[1][0]}; an array needs pictures of one size. Use folder, csv or tar."
                )
            gray = gray and bool((pixels == pixels[:, :, :1]).all())
            found[split].append(pixels)
            yield
    return {
        split: np.stack([p[:, :, 0] for p in pixels] if gray else pixels) if pixels else _none(first, gray=gray)
        for split, pixels in found.items()
    }


def _none(first: tuple[str, tuple[int, ...]] | None, *, gray: bool) -> NDArray[np.uint8]:
    h, w = first[1][:2] if first is not None else (1, 1)
    return np.empty((0, h, w) if gray else (0, h, w, 3), dtype=np.uint8)

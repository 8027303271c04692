"""Pictures and labels in one NumPy archive: `images` and `labels`, or the same for each split.

    np.savez("digits.npz", images=images, labels=labels)          uint8 n h w or n h w 3; whole numbers or names

The names of MedMNIST (`train_images`, `train_labels` …) and Keras (`x_train`, `y_train` …) are understood, too. An
archive may hold `classes` (the names of labels 0, 1, …) and `groups`. Nothing is unpickled.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.class_names import check_same_classes, class_order, normal_name, numbers_as_labels
from striate.data.files import printable
from striate.data.image_set import ImageSet, lone_group
from striate.data.stores import ArrayStore
from striate.errors import DataError, ShapeError

__all__ = ["read_npz"]

_LAYOUTS = (
    {"all": ("images", "labels", "groups")},
    {split: (f"{split}_images", f"{split}_labels", f"{split}_groups") for split in ("train", "val", "test")},
    {split: (f"x_{split}", f"y_{split}", f"groups_{split}") for split in ("train", "val", "test")},
)


def read_npz(path: Path) -> dict[str, ImageSet]:
    """The pictures of an npz file, `all` or one set a split.

    Without `classes` every value among the labels is a class: numbers in their order, names sorted.

    Raises:
        DataError: If it is no npz file, lacks arrays, or their types, shapes and lengths do not fit.
    """
    arrays = _load(path)
    layout = next((some for some in _LAYOUTS if any(names[0] in arrays for names in some.values())), None)
    if layout is None:
        held = ", ".join(f"'{name}'" for name in sorted(arrays)[:8]) or "nothing"
        raise DataError(f"{printable(path)}: needs the arrays 'images' and 'labels', holds {held}.")
    present = {split: names for split, names in layout.items() if names[0] in arrays}
    values = {split: _labels(arrays, names, path) for split, names in present.items()}
    classes, labels = _classes(values, arrays.get("classes"), path)
    sets = {}
    for split, (images, _, groups) in present.items():
        try:
            pixels: NDArray[Any] = arrays[images]  # the store checks type and shape
            store = ArrayStore(pixels, path.name if split == "all" else f"{path.name}/{split}")
        except ShapeError as error:
            raise DataError(f"{printable(path)}: array '{images}': {error}") from error
        kept = _groups(arrays.get(groups), len(store), f"{printable(path)}: '{groups}'")
        sets[split] = ImageSet(classes, labels[split], store, path, "npz", groups=kept)
    if not any(len(each) for each in sets.values()):
        raise DataError(f"{printable(path)}: no picture in it.")
    return sets


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{printable(path)}: a single array; save images and labels together with np.savez.")
            return {name: archive[name] for name in archive.files}
    except DataError:
        raise
    except ValueError as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(
                f"{printable(path)}: holds Python objects, which are never loaded (they can run code); save plain "
                "arrays, images of different sizes as files."
            ) from error
        raise DataError(f"{printable(path)}: no NumPy archive, or a damaged one ({error}).") from error
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error}).") from error
    except (EOFError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError, MemoryError) as error:
        raise DataError(f"{printable(path)}: no NumPy archive, or a damaged one ({error}).") from error


def _labels(arrays: Mapping[str, NDArray[np.generic]], names: tuple[str, str, str], path: Path) -> NDArray[np.generic]:
    images, labels, _ = names
    if labels not in arrays:
        raise DataError(f"{printable(path)}: has '{images}', but no '{labels}'.")
    values = arrays[labels]
    if values.ndim == 2 and values.shape[1] == 1:  # as MedMNIST stores them
        values = values[:, 0]
    if values.ndim != 1:
        shape = " × ".join(map(str, values.shape)) or "a single value"
        raise DataError(f"{printable(path)}: '{labels}' must be one label a picture, n values, got {shape}.")
    if len(values) != len(arrays[images]):
        raise DataError(
            f"{printable(path)}: {len(arrays[images])} pictures in '{images}', {len(values)} labels in '{labels}'."
        )
    if values.dtype.kind not in "iuU":
        raise DataError(f"{printable(path)}: '{labels}' must be whole numbers or names, got {values.dtype}.")
    return values


def _classes(
    values: Mapping[str, NDArray[np.generic]], given: NDArray[np.generic] | None, path: Path
) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    listed = None
    if given is not None:
        if given.ndim != 1 or given.dtype.kind != "U":
            raise DataError(f"{printable(path)}: 'classes' must be a list of names, got {given.dtype}.")
        listed = tuple(normal_name(str(name)) for name in given)
        if len(set(listed)) < len(listed):
            raise DataError(f"{printable(path)}: 'classes' names a class twice.")
    kinds = {array.dtype.kind == "U" for array in values.values()}
    if len(kinds) > 1:
        raise DataError(f"{printable(path)}: the labels of one split are names, those of another numbers.")
    if kinds == {False}:
        numbers = {split: array.astype(np.int64) for split, array in values.items()}
        classes, labels = numbers_as_labels(numbers, listed, printable(path))
        if listed is None:
            check_same_classes(path, {split: map(str, np.unique(array)) for split, array in numbers.items()})
        return classes, labels
    names = {split: [normal_name(str(value)) for value in array] for split, array in values.items()}
    if listed is None:
        check_same_classes(path, names)
    classes = class_order({name for some in names.values() for name in some}, listed)
    position = {name: number for number, name in enumerate(classes)}
    return classes, {k: np.array([position[name] for name in some], dtype=np.int64) for k, some in names.items()}


def _groups(values: NDArray[np.generic] | None, count: int, where: str) -> tuple[str, ...] | None:
    if values is None:
        return None
    if values.shape != (count,) or values.dtype.kind not in "iuU":
        raise DataError(f"{where} must be one name or number a picture ({count} in all).")
    return tuple(str(value) or lone_group(str(number)) for number, value in enumerate(values.tolist()))

"""One layout of labeled pictures into another, whole or not at all.

Everything is written into a hidden folder beside the target and opened again, as anybody else would open it. Only where
that gives the same classes and the same pictures in each of them does the folder get its name.
"""

import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.data.write_arrays import write_idx, write_npz
from striate.data.write_files import write_folder, write_with_table
from striate.data.write_shards import write_shards
from striate.errors import DataError

__all__ = ["Layout", "check_target", "convert_sets"]

Layout = Literal["folder", "csv", "npz", "idx", "tar"]

_KEEPS_GROUPS = {"csv", "npz", "tar"}


def convert_sets(
    sets: Mapping[str, ImageSet], out: Path, layout: Layout
) -> Generator[tuple[int, int], None, tuple[Problem, ...]]:
    """Write sets in another layout; yields how many pictures are done, of how many.

    Args:
        sets: What `open_data` or `split_set` gives.
        out: A file for `npz`, a folder for the others; it must not exist.
        layout: Which.

    Returns:
        What was left out or could not be kept.

    Raises:
        DataError: If `out` exists or lies inside the source, a picture cannot be read, the pictures do not fit the
            layout, the disk is full, or what was written does not open as the same set. Nothing is left behind then.
    """
    check_target(out, next(iter(sets.values())).source)
    problems: list[Problem] = []
    readable = yield from _readable(sets, layout, problems)
    total = sum(map(len, readable.values()))
    if layout not in _KEEPS_GROUPS and any(images.groups is not None for images in readable.values()):
        problems.append(
            Problem("groups-lost", printable(out), f"{layout} has no place for groups; csv, npz and tar do")
        )
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    target = part / out.name if layout == "npz" else part
    try:
        part.mkdir(parents=True)
        for done, _ in enumerate(_writer(readable, target, layout), start=1):
            yield done, total
        _compare(readable, target, out)
        if layout == "npz":
            target.replace(out)
        else:
            part.rename(out)
    except OSError as error:
        raise DataError(
            f"{printable(out)}: cannot be written ({(error.strerror or str(error)).lower()}); nothing was kept."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(problems)


def check_target(out: Path, source: Path) -> None:
    """Refuse to overwrite, and to write into the source: a folder in there would become a class.

    Raises:
        DataError: With the path.
    """
    if out.exists() or out.is_symlink():
        raise DataError(f"{printable(out)}: exists already and is not overwritten; choose another name with --out.")
    inside, root = out.absolute().resolve(), source.absolute().resolve()
    if source.is_dir() and inside.is_relative_to(root):
        raise DataError(f"{printable(out)}: lies inside {printable(source)}; choose a place outside of it with --out.")


def _readable(
    sets: Mapping[str, ImageSet], layout: Layout, problems: list[Problem]
) -> Generator[tuple[int, int], None, dict[str, ImageSet]]:
    """The sets without the pictures that an array cannot hold, since they do not decode; files are copied unseen."""
    if layout not in {"npz", "idx"} or all(images.kind in {"npz", "idx"} for images in sets.values()):
        yield 0, sum(map(len, sets.values()))
        return dict(sets)
    kept: dict[str, ImageSet] = {}
    for split, images in sets.items():
        indices = []
        for index in range(len(images)):
            try:
                images.pixels(index)
            except DataError as error:
                where = images.where(index)
                text = f"{str(error).removeprefix(f'{where}: ')} Left out."
                problems.append(Problem("unreadable", where, text))
            else:
                indices.append(index)
        kept[split] = images if len(indices) == len(images) else images.subset(indices)
        yield 0, sum(map(len, sets.values()))
    return kept


def _writer(sets: Mapping[str, ImageSet], target: Path, layout: Layout) -> Iterator[None]:
    match layout:
        case "folder":
            return write_folder(sets, target)
        case "csv":
            return write_with_table(sets, target)
        case "npz":
            return write_npz(sets, target)
        case "idx":
            return write_idx(sets, target)
        case "tar":
            return write_shards(sets, target)


def _compare(sets: Mapping[str, ImageSet], target: Path, out: Path) -> None:
    """Open what was written: the same splits, classes and number of pictures in each must come back."""
    try:
        back = open_data(target)
    except DataError as error:
        raise DataError(
            f"{printable(out)}: what was written does not open again ({error}); nothing was kept."
        ) from None
    wanted = {split: images for split, images in sets.items() if len(images)}
    for split, images in wanted.items():
        found = back.get(split)
        same = found is not None and _names(found) == _names(images)
        if found is None or not same or not np.array_equal(_filled(found), _filled(images)):
            raise DataError(
                f"{printable(out)}: in this layout {split} would not come back with the same classes (a class may be "
                "called like a split, or twice in two cases); use csv. Nothing was kept."
            )


def _names(images: ImageSet) -> tuple[str, ...]:
    return tuple(name for name, count in zip(images.classes, images.counts(), strict=True) if count)


def _filled(images: ImageSet) -> list[int]:
    return [int(count) for count in images.counts() if count]

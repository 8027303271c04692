"""Divide pictures into train, val and test; the pictures stay where they are.

Labeled pictures are named in a table. For pictures with boxes, which a table cannot hold, a folder of COCO's JSON files
is written, one a part, which every verb takes, too.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from striate.data.box_opening import find_box_layout, open_boxes
from striate.data.box_set import BoxSet
from striate.data.convert import check_target
from striate.data.files import printable
from striate.data.image_set import ImageSet, lone_group
from striate.data.opening import open_data
from striate.data.split_boxes import split_boxes
from striate.data.splitting import split_set
from striate.data.stores import FileStore, Store
from striate.data.write_boxes import coco_document
from striate.data.write_files import TableRow, write_table
from striate.errors import ConfigError, DataError
from striate.recipes.data_check import describe_boxes, describe_sets
from striate.recipes.events import Done, Event, Plan

__all__ = ["DataSplitConfig", "Division", "divide", "divide_boxes", "run"]


class Division(BaseModel):
    """How to divide.

    Attributes:
        val: The share of validation, from 0 to below 1.
        test: The share of test, likewise.
        seed: Another one gives other parts.
        group: A pattern for the names of files; those for which it finds the same stay together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    val: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    test: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    seed: int = 0
    group: str | None = None


class DataSplitConfig(Division):
    """Which pictures, and where the table goes.

    Attributes:
        path: What `open_data` takes, of files, or `open_boxes`.
        out: The table; `NAME-split.csv` in the current folder by default. For boxes a folder, `NAME-split`.
    """

    path: Path
    out: Path | None = None

    @property
    def table(self) -> Path:
        """Where the table goes."""
        return self.out or Path(f"{self.path.absolute().name.removesuffix('.csv')}-split.csv")


def run(config: DataSplitConfig) -> Iterator[Event]:
    """Divide a set: yields a `Plan`, then `Done` with the sets as they open from what was written.

    Raises:
        ConfigError: If there is no share to divide off, or the pattern is none.
        DataError: If the pictures are no files, are divided already, or the table exists or cannot be written.
    """
    if config.val == config.test == 0:
        raise ConfigError("Nothing is divided off; give --val, --test or both, such as --val 0.1.")
    if find_box_layout(config.path) is not None:
        yield from _split_boxes(config)
        return
    sets = open_data(config.path)
    out = config.table
    if out.suffix.lower() not in {".csv", ".tsv"}:
        raise ConfigError(f"--out must name a .csv file, got '{out}'.")
    check_target(out, out)
    if any(not isinstance(images.store, FileStore) for images in sets.values()):
        kind = next(iter(sets.values())).kind
        raise DataError(
            f"{printable(config.path)}: a table names files, and {kind} holds pictures that are none; use "
            "'striate data convert' with --val and --test, which divides while it writes."
        )
    yield Plan(f"Divide {describe_sets(sets)}.")
    parts = divide(sets, config)
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_table(part, _rows(parts, out.parent), next(iter(parts.values())).classes)
        part.replace(out)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{printable(out)}: cannot be written ({reason}); choose another place with --out.") from error
    finally:
        part.unlink(missing_ok=True)
    back = open_data(out)
    problems = tuple(problem for images in parts.values() for problem in images.problems)
    first = next(iter(back))
    back[first] = replace(back[first], problems=problems)
    yield Done(back, out.parent, {"table": out})


def divide(sets: dict[str, ImageSet], division: Division) -> dict[str, ImageSet]:
    """The sets with val and test divided off from what is to be learned from; a test set that is there stays.

    Raises:
        ConfigError: If the pattern is none, or the shares leave nothing to train on.
        DataError: If the part that is asked for is there already.
    """
    shares = _shares(sets, division)
    if not shares:
        return sets
    whole = sets.get("all") or sets["train"]
    if division.group is not None:
        whole = replace(whole, groups=_groups(whole.store, division.group))
    parts = split_set(whole, {"train": 1 - sum(shares.values()), **shares}, seed=division.seed)
    everything = {**{name: images for name, images in sets.items() if name != "all"}, **parts}
    return {name: everything[name] for name in ("train", "val", "test") if name in everything}


def divide_boxes(sets: dict[str, BoxSet], division: Division) -> dict[str, BoxSet]:
    """Like `divide`, for pictures with boxes.

    Raises:
        ConfigError: As `divide`.
        DataError: As `divide`.
    """
    shares = _shares(sets, division)
    if not shares:
        return sets
    whole = sets.get("all") or sets["train"]
    if division.group is not None:
        whole = replace(whole, groups=_groups(whole.store, division.group))
    parts = split_boxes(whole, {"train": 1 - sum(shares.values()), **shares}, seed=division.seed)
    everything = {**{name: boxes for name, boxes in sets.items() if name != "all"}, **parts}
    return {name: everything[name] for name in ("train", "val", "test") if name in everything}


def _shares(sets: Mapping[str, ImageSet | BoxSet], division: Division) -> dict[str, float]:
    """The parts to divide off; none where nothing is to be."""
    wanted = {"val": division.val, "test": division.test}
    shares = {name: share for name, share in wanted.items() if share > 0}
    if not shares:
        return {}
    if sum(shares.values()) >= 1:
        raise ConfigError(f"--val and --test must leave something to train on, got {sum(shares.values()):g} of 1.")
    source = printable(next(iter(sets.values())).source)
    for name in shares:
        if name in sets:
            raise DataError(f"{source}: has {name} already; leave out --{name}.")
    if "all" not in sets and "train" not in sets:
        raise DataError(f"{source}: has no pictures to train on, only {', '.join(sets)}.")
    return shares


def _split_boxes(config: DataSplitConfig) -> Iterator[Event]:
    sets = open_boxes(config.path)
    out = config.out or Path(f"{config.path.absolute().name.removesuffix('.json')}-split")
    if out.suffix.lower() in {".csv", ".tsv"}:
        raise ConfigError(f"--out must name a folder for pictures with boxes, got '{out}'.")
    check_target(out, out)
    yield Plan(f"Divide {describe_boxes(sets)}.")
    parts = divide_boxes(sets, config)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for split, boxes in parts.items():
            names = [_name_from(boxes.store, index, out) for index in range(len(boxes))]
            (part / f"{split}.json").write_text(coco_document(boxes, names), encoding="utf-8")
        part.rename(out)
    except (OSError, UnicodeEncodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise DataError(f"{printable(out)}: cannot be written ({reason}); choose another place with --out.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    back = open_boxes(out)
    problems = tuple(problem for boxes in parts.values() for problem in boxes.problems)
    first = next(iter(back))
    back[first] = replace(back[first], problems=problems)
    yield Done(back, out, {"data": out})


def _name_from(store: Store, index: int, folder: Path) -> str:
    """The path of a picture from a folder, also where it lies beside it; an absolute one from another drive."""
    path = store.path(index).absolute()  # type: ignore[attr-defined]  # boxes lie in a FileStore
    try:
        return Path(os.path.relpath(path, folder.absolute())).as_posix()
    except ValueError:
        return Path(os.path.normpath(path)).as_posix()


def _groups(store: Store, pattern: str) -> tuple[str, ...]:
    """What the pattern finds in each file's name: its first bracket, or all of it."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--group must be a regular expression, got '{pattern}' ({error}).") from error
    groups = []
    for index in range(len(store)):
        name = store.name(index)
        match = compiled.search(PurePosixPath(name).name)
        groups.append(lone_group(name) if match is None else match[1 if compiled.groups else 0] or lone_group(name))
    if all(group.startswith("\0") for group in groups):
        raise ConfigError(
            f"--group '{pattern}' finds nothing in any name, such as '{PurePosixPath(store.name(0)).name}'."
        )
    return tuple(groups)


def _rows(parts: dict[str, ImageSet], folder: Path) -> Iterator[TableRow]:
    """Paths from the table's folder for what lies inside of it, absolute ones for the rest."""
    base = folder.absolute()
    for split, images in parts.items():
        for index in range(len(images)):
            path = images.store.path(index).absolute()  # type: ignore[attr-defined]  # a FileStore, checked above
            shown = path.relative_to(base) if path.is_relative_to(base) else Path(os.path.normpath(path))
            yield shown.as_posix(), images.label(index), split, "" if images.groups is None else images.groups[index]

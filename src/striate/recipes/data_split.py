"""Divide labeled pictures into train, val and test, as a table that names them; the pictures stay where they are."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from striate.data.convert import check_target
from striate.data.files import printable
from striate.data.image_set import ImageSet, lone_group
from striate.data.opening import open_data
from striate.data.splitting import split_set
from striate.data.stores import FileStore
from striate.data.write_files import TableRow, write_table
from striate.errors import ConfigError, DataError
from striate.recipes.data_check import describe_sets
from striate.recipes.events import Done, Event, Plan

__all__ = ["DataSplitConfig", "Division", "divide", "run"]


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
        path: What `open_data` takes, of files.
        out: The table; `NAME-split.csv` in the current folder by default.
    """

    path: Path
    out: Path | None = None

    @property
    def table(self) -> Path:
        """Where the table goes."""
        return self.out or Path(f"{self.path.absolute().name.removesuffix('.csv')}-split.csv")


def run(config: DataSplitConfig) -> Iterator[Event]:
    """Divide a set: yields a `Plan`, then `Done` with the sets as they open from the table.

    Raises:
        ConfigError: If there is no share to divide off, or the pattern is none.
        DataError: If the pictures are no files, are divided already, or the table exists or cannot be written.
    """
    if config.val == config.test == 0:
        raise ConfigError("Nothing is divided off; give --val, --test or both, such as --val 0.1.")
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
    wanted = {"val": division.val, "test": division.test}
    shares = {name: share for name, share in wanted.items() if share > 0}
    if not shares:
        return sets
    if sum(shares.values()) >= 1:
        raise ConfigError(f"--val and --test must leave something to train on, got {sum(shares.values()):g} of 1.")
    for name in shares:
        if name in sets:
            raise DataError(f"{printable(sets[name].source)}: has {name} already; leave out --{name}.")
    whole = sets.get("all") or sets.get("train")
    if whole is None:
        raise DataError(
            f"{printable(next(iter(sets.values())).source)}: has no pictures to train on, only {', '.join(sets)}."
        )
    if division.group is not None:
        whole = replace(whole, groups=_groups(whole, division.group))
    parts = split_set(whole, {"train": 1 - sum(shares.values()), **shares}, seed=division.seed)
    everything = {**{name: images for name, images in sets.items() if name != "all"}, **parts}
    return {name: everything[name] for name in ("train", "val", "test") if name in everything}


def _groups(images: ImageSet, pattern: str) -> tuple[str, ...]:
    """What the pattern finds in each file's name: its first bracket, or all of it."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--group must be a regular expression, got '{pattern}' ({error}).") from error
    groups = []
    for index in range(len(images)):
        name = images.name(index)
        match = compiled.search(PurePosixPath(name).name)
        groups.append(lone_group(name) if match is None else match[1 if compiled.groups else 0] or lone_group(name))
    if all(group.startswith("\0") for group in groups):
        raise ConfigError(
            f"--group '{pattern}' finds nothing in any name, such as '{PurePosixPath(images.name(0)).name}'."
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

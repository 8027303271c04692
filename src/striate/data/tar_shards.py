"""WebDataset's layout: samples in tar archives, the parts of a sample next to each other under one key.

    shard-000.tar:  0001.jpg  0001.cls   0002.jpg  0002.cls …

The key is the path up to the first dot of the file's name. A picture (`jpg`, `png`, `webp` …) needs a label: `cls` or
`txt` with a number or a name, or `json` with `label` (and `group`). With `classes.txt` beside the shards a number is a
position in it. Nothing is unpickled and nothing unpacked; shards are read in the order of their names.

Source: the WebDataset format, T. Breuel, https://github.com/webdataset/webdataset, section "The WebDataset Format".
Differs: `webdataset`'s default decoder unpickles members called `pyd` and `pickle`; here they are ignored.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from striate.data.class_names import check_same_classes, class_order, normal_name, read_class_file
from striate.data.files import EXTENSIONS, printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.image_set import ImageSet, lone_group
from striate.data.problem import Problem
from striate.data.stores import TarStore
from striate.data.tar_index import TarCutError, TarMember, index_tar
from striate.errors import DataError

__all__ = ["expand_braces", "read_tar_shards"]

_LABELS = ("cls", "txt", "json")
_MAX_LABEL_BYTES = 1 << 20
_MAX_SHARDS = 1_000_000


@dataclass(slots=True)
class _Sample:
    image: TarMember | None = None
    labels: dict[str, TarMember] = field(default_factory=dict)


@dataclass(slots=True)
class _Samples:
    shard: list[int] = field(default_factory=list)
    members: list[TarMember] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)


def read_tar_shards(path: Path) -> dict[str, ImageSet]:
    """The pictures of tar shards, `all` or one set a split.

    Args:
        path: A shard, a folder of them (or of folders train, val and test with shards), or a pattern with braces.
            Shards whose names hold `train`, `val` or `test` as a word of their own are of that split.

    Raises:
        DataError: If a shard is missing, is no tar archive, or holds what none should (links, devices …); or if no
            picture has a label.
    """
    shards = _shards(path)
    folder = path if path.is_dir() else shards[0].parent
    listed = read_class_file(folder)
    problems: list[Problem] = []
    parts = {split: _read(some, problems) for split, some in _by_split(shards, path).items()}
    if not any(part.labels for part in parts.values()):
        first = f" The first: {str(problems[0]).rstrip('.')}." if problems else ""
        raise DataError(
            f"{printable(path)}: no picture with a label (.cls, .txt or .json of the same name).{first} "
            "An archive of class folders is to be unpacked."
        )
    if listed is not None:
        for part in parts.values():
            part.labels = [_listed_name(label, listed) for label in part.labels]
    names = {split: set(part.labels) for split, part in parts.items()}
    if listed is None:
        check_same_classes(path, names)
    classes = class_order({name for some in names.values() for name in some}, listed)
    position = {name: number for number, name in enumerate(classes)}
    sets: dict[str, ImageSet] = {}
    for split, part in parts.items():
        groups = tuple(group or lone_group(m.name) for group, m in zip(part.groups, part.members, strict=True))
        sets[split] = ImageSet(
            classes,
            np.array([position[label] for label in part.labels], dtype=np.int64),
            TarStore(
                tuple(_by_split(shards, path)[split]),
                np.array(part.shard, dtype=np.int64),
                np.array([member.offset for member in part.members], dtype=np.int64),
                np.array([member.size for member in part.members], dtype=np.int64),
                tuple(member.name for member in part.members),
            ),
            path,
            "tar",
            problems=() if sets else tuple(problems),  # each once: with the first part
            groups=groups if any(part.groups) else None,
        )
    return sets


def expand_braces(pattern: str) -> list[str]:
    """All the names that a pattern stands for, in its order.

    Raises:
        DataError: If a brace is not closed, a range is none, or there would be more than a million names.

    >>> expand_braces("{train,val}-{08..10}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar', 'val-09.tar', 'val-10.tar']
    """
    pieces: list[Sequence[str]] = []
    for text, inside in re.findall(r"([^{}]*)(?:\{([^{}]*)\})?", pattern):
        pieces.append([text])
        if inside:
            match = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
            if match is None:
                pieces.append(inside.split(","))
                continue
            low, high = int(match[1]), int(match[2])
            width = len(match[1]) if match[1].startswith("0") else 0
            if high < low or high - low >= _MAX_SHARDS:
                raise DataError(f"{printable(pattern)}: the range {{{inside}}} must rise, by at most a million.")
            pieces.append([f"{number:0{width}d}" for number in range(low, high + 1)])
    count = 1
    for piece in pieces:
        count *= len(piece)
    if count > _MAX_SHARDS:
        raise DataError(f"{printable(pattern)}: stands for {count:,} names; a million is the most.")
    names = ["".join(parts) for parts in itertools.product(*pieces)]
    if any("{" in name or "}" in name for name in names) or pattern.count("{") != pattern.count("}"):
        raise DataError(f"{printable(pattern)}: a brace is not closed.")
    return names


def _shards(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(_tars_in(path))
        if not found:
            found = [shard for name in sorted(path.iterdir()) if name.is_dir() for shard in sorted(_tars_in(name))]
        if not found:
            raise DataError(f"{printable(path)}: no .tar file in this folder.")
        return found
    if path.is_file():
        return [path]
    shards = [Path(name) for name in expand_braces(str(path))]
    missing = [shard for shard in shards if not shard.is_file()]
    if missing:
        many = f" (and {len(missing) - 1} more of {len(shards)})" if len(missing) > 1 else ""
        raise DataError(f"{printable(missing[0])}: no such shard{many}.")
    return shards


def _tars_in(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.suffix.lower() == ".tar" and not entry.name.startswith(".") and entry.is_file():
            yield entry


def _by_split(shards: Sequence[Path], path: Path) -> dict[str, list[Path]]:
    if len(shards) == 1:
        return {"all": list(shards)}
    found: dict[str | None, list[Path]] = {}
    for shard in shards:
        words = [shard.parent.name] if path.is_dir() and shard.parent != path else []
        words += re.split(r"[^A-Za-z]+", shard.stem)
        splits = [SPLIT_NAMES[word.lower()] for word in words if word.lower() in SPLIT_NAMES]
        found.setdefault(splits[0] if splits else None, []).append(shard)
    if None in found and len(found) > 1:
        raise DataError(
            f"{printable(path)}: '{printable(found[None][0].name)}' is neither train, val nor test by its name, "
            "others are; rename it, or give a pattern."
        )
    if None in found:
        return {"all": found[None]}
    return {split: found[split] for split in ("train", "val", "test") if split in found}


def _read(shards: Sequence[Path], problems: list[Problem]) -> _Samples:
    part = _Samples()
    for number, shard in enumerate(shards):
        samples: dict[str, _Sample] = {}
        try:
            for member in index_tar(shard):
                _sort_in(member, samples, shard, problems)
        except TarCutError as error:
            said = str(error).removeprefix(f"{printable(shard)}: ")
            problems.append(Problem("cut-shard", printable(shard), f"{said} What lies before it is used."))
        with shard.open("rb") as stream:
            for key, sample in samples.items():
                found = _label(key, sample, shard, stream)
                if isinstance(found, Problem):
                    problems.append(found)
                elif found is not None and sample.image is not None:
                    part.shard.append(number)
                    part.members.append(sample.image)
                    part.labels.append(found[0])
                    part.groups.append(found[1])
    return part


def _sort_in(member: TarMember, samples: dict[str, _Sample], shard: Path, problems: list[Problem]) -> None:
    folder, slash, name = member.name.rpartition("/")
    if name.startswith("."):
        return
    stem, _, suffix = name.partition(".")
    sample = samples.setdefault(f"{folder}{slash}{stem}", _Sample())
    suffix = suffix.lower()
    if f".{suffix}" in EXTENSIONS:
        if sample.image is None:
            sample.image = member
        else:
            where = f"{printable(shard)}: {printable(member.name)}"
            problems.append(Problem("duplicate-key", where, "a second picture of the same key; left out"))
    elif suffix in _LABELS:
        sample.labels.setdefault(suffix, member)


def _label(key: str, sample: _Sample, shard: Path, stream: IO[bytes]) -> tuple[str, str | None] | Problem | None:
    """Label and group of a sample, or why it has none; None for a sample that nobody would miss."""
    if sample.image is None:
        where = f"{printable(shard)}: {printable(key)}"
        return Problem("missing", where, "a label without a picture; left out") if sample.labels else None
    where = f"{printable(shard)}: {printable(sample.image.name)}"
    kind = next((kind for kind in _LABELS if kind in sample.labels), None)
    if kind is None:
        return Problem("unlabeled", where, "no .cls, .txt or .json of the same name; left out")
    member = sample.labels[kind]
    if member.size > _MAX_LABEL_BYTES:
        return Problem("bad-label", where, f"its label file has {member.size:,} bytes; left out")
    stream.seek(member.offset)
    label, group = _parsed(kind, stream.read(member.size))
    return Problem("bad-label", where, f"its .{kind} holds no label; left out") if label is None else (label, group)


def _parsed(kind: str, data: bytes) -> tuple[str | None, str | None]:
    try:
        text = data.decode("utf-8-sig").strip()
        if kind != "json":
            return (normal_name(text) or None) if "\n" not in text else None, None
        values = json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None, None
    if not isinstance(values, dict):
        return _plain(values), None
    label = next((values[key] for key in ("label", "class", "cls", "target") if key in values), None)
    return _plain(label), _plain(values.get("group"))


def _plain(value: object) -> str | None:
    """A name, or a whole number as a name; nothing else can be a label."""
    if isinstance(value, str):
        return normal_name(value.strip()) or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _listed_name(label: str, listed: Sequence[str]) -> str:
    """A number is a position in `classes.txt`, unless a class is called like that."""
    if label not in listed and label.isascii() and label.isdecimal() and int(label) < len(listed):
        return listed[int(label)]
    return label

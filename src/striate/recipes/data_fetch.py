"""Fetch a public set of pictures, verified, into Striate's own cache folder.

The facts (files, sizes, hashes, origins) are in `data_sets.toml`. A set that a package of the system has installed is
taken from there; what is verified then is the content, for packages wrap it anew.
"""

import gzip
import hashlib
import tomllib
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from striate.data.class_names import CLASS_FILE
from striate.errors import DataError, UnknownNameError, WeightsError, nearest
from striate.weights.cache import is_offline, striate_home
from striate.weights.download import Progress, download
from striate.weights.fetching import Sources
from striate.weights.origin import WeightFile, say_bytes
from striate.weights.saving import locked, save_checked, writing

__all__ = ["DataSet", "SetFile", "fetch_data_set", "find_data_set", "list_data_sets"]

_MAX_CONTENT_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class SetFile:
    """One file of a public set.

    Attributes:
        name: Its name at the origin and in the cache.
        bytes: The archive's size.
        sha256: Of the archive as the origins serve it.
        md5: What torchvision publishes for it; only for the record.
        content_sha256: Of what the gzip wrapper holds, where a package wraps it anew.
    """

    name: str
    bytes: int
    sha256: str
    md5: str
    content_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """A public set.

    Attributes:
        name: What it is called here.
        title: What it is, in a line.
        license: Its license, and whose it is.
        files: What belongs to it.
        origins: Folders on the web, in the order of asking.
        classes: The names of its labels, where they are not the numbers themselves.
        package: The Debian package that has it, or None.
        folder: Where that package puts it.
    """

    name: str
    title: str
    license: str
    files: tuple[SetFile, ...]
    origins: tuple[str, ...]
    classes: tuple[str, ...] = ()
    package: str | None = None
    folder: Path | None = None

    @property
    def size_text(self) -> str:
        """How much there is to fetch, for people."""
        return say_bytes(sum(file.bytes for file in self.files))

    @property
    def path(self) -> Path:
        """Where it belongs; it may not be there."""
        return striate_home() / "data" / self.name


@cache
def _sets() -> dict[str, DataSet]:
    table = tomllib.loads(files("striate.recipes").joinpath("data_sets.toml").read_text(encoding="utf-8"))
    return {
        name: DataSet(
            name=name,
            title=facts["title"],
            license=facts["license"],
            files=tuple(SetFile(**file) for file in facts["files"]),
            origins=tuple(facts["origins"]),
            classes=tuple(facts.get("classes", ())),
            package=facts["package"]["debian"] if "package" in facts else None,
            folder=Path(facts["package"]["folder"]) if "package" in facts else None,
        )
        for name, facts in table.items()
    }


def list_data_sets() -> list[DataSet]:
    """The public sets that are known, by name."""
    return [_sets()[name] for name in sorted(_sets())]


def find_data_set(name: str) -> DataSet:
    """A public set by its name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in _sets():
        raise UnknownNameError(f"No public data set named '{name}'. {nearest(name, sorted(_sets()))}")
    return _sets()[name]


def fetch_data_set(
    chosen: DataSet,
    *,
    progress: Progress | None = None,
    sources: Sources | None = None,
) -> tuple[Path, str]:
    """The folder of a public set, every file of it verified; fetched where it is not here.

    Args:
        chosen: Which.
        progress: Called with what is fetched, the bytes so far, and the total or None.
        sources: Patience of downloads, and whether this machine itself may be asked (for tests).

    Returns:
        The folder, which `open_data` reads, and where it came from: `cache`, `package`, or the origins' addresses.

    Raises:
        DataError: If no origin gives the files.
    """
    came_from: list[str] = []
    for file in chosen.files:
        target = chosen.path / file.name
        try:
            with locked(target):
                came_from.append(_obtain(chosen, file, target, progress, sources or Sources()))
        except WeightsError as error:
            raise DataError(str(error)) from error
    if chosen.classes:
        text = "".join(f"{name}\n" for name in chosen.classes)
        listed = chosen.path / CLASS_FILE
        if not listed.is_file() or listed.read_text(encoding="utf-8") != text:
            listed.write_text(text, encoding="utf-8")
    return chosen.path, ", ".join(dict.fromkeys(came_from))


def _obtain(
    chosen: DataSet,
    file: SetFile,
    target: Path,
    progress: Progress | None,
    sources: Sources,
) -> str:
    problems: list[str] = []
    if target.is_file():
        if _is_right(target, file):
            return "cache"
        problems.append(f"{target} is damaged or another file, and is fetched again.")
    installed = None if chosen.folder is None else chosen.folder / file.name
    if installed is not None and installed.is_file():
        if _is_right(installed, file):
            _copy(installed, target)
            return "package"
        problems.append(f"{installed} is not the published file.")
    facts = WeightFile(name=file.name, layout="idx", size_bytes=file.bytes, sha256=file.sha256)
    for origin in () if is_offline() else chosen.origins:
        try:
            download(
                origin + file.name,
                target,
                facts,
                label=f"{chosen.name}/{file.name}",
                progress=progress,
                timing=sources.timing,
                allow_loopback_http=sources.allow_loopback_http,
            )
        except WeightsError as error:
            problems.append(str(error))
        else:
            return origin
    if is_offline():
        problems.append("STRIATE_OFFLINE is set, so nothing was asked for it.")
    raise DataError(f"{chosen.name}/{file.name} cannot be had. {' '.join(problems)} {_by_hand(chosen, file)}")


def _is_right(path: Path, file: SetFile) -> bool:
    """Whether the file is the archive, or holds the published content in another wrapper."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == file.sha256:
            return True
        if file.content_sha256 is None:
            return False
        with gzip.open(path, "rb") as stream:
            return hashlib.sha256(stream.read(_MAX_CONTENT_BYTES)).hexdigest() == file.content_sha256
    except (OSError, EOFError, zlib.error):
        return False


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    data = source.read_bytes()
    with writing(part):
        part.write_bytes(data)
    save_checked(part, target, hashlib.sha256(data).hexdigest())


def _by_hand(chosen: DataSet, file: SetFile) -> str:
    package = "" if chosen.package is None else f"On Debian and Ubuntu: apt install {chosen.package}. "
    return (
        f"{package}By hand: download {chosen.origins[0]}{file.name} elsewhere and put it at {chosen.path / file.name} "
        f"(SHA-256 {file.sha256})."
    )

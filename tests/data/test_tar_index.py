"""The index of tar archives: what GNU tar and Python write is read, what hostile hands write is refused."""

import struct
import tarfile
from pathlib import Path

import pytest

from striate.data.tar_index import TarCutError, index_tar, is_tar
from striate.errors import DataError
from tests.data.layouts import tar

LONG = "d/" * 60 + "a very long name ü.jpg"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.jpg", "./x/y.png", "ü.png", LONG, "d" * 90 + "/" + "e" * 90])
def test_members_lie_where_python_says(tmp_path: Path, form: int, name: str) -> None:
    members = [("first", b"1" * 512), (name, b"content"), ("empty", b""), ("last", b"x" * 1000)]
    path = tar(tmp_path / "a.tar", members, form)
    data = path.read_bytes()
    found = list(index_tar(path))
    with tarfile.open(path) as archive:
        assert [(m.offset, m.size) for m in found] == [(m.offset_data, m.size) for m in archive]
    assert [m.name for m in found] == ["first", name.removeprefix("./"), "empty", "last"]
    assert [data[m.offset : m.offset + m.size] for m in found] == [content for _, content in members]
    assert is_tar(path)


def member(name: str, kind: bytes, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("a", tarfile.SYMTYPE, linkname="/etc/passwd"), "'a' is a symbolic link"),
        (member("a", tarfile.LNKTYPE, linkname="b"), "'a' is a hard link"),
        (member("a", tarfile.CHRTYPE), "'a' is a device"),
        (member("a", tarfile.BLKTYPE), "'a' is a device"),
        (member("a", tarfile.FIFOTYPE), "'a' is a pipe"),
        (member("a", tarfile.GNUTYPE_SPARSE), "'a' is a sparse file"),
        (member("a", tarfile.CONTTYPE), "of a kind that is not read .'7'."),
        (member("a", tarfile.REGTYPE, pax_headers={"GNU.sparse.major": "1"}), "'a' is a sparse file"),
        (member("../a", tarfile.REGTYPE), "the name '../a' leads out"),
        (member("/etc/a", tarfile.REGTYPE), "the name '/etc/a' leads out"),
        (member("x/../../a", tarfile.REGTYPE), "leads out"),
        (member("a", tarfile.REGTYPE, size=1 << 40), "claims 1,099,511,627,776 bytes"),
        (member("a", tarfile.REGTYPE, pax_headers={"size": "-5"}), "the size '-5', which is no number"),
    ],
)
def test_hostile_archives_are_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=message) as caught:
        list(index_tar(path))
    assert str(caught.value).startswith(str(path))


def test_folders_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    inside = member("d/x", tarfile.REGTYPE, size=1)
    path.write_bytes(member("d", tarfile.DIRTYPE).tobuf() + inside.tobuf() + b"y" * 512)  # and no end marks
    assert [m.name for m in index_tar(path)] == ["d/x"]


def test_a_shard_cut_short_keeps_what_is_whole(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", [("a", b"1" * 600), ("b", b"2" * 600)])
    whole = path.read_bytes()
    for length, message in ((512 + 1024 + 512 + 599, "'b' .599 of 600 bytes."), (512 + 1024 + 100, "cut short")):
        path.write_bytes(whole[:length])
        members = index_tar(path)
        assert next(members).name == "a"
        with pytest.raises(TarCutError, match=message):
            next(members)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"x" * 2000, "no tar archive"), (b"\x1f\x8b" * 600, "no tar archive")],
)
def test_no_archive_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    assert not is_tar(path)
    with pytest.raises(DataError, match=message):
        list(index_tar(path))


def test_a_damaged_header_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", [("a", b"1"), ("b", b"2")])
    data = bytearray(path.read_bytes())
    data[1024] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="the header at byte 1024 is damaged"):
        list(index_tar(path))


def test_a_header_of_base_256_and_one_of_signed_sums(tmp_path: Path) -> None:
    info = bytearray(member("ü", tarfile.REGTYPE).tobuf(tarfile.GNU_FORMAT))
    info[124:136] = b"\x80" + struct.pack(">QI", 0, 3)[1:]
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in info)
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(info) + b"abc" + bytes(509 + 1024))
    assert [(m.name, m.size) for m in index_tar(path)] == [("ü", 3)]


def test_gnu_tar_keeps_dates_where_posix_has_a_part_of_the_name(tmp_path: Path) -> None:
    info = bytearray(member("a.png", tarfile.REGTYPE).tobuf(tarfile.GNU_FORMAT))
    info[345:357] = b"14000000000\0"
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(info) + bytes(1024))
    assert [m.name for m in index_tar(path)] == ["a.png"]

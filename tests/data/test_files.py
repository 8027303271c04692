"""Files and folders to image files."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from striate.data import find_images
from striate.data.files import printable, write_whole
from striate.errors import DataError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.JPG",
        "a.png",
        "notes.txt",
        ".hidden.png",
        "sub/c.tiff",
        "sub/deep/d.WebP",
        ".git/e.png",
        "sub/f.heic",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_folder_is_searched_in_order(tree: Path) -> None:
    expected = ["a.png", "b.JPG", "sub/c.tiff", "sub/deep/d.WebP"]
    assert [path.relative_to(tree).as_posix() for path in find_images(tree)] == expected
    assert find_images(str(tree)) == find_images([tree])


def test_files_keep_their_order_and_count_once(tree: Path) -> None:
    assert find_images([tree / "sub" / "c.tiff", tree / "a.png", tree, tree / "a.png"]) == [
        tree / name for name in ("sub/c.tiff", "a.png", "b.JPG", "sub/deep/d.WebP")
    ]


def test_a_file_is_taken_whatever_its_name(tree: Path) -> None:
    assert find_images(tree / "notes.txt") == [tree / "notes.txt"]


def test_links_are_followed_but_not_in_circles(tree: Path) -> None:
    (tree / "sub" / "round").symlink_to(tree)
    assert len(find_images(tree)) == 4
    other = tree / "other"
    other.mkdir()
    (other / "link").symlink_to(tree / "sub" / "deep")
    assert find_images(other) == [other / "link" / "d.WebP"]


def test_what_is_missing_is_refused(tree: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.jpg: no such file or folder\.$"):
        find_images([tree, tree / "nothing.jpg"])
    (tree / "dangling.png").symlink_to(tree / "gone.png")
    with pytest.raises(DataError, match=r"dangling\.png: no such file"):
        find_images(tree / "dangling.png")
    with pytest.raises(DataError, match=r"^'a\\x00b': no such file"):
        find_images("a\0b")
    with pytest.raises(DataError, match=r"^x+: cannot be opened \(File name too long\)\.$"):
        find_images("x" * 5000)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no image in this folder \(of \.bmp, \.gif"):
        find_images(tmp_path)


def test_a_folder_that_cannot_be_listed_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def locked(path: str) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match=r"deep: cannot be opened \(Permission denied\)\.$"):
        find_images(tree)


def test_printable_keeps_one_line() -> None:
    assert printable("naïve photo.jpg") == "naïve photo.jpg"
    assert printable("a\nb\udcff") == r"'a\nb\udcff'"


def test_a_file_is_replaced_and_a_link_to_it_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "a.bin", tmp_path / "link"
    write_whole(file, b"old")
    link.symlink_to(file)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"a.bin", "link"}


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"content")
    reader.join(timeout=60)
    assert got == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_stays_a_device_and_its_error_names_it() -> None:
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'$"):
        write_whole(Path("/dev/full"), b"content")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no /dev/stdout")
def test_stdout_gets_what_is_written_and_what_is_printed(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from striate.data.files import write_whole;"
        "print('before', flush=True); write_whole(Path('/dev/stdout'), b'content\\n'); print('after')"
    )
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", program], check=True, stdout=out)
    assert (tmp_path / "out.txt").read_text() == "before\ncontent\nafter\n"
    piped = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert piped.stdout == "before\ncontent\nafter\n"


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "no" / "a.bin", r"No such file or directory: '.*/no/a\.bin'$"),
        (tmp_path, r"Is a directory: '[^']*'$"),
    ):
        with pytest.raises(OSError, match=message) as caught:
            write_whole(path, b"x")
        assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())

"""Any file gives pixels or one line with its name, and nothing hostile gets further than that."""

import os
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from striate.data import decode, read_image
from striate.errors import ConfigError, DataError
from tests.data.samples import every_format, gradient, png, saved

FILES = every_format()
PIXELS = {name: read_image(file) for name, file in FILES.items()}

# Pillow warns of damaged metadata, which is not an error, and libtiff writes lines of its own to stderr.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@contextmanager
def no_bomb_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def refusal(source: str | Path | bytes, **options: float) -> str:
    """The message of the DataError, which has to be one line that begins with the file's name."""
    with pytest.raises(DataError) as caught:
        read_image(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    if not isinstance(source, bytes):
        assert message.startswith(str(source))
    return message


def pixels_or_refusal(file: bytes) -> NDArray[np.uint8] | str:
    """What `read_image` gave, or its message; any other exception, or a warning of bombs, fails the test."""
    with no_bomb_warning():
        try:
            pixels = read_image(file, max_megapixels=1.0)
        except DataError as error:
            message = str(error)
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            return pixels
    assert message.startswith(f"image of {len(file)} bytes: ")
    assert "\n" not in message
    return message


def test_the_same_pixels_from_a_path_a_string_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(FILES["png"])  # the name lies, the content decides
    for source in (path, str(path), FILES["png"]):
        np.testing.assert_array_equal(read_image(source), gradient())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_one_pixel(kind: str) -> None:
    read = read_image(saved(np.full((1, 1, 3), 77, np.uint8), kind))
    assert read.shape == (1, 1, 3)
    assert np.abs(read.astype(int) - 77).max() <= 3


def test_twenty_megapixels() -> None:
    y, x = np.ogrid[:4000, :5000]
    pixels = np.broadcast_to(((x + y) // 36 % 256).astype(np.uint8)[:, :, None], (4000, 5000, 3))
    read = read_image(saved(np.ascontiguousarray(pixels), "JPEG"))
    assert read.shape == (4000, 5000, 3)
    assert np.abs(read[::97, ::101].astype(int) - pixels[::97, ::101]).mean() < 3


# A file of at most a few kilobytes that says it is huge, for each format; the pixels behind it would not matter.
def _huge(kind: str, w: int = 30_000, h: int = 30_000) -> bytes:
    if kind == "PNG":
        return png([b"\x00"], width=w, height=h, depth=8, color=2)
    if kind == "JPEG":
        file = FILES["jpeg"]
        at = file.index(b"\xff\xc0")
        return file[: at + 5] + struct.pack(">HH", h, w) + file[at + 9 :]
    if kind == "GIF":
        return FILES["gif"][:6] + struct.pack("<HH", w, h) + FILES["gif"][10:]
    if kind == "GIF frame":
        file = FILES["gif animated"]
        at = file.index(struct.pack("<HHHH", 0, 0, 17, 12))
        return file[:at] + struct.pack("<HHHH", 0, 0, w, h) + file[at + 8 :]
    if kind == "BMP":
        return FILES["bmp"][:18] + struct.pack("<ii", w, h) + FILES["bmp"][26:]
    if kind == "TIFF":
        return (
            saved(Image.fromarray(gradient()), "TIFF")
            .replace(struct.pack("<HHII", 256, 4, 1, 17), struct.pack("<HHII", 256, 4, 1, w))
            .replace(struct.pack("<HHII", 257, 4, 1, 12), struct.pack("<HHII", 257, 4, 1, h))
        )
    if kind == "WEBP lossless":
        w = h = 16_000  # 14 bits
        bits = (h - 1) << 14 | (w - 1)
        return FILES["webp lossless"][:21] + struct.pack("<I", bits) + FILES["webp lossless"][25:]
    if kind == "WEBP lossy":
        return FILES["webp"][:26] + struct.pack("<HH", 16_000, 16_000) + FILES["webp"][30:]
    size = (w - 1).to_bytes(3, "little") + (h - 1).to_bytes(3, "little")
    return FILES["webp animated"][:24] + size + FILES["webp animated"][30:]


HUGE = ["PNG", "JPEG", "GIF", "GIF frame", "BMP", "TIFF", "WEBP lossless", "WEBP lossy", "WEBP extended"]


@pytest.mark.parametrize("kind", HUGE)
def test_bombs_are_refused_from_the_header(kind: str) -> None:
    with no_bomb_warning():
        message = refusal(_huge(kind))
    size = (
        "16000 × 16000 pixels are 256.0"
        if kind in {"WEBP lossless", "WEBP lossy"}
        else "30000 × 30000 pixels are 900.0"
    )
    assert f"{size} megapixels, more than max_megapixels=64; make the picture smaller, or raise the limit" in message


@pytest.mark.parametrize("kind", HUGE)
def test_bombs_between_the_two_limits_of_pillow_do_not_make_it_warn(kind: str) -> None:
    w, h = (10_000, 10_000) if kind not in {"WEBP lossless", "WEBP lossy"} else (0, 0)
    with no_bomb_warning():
        assert "megapixels, more than max_megapixels=64" in refusal(_huge(kind, w, h))


@pytest.mark.parametrize("name", FILES)
def test_the_limit_is_inclusive_and_can_be_raised(name: str) -> None:
    exact = 12 * 17 / 1e6
    np.testing.assert_array_equal(read_image(FILES[name], max_megapixels=exact), PIXELS[name])
    assert "more than max_megapixels=0.0002" in refusal(FILES[name], max_megapixels=0.0002)


@pytest.mark.parametrize("name", FILES)
def test_only_max_megapixels_limits_the_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow would warn above 20 pixels and refuse above 40
    with no_bomb_warning():
        np.testing.assert_array_equal(read_image(FILES[name]), PIXELS[name])
    assert Image.MAX_IMAGE_PIXELS == 20


def test_threads_share_pillows_limit_without_losing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    names = ["tiff", "gif animated", "webp lossless", "png"] * 20
    with ThreadPoolExecutor(4) as pool:
        for name, pixels in zip(names, pool.map(lambda name: read_image(FILES[name]), names), strict=True):
            np.testing.assert_array_equal(pixels, PIXELS[name])
    assert Image.MAX_IMAGE_PIXELS == 20


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_an_impossible_limit_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match="max_megapixels must be above 0, got"):
        read_image(FILES["png"], max_megapixels=limit)


def test_files_that_are_none(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.jpg").endswith("no.jpg: no such file.")
    assert "a folder, not an image file" in refusal(tmp_path)
    (tmp_path / "empty.jpg").touch()
    assert "the file is empty" in refusal(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("this is not a photo")
    assert "this is text, not an image" in refusal(tmp_path / "text.jpg")
    assert "the file is empty" in refusal(b"")
    assert "cannot be read (Not a directory)" in refusal(tmp_path / "text.jpg" / "photo.jpg")


def test_names_that_cannot_be() -> None:
    with pytest.raises(DataError, match=r"^'a\\x00b': not a possible file name\.$"):
        read_image("a\0b")
    with pytest.raises(DataError, match="File name too long"):
        read_image("x" * 5000)
    with pytest.raises(DataError, match=r"no such file; images are not fetched from the web, download it first\.$"):
        read_image("https://example.org/photo.jpg")
    with pytest.raises(DataError, match="images are not fetched from the web"):
        read_image(Path("https://example.org/photo.jpg"))  # a path has one stroke less


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(FILES["png"])

    def locked(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", locked)  # a mode of 000 would not stop a test that runs as root
    assert refusal(path).endswith("locked.png: cannot be read (Permission denied).")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "not a regular file" in refusal(tmp_path / "pipe.jpg")
    assert "not a regular file" in refusal("/dev/zero")


def test_a_name_of_two_lines_stays_on_one(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines.jpg"
    path.touch()
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


RAISED = [
    MemoryError(),
    SyntaxError("broken\nheader"),
    struct.error("unpack requires a buffer"),
    OverflowError("too large"),
    zlib.error("Error -3"),
    ZeroDivisionError(),
    RecursionError("deep"),
    Image.DecompressionBombError("bomb"),
    OSError(5, "Input/output error"),
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_a_decoder_raises_becomes_one_line(
    raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(stream: object) -> None:
        raise raised

    monkeypatch.setitem(decode._DECODERS, "PNG", broken)
    path = tmp_path / "photo.png"
    path.write_bytes(FILES["png"])
    message = refusal(path)
    assert "not enough memory" in message if isinstance(raised, MemoryError) else "cannot be decoded" in message


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_refused_and_never_half_a_picture(name: str) -> None:
    file = FILES[name]
    for end in range(len(file)):
        result = pixels_or_refusal(file[:end])
        if not isinstance(result, str):  # only an end mark or metadata are missing
            np.testing.assert_array_equal(result, PIXELS[name])
            assert end > len(file) // 2


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=12),
    cut=st.integers(0, 200),
)
def test_damaged_files_give_pixels_or_a_data_error(name: str, changes: list[tuple[int, int]], cut: int) -> None:
    file = bytearray(FILES[name])
    for at, value in changes:
        file[at % len(file)] ^= value
    pixels_or_refusal(bytes(file[: len(file) - cut]))


MAGIC = [b"", *sorted({file[:12] for file in FILES.values()})]


@settings(max_examples=300, deadline=None)
@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=300))
def test_random_bytes_give_pixels_or_a_data_error(magic: bytes, rest: bytes) -> None:
    pixels_or_refusal(magic + rest)

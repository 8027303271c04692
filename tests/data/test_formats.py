"""Files are known by their first bytes, and what is not read is answered with the way out."""

import struct
from io import BytesIO

import pytest
from PIL import Image

from striate.data import read_image
from striate.data.formats import declared_size, explain_foreign, recognize
from striate.errors import DataError
from tests.data.samples import every_format, gradient, saved


def test_every_format_is_recognized() -> None:
    for name, file in every_format().items():
        assert recognize(file) == name.split()[0].upper()


FOREIGN = [
    (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC photo.*pip install pillow-heif"),
    (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1", "HEIC photo"),
    (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avif", r"AVIF image; convert it first: python -c .*PIL"),
    (b"\x00\x00\x00\x18ftypcrx \x00\x00", "camera's raw data; develop it first"),
    (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "camera's raw data"),
    (b"FUJIFILMCCD-RAW 0201", "camera's raw data"),
    (b"\x00\x00\x00\x18ftypmp42\x00\x00", "video; save a frame"),
    (b"\x00\x00\x00\x14ftypqt  ", "video; save a frame"),
    (b"\x1aE\xdf\xa3\x01\x00\x00\x00", "video; save a frame"),
    (b"RIFF\x10\x00\x00\x00AVI LIST", "video; save a frame"),
    (b"%PDF-1.7\n", "PDF document; save a page"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    (b"8BPS\x00\x01", "Photoshop"),
    (b"\x00\x00\x01\x00\x01\x00", "icon"),
    (b"P6\n2 2\n255\n", "not read; convert it first"),
    (b"\xff\x0a\xfa", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"PK\x03\x04\x14\x00", "archive; unpack"),
    (b"\x93NUMPY\x01\x00", "array of numbers"),
    (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg">', "SVG drawing; draw it first"),
    (b"\xef\xbb\xbf<svg width='3'>", "SVG drawing"),
    (b"<!DOCTYPE html>\n<html><title>404</title>", "web page .*download it again"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer.* git lfs pull"),
    (b"BMW makes cars, but this is no bitmap", "text, not an image"),
    ("naïve".encode(), "text, not an image"),
    (b"\x00\x01\x02\x03", "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"),
    (b"\xff\xd8", "not a JPEG, PNG"),
]


@pytest.mark.parametrize(("head", "answer"), FOREIGN)
def test_foreign_files_are_answered_with_the_way_out(head: bytes, answer: str) -> None:
    assert recognize(head) is None
    with pytest.raises(DataError, match=rf"^image of {len(head)} bytes: this is .*{answer}") as caught:
        read_image(head)
    assert "\n" not in str(caught.value)


def test_avif_that_pillow_itself_could_read_is_still_refused() -> None:
    with pytest.raises(DataError, match="AVIF image"):
        read_image(saved(gradient(), "AVIF"))


def test_a_long_text_is_text_though_cut_in_the_middle_of_a_letter() -> None:
    assert explain_foreign(("a" + "é" * 1000).encode()[:1024]) == "text, not an image"


def test_camera_raw_in_a_tiff_is_not_its_thumbnail() -> None:
    image = Image.fromarray(gradient())
    with pytest.raises(DataError, match="camera's raw data"):
        read_image(saved(image, "TIFF", tiffinfo={50706: b"\x01\x04\x00\x00"}))
    with pytest.raises(DataError, match="camera's raw data"):
        read_image(saved(image, "TIFF", tiffinfo={254: 1, 330: 8}))
    assert read_image(saved(image, "TIFF", tiffinfo={254: 1})).shape == (12, 17, 3)  # a plain thumbnail is an image


def test_declared_size_is_what_pillow_finds() -> None:
    for name, file in every_format().items():
        kind = name.split()[0].upper()
        expected = Image.open(BytesIO(file)).size[::-1] if kind in {"GIF", "WEBP"} else (0, 0)
        assert declared_size(kind, BytesIO(file)) == expected


def test_declared_size_of_a_gif_whose_frame_is_larger_than_its_screen() -> None:
    head = b"GIF89a" + struct.pack("<HHBBB", 3, 3, 0x80, 0, 0) + bytes(6)
    comment = b"!\xfe\x02hi\x00"
    frame = b"," + struct.pack("<HHHH", 4, 5, 60000, 2)
    assert declared_size("GIF", BytesIO(head + comment + frame)) == (7, 60004)
    assert declared_size("GIF", BytesIO(head)) == (3, 3)
    assert declared_size("GIF", BytesIO(head[:8])) == (0, 0)

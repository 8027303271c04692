"""Sizes and turns from the header are those that the decoder finds."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from striate.data.decode import read_image
from striate.data.picture_header import PictureHeader, read_picture_header, upright_boxes
from striate.errors import DataError
from tests.data.samples import every_format, gradient


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_the_picture(kind, orientation, tmp_path):
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[4:12, 8:30] = 255
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / "a"
    Image.fromarray(pixels).save(path, kind, exif=exif)
    header = read_picture_header(path)
    seen = read_image(path)
    assert header == PictureHeader((40, 60), orientation)
    assert header.upright == seen.shape[:2]
    bright = seen[..., 0] > 127
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert upright_boxes(np.array([[8.0, 4, 30, 12]]), header).tolist() == [found]


@pytest.mark.parametrize("name", every_format())
def test_every_format_says_its_size(name, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(every_format()[name])
    assert read_picture_header(path).upright == read_image(path).shape[:2]


def test_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_picture_header(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="not a regular file"):
        read_picture_header(tmp_path)
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.jpg: the file is empty"):
        read_picture_header(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError, match="a web page"):
        read_picture_header(tmp_path / "c.jpg")
    buffer = BytesIO()
    Image.fromarray(gradient()).save(buffer, "PNG")
    (tmp_path / "d.png").write_bytes(buffer.getvalue()[:20])
    with pytest.raises(DataError, match=r"d\.png: the PNG data cannot be decoded"):
        read_picture_header(tmp_path / "d.png")

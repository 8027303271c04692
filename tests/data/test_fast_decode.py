"""Quick ways to pixels: the exact one is Pillow's to the level, for every kind of file; the fast one is near."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.data import fast_decode
from striate.data.augment import Cut, Draws, PadCrop, RandomResizedCrop, render_cut
from striate.data.decode import read_image
from striate.data.fast_decode import decode_cut, decode_pixels, fast_cut, one_opencv_thread
from striate.data.jpeg_header import read_jpeg_header, upper_part
from striate.data.preprocessing import Preprocessing
from striate.errors import DataError
from tests.data.samples import every_format, gradient, saved

needs_simplejpeg = pytest.mark.skipif(
    fast_decode._simplejpeg is None, reason="needs simplejpeg: pip install 'striate[fast]'"
)
needs_opencv = pytest.mark.skipif(fast_decode._cv2 is None, reason="needs OpenCV: pip install 'striate[proposals]'")


DECODERS = {
    "exact": lambda data, geometry, draws: decode_pixels(data),
    "fast": lambda data, geometry, draws: decode_cut(data, geometry, draws, 0),
}


def photo(h=300, w=400, seed=0):
    """Smooth, with some detail: as photos are."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((w, h), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + rng.integers(-6, 7, (h, w, 3)), 0, 255).astype(np.uint8)


def turned(data_of, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return saved(data_of, "JPEG", quality=90, exif=exif)


def jpegs():
    """Ordinary and rare JPEGs by name."""
    picture = photo(61, 90)
    image = Image.fromarray(picture)
    files = {f"subsampling {s}": saved(image, "JPEG", quality=88, subsampling=s) for s in (0, 1, 2)}
    files["gray"] = saved(image.convert("L"), "JPEG", quality=90)
    files["progressive"] = saved(image, "JPEG", progressive=True)
    files["CMYK"] = saved(image.convert("CMYK"), "JPEG")
    files["RGB inside"] = saved(image, "JPEG", keep_rgb=True)
    files["restarts"] = saved(image, "JPEG", restart_marker_rows=1)
    files["one pixel"] = saved(picture[:1, :1], "JPEG")
    files["one column"] = saved(picture[:, :1], "JPEG")
    files["rubbish after the end"] = files["gray"] + b"\0" * 50 + b"thanks"
    files |= {f"orientation {n}": turned(image, n) for n in range(1, 9)}
    files["orientation 99"] = turned(image, 99)
    files["damaged in the middle"] = _damaged(files["subsampling 2"])
    files["XMP"] = _with_segment(
        files["gray"], 0xE1, b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="6"></x:xmpmeta>'
    )
    files["two EXIF segments"] = _with_segment(files["orientation 6"], 0xE1, b"Exif\0\0MM\0*")
    files["damaged EXIF"] = _with_segment(files["gray"], 0xE1, b"Exif\0\0nothing")
    return files


def _damaged(data):
    middle = len(data) * 2 // 3
    return data[:middle] + bytes(40) + data[middle + 40 :]


def _with_segment(data, kind, body):
    return data[:2] + bytes([0xFF, kind]) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


@pytest.mark.parametrize("name", list(jpegs()))
def test_exact_pixels_of_every_kind_of_jpeg_are_read_images(name):
    data = jpegs()[name]
    np.testing.assert_array_equal(decode_pixels(data), read_image(data))


@pytest.mark.parametrize("name", list(every_format()))
def test_exact_pixels_of_every_other_format_are_read_images(name):
    data = every_format()[name]
    np.testing.assert_array_equal(decode_pixels(data), read_image(data))


@given(h=st.integers(1, 70), w=st.integers(1, 70), quality=st.integers(5, 100), subsampling=st.integers(0, 2))
@settings(max_examples=60)
def test_exact_pixels_of_any_size_and_quality_are_read_images(h, w, quality, subsampling):
    data = saved(photo(h, w, seed=h * w), "JPEG", quality=quality, subsampling=subsampling)
    np.testing.assert_array_equal(decode_pixels(data), read_image(data))


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("cut_at", [0, 2, 100, 700, -2, -40])
def test_a_file_that_is_cut_short_is_refused_by_both_as_by_read_image(decode, cut_at):
    data = saved(photo(200, 300), "JPEG", quality=90)[:cut_at]
    with pytest.raises(DataError) as expected:
        read_image(data)
    for index in range(20 if decode == "fast" else 1):
        with pytest.raises(DataError) as got:
            DECODERS[decode](data, RandomResizedCrop((32, 32)), Draws(0, 0, [index]))
        assert str(got.value) == str(expected.value)


def test_giants_are_refused_from_their_header():
    data = saved(photo(200, 300), "JPEG")
    for call in (
        lambda: decode_pixels(data, max_megapixels=0.05),
        lambda: decode_cut(data, RandomResizedCrop((8, 8)), Draws(0, 0, [0]), 0, max_megapixels=0.05),
    ):
        with pytest.raises(DataError, match="more than max_megapixels"):
            call()


@needs_simplejpeg
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@given(rows=st.integers(1, 200))
@settings(max_examples=25)
def test_the_upper_part_of_a_file_decodes_to_the_upper_part_of_the_photo(subsampling, rows):
    data = saved(photo(200, 150), "JPEG", quality=85, subsampling=subsampling, restart_marker_rows=rows % 2)
    header = read_jpeg_header(data)
    part = fast_decode._simplejpeg.decode_jpeg(upper_part(data, header, rows), strict=False)
    assert len(part) >= rows
    np.testing.assert_array_equal(part[:rows], read_image(data)[:rows])


def test_only_whole_files_of_simple_rows_are_cut():
    data = saved(photo(200, 150), "JPEG")
    header = read_jpeg_header(data)
    assert upper_part(data, header, 20) is not data
    assert upper_part(data, header, 190) is data
    assert upper_part(data[:-2], header, 20) == data[:-2]
    progressive = saved(photo(200, 150), "JPEG", progressive=True)
    assert upper_part(progressive, read_jpeg_header(progressive), 20) is progressive


def test_headers_say_what_pillow_says():
    for name, data in jpegs().items():
        header = read_jpeg_header(data)
        image = Image.open(io.BytesIO(data))
        if header is None:
            assert name in {"CMYK", "RGB inside", "XMP", "two EXIF segments"}
        else:
            assert (header.height, header.width) == (image.height, image.width)
            assert header.upright_size == read_image(data).shape[:2]
    assert read_jpeg_header(b"\xff\xd8\xff") is None
    assert read_jpeg_header(saved(gradient(), "PNG")) is None


@given(data=st.binary(max_size=80))
def test_any_bytes_have_a_header_or_none(data):
    read_jpeg_header(b"\xff\xd8\xff" + data)


@given(at=st.integers(2, 700), value=st.integers(0, 255))
def test_a_wrong_byte_anywhere_gives_pixels_or_a_data_error(at, value):
    data = bytearray(saved(photo(40, 50), "JPEG"))
    data[at % len(data)] = value
    geometry, draws = RandomResizedCrop((16, 16)), Draws(0, 0, [at])
    try:
        expected = read_image(bytes(data))
    except DataError:
        with pytest.raises(DataError):
            decode_pixels(bytes(data))
        return
    np.testing.assert_array_equal(decode_pixels(bytes(data)), expected)
    assert decode_cut(bytes(data), geometry, draws, 0).shape == (16, 16, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(300, 400), (1200, 900)])
def test_fast_cuts_are_near_to_exact_ones_however_the_camera_was_held(orientation, size):
    data, geometry = turned(Image.fromarray(photo(*size)), orientation), RandomResizedCrop((64, 64))
    draws = Draws(0, 0, np.arange(6))
    for row in range(6):
        difference = np.abs(decode_cut(data, geometry, draws, row).astype(int) - geometry(read_image(data), draws, row))
        assert difference.mean() < 5


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png", "astronaut.png"])
@pytest.mark.parametrize("size", [(500, 375), (1920, 1080)])
def test_fast_cuts_of_real_photos_are_within_six_levels(photo_path, name, size):
    image = Image.open(photo_path(name)).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    data, geometry = saved(image, "JPEG", quality=90), RandomResizedCrop((224, 224))
    draws = Draws(0, 0, np.arange(8))
    differences = [
        np.abs(decode_cut(data, geometry, draws, row).astype(int) - geometry(read_image(data), draws, row)).mean()
        for row in range(8)
    ]
    assert np.mean(differences) < 4
    assert max(differences) < 6


def test_without_the_quick_libraries_the_answers_are_the_same_or_nearer(monkeypatch):
    data, geometry = saved(photo(900, 1200), "JPEG"), RandomResizedCrop((64, 64))
    draws = Draws(0, 0, np.arange(4))
    exact = decode_pixels(data)
    fast = [decode_cut(data, geometry, draws, row).astype(int) for row in range(4)]
    monkeypatch.setattr(fast_decode, "_simplejpeg", None)
    monkeypatch.setattr(fast_decode, "_cv2", None)
    np.testing.assert_array_equal(decode_pixels(data), exact)
    for row in range(4):
        core = decode_cut(data, geometry, draws, row)
        assert np.abs(core - fast[row]).mean() < 5
        assert np.abs(core.astype(int) - geometry(exact, draws, row)).mean() < 4
    with one_opencv_thread():
        pass


@needs_opencv
@given(h=st.integers(1, 150), w=st.integers(1, 150), index=st.integers(0, 50))
@settings(max_examples=60)
def test_fast_cuts_exist_for_every_size(h, w, index):
    draws = Draws(0, 0, [index])
    for geometry in (RandomResizedCrop((24, 20)), PadCrop(Preprocessing(input_size=(24, 20), resize=24))):
        cut = geometry.cut((h, w), draws, 0)
        assert fast_cut(photo(h, w), cut).shape == (24, 20, 3)


@needs_opencv
def test_a_fast_cut_keeps_the_mean_and_the_place():
    pixels = photo(512, 640)
    for box in ((10, 20, 600, 500), (3.3, 7.7, 120.2, 99.1), (100, 100, 101, 101)):
        cut = Cut(box, (64, 64), flip=True)
        ours, exact = fast_cut(pixels, cut).astype(int), render_cut(pixels, cut)
        assert np.abs(ours - exact).mean() < 8
        assert abs(ours.mean() - exact.mean()) < 1.5


@needs_opencv
def test_opencv_gets_its_threads_back_after_the_last_user():
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    three = cv2.getNumThreads()
    try:
        with one_opencv_thread():
            assert cv2.getNumThreads() == 1
            with one_opencv_thread():
                assert cv2.getNumThreads() == 1
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == three
    finally:
        cv2.setNumThreads(before)

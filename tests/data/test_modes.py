"""Every way of storing pixels gives the colors that were meant."""

import struct
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striate.data import read_image
from striate.data.modes import rgb_pixels
from striate.errors import DataError
from tests.data.samples import gradient, png, saved

U8 = NDArray[np.uint8]
LOSSLESS = [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]


def gray(levels: list[int]) -> list[list[int]]:
    return [[level] * 3 for level in levels]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_give_the_very_pixels(kind: str, options: dict[str, object]) -> None:
    pixels = gradient(23, 31)
    read = read_image(saved(pixels, kind, **options))
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    assert read.flags.writeable
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 95})])
def test_lossy_formats_are_close(kind: str, options: dict[str, object]) -> None:
    y, x = np.mgrid[:64, :48]
    pixels = np.stack([y * 3, x * 4, (x + y) * 2], axis=-1).astype(np.uint8)
    read = read_image(saved(pixels, kind, **options)).astype(int)
    assert np.abs(read - pixels).mean() < 3  # a swapped channel differs by tens


# How the stored picture has to lie so that the tag turns it upright, in NumPy's words (EXIF 2.32, tag 274).
STORED = {
    1: lambda up: up,
    2: np.fliplr,
    3: lambda up: np.rot90(up, 2),
    4: np.flipud,
    5: lambda up: up.transpose(1, 0, 2),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up, 2).transpose(1, 0, 2),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("JPEG", {})])
def test_all_eight_orientations_are_upright(kind: str, options: dict[str, object], orientation: int) -> None:
    upright = gradient(24, 40)
    stored = np.ascontiguousarray(STORED[orientation](upright))
    exif = Image.Exif()
    exif[274] = orientation
    read = read_image(saved(stored, kind, exif=exif, **options))
    assert read.shape == upright.shape
    if kind == "JPEG":
        assert np.abs(read.astype(int) - upright).mean() < 12  # the blue corner bleeds; a wrong turn differs by > 60
    else:
        np.testing.assert_array_equal(read, upright)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_impossible_orientations_are_none(value: int) -> None:
    exif = Image.Exif()
    exif[274] = value
    np.testing.assert_array_equal(read_image(saved(gradient(), "PNG", exif=exif)), gradient())


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow says so
def test_damaged_exif_does_not_cost_the_photo() -> None:
    photo = saved(gradient(), "PNG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(photo), gradient())


def test_cmyk_jpeg_is_taken_as_adobe_stores_it_with_and_without_the_tag() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[...] = (200, 100, 50)
    adobe = saved(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=100)  # Pillow writes it as Adobe does
    np.testing.assert_allclose(read_image(adobe)[8, 8], (200, 100, 50), atol=2)
    at = adobe.index(b"\xff\xee")  # APP14, Adobe's tag
    (length,) = struct.unpack_from(">H", adobe, at + 2)
    plain = adobe[:at] + adobe[at + 2 + length :]
    np.testing.assert_allclose(read_image(plain)[8, 8], (200, 100, 50), atol=2)


def test_cmyk_tiff() -> None:
    ink = Image.new("CMYK", (2, 1))
    ink.putdata([(0, 255, 255, 0), (0, 0, 0, 255)])
    assert read_image(saved(ink, "TIFF")).tolist() == [[[255, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_one_bit(kind: str) -> None:
    image = Image.new("1", (3, 1))
    image.putdata([0, 1, 0])
    assert read_image(saved(image, kind)).tolist() == [gray([0, 255, 0])]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(kind: str) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([0, 0, 0, 250, 10, 20, 0, 120, 240])
    image.putdata([1, 2, 0])
    assert read_image(saved(image, kind)).tolist() == [[[250, 10, 20], [0, 120, 240], [0, 0, 0]]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_clear_palette_entry_is_white(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 250, 10, 20])
    image.putdata([0, 1])
    assert read_image(saved(image, kind, transparency=0)).tolist() == [[[255, 255, 255], [250, 10, 20]]]


def test_a_half_clear_palette_entry_is_blended() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putdata([0, 1])
    read = read_image(saved(image, "PNG", transparency=bytes([128, 255])))
    assert read.tolist() == [[[127, 127, 127], [255, 0, 0]]]


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_alpha_is_laid_on_white(kind: str, options: dict[str, object]) -> None:
    rgba = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [200, 100, 0, 51]]], np.uint8)
    read = read_image(saved(rgba, kind, **options))
    expected = np.rint(rgba[..., :3] * (rgba[..., 3:] / 255) + 255 * (1 - rgba[..., 3:] / 255))
    np.testing.assert_allclose(read, expected, atol=1)
    assert read[0, :2].tolist() == gray([255, 0])


def test_gray_with_alpha() -> None:
    la = Image.new("LA", (2, 1))
    la.putdata([(10, 255), (10, 0)])
    assert read_image(saved(la, "PNG")).tolist() == [gray([10, 255])]
    assert rgb_pixels(la).tolist() == [gray([10, 255])]


@pytest.mark.parametrize(
    ("depth", "color", "row", "key", "expected"),
    [
        (1, 0, b"\x40", struct.pack(">H", 0), gray([255, 255])),  # pixels 0 1, clear 0
        (1, 0, b"\x40", struct.pack(">H", 1), gray([0, 255])),
        (2, 0, b"\x60", struct.pack(">H", 1), gray([255, 170])),  # pixels 1 2, clear 1
        (4, 0, b"\x3c", struct.pack(">H", 3), gray([255, 204])),  # pixels 3 12, clear 3
        (8, 0, b"\x07\x08", struct.pack(">H", 7), gray([255, 8])),
        (16, 0, b"\x01\x00\x01\x01", struct.pack(">H", 256), gray([255, 1])),  # levels 256 257: 257 is level 1 of 255
        (8, 2, b"\x01\x02\x03\x01\x02\x04", struct.pack(">3H", 1, 2, 3), [[255] * 3, [1, 2, 4]]),
        (
            16,
            2,
            bytes([9, 0, 8, 0, 7, 0, 9, 0, 8, 0, 6, 0]),
            struct.pack(">3H", 2304, 2048, 1792),
            [[255] * 3, [9, 8, 6]],
        ),
    ],
)
def test_png_color_keys(depth: int, color: int, row: bytes, key: bytes, expected: list[list[int]]) -> None:
    file = png([row], width=2, depth=depth, color=color, chunks=((b"tRNS", key),))
    assert read_image(file).tolist() == [expected]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_gray_is_scaled_and_not_clamped(kind: str) -> None:
    deep = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], np.uint16)
    expected = [0, 0, 1, 1, 128, 255, 255]  # round(level / 257)
    assert read_image(saved(Image.fromarray(deep), kind)).tolist() == [gray(expected)]


def test_sixteen_bit_gray_big_endian_tiff() -> None:
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 65535, 25700))
    assert read_image(saved(image, "TIFF")).tolist() == [gray([255, 100])]


def test_sixteen_bit_gray_tiff_with_white_at_zero() -> None:
    deep = Image.fromarray(np.array([[0, 65535, 25700]], np.uint16))
    assert read_image(saved(deep, "TIFF", tiffinfo={262: 0})).tolist() == [gray([255, 0, 155])]


def tiff(width: int, bits: tuple[int, ...], data: bytes, *, photometric: int, sample_format: int = 1) -> bytes:
    """A little-endian, uncompressed TIFF of one row."""
    many = struct.pack(f"<{len(bits)}H", *bits)
    after = 8 + 2 + 12 * 10 + 4
    bits_value = many.ljust(4, b"\0") if len(many) <= 4 else struct.pack("<I", after)
    extra = many if len(many) > 4 else b""
    entries = [
        (256, 3, 1, struct.pack("<HH", width, 0)),
        (257, 3, 1, struct.pack("<HH", 1, 0)),
        (258, 3, len(bits), bits_value),
        (259, 3, 1, struct.pack("<HH", 1, 0)),
        (262, 3, 1, struct.pack("<HH", photometric, 0)),
        (273, 4, 1, struct.pack("<I", after + len(extra))),
        (277, 3, 1, struct.pack("<HH", len(bits), 0)),
        (278, 3, 1, struct.pack("<HH", 1, 0)),
        (279, 4, 1, struct.pack("<I", len(data))),
        (339, 3, 1, struct.pack("<HH", sample_format, 0)),
    ]
    directory = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 0) + extra + data


def test_twelve_bit_gray_tiff() -> None:
    packed = bytes([0xFF, 0xF0, 0x00, 0x80, 0x00, 0x00])  # 4095, 0, 2048 and padding
    assert read_image(tiff(3, (12,), packed, photometric=1)).tolist() == [gray([255, 0, 128])]


def test_sixteen_bit_color_keeps_the_upper_bits() -> None:
    levels = (65535, 0, 32768, 255, 256, 511)
    expected = [[[255, 0, 128], [0, 1, 1]]]
    assert read_image(png([struct.pack(">6H", *levels)], width=2, depth=16, color=2)).tolist() == expected
    assert read_image(tiff(2, (16, 16, 16), struct.pack("<6H", *levels), photometric=2)).tolist() == expected


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(np.linspace(0, 1, 4, dtype=np.float32).reshape(2, 2)), "floating point"),
        (Image.fromarray(np.arange(4, dtype=np.int32).reshape(2, 2)), "32-bit or signed"),
    ],
)
def test_pixels_without_a_fixed_white_are_refused(image: Image.Image, kind: str) -> None:
    message = f"{kind} pixels have no fixed white; scale them to 0..255"
    with pytest.raises(DataError, match=rf"^image of \d+ bytes: {message}"):
        read_image(saved(image, "TIFF"))
    with pytest.raises(DataError, match=rf"^Pillow image: {message}"):
        rgb_pixels(image)


def test_lab_tiff() -> None:
    lab = Image.fromarray(np.full((2, 2, 3), (200, 100, 50), np.uint8)).convert("LAB")
    np.testing.assert_allclose(read_image(saved(lab, "TIFF"))[0, 0], (200, 100, 50), atol=8)


def test_a_bitmap_whose_alpha_was_never_written_is_opaque() -> None:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, 1, 1, 1, 32, 3, 4, 0, 0, 0, 0) + masks + bytes(108 - 56)
    header = struct.pack("<2sIHHI", b"BM", 14 + 108 + 4, 0, 0, 14 + 108)
    for alpha, expected in ((0, [50, 100, 200]), (255, [50, 100, 200]), (51, [214, 224, 244])):
        assert read_image(header + info + bytes([200, 100, 50, alpha])).tolist() == [[expected]]


def test_the_first_frame_of_an_animation() -> None:
    first, second = (Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (40, 200))
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})):
        file = saved(first, kind, save_all=True, append_images=[second], **options)
        assert read_image(file)[0, 0].tolist() == [40, 40, 40]


def test_color_profiles_are_not_applied() -> None:
    from PIL import ImageCms

    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    pixels = gradient()
    np.testing.assert_array_equal(read_image(saved(pixels, "PNG", icc_profile=lab)), pixels)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I;16"]
)
def test_every_pillow_mode_gives_rgb(mode: str) -> None:
    pixels = rgb_pixels(Image.new(mode, (3, 2)))
    assert pixels.shape == (2, 3, 3)
    assert pixels.dtype == np.uint8


def test_pillow_images_are_turned_and_left_alone() -> None:
    exif = Image.Exif()
    exif[274] = 6
    image = Image.open(BytesIO(saved(gradient(4, 6), "PNG", exif=exif)))
    np.testing.assert_array_equal(rgb_pixels(image), np.rot90(gradient(4, 6), -1))
    assert image.size == (6, 4)

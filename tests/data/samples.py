"""Small files in every format and mode that is read; byte by byte where Pillow does not write them."""

import struct
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["every_format", "gradient", "png", "saved"]


def gradient(h: int = 12, w: int = 17) -> NDArray[np.uint8]:
    """A picture without any symmetry: red grows downwards, green to the right, one corner is blue."""
    y, x = np.mgrid[:h, :w]
    pixels = np.stack([y * 255 // max(h - 1, 1), x * 255 // max(w - 1, 1), np.zeros_like(y)], axis=-1).astype(np.uint8)
    pixels[: max(h // 3, 1), : max(w // 3, 1), 2] = 255
    return pixels


def saved(image: Image.Image | NDArray[np.uint8], kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def png(
    rows: list[bytes],
    *,
    width: int,
    depth: int,
    color: int,
    height: int | None = None,
    chunks: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """A PNG of any depth and color type (0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGBA), rows as packed bytes."""
    header = struct.pack(">IIBBBBB", width, height or len(rows), depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\x00" + row for row in rows))
    parts = ((b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body)) for tag, body in parts
    )


def every_format() -> dict[str, bytes]:
    """One valid file for each way in which the six formats store pixels."""
    rgb = gradient()
    image = Image.fromarray(rgb)
    gray = image.convert("L")
    palette = image.quantize(16)
    clear = palette.copy()
    clear.info["transparency"] = 3
    rgba = image.convert("RGBA")
    rgba.putalpha(gray)
    exif = Image.Exif()
    exif[274] = 6
    deep = Image.fromarray(rgb[:, :, 1].astype(np.uint16) * 257)
    return {
        "jpeg": saved(image, "JPEG", quality=90),
        "jpeg progressive": saved(image, "JPEG", progressive=True, subsampling=2),
        "jpeg gray": saved(gray, "JPEG"),
        "jpeg cmyk": saved(image.convert("CMYK"), "JPEG"),
        "jpeg exif": saved(image, "JPEG", exif=exif),
        "png": saved(image, "PNG"),
        "png gray": saved(gray, "PNG"),
        "png 1 bit": saved(gray.convert("1"), "PNG"),
        "png 16 bit": saved(deep, "PNG"),
        "png palette": saved(palette, "PNG"),
        "png palette clear": saved(clear, "PNG"),
        "png rgba": saved(rgba, "PNG"),
        "png gray alpha": saved(rgba.convert("LA"), "PNG"),
        "png exif": saved(image, "PNG", exif=exif),
        "gif": saved(palette, "GIF"),
        "gif clear": saved(clear, "GIF", transparency=3),
        "gif animated": saved(palette, "GIF", save_all=True, append_images=[palette.rotate(180)], disposal=2),
        "bmp": saved(image, "BMP"),
        "bmp palette": saved(palette, "BMP"),
        "bmp 1 bit": saved(gray.convert("1"), "BMP"),
        "webp": saved(image, "WEBP", quality=90),
        "webp lossless": saved(image, "WEBP", lossless=True),
        "webp alpha": saved(rgba, "WEBP", exif=exif),
        "webp animated": saved(image, "WEBP", save_all=True, append_images=[image.rotate(180)]),
        "tiff": saved(image, "TIFF"),
        "tiff lzw": saved(image, "TIFF", compression="tiff_lzw"),
        "tiff deflate": saved(rgba, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": saved(image, "TIFF", compression="jpeg"),
        "tiff fax": saved(gray.convert("1"), "TIFF", compression="group4"),
        "tiff 16 bit": saved(deep, "TIFF"),
        "tiff cmyk": saved(image.convert("CMYK"), "TIFF"),
        "tiff lab": saved(image.convert("LAB"), "TIFF"),
        "tiff palette": saved(palette, "TIFF"),
        "tiff turned": saved(image, "TIFF", tiffinfo={274: 6}),
    }

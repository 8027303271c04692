"""Which format a file has, by its first bytes: names lie.

Six formats are read. What else people try to open is recognized, to say what it is and how to make a readable picture
of it; guessing further than that would hand hostile bytes to decoders that nobody asked for.
"""

import re
import struct
from io import BufferedReader, BytesIO

__all__ = ["CAMERA_RAW", "HEAD_BYTES", "declared_size", "explain_foreign", "recognize"]

HEAD_BYTES = 1024

_READ = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("GIF", rb"GIF8[79]a"),
    ("WEBP", rb"RIFF....WEBP"),
    ("BMP", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00"),
    ("TIFF", rb"II[*+]\x00|MM\x00[*+]"),
)

_HEIF_BRANDS = rb"hei[cmsx]|hev[cmsx]|mif[12]|msf1"
_PILLOW = "python -c \"from PIL import Image; Image.open('IN').save('OUT.png')\""
_HEIF = "python -c \"import pillow_heif as p; p.open_heif('IN').to_pillow().save('OUT.png')\""
_EXPORT = "export it as JPEG or PNG from the program that made it"
CAMERA_RAW = (
    "a camera's raw data; develop it first, for example with darktable-cli IN OUT.jpg, or use the JPEG beside it"
)
_FRAME = "a video; save a frame of it first, for example with ffmpeg -i IN -frames:v 1 OUT.png"

# What it is and the way out, in the order of trying: (pattern of the first bytes, sentence).
_FOREIGN = (
    (
        rb"....ftyp(" + _HEIF_BRANDS + rb")",
        f"a HEIC photo; convert it first: pip install pillow-heif, then {_HEIF} (or magick IN OUT.jpg)",
    ),
    (rb"....ftypavi[fs]", f"an AVIF image; convert it first: {_PILLOW}"),
    (rb"....ftypcrx |II\*\x00....CR|FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\x00|FOVb|\x00MRM", CAMERA_RAW),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\x00\x00\x01[\xb3\xba]|FLV\x01|OggS|....(moov|mdat|wide)", _FRAME),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "a JPEG XL image; convert it first, for example with djxl IN OUT.png"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", f"a JPEG 2000 image; convert it first: {_PILLOW}"),
    (rb"%PDF", "a PDF document; save a page of it as a picture first, for example with pdftoppm -png IN OUT"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", f"a PostScript drawing; {_EXPORT}"),
    (rb"8BPS", f"a Photoshop document; {_EXPORT}"),
    (rb"gimp xcf", f"a GIMP document; {_EXPORT}"),
    (rb"\x76\x2f\x31\x01|#\?RAD|#\?RGBE", f"a high dynamic range image, which has no fixed white; {_EXPORT}"),
    (rb"\x00\x00[\x01\x02]\x00", f"an icon; convert it first: {_PILLOW}"),
    (rb"P[1-6]\s+[#0-9]|P7\n|P[fF]\n|qoif", f"an image of a kind that is not read; convert it first: {_PILLOW}"),
    (
        rb"PK\x03\x04|PK\x05\x06|\x1f\x8b|7z\xbc\xaf\x27\x1c|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd",
        "an archive; unpack it first",
    ),
    (rb"\x93NUMPY|\x89HDF|CDF\x01|SIMPLE  =", "an array of numbers; load it and pass uint8 pixels h w 3"),
)

_FOREIGN_TEXT = (
    (r"version https://git-lfs", "a Git LFS pointer, not the image; run git lfs pull"),
    (
        r"(<\?xml.*?)?(<!--.*?-->\s*)*(<!DOCTYPE svg|<svg)",
        "an SVG drawing; draw it first, for example with rsvg-convert IN -o OUT.png",
    ),
    (
        r"<!doctype html|<html|<head|<body",
        "a web page (often an error page that was saved in place of the image); download it again",
    ),
)


def recognize(head: bytes) -> str | None:
    """`JPEG`, `PNG`, `GIF`, `WEBP`, `BMP` or `TIFF` by the first bytes of a file, None for anything else.

    >>> recognize(b"GIF89a...")
    'GIF'
    """
    if re.match(rb"II\*\x00....CR", head, re.DOTALL):  # Canon's raw files begin as a TIFF with a thumbnail
        return None
    return next((name for name, magic in _READ if re.match(magic, head, re.DOTALL)), None)


def explain_foreign(head: bytes) -> str:
    """What a file that is not read is, by its first bytes, with the way out."""
    for magic, sentence in _FOREIGN:
        if re.match(magic, head, re.DOTALL):
            return sentence
    text = _text(head)
    if text is None:
        return "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"
    for pattern, sentence in _FOREIGN_TEXT:
        if re.match(pattern, text.lstrip(), re.DOTALL | re.IGNORECASE):
            return sentence
    return "text, not an image"


def declared_size(kind: str, stream: BytesIO | BufferedReader) -> tuple[int, int]:
    """`(h, w)` in the header of a GIF (its first frame included) or WebP; `(0, 0)` for others or a damaged header.

    Pillow makes room for the pixels of these two while it opens them; for the others it knows the size before.
    """
    stream.seek(0)
    try:
        if kind == "GIF":
            return _gif_size(stream)
        if kind == "WEBP":
            return _webp_size(stream)
    except (struct.error, IndexError):
        pass
    return 0, 0


def _text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\t\n\r\f" for c in text) else None


def _webp_size(stream: BytesIO | BufferedReader) -> tuple[int, int]:
    head = stream.read(30)
    match head[12:16]:
        case b"VP8 ":  # lossy: 14 bits each, after the start code
            w, h = struct.unpack_from("<HH", head, 26)
            return h & 0x3FFF, w & 0x3FFF
        case b"VP8L":  # lossless: 14 bits each, less one
            (bits,) = struct.unpack_from("<I", head, 21)
            return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        case b"VP8X":  # extended: 24 bits each, less one
            w, h = int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
            return h, w
    return 0, 0


def _gif_size(stream: BytesIO | BufferedReader) -> tuple[int, int]:
    """The logical screen, enlarged to the first frame, which may be larger than it."""
    head = stream.read(13)
    w, h, flags = struct.unpack_from("<HHB", head, 6)
    if flags & 0x80:  # a palette of 2^(n + 1) colors
        stream.seek(3 << ((flags & 7) + 1), 1)
    while (block := stream.read(1)) not in {b"", b";"}:
        if block == b"!":  # an extension: a label, then sub-blocks up to an empty one
            stream.seek(1, 1)
            while (length := stream.read(1)) not in {b"", b"\x00"}:
                stream.seek(length[0], 1)
        elif block == b",":
            left, top, frame_w, frame_h = struct.unpack("<HHHH", stream.read(8))
            return max(h, top + frame_h), max(w, left + frame_w)
    return h, w

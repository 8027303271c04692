"""Frames on disk as one file that plays: MP4 where `ffmpeg` is, else animated WebP or GIF."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np
from PIL import Image

from striate.data.files import write_whole
from striate.draw.animation import encode_gif
from striate.errors import ConfigError, DataError

__all__ = ["FilmKind", "pick_kind", "write_film"]

FilmKind = Literal["auto", "mp4", "webp", "gif", "none"]


def pick_kind(kind: FilmKind) -> FilmKind:
    """What `auto` means on this machine.

    Raises:
        ConfigError: MP4 is asked for, and there is no `ffmpeg`.
    """
    has_ffmpeg = shutil.which("ffmpeg") is not None
    if kind == "mp4" and not has_ffmpeg:
        raise ConfigError("MP4 needs the program ffmpeg, which is not on this machine's PATH. Choose webp or gif.")
    return ("mp4" if has_ffmpeg else "webp") if kind == "auto" else kind


def write_film(frames: Sequence[Path], path: Path, *, fps: float) -> Path:
    """Write the frames as a film; the ending of `path` says which kind.

    Args:
        frames: Picture files of one size, at least one. For MP4 they are numbered on from the first, `…00001.png`.
        path: Ends in `.mp4`, `.webp` or `.gif`.
        fps: Frames a second.

    Raises:
        DataError: `ffmpeg` fails.
    """
    if path.suffix == ".mp4":
        _write_mp4(frames, path, fps)
    elif path.suffix == ".gif":
        write_whole(path, encode_gif((_read(frame) for frame in frames), duration_ms=max(round(1000 / fps), 20)))
    else:
        part = path.with_name(f".{uuid4().hex}.part")
        try:
            with Image.open(frames[0]) as first:
                first.save(
                    part,
                    "WEBP",
                    save_all=True,
                    append_images=_opened(frames[1:]),
                    duration=round(1000 / fps),
                    loop=0,
                    quality=88,
                )
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _opened(frames: Sequence[Path]) -> Iterator[Image.Image]:
    """One at a time: a film of thousands must not lie in memory."""
    for frame in frames:
        with Image.open(frame) as picture:
            yield picture.convert("RGB")


def _read(frame: Path) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    with Image.open(frame) as picture:
        return np.asarray(picture.convert("RGB"))


def _write_mp4(frames: Sequence[Path], path: Path, fps: float) -> None:
    part = path.with_name(f".{uuid4().hex}.mp4")
    digits = len(frames[0].stem) - len(frames[0].stem.rstrip("0123456789"))
    pattern = frames[0].with_name(f"{frames[0].stem[:-digits]}%0{digits}d{frames[0].suffix}")
    words = ["ffmpeg", "-loglevel", "error", "-y", "-framerate", f"{fps:g}", "-i", str(pattern)]
    words += ["-frames:v", str(len(frames)), "-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p"]
    try:
        done = subprocess.run([*words, "-crf", "18", str(part)], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise DataError(f"ffmpeg could not write '{path}': {reason}. Choose webp or gif; the frames are there.")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

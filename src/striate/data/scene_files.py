"""Scenes as files: painted by several processes, each picture where its number says."""

import io
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.files import printable
from striate.data.scenes import SceneMaker
from striate.data.stores import FileStore
from striate.errors import DataError

__all__ = ["PictureFormat", "SceneFiles", "encode_picture"]

PictureFormat: TypeAlias = Literal["jpg", "png"]

_CHUNK = 16  # scenes that a process paints before it reports

_own_maker: SceneMaker | None = None  # of a worker process


class SceneFiles:
    """The first scenes of one part, painted into a folder.

    Args:
        maker: What paints them.
        count: How many.
        folder: Where to; it must exist. Files are called `train-000000.jpg` and so on.
        form: `jpg` (quality 92, full color resolution) or `png` (without loss, five times as large).
    """

    def __init__(self, maker: SceneMaker, count: int, folder: Path, form: PictureFormat = "jpg") -> None:
        self.maker, self.count, self.folder, self.form = maker, count, folder, form
        self.truth: list[Detections] = []

    def paint(self, *, workers: int = 1) -> Iterator[int]:
        """Paint them; yields how many are done. The files are the same for any number of processes.

        Args:
            workers: Processes; with 1 all is done in this one.

        Raises:
            DataError: If a photo of the background cannot be read, or a file cannot be written.
        """
        self.truth = []
        chunks = [range(start, min(start + _CHUNK, self.count)) for start in range(0, self.count, _CHUNK)]
        if workers <= 1 or len(chunks) < 2:
            for chunk in chunks:
                for index in chunk:
                    self.truth.append(_paint(self.maker, index, self.folder, self.form))
                    yield len(self.truth)
            return
        # Forked processes could inherit locks of a library's threads; spawned ones cannot.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(chunks)), context, initializer=_remember, initargs=(self.maker,))
        try:
            jobs = [pool.submit(_paint_chunk, chunk, self.folder, self.form) for chunk in chunks]
            for job in jobs:
                self.truth += job.result()
                yield len(self.truth)
        finally:
            pool.shutdown(cancel_futures=True)

    def boxes(self) -> BoxSet:
        """What was painted, as a set."""
        names = tuple(_name(self.maker, index, self.form) for index in range(len(self.truth)))
        store = FileStore(self.folder, names)
        return BoxSet(self.maker.sprites.classes, tuple(self.truth), store, self.folder, "scenes")


def encode_picture(pixels: NDArray[np.uint8], form: PictureFormat) -> bytes:
    """A picture, uint8 `h w 3`, as the bytes of a file."""
    buffer = io.BytesIO()
    if form == "png":
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    else:
        Image.fromarray(pixels).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _paint(maker: SceneMaker, index: int, folder: Path, form: PictureFormat) -> Detections:
    scene = maker.draw(index)
    path = folder / _name(maker, index, form)
    try:
        path.write_bytes(encode_picture(scene.pixels, form))
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be written ({error.strerror or error}).") from error
    return scene.truth


def _name(maker: SceneMaker, index: int, form: PictureFormat) -> str:
    return f"{maker.part}-{index:06d}.{form}"


def _remember(maker: SceneMaker) -> None:
    global _own_maker  # noqa: PLW0603 - what a process of the pool was started with
    _own_maker = maker


def _paint_chunk(chunk: range, folder: Path, form: PictureFormat) -> list[Detections]:
    if _own_maker is None:
        raise RuntimeError("a process that paints scenes was started without its maker")
    return [_paint(_own_maker, index, folder, form) for index in chunk]

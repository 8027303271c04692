"""The representation of every picture of a folder: what goes into the classifier.

One pass over any number of pictures, which are read ahead and never kept; what stays is a vector, a thumbnail, the
class by the folder's name, and the network's own answer.
"""

import hashlib
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from striate.data.files import printable
from striate.errors import ConfigError, DataError, WeightsError
from striate.insight.classifier_input import ReadPoint, find_read_point, named_read_point, read_vectors
from striate.insight.heatmap import as_numpy
from striate.insight.labeled_pictures import LabeledPictures
from striate.insight.picture_stream import PictureBatch, Pictures, PictureStream, fitting_batch
from striate.insight.representation_set import Representations
from striate.models import Network
from striate.probe import evaluating
from striate.runtime import fold

__all__ = ["representations", "stream_representations"]

SAVE_SECONDS = 20.0


def representations(
    network: Network | nn.Module,
    images: Pictures,
    *,
    layer: str | None = None,
    labels: Sequence[str] | None = None,
    thumbnail: int = 64,
    batch_size: int | None = None,
    workers: int | None = None,
    folded: bool = True,
    max_megapixels: float = 64.0,
    cache: str | Path | None = None,
) -> Representations:
    """What `network` makes of each picture before it is named: what goes into its last fully connected layer.

    For a network that ends in a 1×1 convolution and a global pooling (SqueezeNet), what goes into that convolution; for
    one without classifier, what it gives. Maps are averaged over their positions (`averaged` says so).

    Args:
        network: A `Network` (images are photos), or any module (images are tensors, fed as they are).
        images: A folder (with folders in it), a data file or folder that `striate.data.open_data` knows, an `ImageSet`,
            a list of photos, a tensor `n c h w`, or for a module an iterable of batches.
        layer: Read what this layer gives instead: `features.3`, `relu#2` for a second call.
        labels: A class for each picture; by default the folders' names, or the labels of the data.
        thumbnail: Side of the thumbnails, in pixels.
        batch_size: Pictures at once; what suits the processor by default.
        workers: Threads that read pictures ahead; one less than there are cores by default.
        folded: Run a copy with normalizations folded into convolutions, where the first batch gives the same up to
            rounding (1e-5 of its norm); else the module itself.
        max_megapixels: Larger photos are left out, and named among the problems.
        cache: An `.npz`. Pictures that are in it, unchanged since, are not read again; what is new is added to it every
            20 seconds and at the end, so that a run that was stopped goes on.

    Returns:
        One row a picture, in the order of the source. Pictures that cannot be read are left out, and named.

    Raises:
        ConfigError: `thumbnail` below 8, or as many `labels` as there are no pictures.
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: The layer does not give one row a picture.
        DataError: There are no pictures, or none can be read.
        WeightsError: A representation is NaN or infinite.

    >>> found = representations(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.ones(5, 3, 2, 2))
    >>> found.values.shape, found.layer
    ((5, 12), 'input of 1')
    """
    work = stream_representations(
        network,
        images,
        layer=layer,
        labels=labels,
        thumbnail=thumbnail,
        batch_size=batch_size,
        workers=workers,
        folded=folded,
        max_megapixels=max_megapixels,
        cache=cache,
    )
    while True:
        try:
            next(work)
        except StopIteration as finished:
            result: Representations = finished.value
            return result


def stream_representations(
    network: Network | nn.Module,
    images: Pictures,
    *,
    layer: str | None = None,
    labels: Sequence[str] | None = None,
    thumbnail: int = 64,
    batch_size: int | None = None,
    workers: int | None = None,
    folded: bool = True,
    max_megapixels: float = 64.0,
    cache: str | Path | None = None,
) -> Generator[tuple[int, int | None], None, Representations]:
    """`representations` as a generator: yields (pictures done, pictures in all or None), and returns the result."""
    began = time.perf_counter()
    if thumbnail < 8:
        raise ConfigError(f"thumbnail must be at least 8 pixels; got {thumbnail}.")
    module = network.module if isinstance(network, Network) else network
    point = None if layer is None else named_read_point(module, layer)
    listed = LabeledPictures.of(images, is_network=isinstance(network, Network), labels=labels)
    mark = _fingerprint(network)
    rows = _Rows(network, point, thumbnail, mark, listed)
    kept = rows.known(Path(cache)) if cache is not None else 0
    todo = [i for i in range(listed.count or 0) if i not in rows.done] if listed.count is not None else None
    yield kept, listed.count
    if todo is None or todo:
        stream = PictureStream(
            network,
            listed.pictures(todo if kept else None),
            batch_size=fitting_batch(network, images) if batch_size is None else batch_size,
            workers=workers,
            max_megapixels=max_megapixels,
        )
        saved, handled = time.perf_counter(), kept
        try:
            with evaluating(module):
                for batch in stream:
                    rows.add(batch, todo if kept else None, folded=folded)
                    handled += len(batch.numbers) + len(batch.problems)
                    yield handled, listed.count
                    if cache is not None and time.perf_counter() - saved > SAVE_SECONDS:
                        rows.result(began).save(cache)
                        saved = time.perf_counter()
        finally:
            if cache is not None and rows.done:
                rows.result(began).save(cache)
    if not rows.done:
        raise DataError(f"none of the pictures can be read. {rows.problems[0] if rows.problems else 'There are none.'}")
    return rows.result(began)


class _Rows:
    """Rows as they come in, by their place in the source."""

    def __init__(
        self,
        network: Network | nn.Module,
        point: ReadPoint | None,
        thumbnail: int,
        fingerprint: str,
        listed: LabeledPictures,
    ) -> None:
        self.network = network
        self.module = network.module if isinstance(network, Network) else network
        self.point = point
        self.thumbnail = thumbnail
        self.fingerprint = fingerprint
        self.listed = listed
        self.done: dict[int, tuple[NDArray[Any], str, NDArray[np.uint8], str, float]] = {}
        self.problems: list[str] = []
        self.averaged = False
        self.read_at = "" if point is None else str(point)
        self.runner: nn.Module | None = None
        self.answered = isinstance(network, Network) and len(network.labels) > 0

    def known(self, cache: Path) -> int:
        """Take what an earlier run has left, of the same network and unchanged pictures."""
        if not cache.is_file() or not self.listed.stamps:
            return 0
        try:
            old = Representations.load(cache)
        except DataError:
            return 0
        same = old.fingerprint == self.fingerprint and (old.thumbnails.shape[1] == self.thumbnail)
        asked = str(self.point) if self.point else old.parameters.get("layer") is None and old.layer
        if not same or old.layer != asked or len(old.stamps) != len(old):
            return 0
        places = {(name, stamp): i for i, (name, stamp) in enumerate(zip(old.names, old.stamps, strict=True))}
        for i, (name, stamp) in enumerate(zip(self.listed.names, self.listed.stamps, strict=True)):
            at = places.get((name, stamp))
            if stamp and at is not None:
                answer = old.answers[at] if old.answers else ""
                sure = float(old.confidences[at]) if old.confidences is not None else 0.0
                self.done[i] = (old.values[at], name, old.thumbnails[at], answer, sure)
        if self.done:
            self.averaged, self.read_at = old.averaged, old.layer
        return len(self.done)

    def add(self, batch: PictureBatch, todo: list[int] | None, *, folded: bool) -> None:
        self.problems += batch.problems
        if not len(batch.numbers):
            return
        if self.runner is None:
            self._prepare(batch.x, folded=folded)
        vectors, answer, averaged = read_vectors(
            self.runner or self.module, batch.x, self.point or ReadPoint("", "output")
        )
        self.averaged = self.averaged or averaged
        values = as_numpy(vectors)
        wrong = np.flatnonzero(~np.isfinite(values).all(1))
        names, sure = self._named(answer, len(values))
        for row, number in enumerate(batch.numbers):
            place = number if todo is None else todo[number]
            seen = batch.show(row)
            name = self.listed.names[place] if self.listed.names else seen.name
            if row in wrong:
                raise WeightsError(
                    f"the representation of '{name}' ({self.read_at}) is not finite (NaN or infinite): the weights are "
                    "damaged or from a training that diverged, or the picture holds such numbers."
                )
            self.done[place] = (values[row], name, _square(seen.pixels, self.thumbnail), names[row], sure[row])

    def _prepare(self, x: Tensor, *, folded: bool) -> None:
        classes = len(self.network.labels) if isinstance(self.network, Network) else None
        if self.point is None:
            self.point = find_read_point(self.module, x, classes=classes)
            self.read_at = str(self.point)
        self.runner = self.module
        copy = fold(self.module, x) if folded else self.module
        if copy is not self.module:
            mine = read_vectors(copy, x[:1], self.point)[0]
            theirs = read_vectors(self.module, x[:1], self.point)[0]
            if bool((mine - theirs).norm() <= 1e2 * torch.finfo(x.dtype).eps * theirs.norm()):
                self.runner = copy

    def _named(self, answer: Tensor | None, count: int) -> tuple[list[str], list[float]]:
        network = self.network
        if not isinstance(network, Network) or answer is None or answer.shape != (count, len(network.labels)):
            self.answered = False
            return [""] * count, [0.0] * count
        best = answer.double().softmax(1).max(1)
        return [network.labels[i] for i in best.indices.tolist()], best.values.tolist()

    def result(self, began: float) -> Representations:
        order = sorted(self.done)
        rows = [self.done[i] for i in order]
        listed = self.listed
        return Representations(
            values=np.stack([row[0] for row in rows]),
            names=tuple(row[1] for row in rows),
            thumbnails=np.stack([row[2] for row in rows]),
            labels=None if listed.labels is None else tuple(listed.labels[i] for i in order),
            answers=tuple(row[3] for row in rows) if self.answered else None,
            confidences=np.array([row[4] for row in rows], np.float32) if self.answered else None,
            network=self.network.name if isinstance(self.network, Network) else type(self.network).__name__,
            layer=self.read_at,
            averaged=self.averaged,
            fingerprint=self.fingerprint,
            source=listed.source,
            stamps=tuple(listed.stamps[i] for i in order) if listed.stamps else (),
            problems=tuple(map(printable, self.problems)),
            parameters={
                "layer": None if self.point is None or self.point.side == "input" else self.point.layer or None,
                "thumbnail": self.thumbnail,
                "folded": self.runner is not None and self.runner is not self.module,
            },
            seconds=time.perf_counter() - began,
        )


def _square(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle square, `side` pixels wide; small pictures are enlarged without smoothing."""
    height, width = pixels.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    picture = Image.fromarray(np.ascontiguousarray(pixels[top : top + edge, left : left + edge]))
    if edge == side:
        return np.asarray(picture)
    how = Image.Resampling.LANCZOS if edge > side else Image.Resampling.NEAREST
    return np.asarray(picture.resize((side, side), how, reducing_gap=3.0 if edge > side else None))


def _fingerprint(network: Network | nn.Module) -> str:
    """Of every weight and of what is done to a photo: what decides whether two representations mean the same."""
    module = network.module if isinstance(network, Network) else network
    found = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        if isinstance(tensor, Tensor) and not tensor.is_meta:
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    if isinstance(network, Network):
        found.update(repr(network.preprocessing).encode())
    return found.hexdigest()[:16]

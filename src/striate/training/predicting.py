"""What a network answers to a whole set of pictures, seen in one of three ways.

- `center`: the view that the network was made for. What published scores mean unless they say otherwise.
- `ten-crop`: four corners and the center, each also flipped; the ten probabilities are averaged (Krizhevsky et al.
  2012).
- `dense`: the uncropped picture, the network slid over it; the scores are averaged (Simonyan & Zisserman 2014).
"""

import os
from collections.abc import Callable, Generator, Iterator
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striate.data.augment.cut import Geometry
from striate.data.augment.fixed_view import FixedView
from striate.data.augment.ten_crop import DenseView, TenCrop
from striate.data.image_set import ImageSet
from striate.data.loader import Batch, load_batches
from striate.data.preprocessing import Preprocessing
from striate.data.problem import Problem
from striate.errors import ConfigError, DataError
from striate.models import Network
from striate.runtime import best_batch_size
from striate.training.class_matching import match_classes
from striate.training.dense import densify
from striate.training.predictions import Predictions

__all__ = ["VIEWS", "View", "predict_set"]

View = Literal["center", "ten-crop", "dense"]
VIEWS: dict[str, str] = {
    "center": "one view a picture, the one that the network was made for",
    "ten-crop": "ten views a picture (four corners and the center, each also flipped), probabilities averaged",
    "dense": "the network slid over the whole picture, scores averaged",
}


def predict_set(
    network: Network,
    images: ImageSet,
    *,
    view: View = "center",
    batch_size: int | None = None,
    workers: int | None = None,
    max_megapixels: float = 64.0,
) -> Generator[tuple[int, int], None, Predictions]:
    """Answer every picture; yields `(done, in all)` after each batch and returns the `Predictions`.

    Args:
        network: Its module is used as it is, in evaluation mode, without gradients.
        images: Its classes are matched with the network's by name.
        view: How each picture is seen.
        batch_size: Pictures at once; by default what suits the processor. Views of any size go one by one.
        workers: Threads that read pictures; by default one less than there are cores, at least one.
        max_megapixels: Larger pictures are refused from their header.

    Returns:
        The answers in the order of `images`, without the pictures that cannot be read: those stand in
        `facts["problems"]`. `facts` also has `network_ms`, the time of the network alone for one picture.

    Raises:
        ConfigError: An unknown view, or one that this network cannot take.
        DataError: If there are no pictures, classes do not match, or none can be read.
        WeightsError: If a score is not finite.
    """
    if view not in VIEWS:
        raise ConfigError(f"view must be one of {', '.join(map(repr, VIEWS))}, got {view!r}.")
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    if not network.labels:
        raise ConfigError(f"'{network.name}' ends at its features and has no classes to answer with.")
    if not len(images):
        raise DataError(f"{images.source}: no pictures to answer.")
    outputs, renamed = match_classes(
        images.classes, network.labels, needed=np.unique(images.labels), what=f"'{images.source}'"
    )
    geometry = _geometry(network.preprocessing, view)
    answer = _answerer(network, view)
    size = _batch_size(network, geometry) if batch_size is None else batch_size
    size = 1 if geometry.result_size() is None else size
    threads = max(1, (os.cpu_count() or 1) - 1) if workers is None else workers
    began, busy, seen = perf_counter(), 0.0, 0
    logits: list[NDArray[np.float32]] = []
    kept: list[NDArray[np.int64]] = []
    problems: list[Problem] = [*images.problems]
    loader = load_batches(
        images, _rows(len(images), size), geometry, seed=0, epoch=0, workers=threads, max_megapixels=max_megapixels
    )
    with torch.inference_mode():
        for batch in loader:
            problems += batch.problems
            if len(batch):
                start = perf_counter()
                logits.append(answer(batch))
                busy += perf_counter() - start
                kept.append(batch.indices)
            seen += len(batch) + len(batch.problems)
            yield seen, len(images)
    if not kept:
        raise DataError(f"{images.source}: none of the {len(images)} pictures can be read; {problems[-1]}")
    indices = np.concatenate(kept)
    facts: dict[str, Any] = {
        "network": network.name,
        "weights": None if network.weights is None else network.weights.name,
        "view": view,
        "geometry": geometry.describe(),
        "preprocessing": network.preprocessing.describe(),
        "data": str(images.source),
        "layout": images.kind,
        "skipped": len(images) - len(indices),
        "problems": [problem.to_dict() for problem in problems],
        "renamed": renamed,
        "network_ms": 1000 * busy / len(indices),
        "seconds": perf_counter() - began,
        "batch_size": size,
        "workers": threads,
        "threads": torch.get_num_threads(),
        "device": str(network.device),
    }
    names = tuple(images.name(i) for i in indices.tolist())
    labels = outputs[images.labels[indices]]
    return Predictions(np.concatenate(logits), labels, names, tuple(network.labels), facts)


def _geometry(preprocessing: Preprocessing, view: str) -> Geometry:
    if view == "ten-crop":
        return TenCrop(preprocessing)
    if view == "dense" and preprocessing.resize is not None:
        return DenseView(preprocessing)
    return FixedView(preprocessing)


def _answerer(network: Network, view: str) -> Callable[[Batch], NDArray[np.float32]]:
    """From a batch to `n k` scores on the CPU."""
    module: Callable[[Tensor], Tensor] = network.module.eval()
    least = (0, 0)
    if view == "dense":
        channels, least = 1 if network.preprocessing.channels == "L" else 3, network.preprocessing.input_size
        module = densify(network.module, (channels, *least), name=network.name)

    def answer(batch: Batch) -> NDArray[np.float32]:
        x = _at_least(least, batch.float_images(network.device))
        scores = torch.as_tensor(module(network.preprocessing.normalize(x))).float()  # (n · views) k
        if batch.views > 1:
            logs = scores.double().log_softmax(1).view(len(batch), batch.views, -1)  # n views k
            scores = (logs.logsumexp(1) - np.log(batch.views)).float()  # log of the mean probability
        numbers: NDArray[np.float32] = scores.cpu().numpy()
        return numbers

    return answer


def _at_least(size: tuple[int, int], x: Tensor) -> Tensor:
    """The picture with black around it where it is smaller than `size`, as `Preprocessing.view` does."""
    lack = [max(want - have, 0) for want, have in zip(size, x.shape[2:], strict=True)]
    if not any(lack):
        return x
    (top, left), (bottom, right) = ([n // 2 for n in lack], [n - n // 2 for n in lack])
    return F.pad(x, (left, right, top, bottom))


def _batch_size(network: Network, geometry: Geometry) -> int:
    h, w = geometry.result_size() or network.preprocessing.input_size
    channels = 1 if network.preprocessing.channels == "L" else 3
    most = best_batch_size(network.module, torch.empty(1, channels, h, w, device=network.device), most=256)
    return max(1, most // geometry.views)


def _rows(count: int, size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count), dtype=np.int64)

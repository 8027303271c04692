"""What every unit does over a whole data set: how large, how often, and which never.

A unit that is never above zero behind a ReLU gives nothing on any picture and gets no gradient: it is dead, and its
weights are lost. The numbers come from one pass, batch by batch, so that a data set of any size does.

Means and variances of batches are put together with

    mean = mean_a + δ n_b / n,    M = M_a + M_b + δ² n_a n_b / n,    δ = mean_b − mean_a,    variance = M / n

Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances",
equations 2.1. Dead units: Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models",
section 2 and figure 3.
"""

import time
from collections.abc import Generator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from striate.errors import ConfigError, DataError, ShapeError
from striate.insight.heatmap import as_numpy
from striate.insight.listed_layers import list_layers
from striate.insight.picture_stream import Pictures, PictureStream, fitting_batch
from striate.insight.statistics_result import LayerStatistics, UnitStatistics
from striate.models import Network
from striate.probe import evaluating, visit_layers

__all__ = ["stream_unit_statistics", "unit_statistics"]


def unit_statistics(
    network: Network | nn.Module,
    images: Pictures,
    *,
    layers: Sequence[str] | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_megapixels: float = 64.0,
) -> UnitStatistics:
    """Mean, spread, extremes and activity of every unit of some layers, over all pictures.

    A unit is a channel; its values are those at all places of all pictures.

    Args:
        network: A `Network` (images are photos), or any module (images are tensors, fed as they are).
        images: As for `top_patches`: a folder, a data file, photos, a tensor, or for a module batches of tensors.
        layers: Addresses; by default every layer without layers of its own that changes what it gets (no dropout, no
            flatten).
        batch_size: Pictures at once; what suits the processor by default.
        workers: Threads that read pictures ahead.
        max_megapixels: Larger photos are left out, and named among the problems.

    Raises:
        ConfigError: `layers` is empty.
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: A layer gives neither `n c h w` nor `n c`.
        DataError: There are no pictures, or none can be read.

    >>> import torch
    >>> relu = nn.Sequential(nn.ReLU())
    >>> found = unit_statistics(relu, torch.tensor([[[[1.0, -1.0]], [[-2.0, -3.0]]]]))["0"]
    >>> found.mean.tolist(), found.positive.tolist(), found.dead.tolist()
    ([0.5, 0.0], [0.5, 0.0], [False, True])
    """
    work = stream_unit_statistics(
        network, images, layers=layers, batch_size=batch_size, workers=workers, max_megapixels=max_megapixels
    )
    while True:
        try:
            next(work)
        except StopIteration as finished:
            result: UnitStatistics = finished.value
            return result


def stream_unit_statistics(
    network: Network | nn.Module,
    images: Pictures,
    *,
    layers: Sequence[str] | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_megapixels: float = 64.0,
) -> Generator[tuple[int, int | None], None, UnitStatistics]:
    """`unit_statistics` as a generator: yields (pictures done, pictures in all or None), and returns the result."""
    began = time.perf_counter()
    if layers is not None and not len(layers):
        raise ConfigError("layers is empty; name at least one, or leave it out for all of them.")
    module = network.module if isinstance(network, Network) else network
    stream = PictureStream(
        network,
        images,
        batch_size=fitting_batch(network, images) if batch_size is None else batch_size,
        workers=workers,
        max_megapixels=max_megapixels,
    )
    running: dict[str, _Running] = {}
    problems: list[str] = []
    count = 0
    with evaluating(module):
        for batch in stream:
            problems += batch.problems
            if len(batch.numbers):
                if not running:
                    named = list(layers) if layers is not None else list_layers(module, batch.x)
                    running = {layer: _Running(layer) for layer in named}
                with torch.inference_mode():
                    visit_layers(module, batch.x, {layer: partial(_Running.add, one) for layer, one in running.items()})
                count += len(batch.numbers)
            yield count + len(problems), stream.count
    if not count:
        raise DataError(f"none of the pictures can be read. {problems[0] if problems else 'There are none.'}")
    return UnitStatistics(
        layers={layer: one.result(module) for layer, one in running.items()},
        count=count,
        network=network.name if isinstance(network, Network) else type(network).__name__,
        problems=tuple(problems),
        parameters={"layers": list(running), "batch_size": stream.batch_size},
        seconds=time.perf_counter() - began,
    )


class _Running:
    """The sums of one layer while batches pass by."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.images = 0
        self.places = 0
        self.shape: tuple[int, int, int] | None = None
        self.mean = self.square = self.low = self.high = torch.empty(0)
        self.above = self.zeros = self.active = torch.empty(0)

    def add(self, output: object) -> None:
        """Take what the layer gave for one batch, in the middle of the pass."""
        if not isinstance(output, Tensor) or output.dim() not in (2, 4):
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ShapeError(f"layer '{self.layer}' gives {got}; units need maps 'n c h w', or 'n c'.")
        maps = output if output.dim() == 4 else output[:, :, None, None]  # n c -> n c 1 1
        maps = maps if maps.dtype in (torch.float32, torch.float64) else maps.float()
        n, c, h, w = maps.shape
        if self.shape is None:
            self.shape = (c, h, w)
            self.mean = torch.zeros(c, dtype=torch.float64, device=maps.device)
            self.square, self.above, self.zeros, self.active = (self.mean.clone() for _ in range(4))
            self.low, self.high = self.mean + torch.inf, self.mean - torch.inf
        variance, mean = torch.var_mean(maps, dim=(0, 2, 3), correction=0)
        peaks = maps.amax((2, 3))  # n c
        new, total = n * h * w, self.places + n * h * w
        away = mean.double() - self.mean
        self.square += variance.double() * new + away**2 * (self.places * new / total)
        self.mean += away * (new / total)
        self.low = torch.minimum(self.low, maps.amin((0, 2, 3)).double())
        self.high = torch.maximum(self.high, peaks.amax(0).double())
        self.above += (maps > 0).sum((0, 2, 3))
        self.zeros += (maps == 0).sum((0, 2, 3))
        self.active += (peaks > 0).sum(0)
        self.places, self.images = total, self.images + n

    def result(self, module: nn.Module) -> LayerStatistics:
        """The numbers of the layer."""
        return LayerStatistics(
            layer=self.layer,
            kind=type(module.get_submodule(self.layer.partition("#")[0])).__name__,
            shape=self.shape or (0, 0, 0),
            mean=as_numpy(self.mean),
            std=as_numpy((self.square / max(self.places, 1)).sqrt()),
            minimum=as_numpy(self.low),
            maximum=as_numpy(self.high),
            positive=as_numpy(self.above / max(self.places, 1)),
            zeros=as_numpy(self.zeros / max(self.places, 1)),
            active=as_numpy(self.active / max(self.images, 1)),
        )

"""The patches of real pictures that excite a unit most: what does it look for?

One pass over any number of pictures keeps, for every unit of the wanted layers at once, the k largest activations with
picture and place. The part of the picture that a unit at that place sees, its receptive field, is the patch. Memory
depends on the number of units, not on the number of pictures.

Source: Zeiler, Fergus 2014, "Visualizing and understanding convolutional networks", section 4.1 and figure 2 (top 9
activations of a feature map, with their patches); the idea of the best natural stimuli of a unit is Girshick et al.
2014, section 3.1.
Differs: the box of the field is exact for any network without loops over values (also branches, dilation, padding,
resizing), and is not moved inside the picture at its rim.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import ConfigError, DataError
from striate.insight.cut_patches import PictureShelf, cut_patches
from striate.insight.patches import TopPatches
from striate.insight.picture_stream import PictureBatch, Pictures, PictureStream, fitting_batch
from striate.insight.running_top import RunningTop
from striate.models import Network
from striate.probe import UnitAddress, capture, evaluating, visit_layers
from striate.runtime import fold

__all__ = ["stream_top_patches", "top_patches"]


def top_patches(
    network: Network | nn.Module,
    images: Pictures,
    layers: str | Sequence[str],
    *,
    k: int = 9,
    per_image: int = 1,
    batch_size: int | None = None,
    workers: int | None = None,
    memory_bytes: int = 512 * 2**20,
    crop_bytes: int = 128 * 2**20,
    folded: bool = True,
    max_megapixels: float = 64.0,
) -> TopPatches:
    """The `k` patches that excite each unit of some layers most, for all units in one pass.

    A unit is a channel: it competes with its largest activation in a picture, at any place. Equal activations are
    ordered by picture, then row, then column. The lists are the same for any `batch_size` and number of `workers`, up
    to rounding: a convolution may add up in another order for another batch, so that activations that agree to six
    digits may change places.

    Args:
        network: A `Network` (images are photos), or any module (images are tensors, fed as they are).
        images: A folder (with folders in it), a data file or folder that `striate.data.open_data` knows, an `ImageSet`,
            a list of photos, a tensor `n c h w`, or for a module an iterable of batches.
        layers: Addresses: `features.3` for all channels of a layer, `features.3:17` for one; `relu#2` for a second
            call.
        k: Patches a unit.
        per_image: Most patches of one picture in a unit's list.
        batch_size: Pictures at once; what suits the processor by default.
        workers: Threads that read pictures ahead; one less than there are cores by default.
        memory_bytes: Pictures in the lists are kept up to this size; what does not fit is read again at the end.
        crop_bytes: Most memory for the crops of one layer; where whole crops need more, they are made smaller by a
            whole factor (`crop_step`).
        folded: Run a copy with normalizations folded into convolutions, where all wanted layers then give the same up
            to rounding (1e-5 of their norm); else the module itself.
        max_megapixels: Larger photos are left out, and named among the problems.

    Raises:
        ConfigError: A number below 1, no layers, an address with a place, or a channel that the layer does not have.
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: A layer gives neither `n c h w` nor `n c`.
        DataError: There are no pictures, or none can be read.
        WeightsError: A unit answers with something that is not a number.

    Source:
        Zeiler, Fergus 2014, arXiv:1311.2901, section 4.1.

    >>> import torch
    >>> edges = nn.Conv2d(1, 1, (1, 2), bias=False)
    >>> _ = edges.weight.data.copy_(torch.tensor([[[[-1.0, 1.0]]]]))
    >>> steps = torch.tensor([[[[0.0, 1.0, 1.0]]], [[[0.0, 0.0, 3.0]]]])
    >>> found = top_patches(nn.Sequential(edges), steps, "0", k=2)["0"]
    >>> found.values.tolist(), found.pictures.tolist(), found.boxes[0].tolist()
    ([[3.0, 1.0]], [[1, 0]], [[1, 0, 3, 1], [0, 0, 2, 1]])
    """
    work = stream_top_patches(
        network,
        images,
        layers,
        k=k,
        per_image=per_image,
        batch_size=batch_size,
        workers=workers,
        memory_bytes=memory_bytes,
        crop_bytes=crop_bytes,
        folded=folded,
        max_megapixels=max_megapixels,
    )
    while True:
        try:
            next(work)
        except StopIteration as finished:
            result: TopPatches = finished.value
            return result


def stream_top_patches(
    network: Network | nn.Module,
    images: Pictures,
    layers: str | Sequence[str],
    *,
    k: int = 9,
    per_image: int = 1,
    batch_size: int | None = None,
    workers: int | None = None,
    memory_bytes: int = 512 * 2**20,
    crop_bytes: int = 128 * 2**20,
    folded: bool = True,
    max_megapixels: float = 64.0,
) -> Generator[tuple[int, int | None], None, TopPatches]:
    """`top_patches` as a generator: yields (pictures done, pictures in all or None), and returns the result."""
    began = time.perf_counter()
    for name, number in (("k", k), ("per_image", per_image), ("crop_bytes", crop_bytes)):
        if number < 1:
            raise ConfigError(f"{name} must be at least 1; got {number}.")
    wanted = _wanted([layers] if isinstance(layers, str) else list(layers))
    module = network.module if isinstance(network, Network) else network
    stream = PictureStream(
        network,
        images,
        batch_size=fitting_batch(network, images) if batch_size is None else batch_size,
        workers=workers,
        max_megapixels=max_megapixels,
    )
    tops = {layer: RunningTop(layer, k=k, per_image=per_image, channels=channels) for layer, channels in wanted.items()}
    shelf = PictureShelf(memory_bytes if stream.again else None)
    runner: nn.Module | None = None
    problems: list[str] = []
    count = 0
    with evaluating(module):
        for batch in stream:
            problems += batch.problems
            if len(batch.numbers):
                if runner is None:
                    _check_channels(module, batch.x, wanted)
                    runner = _folded(module, batch.x, list(wanted)) if folded else module
                with torch.inference_mode():
                    _pass(runner, batch, tops)
                    _shelve(batch, tops, shelf)
                count += len(batch.numbers)
            yield count + len(problems), stream.count
    if not count:
        raise DataError(f"none of the pictures can be read. {problems[0] if problems else 'There are none.'}")
    parameters = {
        "layers": [layers] if isinstance(layers, str) else list(layers),
        "k": k,
        "per_image": per_image,
        "batch_size": stream.batch_size,
        "folded": runner is not module,
    }
    result = cut_patches(module, tops, shelf, stream, crop_bytes)
    return replace(
        result,
        count=count,
        network=network.name if isinstance(network, Network) else type(network).__name__,
        problems=(*problems, *result.problems),
        parameters=parameters,
        seconds=time.perf_counter() - began,
    )


def _wanted(addresses: Sequence[str]) -> dict[str, list[int] | None]:
    """Layer → its channels, in ascending order, or None for all of them."""
    if not addresses:
        raise ConfigError("layers is empty; name at least one, such as 'features.3' or 'features.3:17'.")
    found: dict[str, list[int] | None] = {}
    for text in addresses:
        address = UnitAddress.parse(text)
        if address.position is not None:
            raise ConfigError(
                f"a unit competes with its strongest place in a picture; leave the place out: '{address.layer}:"
                f"{address.channel}' instead of '{text}'."
            )
        before = found.get(address.layer, [])
        alone = address.channel is None or before is None
        found[address.layer] = None if alone else sorted({*(before or []), address.channel or 0})
    return found


def _check_channels(module: nn.Module, x: Tensor, wanted: dict[str, list[int] | None]) -> None:
    listed = {layer: channels for layer, channels in wanted.items() if channels is not None}
    if not listed:
        return
    with torch.inference_mode():
        for layer, output in capture(module, x[:1], listed).items():
            if output.dim() > 1 and listed[layer][-1] >= output.shape[1]:
                raise ConfigError(
                    f"layer '{layer}' has channels 0 to {output.shape[1] - 1}; there is no {listed[layer][-1]}."
                )


def _folded(module: nn.Module, x: Tensor, layers: list[str]) -> nn.Module:
    """A folded copy, where the wanted layers give the same in it; a convolution that took in a norm does not."""
    copy = fold(module, x)
    if copy is module:
        return module
    with torch.inference_mode():
        mine, theirs = capture(copy, x[:1], layers), capture(module, x[:1], layers)
    slack = 1e2 * torch.finfo(x.dtype).eps
    alike = all(bool((mine[n] - theirs[n]).norm() <= slack * theirs[n].norm()) for n in layers)
    return copy if alike else module


def _pass(module: nn.Module, batch: PictureBatch, tops: dict[str, RunningTop]) -> None:
    numbers = torch.tensor(batch.numbers)
    visit_layers(module, batch.x, {layer: partial(_add, top, numbers) for layer, top in tops.items()})


def _add(top: RunningTop, numbers: Tensor, output: Any) -> None:
    top.add(output, numbers)


def _shelve(batch: PictureBatch, tops: dict[str, RunningTop], shelf: PictureShelf) -> None:
    entered: set[int] = set()
    numbers = torch.tensor(batch.numbers)
    for top in tops.values():
        entered |= set(numbers[torch.isin(numbers, top.pictures.cpu())].tolist())
    for row, number in enumerate(batch.numbers):
        if number in entered:
            shelf.put(batch.show(row))
    shelf.clear(tops.values())

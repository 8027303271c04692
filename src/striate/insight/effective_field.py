"""How much of its receptive field a unit really uses: the effective receptive field, beside the one on paper.

Every pixel of the field can change a unit, but those in its middle reach it by many more paths than those at its rim.
The effective field is the size of the gradient of the middle unit y with respect to each pixel x, over many pictures:

    E[i, j] = mean over pictures and units of  sum over colors of (d y / d x[i, j])²

It looks like a Gaussian, and its width grows with the square root of the depth while the field grows linearly.

Source: Luo, Li, Urtasun, Zemel 2016, "Understanding the effective receptive field in deep convolutional neural
networks", arXiv:1701.04128, sections 2 and 3.1.
Differs: squares are averaged instead of magnitudes, so that one backward pass with random signs for all channels of
the middle unit gives the sum over them without bias: E_r[(r · J)²] = sum of J², r = ±1 (Hutchinson 1990).
"""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import ConfigError, DataError, ShapeError
from striate.insight.field_boxes import boxes_of, sight_of
from striate.insight.field_result import EffectiveField, EffectiveFields
from striate.insight.heatmap import as_numpy
from striate.insight.picture_stream import Pictures, PictureStream
from striate.models import Network
from striate.probe import capture, evaluating, summary

__all__ = ["effective_field"]

_CUT_OFF = "layer '{}' has no gradient with respect to the picture (detached, or computed under no_grad in the module)."


def effective_field(
    network: Network | nn.Module,
    images: Pictures,
    layers: str | Sequence[str],
    *,
    probes: int = 4,
    batch_size: int = 4,
    seed: int = 0,
) -> EffectiveFields:
    """The effective receptive field of the middle unit of some layers, over all their channels.

    Args:
        network: A `Network` (images are photos), or any module (images are tensors, fed as they are).
        images: Pictures of one size, as for `top_patches`; some tens are enough.
        layers: Addresses of layers with maps.
        probes: Backward passes a picture and layer, each with other signs for the channels. A layer with no more
            channels than this gets one pass a channel, and no chance is in the result.
        batch_size: Pictures at once.
        seed: Of the signs.

    Raises:
        ConfigError: No layers, a number below 1, or a layer that the picture has no gradient through.
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: A layer gives no maps `n c h w`, or pictures differ in size.
        DataError: There are no pictures, or none can be read.

    Source:
        Luo et al. 2016, arXiv:1701.04128.

    >>> import torch
    >>> net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(6)])
    >>> for part in net: _ = part.weight.data.fill_(1 / 9)
    >>> found = effective_field(net, torch.zeros(1, 1, 21, 21), "5")["5"]
    >>> found.size, round(found.std[0], 2), found.inside
    ((13, 13), 1.46, 1.0)
    """
    began = time.perf_counter()
    wanted = [layers] if isinstance(layers, str) else list(layers)
    if not wanted or probes < 1:
        raise ConfigError(f"name at least one layer and give probes of at least 1; got {len(wanted)} and {probes}.")
    module = network.module if isinstance(network, Network) else network
    generator = torch.Generator().manual_seed(seed)
    energy: dict[str, Tensor] = {}
    places: dict[str, tuple[int, int]] = {}
    shape: tuple[int, ...] = ()
    count = 0
    with evaluating(module):
        for batch in PictureStream(network, images, batch_size=batch_size, workers=0):
            if not batch.numbers:
                continue
            if shape and tuple(batch.x.shape[1:]) != shape:
                raise ShapeError(f"images must have one size; got {shape} and {tuple(batch.x.shape[1:])}.")
            shape = tuple(batch.x.shape[1:])
            for layer, (position, more) in _energies(module, batch.x, wanted, probes, generator).items():
                energy[layer] = energy.get(layer, torch.zeros_like(more)) + more
                places[layer] = position
            count += len(batch.numbers)
    if not count:
        raise DataError("none of the pictures can be read.")
    rows = {row.address: row.field for row in summary(module, shape).rows}
    found = {}
    for layer in wanted:
        y, x = places[layer]
        box = boxes_of(rows.get(layer), (shape[1], shape[2]), np.array([y]), np.array([x]))[0].tolist()
        sees = sight_of(rows.get(layer), (shape[1], shape[2])).sees
        fields = rows.get(layer)
        whole = sees in ("gated", "unknown") or fields is None or not any(fields.stride)
        found[layer] = EffectiveField(
            layer, as_numpy(energy[layer] / count), (y, x), (box[0], box[1], box[2], box[3]), whole
        )
    return EffectiveFields(
        layers=found,
        count=count,
        network=network.name if isinstance(network, Network) else type(network).__name__,
        parameters={"layers": wanted, "probes": probes, "seed": seed},
        seconds=time.perf_counter() - began,
    )


def _energies(
    module: nn.Module, x: Tensor, layers: list[str], probes: int, generator: torch.Generator
) -> dict[str, tuple[tuple[int, int], Tensor]]:
    """For each layer the place of the middle unit, and the squared gradients `h w` summed over the batch."""
    if not x.is_floating_point():
        raise ShapeError(f"images must be floating point for a gradient; got {x.dtype}. Give images.float().")
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.detach().clone().requires_grad_(True)
        outputs = capture(module, leaf.clone(), layers)  # a first layer in place would write into the leaf
        found = {}
        for layer, output in outputs.items():
            if output.dim() != 4:
                raise ShapeError(f"layer '{layer}' gives {tuple(output.shape)}; a middle needs maps 'n c h w'.")
            if not output.requires_grad:
                raise ConfigError(_CUT_OFF.format(layer))
            c, h, w = output.shape[1:]
            middle = output[:, :, h // 2, w // 2]  # n c
            exact = c <= probes
            signs = torch.eye(c) if exact else 2.0 * torch.randint(0, 2, (probes, c), generator=generator) - 1
            total = torch.zeros(x.shape[2:], dtype=x.dtype, device=x.device)
            for sign in signs.to(middle):
                (gradient,) = torch.autograd.grad((middle * sign).sum(), leaf, retain_graph=True, allow_unused=True)
                if gradient is None:
                    raise ConfigError(_CUT_OFF.format(layer))
                total += (gradient**2).sum((0, 1))
            found[layer] = ((h // 2, w // 2), total / c / (1 if exact else probes))
    return found

"""RoI pooling: the maps under a box, cut into a grid of bins, and the largest number of each bin and channel.

What lets one pass through the convolutions serve every proposal: whatever a box's size, the layers after it get the
same number of values.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError
from striate.ops.geometry import AxesArgument
from striate.ops.library import declare
from striate.ops.regions import RegionsArgument, channels_last, check_regions, region_arguments
from striate.ops.roi_pool_gather import pool, pool_adjoint
from striate.ops.threads import in_pieces

__all__ = ["roi_pool"]


def roi_pool(
    input: Float[Tensor, "n c h w"],
    boxes: RegionsArgument,
    output_size: AxesArgument,
    spatial_scale: float = 1.0,
) -> Float[Tensor, "r c p q"]:
    """Each box as a small map of fixed size: the maximum of each bin.

    Corners are scaled and rounded to pixels, both of them inside (a box is at least one pixel wide and high); bins
    reach from the rounded-down to the rounded-up end, so neighbors may share a row or a column. Gradients flow to the
    first of a bin's largest pixels, added up in a fixed order; none to the boxes.

    Args:
        input: Maps.
        boxes: `r 5` (number of the picture in the batch, left, top, right, bottom), or a list with `r 4` a picture; in
            pixels of what `spatial_scale` scales to the maps.
        output_size: Bins along y and x, or one number for both.
        spatial_scale: Size of the maps over size of what the boxes are written in, such as 1/16.

    Returns:
        `r c p q`, in the type of `input`; 0 where a bin lies outside of the map. NaN never wins, as in torchvision: a
        bin of nothing else gives the lowest finite number.

    Raises:
        ShapeError: Maps that are not `n c h w`, or boxes of another shape.
        ConfigError: A setting out of its range, a picture that is not there, or a corner that is not finite.

    Source: Girshick 2015, "Fast R-CNN", section 2.1; rounding and borders as in its released code.

    Differs:
        The paper writes of windows of about h/H × w/W; its code's rounding, which torchvision kept, is what holds here.

    >>> roi_pool(torch.arange(16.0).view(1, 1, 4, 4), [torch.tensor([[0.0, 0, 3, 3]])], 2)[0, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    wide, regions, bins = region_arguments(input, boxes, output_size, name="roi_pool")
    if not 0 < spatial_scale < float("inf"):
        raise ConfigError(f"spatial_scale must be a positive number, such as 1/16, got {spatial_scale!r}.")
    found: Tensor = torch.ops.striate.roi_pool(wide, regions, float(spatial_scale), bins[0], bins[1])
    return found.to(input.dtype)


def _anywhere(input: Tensor, regions: Tensor, scale: float, bins_y: int, bins_x: int) -> Tensor:
    check_regions(input, regions, "roi_pool")
    return pool(input, regions, scale, (bins_y, bins_x))


def _adjoint_anywhere(gradient: Tensor, input: Tensor, output: Tensor, regions: Tensor, scale: float) -> Tensor:
    return pool_adjoint(gradient, input, regions, scale)


def _cpu(input: Tensor, regions: Tensor, scale: float, bins_y: int, bins_x: int) -> Tensor:
    from striate.ops.roi_pool_kernels import pool_regions

    check_regions(input, regions, "roi_pool")
    out = np.empty((len(regions), input.shape[1], bins_y, bins_x), input.numpy().dtype)
    if input.numel() == 0:
        out[:] = 0
    elif out.size:
        maps, boxes = channels_last(input), regions.numpy()
        factor = out.dtype.type(scale)
        in_pieces(lambda a, b: pool_regions(maps, boxes, factor, out, a, b), len(boxes))
    return torch.from_numpy(out)


def _adjoint_cpu(gradient: Tensor, input: Tensor, output: Tensor, regions: Tensor, scale: float) -> Tensor:
    from striate.ops.roi_pool_kernels import spread_gradients

    maps = channels_last(input)
    out = np.zeros(maps.shape, maps.dtype)
    if out.size and gradient.numel():
        due, found, boxes = gradient.contiguous().numpy(), output.contiguous().numpy(), regions.numpy()
        factor = out.dtype.type(scale)
        in_pieces(lambda a, b: spread_gradients(due, maps, found, boxes, factor, out, a, b), out.shape[3], least=16)
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()


def _shapes(input: Tensor, regions: Tensor, scale: float, bins_y: int, bins_x: int) -> Tensor:
    return input.new_empty((regions.shape[0], input.shape[1], bins_y, bins_x))


def _adjoint_shapes(gradient: Tensor, input: Tensor, output: Tensor, regions: Tensor, scale: float) -> Tensor:
    return torch.empty_like(input)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, regions, scale, _, _ = inputs
    ctx.save_for_backward(input, output, regions)
    ctx.scale = scale


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, output, regions = ctx.saved_tensors
    return torch.ops.striate.roi_pool_adjoint(gradient, input, output, regions, ctx.scale), *(None,) * 4


declare(
    "roi_pool(Tensor input, Tensor regions, float scale, SymInt bins_y, SymInt bins_x) -> Tensor",
    anywhere=_anywhere,
    cpu=_cpu,
    shapes=_shapes,
    backward=_backward,
    remember=_remember,
)
declare(
    "roi_pool_adjoint(Tensor gradient, Tensor input, Tensor output, Tensor regions, float scale) -> Tensor",
    anywhere=_adjoint_anywhere,
    cpu=_adjoint_cpu,
    shapes=_adjoint_shapes,
)

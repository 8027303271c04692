"""RoI align: the maps under a box, sampled at points that are not rounded to pixels, averaged bin by bin.

RoI pooling rounds a box twice, to pixels and to bins; at stride 16 that moves its edges by up to half a stride. Here
each bin holds a regular grid of points, each read bilinearly from its four pixels, and the bin is their mean.
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
from striate.ops.roi_align_gather import align, align_adjoint
from striate.ops.threads import in_pieces

__all__ = ["roi_align"]


def roi_align(  # noqa: PLR0917 - torchvision's signature
    input: Float[Tensor, "n c h w"],
    boxes: RegionsArgument,
    output_size: AxesArgument,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Float[Tensor, "r c p q"]:
    """Each box as a small map of fixed size, by bilinear sampling.

    Gradients flow to the maps, none to the boxes. They are added up in a fixed order: the same numbers on every run.

    Args:
        input: Maps.
        boxes: `r 5` (number of the picture in the batch, left, top, right, bottom), or a list with `r 4` a picture; in
            pixels of what `spatial_scale` scales to the maps.
        output_size: Bins along y and x, or one number for both.
        spatial_scale: Size of the maps over size of what the boxes are written in, such as 1/16.
        sampling_ratio: Points a bin along each axis; 0 or less: as many as the bin is pixels long, rounded up.
        aligned: Whether a pixel's middle lies at .5, so that boxes move by half a pixel. Without it (the older way) a
            box is at least one pixel of the maps wide and high.

    Returns:
        `r c p q`, in the type of `input`. Points more than one pixel outside of the map count as 0; a box without
        extent gives 0 where `aligned`.

    Raises:
        ShapeError: Maps that are not `n c h w`, or boxes of another shape.
        ConfigError: A setting out of its range, a picture that is not there, or a corner that is not finite.

    Source: He et al. 2017, "Mask R-CNN", section 3.

    Differs:
        The paper takes four points a bin and does not say where a pixel lies; settings and borders are torchvision's.
        Half precision is computed in float32 and rounded once, at the end.

    >>> roi_align(torch.arange(25.0).view(1, 1, 5, 5), [torch.tensor([[1.0, 1, 3, 3]])], 2, aligned=True)[0, 0].tolist()
    [[6.0, 7.0], [11.0, 12.0]]
    """
    wide, regions, bins = region_arguments(input, boxes, output_size, name="roi_align")
    _check(spatial_scale, sampling_ratio)
    found: Tensor = torch.ops.striate.roi_align(
        wide, regions, float(spatial_scale), bins[0], bins[1], int(sampling_ratio), bool(aligned)
    )
    return found.to(input.dtype)


def _check(spatial_scale: float, sampling_ratio: int) -> None:
    if not 0 < spatial_scale < float("inf"):
        raise ConfigError(f"spatial_scale must be a positive number, such as 1/16, got {spatial_scale!r}.")
    if int(sampling_ratio) != sampling_ratio:
        raise ConfigError(f"sampling_ratio must be a whole number (0 or less: by the bin), got {sampling_ratio!r}.")


def _anywhere(input: Tensor, regions: Tensor, scale: float, *settings: Any) -> Tensor:
    check_regions(input, regions, "roi_align")
    bins_y, bins_x, sampling, aligned = settings
    return align(input, regions, scale, (bins_y, bins_x), sampling, aligned=aligned)


def _adjoint_anywhere(gradient: Tensor, regions: Tensor, *settings: Any) -> Tensor:
    n, h, w, scale, sampling, aligned = settings
    return align_adjoint(gradient, regions, (n, gradient.shape[1], h, w), scale, sampling, aligned=aligned)


def _cpu(input: Tensor, regions: Tensor, scale: float, *settings: Any) -> Tensor:
    from striate.ops.roi_align_kernels import align_regions

    check_regions(input, regions, "roi_align")
    bins_y, bins_x, sampling, aligned = settings
    out = np.empty((len(regions), input.shape[1], bins_y, bins_x), input.numpy().dtype)
    if input.numel() == 0:
        out[:] = 0
    elif out.size:
        maps, boxes = channels_last(input), regions.numpy()
        factor = out.dtype.type(scale)
        in_pieces(lambda a, b: align_regions(maps, boxes, factor, sampling, aligned, out, a, b), len(boxes))
    return torch.from_numpy(out)


def _adjoint_cpu(gradient: Tensor, regions: Tensor, *settings: Any) -> Tensor:
    from striate.ops.roi_align_kernels import spread_gradients

    n, h, w, scale, sampling, aligned = settings
    out = np.zeros((n, h, w, gradient.shape[1]), gradient.numpy().dtype)
    if out.size and gradient.numel():
        due, boxes = gradient.contiguous().numpy(), regions.numpy()
        factor = out.dtype.type(scale)
        in_pieces(
            lambda a, b: spread_gradients(due, boxes, factor, sampling, aligned, out, a, b), out.shape[3], least=16
        )
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()


def _shapes(input: Tensor, regions: Tensor, scale: float, *settings: Any) -> Tensor:
    return input.new_empty((regions.shape[0], input.shape[1], *settings[:2]))


def _adjoint_shapes(gradient: Tensor, regions: Tensor, *settings: Any) -> Tensor:
    n, h, w, *_ = settings
    return gradient.new_empty((n, gradient.shape[1], h, w))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, regions, scale, _, _, sampling, aligned = inputs
    ctx.save_for_backward(regions)
    ctx.settings = (input.shape[0], input.shape[2], input.shape[3], scale, sampling, aligned)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (regions,) = ctx.saved_tensors
    return torch.ops.striate.roi_align_adjoint(gradient, regions, *ctx.settings), *(None,) * 6


declare(
    "roi_align(Tensor input, Tensor regions, float scale, SymInt bins_y, SymInt bins_x, int sampling, bool aligned)"
    " -> Tensor",
    anywhere=_anywhere,
    cpu=_cpu,
    shapes=_shapes,
    backward=_backward,
    remember=_remember,
)
declare(
    "roi_align_adjoint(Tensor gradient, Tensor regions, SymInt n, SymInt h, SymInt w, float scale, int sampling, "
    "bool aligned) -> Tensor",
    anywhere=_adjoint_anywhere,
    cpu=_adjoint_cpu,
    shapes=_adjoint_shapes,
)

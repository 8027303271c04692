"""RoI align in plain torch, on any device: sample points become weights on rows and on columns, pixels are gathered.

    out[r, :, p, q] = Σ_y Σ_x  Y[r, p, y] X[r, q, x] input[picture(r), :, y, x]

Bilinear sampling is separable, and so is the mean over a grid of points: Y holds a bin's mean of bilinear weights along
y, X along x. Only pixels that a sample point touches are read.
"""

import torch
from torch import Tensor

__all__ = ["align", "align_adjoint"]

_ELEMENTS = 1 << 24


def align(
    input: Tensor, regions: Tensor, scale: float, bins: tuple[int, int], sampling: int, *, aligned: bool
) -> Tensor:
    """`r c p q` from maps `n c h w` and regions `r 5`."""
    n, c, h, w = input.shape
    if input.numel() == 0:
        return input.new_zeros((len(regions), c, *bins))
    pixels = input.permute(0, 2, 3, 1).reshape(n * h * w, c)
    out = input.new_zeros((len(regions), bins[0] * bins[1], c))
    for rows in _parts(len(regions), bins, c):
        some = out[rows]
        for places, weights in _reads(regions[rows], (h, w), scale, bins, sampling, aligned=aligned):
            some += (pixels.index_select(0, places.reshape(-1)) * weights.reshape(-1, 1)).view_as(some)
    return out.view(-1, *bins, c).permute(0, 3, 1, 2).contiguous()


def align_adjoint(
    gradient: Tensor, regions: Tensor, shape: tuple[int, ...], scale: float, sampling: int, *, aligned: bool
) -> Tensor:
    """The gradient of the maps, `n c h w`, from that of the output, `r c p q`."""
    n, c, h, w = shape
    if gradient.numel() == 0 or n * h * w == 0:
        return gradient.new_zeros(shape)
    bins = (gradient.shape[2], gradient.shape[3])
    pixels = gradient.new_zeros((n * h * w, c))
    by_bin = gradient.permute(0, 2, 3, 1).reshape(len(gradient), -1, c)
    for rows in _parts(len(regions), bins, c):
        some = by_bin[rows].reshape(-1, c)
        for places, weights in _reads(regions[rows], (h, w), scale, bins, sampling, aligned=aligned):
            pixels.index_add_(0, places.reshape(-1), some * weights.reshape(-1, 1))
    return pixels.view(n, h, w, c).permute(0, 3, 1, 2).contiguous()


def _parts(count: int, bins: tuple[int, int], c: int) -> list[slice]:
    step = max(_ELEMENTS // max(bins[0] * bins[1] * c, 1), 1)
    return [slice(start, start + step) for start in range(0, count, step)]


def _reads(
    regions: Tensor, size: tuple[int, int], scale: float, bins: tuple[int, int], sampling: int, *, aligned: bool
) -> list[tuple[Tensor, Tensor]]:
    """Pairs of places in the flattened maps and their weights, both `r bins`."""
    half = 0.5 if aligned else 0.0
    left, top, right, bottom = (regions[:, 1:] * scale - half).unbind(1)
    width, height = right - left, bottom - top
    if not aligned:
        width, height = width.clamp(min=1), height.clamp(min=1)
    rows, row_weights = _axis(top, height, bins[0], sampling, size[0])
    columns, column_weights = _axis(left, width, bins[1], sampling, size[1])
    first = regions[:, 0].long()[:, None, None] * (size[0] * size[1])
    return [
        (
            (first + rows[:, :, None, y] * size[1] + columns[:, None, :, x]).flatten(1),
            (row_weights[:, :, None, y] * column_weights[:, None, :, x]).flatten(1),
        )
        for y in range(rows.shape[-1])
        for x in range(columns.shape[-1])
    ]


def _axis(start: Tensor, extent: Tensor, bins: int, sampling: int, size: int) -> tuple[Tensor, Tensor]:
    """Places along one axis that each bin reads, and the mean of the bilinear weights on them: `r bins k` both."""
    step = (extent / bins)[:, None]  # r 1
    points = torch.full_like(step, sampling) if sampling > 0 else step.ceil().clamp(min=0)
    begin = start[:, None] + torch.arange(bins, device=start.device) * step  # r bins
    divisor = points.clamp(min=1)
    # A region far larger than the map has points without end outside of it; of those none is visited.
    before = torch.where(step > 0, ((-1 - begin) * divisor / step - 1.5).floor().clamp(min=0), 0)
    most = sampling if sampling > 0 else min(int(points.max()) if points.numel() else 0, 2 * size + 6)
    lows, weights = [], []
    for number in range(most):
        index = before + number
        place = begin + (index + 0.5) * step / divisor
        counts = (index < points) & (place >= -1) & (place <= size)
        place = place.clamp(0, size - 1)
        low = place.floor()
        high_weight = place - low
        lows.append(torch.where(counts, low.long(), -1))
        weights.append(torch.stack(((1 - high_weight), high_weight), -1) * counts[..., None] / divisor[..., None])
    if not lows:
        return start.new_zeros((len(start), bins, 1), dtype=torch.int64), start.new_zeros((len(start), bins, 1))
    low = torch.stack(lows, -1)  # r bins points
    last = (low.amax(-1, keepdim=True) + 1).clamp(0, size - 1)
    first = torch.where(low < 0, size, low).amin(-1, keepdim=True)
    first = torch.minimum(first, last)
    reach = int((last - first).max()) + 1 if first.numel() else 1
    total = start.new_zeros((*first.shape[:2], reach + 1))
    for number, weight in enumerate(weights):
        at = (low[..., number, None] - first).clamp(min=0)
        total.scatter_add_(2, at, weight[..., :1])
        total.scatter_add_(2, at + 1, weight[..., 1:])
    places = first + torch.arange(reach, device=start.device)
    return torch.minimum(places, last), total[..., :reach]

"""RoI pooling in plain torch, on any device: the pixels of all bins are gathered one step after the other."""

import torch
from torch import Tensor

__all__ = ["pool", "pool_adjoint"]

_ELEMENTS = 1 << 24


def pool(input: Tensor, regions: Tensor, scale: float, bins: tuple[int, int]) -> Tensor:
    """`r c p q` from maps `n c h w` and regions `r 5`."""
    n, c, h, w = input.shape
    pixels = input.permute(0, 2, 3, 1).reshape(n * h * w, c)
    parts = [_winners(pixels, regions[rows], (h, w), scale, bins)[0] for rows in _parts(len(regions), bins, c)]
    out = torch.cat(parts) if parts else input.new_zeros((0, bins[0] * bins[1], c))
    return out.view(-1, *bins, c).permute(0, 3, 1, 2).contiguous()


def pool_adjoint(gradient: Tensor, input: Tensor, regions: Tensor, scale: float) -> Tensor:
    """The gradient of the maps, from that of the output: each bin's goes to the first of its largest pixels."""
    n, c, h, w = input.shape
    bins = (gradient.shape[2], gradient.shape[3])
    pixels = input.permute(0, 2, 3, 1).reshape(n * h * w, c)
    total = torch.zeros_like(pixels)
    by_bin = gradient.permute(0, 2, 3, 1).reshape(len(gradient), -1, c)
    for rows in _parts(len(regions), bins, c):
        _, winners = _winners(pixels, regions[rows], (h, w), scale, bins)
        some = torch.where(winners >= 0, by_bin[rows], 0)
        total.scatter_add_(0, winners.clamp(min=0).reshape(-1, c), some.reshape(-1, c))
    return total.view(n, h, w, c).permute(0, 3, 1, 2).contiguous()


def _parts(count: int, bins: tuple[int, int], c: int) -> list[slice]:
    step = max(_ELEMENTS // max(bins[0] * bins[1] * c, 1), 1)
    return [slice(start, start + step) for start in range(0, count, step)]


def _winners(
    pixels: Tensor, regions: Tensor, size: tuple[int, int], scale: float, bins: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The largest number of each bin and channel, and the row of `pixels` that holds it (-1: none): `r bins c` both."""
    left, top, right, bottom = _rounded(regions[:, 1:] * scale).unbind(1)
    y1, y2 = _edges(top, bottom, bins[0], size[0])
    x1, x2 = _edges(left, right, bins[1], size[1])
    first = regions[:, 0].long()[:, None, None] * (size[0] * size[1])
    shape = (len(regions), bins[0] * bins[1], pixels.shape[1])
    best = pixels.new_full(shape, torch.finfo(pixels.dtype).min)
    winners = torch.full(shape, -1, dtype=torch.int64, device=pixels.device)
    full = ((y2 > y1)[:, :, None] & (x2 > x1)[:, None, :]).flatten(1)
    if len(regions) == 0 or pixels.numel() == 0 or not bool(full.any()):
        return torch.zeros_like(best), winners
    # Of an empty bin nothing is wanted; its places are made harmless here and masked below.
    for dy in range(int((y2 - y1).max())):
        y = torch.minimum(y1 + dy, y2 - 1).clamp(0, size[0] - 1)
        for dx in range(int((x2 - x1).max())):
            x = torch.minimum(x1 + dx, x2 - 1).clamp(0, size[1] - 1)
            places = (first + y[:, :, None] * size[1] + x[:, None, :]).flatten(1)
            seen = pixels.index_select(0, places.reshape(-1)).view(shape)
            better = seen > best
            best = torch.where(better, seen, best)
            winners = torch.where(better, places[..., None], winners)
    return torch.where(full[..., None], best, 0), torch.where(full[..., None], winners, -1)


def _rounded(x: Tensor) -> Tensor:
    """To the nearest whole number, halves away from zero, as C rounds; torch rounds them to the even one."""
    whole = x.trunc()
    return whole + torch.where((x - whole).abs() >= 0.5, x.sign(), 0)


def _edges(start: Tensor, end: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """First pixel of each bin and the one after its last, `r bins`."""
    step = (end - start + 1).clamp(min=1)[:, None] / bins
    number = torch.arange(bins, device=start.device, dtype=start.dtype)
    first = (number * step).floor().double() + start[:, None]
    last = ((number + 1) * step).ceil().double() + start[:, None]
    return first.clamp(0, size).long(), last.clamp(0, size).long()

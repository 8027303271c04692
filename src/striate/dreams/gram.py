"""Gram matrices: which features of a layer occur together, wherever they occur.

    V is (h·w) × c: one row a place, one column a channel          G = VᵀV,   c × c

G forgets where, and keeps what goes with what: the texture. Everything that the style losses here need is a sum over
places (how many, Σ v, Σ v·vᵀ), so it can be added up over tiles, and over the places that a mask lets through, exactly.

Source: Gatys, Ecker, Bethge 2016, "Image style transfer using convolutional neural networks", CVPR, eq. 3.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError, ShapeError

__all__ = ["GramNormalization", "Moments", "gram_matrix", "moments"]

GramNormalization = Literal["none", "places", "elements"]
_ROWS_AT_ONCE = 2**24  # numbers of V that are converted to full precision at once: 64 MB


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the places of one layer's maps; those of two parts add up to those of both.

    Attributes:
        count: Number of places, or the sum of their weights.
        total: Σ v, `c`.
        squares: Σ v·vᵀ = VᵀV, `c c`.
    """

    count: float
    total: Float[Tensor, " c"]
    squares: Float[Tensor, "c c"]

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    def __mul__(self, factor: float) -> "Moments":
        return Moments(self.count * factor, self.total * factor, self.squares * factor)

    @property
    def gram(self) -> Float[Tensor, "c c"]:
        """G / count: the Gram matrix of one place on average, the same for a picture of any size."""
        return self.squares / self.count

    @property
    def mean(self) -> Float[Tensor, " c"]:
        """Mean of v."""
        return self.total / self.count

    @property
    def covariance(self) -> Float[Tensor, "c c"]:
        """Covariance of v (divided by the count): the Gram matrix without what the means alone make of it."""
        return self.gram - torch.outer(self.mean, self.mean)


def moments(maps: Float[Tensor, "1 c h w"], weights: Float[Tensor, "h w"] | None = None) -> Moments:
    """Count, Σ v and Σ v·vᵀ of the places of a layer's maps, differentiable once.

    Sums are in float32 at least, whatever the maps are in. Maps that lie channels-last are read without a copy.

    Args:
        maps: What a layer answers to one picture.
        weights: How much each place counts, 0 or more: guided Gram matrices, with √weights as guidance.

    Raises:
        ShapeError: Not maps of one picture, or weights of another size.

    Source: Gatys et al. 2016, eq. 3; with weights Gatys, Ecker, Bethge, Hertzmann, Shechtman 2017, "Controlling
        perceptual factors in neural style transfer", CVPR, eq. 5.

    >>> moments(torch.ones(1, 2, 3, 4)).squares
    tensor([[12., 12.],
            [12., 12.]])
    """
    if maps.dim() != 4 or len(maps) != 1 or not maps.numel():
        raise ShapeError(f"maps must be those of one picture, '1 c h w'; got {tuple(maps.shape)}.")
    if weights is not None and weights.shape != maps.shape[2:]:
        raise ShapeError(
            f"weights must be one for each of {maps.shape[2]} × {maps.shape[3]} places; got {tuple(weights.shape)}."
        )
    rows = maps[0].movedim(0, -1).reshape(-1, maps.shape[1])  # c h w → h·w c
    flat = None if weights is None else weights.reshape(-1)
    count = float(len(rows)) if flat is None else float(flat.sum())
    total, squares = _Sums.apply(rows, flat)  # type: ignore[no-untyped-call]
    return Moments(count, total, squares)


def gram_matrix(maps: Float[Tensor, "n c h w"], *, normalization: GramNormalization = "none") -> Float[Tensor, "n c c"]:
    """G = VᵀV of every picture.

    Args:
        maps: What a layer answers.
        normalization: `none` is G itself (Gatys' eq. 3); `places` divides by h·w (crowsonkb's style-transfer-pytorch);
            `elements` by c·h·w (jcjohnson's neural-style, PyTorch's tutorial).

    Raises:
        ShapeError: Not maps `n c h w`.
        ConfigError: Another normalization.

    >>> gram_matrix(torch.ones(1, 2, 3, 4), normalization="places").tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    if normalization not in ("none", "places", "elements"):
        raise ConfigError(f"normalization must be 'none', 'places' or 'elements'; got {normalization!r}.")
    if maps.dim() != 4 or not maps.numel():
        raise ShapeError(f"maps must be 'n c h w'; got {tuple(maps.shape)}.")
    channels, places = maps.shape[1], maps.shape[2] * maps.shape[3]
    divisor = {"none": 1, "places": places, "elements": channels * places}[normalization]
    return torch.stack([moments(one[None]).squares for one in maps]) / divisor


class _Sums(torch.autograd.Function):
    """Σ v and Σ w·v·vᵀ over rows. Autograd's own would multiply twice, and keep a copy in full precision."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Add up block by block."""
        channels = rows.shape[1]
        full = rows.dtype if rows.dtype == torch.float64 else torch.float32
        total, squares = rows.new_zeros(channels, dtype=full), rows.new_zeros(channels, channels, dtype=full)
        step = max(_ROWS_AT_ONCE // channels, 1)
        for start in range(0, len(rows), step):
            block = rows[start : start + step].to(full)
            weighted = block if weights is None else block * weights[start : start + step, None].to(full)
            squares.addmm_(weighted.T, block)
            total += weighted.sum(0)
        ctx.save_for_backward(rows, weights)
        return total, squares

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_total: Tensor, to_squares: Tensor) -> tuple[Tensor, None]:
        """d/dv = w·(g + (S + Sᵀ)·v)."""
        rows, weights = ctx.saved_tensors
        both = (to_squares + to_squares.T).to(rows.dtype)
        found = torch.addmm(to_total.to(rows.dtype), rows, both)
        return (found if weights is None else found * weights[:, None].to(found)), None

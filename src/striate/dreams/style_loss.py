"""The loss of a picture in one number, from one pass, or from two passes over tiles when it is too large for one.

Over tiles: the first pass adds up the sums that every term needs; from them follow the loss and its derivative by each
sum; the second pass goes back from every tile with those derivatives. It is the same loss and the same gradient as of
the whole picture, up to rounding, with the memory of one tile.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from striate.dreams import objectives
from striate.dreams.objectives import Objective, Seen
from striate.dreams.style_network import StyleNetwork
from striate.dreams.style_terms import HistogramTerm, Term, Window
from striate.dreams.tiling import Tile, Tiling
from striate.errors import ConfigError

__all__ = ["StyleLoss", "walk"]

_WHOLE = (slice(None), slice(None))


class StyleLoss:
    """Σ weight · term over the layers, + total variation, of one picture.

    Args:
        network: What looks at the picture.
        terms: Its layers' shares.
        tv_weight: Weight of the mean squared difference of neighboring pixels, in both directions, over channels.
        tiling: Tiles, or None to take the picture whole.

    Attributes:
        gamut_weight: Weight of the mean squared distance of the values to [0, 1], for optimizers that must not be
            interrupted by a clamp; 0 until somebody sets it.

    Raises:
        ConfigError: Terms that need whole maps (`histogram`) with a tiling.
    """

    def __init__(
        self, network: StyleNetwork, terms: Sequence[Term], *, tv_weight: float = 0.0, tiling: Tiling | None = None
    ) -> None:
        if tiling is not None and any(isinstance(term, HistogramTerm) for term in terms):
            raise ConfigError(
                "the histogram loss sorts whole maps, so it cannot be computed in tiles. Choose the loss 'gram' or "
                "'wasserstein', or a smaller size."
            )
        self.network, self.terms, self.tv_weight = network, tuple(terms), tv_weight
        self.tiling = tiling if tiling is not None and len(tiling.tiles) > 1 else None
        self.evaluations, self.gamut_weight = 0, 0.0
        self._by_layer: dict[str, list[int]] = {}
        for number, term in enumerate(self.terms):
            self._by_layer.setdefault(term.layer, []).append(number)

    def __call__(self, image: Float[Tensor, "1 c h w"]) -> Float[Tensor, ""]:
        """The loss, differentiable once."""
        self.evaluations += 1
        if self.tiling is not None:
            value: Tensor = _Tiled.apply(image, self)  # type: ignore[no-untyped-call]
        else:
            value = self._total([term.value(sums) for term, sums in zip(self.terms, self._look(image), strict=True)])
        if self.tv_weight:
            value = value + self.variation(image)
        if self.gamut_weight:
            value = value + self.gamut_weight * (image - image.clamp(0, 1)).square().mean()
        return value

    def variation(self, image: Float[Tensor, "1 c h w"]) -> Float[Tensor, ""]:
        """The share of total variation."""
        return self.tv_weight / image.numel() * objectives.total_variation()(Seen(image))[0]

    def parts(self, image: Float[Tensor, "1 c h w"]) -> list[float]:
        """Every term's distance, without its weight."""
        with torch.inference_mode(False), torch.no_grad():
            sums = self._look(image) if self.tiling is None else self._add_up(image, self.tiling)
            return [float(term.value(found)) for term, found in zip(self.terms, sums, strict=True)]

    def objective(self) -> Objective:
        """The loss with its sign turned, of a batch of one picture, as the loop wants it."""
        return Objective("-style loss", frozenset(), lambda seen: -self(seen.image)[None])

    def _total(self, values: Sequence[Tensor]) -> Tensor:
        return torch.stack([term.weight * value for term, value in zip(self.terms, values, strict=True)]).sum()

    def _look(self, view: Tensor, tile: Tile | None = None) -> list[tuple[Tensor, ...]]:
        """Every term's sums over the picture, or over what belongs to a tile."""
        sums: list[tuple[Tensor, ...]] = [()] * len(self.terms)

        def take(layer: str, maps: Tensor, window: Window) -> None:
            for number in self._by_layer[layer]:
                sums[number] = self.terms[number].sums(maps, window)

        _visit(self.network, view, self._by_layer, take, self.tiling, tile)
        return sums

    def _add_up(self, image: Tensor, tiling: Tiling) -> list[tuple[Tensor, ...]]:
        """Every term's sums, tile after tile."""
        total: list[tuple[Tensor, ...]] = []
        for tile in tiling.tiles:
            sums = self._look(cut(image, tile), tile)
            if total:
                pairs = zip(total, sums, strict=True)
                sums = [tuple(a + b for a, b in zip(one, other, strict=True)) for one, other in pairs]
            total = sums
        return total


def walk(
    network: StyleNetwork,
    picture: Float[Tensor, "1 c h w"],
    layers: Sequence[str],
    tiling: Tiling | None,
    take: Callable[[str, Tensor, Window], None],
) -> None:
    """Call `take` with each layer's answer and where in the whole map it lies: once, or once for every tile."""
    if tiling is None:
        _visit(network, picture, layers, take, None, None)
        return
    for tile in tiling.tiles:
        _visit(network, cut(picture, tile), layers, take, tiling, tile)


def _visit(  # noqa: PLR0917 - one step of a walk
    network: StyleNetwork,
    view: Tensor,
    layers: Iterable[str],
    take: Callable[[str, Tensor, Window], None],
    tiling: Tiling | None,
    tile: Tile | None,
) -> None:
    def own(layer: str) -> Callable[[Tensor], None]:
        def visitor(maps: Tensor) -> None:
            window = _WHOLE
            if tiling is not None and tile is not None:
                inner, window = tiling.windows(tile, layer, (maps.shape[2], maps.shape[3]))
                maps = maps[:, :, inner[0], inner[1]]
            take(layer, maps, window)

        return visitor

    network.visit(view, {layer: own(layer) for layer in layers})


class _Tiled(torch.autograd.Function):
    """Loss and gradient in two passes; the gradient is there before anybody asks for it."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, loss: StyleLoss) -> Tensor:
        """First pass, derivatives by the sums, second pass."""
        tiling = loss.tiling
        if tiling is None:
            raise ConfigError("a loss without tiles was asked for tiles.")
        with torch.no_grad():
            sums = loss._add_up(image, tiling)
        with torch.enable_grad():
            leaves = [tuple(one.detach().requires_grad_() for one in found) for found in sums]
            value = loss._total([term.value(found) for term, found in zip(loss.terms, leaves, strict=True)])
            flat = [one for found in leaves for one in found]
            factors = torch.autograd.grad(value, flat, allow_unused=True, materialize_grads=True)
        gradient = torch.zeros_like(image)
        for tile in tiling.tiles:
            with torch.enable_grad():
                view = cut(image, tile).detach().requires_grad_()
                found = [one for sums in loss._look(view, tile) for one in sums]
                pairs = [(f, one) for f, one in zip(factors, found, strict=True) if one.grad_fn is not None]
                surrogate = torch.stack([(f * one).sum() for f, one in pairs]).sum()
                (part,) = torch.autograd.grad(surrogate, view)
            rows, columns = slice(*tile.seen_rows), slice(*tile.seen_columns)
            gradient[:, :, rows, columns] += part
        ctx.save_for_backward(gradient)
        return value.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_value: Tensor) -> tuple[Tensor, None]:
        """The gradient, scaled."""
        (gradient,) = ctx.saved_tensors
        return gradient * to_value, None


def cut(image: Tensor, tile: Tile) -> Tensor:
    """The pixels that a tile sees."""
    return image[:, :, slice(*tile.seen_rows), slice(*tile.seen_columns)]

"""How far a picture is from a content and from a style, layer by layer: each a function of sums over places.

Content is what a layer answers at each place. Style is what it answers on the whole, without the places:

    gram         ‖G − A‖², uncentered second moments (Gatys 2016)
    wasserstein  W₂² = ‖μ − μ'‖² + tr(C + C' − 2·(C'^½ C C'^½)^½), means and covariances, as of normal distributions
    histogram    mean over channels of ∫ (q(p) − q'(p))² dp, q the quantiles of a channel (Risser 2017, ranks for bins)

with G and A divided by their own numbers of places, so that pictures of different sizes can be compared. What is left
of the published formulas is a factor a layer, the *convention* (N channels, M places):

    relative     content ‖F − P‖² / ‖P‖²,   style d / size of the style's own: weights mean the same in any network
    gatys        content ½ ‖F − P‖²,         style 1/(4N²) ‖G/M − A/M‖²
    jcjohnson    content ‖F − P‖² / (N·M),   style 1/N⁴ ‖G/M − A/M‖², the mean over N² of (G/NM − A/NM)²; the tutorial's
    crowsonkb    Σ d² / Σ |d| of both, with G/M: the sum of the gradient's sizes is about 1

Source: Gatys, Ecker, Bethge 2016, CVPR, eq. 1 and 4; Olkin, Pukelsheim 1982 for W₂; Risser, Wilmot, Barnes 2017,
arXiv:1701.08893, section 4.
Differs: `gatys` divides each matrix by its own M, where the paper's 1/(4N²M²) takes both for equal.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from striate.dreams.gram import Moments, moments
from striate.errors import ConfigError

__all__ = [
    "ContentTerm",
    "Convention",
    "HistogramTerm",
    "MomentTerm",
    "StyleKind",
    "Term",
    "Window",
    "check_convention",
    "quantiles",
    "wasserstein2",
]

Convention = Literal["relative", "gatys", "jcjohnson", "crowsonkb"]
StyleKind = Literal["gram", "wasserstein", "histogram"]
Window = tuple[slice, slice]
_QUANTILES = 512


@runtime_checkable
class Term(Protocol):
    """One layer's share of the loss, from sums over places that add up over tiles."""

    @property
    def layer(self) -> str:
        """Which layer."""
        ...

    @property
    def weight(self) -> float:
        """Its factor in the loss."""
        ...

    def sums(self, maps: Float[Tensor, "1 c h w"], window: Window) -> tuple[Tensor, ...]:
        """The sums over the places of `maps`, which are the part `window` of the whole map."""
        ...

    def value(self, sums: tuple[Tensor, ...]) -> Float[Tensor, ""]:
        """The distance, without the weight, from the sums over all places."""
        ...


@dataclass(frozen=True, eq=False)
class ContentTerm:
    """Distance to what a layer answers to the content, place by place.

    Attributes:
        layer: Which.
        weight: Its factor.
        target: P, `1 c h w`.
        convention: See the module.
    """

    layer: str
    weight: float
    target: Float[Tensor, "1 c h w"]
    convention: Convention

    def sums(self, maps: Float[Tensor, "1 c h w"], window: Window) -> tuple[Tensor, ...]:
        """Σ d² and, where it is needed, Σ |d|."""
        difference = maps - self.target[:, :, window[0], window[1]]
        difference = difference if difference.dtype == torch.float64 else difference.float()
        squares = difference.square().sum()
        return (squares, difference.abs().sum()) if self.convention == "crowsonkb" else (squares,)

    def value(self, sums: tuple[Tensor, ...]) -> Float[Tensor, ""]:
        """By the convention."""
        match self.convention:
            case "relative":
                return sums[0] / _size(self.target.to(sums[0]).square().sum())
            case "gatys":
                return sums[0] / 2
            case "jcjohnson":
                return sums[0] / self.target.numel()
            case _:
                return sums[0] / (sums[1] + 1e-8)


@dataclass(frozen=True, eq=False)
class MomentTerm:
    """Distance to a style by means and second moments: `gram` or `wasserstein`.

    Attributes:
        layer: Which.
        weight: Its factor.
        target: The style's moments.
        kind: `gram` or `wasserstein`.
        convention: See the module; it says the scale of `gram`, and whether `wasserstein` is divided by the style's own
            size (`relative`) or by the number of channels (the others).
        guide: How much each place counts, `h w`; all alike by default.
    """

    layer: str
    weight: float
    target: Moments
    kind: Literal["gram", "wasserstein"]
    convention: Convention
    guide: Float[Tensor, "h w"] | None = None

    def sums(self, maps: Float[Tensor, "1 c h w"], window: Window) -> tuple[Tensor, ...]:
        """Count, Σ v and Σ v·vᵀ."""
        found = moments(maps, None if self.guide is None else self.guide[window])
        return found.total.new_tensor(found.count), found.total, found.squares

    def value(self, sums: tuple[Tensor, ...]) -> Float[Tensor, ""]:
        """By kind and convention."""
        found = Moments(float(sums[0].detach()), sums[1], sums[2])
        wanted, channels = self.target, len(sums[1])
        if self.kind == "wasserstein":
            size = _size(wanted.gram.trace()) if self.convention == "relative" else channels
            return wasserstein2(found, wanted) / size
        difference = found.gram - wanted.gram
        squares = difference.square().sum()
        match self.convention:
            case "relative":
                return squares / _size(wanted.gram.square().sum())
            case "gatys":
                return squares / (4 * channels**2)
            case "jcjohnson":
                return squares / channels**4
            case _:
                return squares / (difference.abs().sum() + 1e-8)


@dataclass(frozen=True, eq=False)
class HistogramTerm:
    """Distance to a style by the distribution of each channel alone.

    Its sums are those of whole maps: it cannot be added up over tiles.

    Attributes:
        layer: Which.
        weight: Its factor.
        target: The style's quantiles, `c k`.
        convention: `relative` divides by the mean square of the style's quantiles.
        guide: Places that count, where it is above one half, `h w`; all by default.
    """

    layer: str
    weight: float
    target: Float[Tensor, "c k"]
    convention: Convention
    guide: Float[Tensor, "h w"] | None = None

    def sums(self, maps: Float[Tensor, "1 c h w"], window: Window) -> tuple[Tensor, ...]:
        """Σ over places of (v − the style's value of the same rank)², and the number of values."""
        values = _values(maps, None if self.guide is None else self.guide[window])  # c places
        found = values.sort(dim=1).values
        return (found - _at_ranks(self.target.to(found), found.shape[1])).square().sum(), found.new_tensor(
            found.numel()
        )

    def value(self, sums: tuple[Tensor, ...]) -> Float[Tensor, ""]:
        """The mean over values."""
        size = _size(self.target.square().mean()) if self.convention == "relative" else 1.0
        return sums[0] / sums[1] / size


def quantiles(maps: Float[Tensor, "1 c h w"], guide: Float[Tensor, "h w"] | None = None) -> Float[Tensor, "c k"]:
    """512 quantiles of each channel, from its smallest to its largest value."""
    values = _values(maps.detach(), guide).sort(dim=1).values
    return _at_ranks(values, _QUANTILES)


def wasserstein2(found: Moments, wanted: Moments) -> Float[Tensor, ""]:
    """W₂² between normal distributions of these means and covariances; differentiable in `found`.

    tr (B C B)^½ with B = C'^½ is the sum of the singular values of C^½ B; here it is that of the square roots of the
    eigenvalues of the symmetric B C B. Its derivative by C, ½ B (B C B)^-½ B, is taken with eigenvalues of at least
    10⁻⁶ of the largest.

    >>> a, b = (Moments(1.0, torch.tensor([m]), torch.tensor([[m * m + s * s]])) for m, s in ((0.0, 1.0), (3.0, 2.0)))
    >>> round(float(wasserstein2(a, b)), 4)
    10.0
    """
    means = (found.mean - wanted.mean).square().sum()
    covariance, other = found.covariance, wanted.covariance
    values, vectors = _eigen(other.detach())
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    inner = root @ covariance @ root
    cross: Tensor = _RootTrace.apply((inner + inner.T) / 2)  # type: ignore[no-untyped-call]
    return means + covariance.trace() + other.trace() - 2 * cross


class _RootTrace(torch.autograd.Function):
    """tr X^½ of a symmetric positive semidefinite matrix; autograd's own divides by differences of eigenvalues."""

    @staticmethod
    def forward(ctx: "torch.autograd.function.FunctionCtx", x: Tensor) -> Tensor:
        """Σ √λ."""
        values, vectors = _eigen(x)
        ctx.save_for_backward(values, vectors)
        found: Tensor = values.clamp(min=0).sqrt().sum()
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: "torch.autograd.function.FunctionCtx", to_trace: Tensor) -> Tensor:
        """½ X^-½."""
        values, vectors = ctx.saved_tensors  # type: ignore[attr-defined]
        floor = (values.amax() * 1e-6).clamp(min=torch.finfo(values.dtype).tiny)
        found: Tensor = to_trace / 2 * (vectors * values.clamp(min=floor).rsqrt()) @ vectors.T
        return found


def _eigen(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and vectors; NaN where a search along a line has left the numbers, so that the step is undone."""
    if not bool(x.isfinite().all()):
        return x.new_full((len(x),), torch.nan), torch.full_like(x, torch.nan)
    try:
        values, vectors = torch.linalg.eigh(x)
    except RuntimeError:  # float32 does not always get there
        values, vectors = (found.to(x) for found in torch.linalg.eigh(x.double()))
    return values, vectors


def _values(maps: Tensor, guide: Tensor | None) -> Tensor:
    """`c places`, in float32 at least."""
    values = maps[0].flatten(1)
    values = values if values.dtype == torch.float64 else values.float()
    return values if guide is None else values[:, guide.reshape(-1) >= 0.5]


def _at_ranks(ordered: Tensor, count: int) -> Tensor:
    """Rows of rising values, read at `count` even ranks; linear in between."""
    have = ordered.shape[1]
    at = (torch.arange(count, device=ordered.device, dtype=ordered.dtype) + 0.5) * have / count - 0.5
    at = at.clamp(0, have - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=have - 1)
    return torch.lerp(ordered[:, low], ordered[:, high], (at - low).expand(len(ordered), -1))


def _size(value: Tensor) -> Tensor:
    """What is divided by, never zero."""
    return value.clamp(min=torch.finfo(value.dtype).tiny ** 0.5)


def check_convention(convention: str) -> None:
    """Refuse a convention that nobody knows."""
    if convention not in ("relative", "gatys", "jcjohnson", "crowsonkb"):
        raise ConfigError(f"convention must be 'relative', 'gatys', 'jcjohnson' or 'crowsonkb'; got {convention!r}.")

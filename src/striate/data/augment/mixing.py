"""Two pictures in one, and both labels in the shares in which they are seen.

Mixup lays one picture over the other like a double exposure, CutMix pastes a rectangle of the other. Either way the
network may not be surer than the picture allows.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.batches import MixingTransform, check_batch, check_range, each
from striate.data.augment.draws import Draws
from striate.errors import ShapeError

__all__ = ["CutMix", "EitherMix", "Mixup"]


@dataclass(frozen=True)
class Mixup:
    """The weighted mean of a picture and another of its batch, λ ~ Beta(α, α).

    Attributes:
        alpha: Small values mean that mostly one of the two is seen.
        probability: Of a picture being mixed at all.

    Raises:
        ConfigError: If `alpha` is not above 0, or `probability` is none.

    Source: Zhang et al. 2017, mixup: Beyond Empirical Risk Minimization, equation 2.
    Differs: λ is drawn for each picture, as the equation says, and not once a batch, as the paper's code does.
    """

    alpha: float = 0.2
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("Mixup: alpha", self.alpha, 1e-3, 1e3)
        check_range("Mixup: probability", self.probability, 0, 1)

    def __call__(
        self, images: Float[Tensor, "n c h w"], targets: Float[Tensor, "n k"], draws: Draws
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n k"]]:
        """The mixed pictures and the mixed targets."""
        _check_targets(images, targets, draws)
        share = draws.beta("mixup", self.alpha)
        share = np.where(draws.uniform("mixup/whether") < self.probability, share, 1.0)
        partner = torch.from_numpy(_partners(draws)).to(images.device)
        weight = each(share, images)
        mixed = images[partner].lerp_(images, weight.expand_as(images))
        return mixed, _mixed_targets(targets, partner.to(targets.device), share)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"mixup (α {self.alpha:g}){_whether(self.probability)}"


@dataclass(frozen=True)
class CutMix:
    """A rectangle of another picture of the batch is pasted in, at its own place.

    Attributes:
        alpha: Of the area that stays, λ ~ Beta(α, α).
        probability: Of a picture being mixed at all.

    Raises:
        ConfigError: If `alpha` is not above 0, or `probability` is none.

    Source: Yun et al. 2019, CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features,
        equations 1 and 2; the share is that of the pixels which are really seen, as in the paper's code.
    """

    alpha: float = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("CutMix: alpha", self.alpha, 1e-3, 1e3)
        check_range("CutMix: probability", self.probability, 0, 1)

    def __call__(
        self, images: Float[Tensor, "n c h w"], targets: Float[Tensor, "n k"], draws: Draws
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n k"]]:
        """The pictures with their patches, and the mixed targets."""
        _check_targets(images, targets, draws)
        h, w = images.shape[2:]
        kept = draws.beta("cutmix", self.alpha)
        kept = np.where(draws.uniform("cutmix/whether") < self.probability, kept, 1.0)
        middle = np.floor(draws.uniform("cutmix/center", 2) * [h, w])  # n 2
        half = np.floor(0.5 * np.sqrt(1 - kept) * [h, w])
        low, high = np.clip(middle - half, 0, [h, w]), np.clip(middle + half, 0, [h, w])
        share = 1 - (high - low).prod(1) / (h * w)
        y = torch.arange(h, device=images.device).view(-1, 1)
        x = torch.arange(w, device=images.device)
        top, left, bottom, right = (each(edge, images) for edge in (*low.T, *high.T))
        pasted = (y >= top) & (y < bottom) & (x >= left) & (x < right)  # n 1 h w
        partner = torch.from_numpy(_partners(draws)).to(images.device)
        mixed = torch.where(pasted, images[partner], images)
        return mixed, _mixed_targets(targets, partner.to(targets.device), share)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"CutMix (α {self.alpha:g}){_whether(self.probability)}"


@dataclass(frozen=True)
class EitherMix:
    """One or the other way of mixing, for each picture by the toss of a coin.

    Attributes:
        first: With probability `share`.
        second: Otherwise.
        share: In [0, 1].

    Raises:
        ConfigError: If `share` is no probability.
    """

    first: MixingTransform
    second: MixingTransform
    share: float = 0.5

    def __post_init__(self) -> None:
        check_range("EitherMix: share", self.share, 0, 1)

    def __call__(
        self, images: Float[Tensor, "n c h w"], targets: Float[Tensor, "n k"], draws: Draws
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n k"]]:
        """The mixed pictures and the mixed targets."""
        toss = torch.from_numpy(draws.uniform("either-mix")[:, 0] < self.share)
        (one, one_targets), (two, two_targets) = self.first(images, targets, draws), self.second(images, targets, draws)
        mixed = torch.where(toss.to(images.device)[:, None, None, None], one, two)
        return mixed, torch.where(toss.to(targets.device)[:, None], one_targets, two_targets)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"{self.first.describe()} or {self.second.describe()}, by the toss of a coin"


def _check_targets(images: Tensor, targets: Tensor, draws: Draws) -> None:
    check_batch(images, draws)
    if targets.ndim != 2 or len(targets) != len(images) or not targets.is_floating_point():
        shape = " ".join(map(str, targets.shape))
        raise ShapeError(
            f"targets must be probabilities, floating point n k with n = {len(images)}, got {targets.dtype} {shape}; "
            "make them of labels with torch.nn.functional.one_hot(labels, k).float()."
        )


def _partners(draws: Draws) -> NDArray[np.int64]:
    """Which other row each row is mixed with: one circle through all rows, so that no picture meets itself."""
    circle = np.argsort(draws.uniform("mix/partner")[:, 0], kind="stable")
    partner = np.empty_like(circle)
    partner[circle] = np.roll(circle, -1)
    return partner


def _mixed_targets(targets: Tensor, partner: Tensor, share: NDArray[np.float64]) -> Tensor:
    own = torch.tensor(share.reshape(-1, 1), dtype=targets.dtype, device=targets.device)
    return own * targets + (1 - own) * targets[partner]


def _whether(probability: float) -> str:
    return "" if probability == 1 else f" in {100 * probability:g} % of cases"

"""From a class or a unit back to the picture: what all methods that use a gradient share.

One forward pass, no further than the targets need; then one backward pass for all pictures of a batch, or one for each
of many targets of a single picture.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError, ShapeError
from striate.insight.field_crop import cut_to_fields
from striate.insight.target import Asked, Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import UnitAddress, evaluating
from striate.probe.backward_rules import BackwardRule, RewrittenBackward, SmoothRule
from striate.probe.frozen import FrozenWeights
from striate.probe.masks import MaskWatch
from striate.runtime import best_batch_size

__all__ = ["Gradients", "gradients_of"]

_AT_ONCE = 8
"""So many pictures go through together without asking what fits the cache."""


@dataclass(frozen=True)
class Gradients:
    """What came back to the picture.

    Attributes:
        values: `t c h w`, one for each target.
        targets: Class indices, and addresses of units with their position.
        scores: `t`: the logits or activations.
        rectifiers: Rectifiers that the rule was applied to, and how many of each.
        derivatives: Nonlinearities that took their plain derivative though the rule changes others.
        boxes: `t 4`, `xyxy` pixels that the values are cut to, or None.
    """

    values: Float[Tensor, "t c h w"]
    targets: tuple[int | str, ...]
    scores: Float[Tensor, " t"]
    rectifiers: dict[str, int]
    derivatives: dict[str, int]
    boxes: NDArray[np.int64] | None = None


def gradients_of(
    network: Network | nn.Module,
    images: Images,
    target: Target,
    *,
    method: str,
    rule: BackwardRule = "plain",
    smooth: SmoothRule = "refuse",
    batch_size: int | None = None,
    crop: bool = False,
) -> Gradients:
    """The gradient of each target with respect to its picture, by `rule`.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: As `read_targets`; a list of any length for a single image.
        method: The method's name, for messages.
        rule: How the backward pass goes through rectifiers.
        smooth: What is done at smooth activations where the rule is not `plain`.
        batch_size: Pictures that go through the network at once.
        crop: Cut to the receptive fields of the units of one layer.

    Raises:
        ConfigError: The targets do not depend on the picture in a way that has a gradient, a mask that the rule does
            not reach, or a batch size below 1.
        ShapeError: Pictures of whole numbers.
        DataError: What is asked about is not finite.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")
    module, x = module_and_input(network, images)
    if not x.is_floating_point():
        raise ShapeError(f"images must be floating point for a gradient; got {x.dtype}. Give images.float().")
    wanted = read_targets(network, target, len(x), many=True)
    back = _Back(network, module, method, rule, MaskWatch(method, smooth=smooth) if rule != "plain" else None)
    with evaluating(module):
        if crop:
            cut = cut_to_fields(network, module, x, wanted, back)
            values, asked, boxes = [cut.values], [cut.asked], cut.boxes
        else:
            parts = [back(part, questions) for part, questions in _parts(module, x, wanted, batch_size)]
            values, asked, boxes = [value for value, _ in parts], [answer for _, answer in parts], None
    return Gradients(
        values=torch.cat(values),
        targets=tuple(target for answer in asked for target in answer.targets),
        scores=torch.cat([answer.scores.detach() for answer in asked]),
        rectifiers={} if back.watch is None else back.once(back.watch.rectifiers),
        derivatives={} if back.watch is None else back.once(back.watch.derivatives),
        boxes=boxes,
    )


def _parts(
    module: nn.Module, x: Tensor, wanted: Sequence[int | UnitAddress | None], batch_size: int | None
) -> Iterator[tuple[Tensor, Sequence[int | UnitAddress | None]]]:
    if len(wanted) != len(x):  # many questions about one picture
        yield x, wanted
        return
    size = batch_size or (len(x) if len(x) <= _AT_ONCE else max(best_batch_size(module, x), _AT_ONCE // 2))
    for begin in range(0, len(x), size):
        yield x[begin : begin + size], wanted[begin : begin + size]


@dataclass
class _Back:
    """One pass there and back, for a batch with a target each or for many targets of one picture."""

    network: Network | nn.Module
    module: nn.Module
    method: str
    rule: BackwardRule
    watch: MaskWatch | None
    passes: int = 0

    def __call__(self, x: Tensor, wanted: Sequence[int | UnitAddress | None]) -> tuple[Tensor, Asked]:
        """The gradients `t c h w`, and what was asked."""
        self.passes += 1
        watching: AbstractContextManager[Any] = self.watch or nullcontext()
        # Whatever the caller has switched off, here gradients are the point.
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x.detach().clone().requires_grad_(True)
            # Weights stay constants on the way back too: checkpointed parts are computed again there.
            with FrozenWeights(leaf):
                with watching:
                    # The copy keeps a first layer that works in place away from the leaf.
                    asked = score_targets(self.network, self.module, leaf.clone(), wanted)
                if not asked.scores.requires_grad:
                    self.refuse_if_cut(leaf, wanted, asked)
                    return torch.zeros_like(leaf)[list(asked.images)], asked
                if self.watch is not None:
                    self.watch.check(asked.scores)
                with RewrittenBackward(self.rule, smooth=self.watch.smooth) if self.watch else nullcontext():
                    if len(wanted) == len(x):
                        # Pictures of a batch do not mix in evaluation mode: the sum's gradient is each one's own.
                        return torch.autograd.grad(asked.scores.sum(), leaf)[0], asked
                    last = len(wanted) - 1
                    rows = [
                        torch.autograd.grad(score, leaf, retain_graph=place < last)[0]
                        for place, score in enumerate(asked.scores)
                    ]
                    return torch.cat(rows), asked

    def once(self, counted: Counter[str]) -> dict[str, int]:
        """Counts of one pass: a batch in parts meets each nonlinearity once a part."""
        return {name: count // self.passes for name, count in counted.items()}

    def refuse_if_cut(self, leaf: Tensor, wanted: Sequence[int | UnitAddress | None], asked: Asked) -> None:
        """No gradient and no dependence is a gradient of zero; a dependence without a gradient has none."""
        ramp = torch.linspace(0.1, 1, leaf.numel(), device=leaf.device, dtype=leaf.dtype).view_as(leaf)
        with torch.no_grad():
            moved = score_targets(self.network, self.module, leaf + ramp, wanted)
        if moved.targets != asked.targets or not torch.equal(moved.scores, asked.scores):
            raise ConfigError(
                f"{type(self.module).__name__} gives scores without a gradient to its input (detached, or computed "
                f"under no_grad), so there is no {self.method}. Use occlusion, which needs none."
            )

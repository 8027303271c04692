"""Insertion and deletion: does a map rank the pixels as the network does?

Deletion blanks the pixels in the order of the map, highest first, and asks the network again and again: where the map
is right, the score falls at once. Insertion starts from a blurred picture and puts the pixels back in the same order:
where the map is right, the score rises at once. The number for a curve s(f) over the share f of changed pixels is its
area,

    AUC = integral from 0 to 1 of s(f) df      (trapezoids; deletion: small is good, insertion: large is good)

A number alone says little, because noise destroys a picture, too: so the same is done in random orders, and in the
order of the distance to the middle of the picture.

Source: Petsiuk, Das, Saenko 2018, "RISE", arXiv:1806.07421, section 3.3 (and its code: `evaluation.py`).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from striate.data.images import Images
from striate.errors import ConfigError, StriateError
from striate.insight.fill import Fill, describe_fill, fill_color
from striate.insight.perturbation_curves import PerturbationCurves
from striate.insight.pixel_order import Maps, center_map, named_maps, pixel_order
from striate.insight.target import Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import UnitAddress, evaluating, summary
from striate.runtime import best_batch_size, fold

__all__ = ["blurred", "deletion", "deletion_insertion", "insertion"]

Score = Literal["probability", "logit"]


def deletion(
    network: Network | nn.Module,
    images: Images,
    maps: Maps,
    *,
    target: Target = None,
    steps: int = 50,
    fill: Fill = None,
    score: Score = "probability",
    random_orders: int = 3,
    center: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
) -> PerturbationCurves:
    """How fast the score falls when the pixels that a map ranks highest are blanked first.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        maps: A `Heatmap`, an `InputGradient`, an array `n h w`, or a mapping from names to several of these, which then
            share their forward passes.
        target: Class index, label or unit address, one for all or one for each; each image's best class by default.
            Give the one that the maps explain.
        steps: Points on the curve, besides the untouched picture; the paper blanks one row's worth of pixels a step
            (`steps=224` at 224 px).
        fill: What pixels are blanked with: RGB in [0, 1] for a `Network` (its mean color by default), a number or one
            for each channel in input space for a plain module (0 by default).
        score: `probability` after the softmax, or the raw `logit`. A unit's activation is taken as it is.
        random_orders: How many random orders the `random` reference averages; 0 leaves it out.
        center: Whether to compare with the distance to the middle as well.
        seed: For the random orders, and for ties within a map.
        batch_size: Pictures that go through the network at once; by default as many as the processor's cache (or a GPU)
            likes.

    Returns:
        A curve for each map and image, `n s+1`, with its area.

    Raises:
        ShapeError: Maps that do not fit the images.
        ConfigError: Fewer than one step or a map with NaN.

    Source:
        Petsiuk et al. 2018, arXiv:1806.07421, section 3.3.

    Differs:
        Equal values are ordered by chance, not by their place. 50 steps; `steps=224` is the paper.

    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[4.0, 3.0, 2.0, 1.0]]))
    >>> curves = deletion(linear, torch.ones(1, 1, 2, 2), np.array([[[4, 3], [2, 1]]]), steps=4, score="logit")
    >>> curves.scores["map"].tolist(), curves.auc["map"].tolist()
    ([[10.0, 6.0, 3.0, 1.0, 0.0]], [3.75])
    """
    judge = _Judge.of(network, images, target=target, score=score, batch_size=batch_size)
    blank = fill_color(network, judge.x, fill).expand_as(judge.x)
    return _curves(
        judge, blank, maps, kind="deletion", steps=steps, random_orders=random_orders, center=center, seed=seed,
        settings={"fill": describe_fill(network, fill)},
    )  # fmt: skip


def insertion(
    network: Network | nn.Module,
    images: Images,
    maps: Maps,
    *,
    target: Target = None,
    steps: int = 50,
    start: Literal["blur"] | Fill = "blur",
    score: Score = "probability",
    random_orders: int = 3,
    center: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
) -> PerturbationCurves:
    """How fast the score rises when the pixels that a map ranks highest are put back first.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        maps: As for `deletion`.
        target: As for `deletion`.
        steps: Points on the curve, besides the first picture.
        start: The picture that pixels are put back into: `blur` (Gaussian, deviation 5 px, cut off at 11 × 11), or a
            color as `fill` of `deletion` takes it.
        score: As for `deletion`.
        random_orders: As for `deletion`.
        center: As for `deletion`.
        seed: As for `deletion`.
        batch_size: As for `deletion`.

    Returns:
        A curve for each map and image, `n s+1`, with its area.

    Raises:
        ShapeError: Maps that do not fit the images.
        ConfigError: Fewer than one step, a map with NaN, or a start that is neither `blur` nor a color.

    Source:
        Petsiuk et al. 2018, arXiv:1806.07421, section 3.3.

    Differs:
        As `deletion`.
    """
    if isinstance(start, str) and start != "blur":
        raise ConfigError(f"start must be 'blur' or a color; got {start!r}.")
    judge = _Judge.of(network, images, target=target, score=score, batch_size=batch_size)
    x = judge.x
    first = blurred(x) if isinstance(start, str) else fill_color(network, x, start, name="start").expand_as(x)
    return _curves(
        judge, first, maps, kind="insertion", steps=steps, random_orders=random_orders, center=center, seed=seed,
        settings={"start": "blur" if isinstance(start, str) else describe_fill(network, start)},
    )  # fmt: skip


def deletion_insertion(
    network: Network | nn.Module,
    images: Images,
    maps: Maps,
    *,
    target: Target = None,
    steps: int = 50,
    score: Score = "probability",
    random_orders: int = 3,
    center: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
) -> tuple[PerturbationCurves, PerturbationCurves]:
    """`deletion` and `insertion` with their usual fill and start, prepared once: the same numbers in less time.

    Args and raises as there.

    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> picture, ranks = torch.ones(1, 1, 2, 2), np.array([[[4, 3], [2, 1]]])
    >>> falls, rises = deletion_insertion(linear, picture, ranks, steps=4)
    >>> bool((falls.auc["map"] == deletion(linear, picture, ranks, steps=4).auc["map"]).all()), rises.kind
    (True, 'insertion')
    """
    judge = _Judge.of(network, images, target=target, score=score, batch_size=batch_size)
    blank = fill_color(network, judge.x, None).expand_as(judge.x)
    shared: dict[str, Any] = {"steps": steps, "random_orders": random_orders, "center": center, "seed": seed}
    return (
        _curves(judge, blank, maps, kind="deletion", settings={"fill": describe_fill(network, None)}, **shared),
        _curves(judge, blurred(judge.x), maps, kind="insertion", settings={"start": "blur"}, **shared),
    )


def blurred(x: Float[Tensor, "n c h w"], *, size: int = 11, deviation: float = 5.0) -> Float[Tensor, "n c h w"]:
    """The paper's blur: a Gaussian of 5 px cut off at 11 × 11, whose weights add up to 1; zeros beyond the border."""
    point = np.zeros((size, size))
    point[size // 2, size // 2] = 1.0
    kernel = torch.from_numpy(ndimage.gaussian_filter(point, deviation)).to(x)  # what is cut off is mirrored back in
    channels = x.shape[1]
    return F.conv2d(x.detach(), kernel.expand(channels, 1, size, size), padding=size // 2, groups=channels)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Whoever is asked again and again: found once, for both curves."""

    module: nn.Module
    x: Float[Tensor, "n c h w"]
    ask: Callable[[Tensor, list[int | UnitAddress | None]], Tensor]
    targets: tuple[int | str, ...]
    wanted: list[int | UnitAddress | None]
    score: str
    at_once: int

    @classmethod
    def of(
        cls, network: Network | nn.Module, images: Images, *, target: Target, score: Score, batch_size: int | None
    ) -> "_Judge":
        if score not in ("probability", "logit"):
            raise ConfigError(f"score must be 'probability' or 'logit'; got {score!r}.")
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")
        module, x = module_and_input(network, images)
        rows = None
        if batch_size is None:  # then two ask for the table
            with suppress(StriateError, RuntimeError):  # a pass that cannot be followed
                rows = summary(module, tuple(x.shape[1:]), run=False).rows
        with evaluating(module), torch.inference_mode():
            x = x.detach()
            asked = score_targets(network, module, x, read_targets(network, target, len(x)))
            wanted = read_targets(network, list(asked.targets), len(x))
            units = any(isinstance(item, UnitAddress) for item in wanted)
            runner = module if units else fold(module, x, rows=rows)
        return cls(
            module=module,
            x=x,
            ask=partial(_ask, network, runner, score=score, units=units),
            targets=asked.targets,
            wanted=wanted,
            score="activation" if units else score,
            at_once=batch_size or best_batch_size(module, x, rows=rows),
        )


def _curves(
    judge: _Judge,
    other: Float[Tensor, "n c h w"],
    maps: Maps,
    *,
    kind: Literal["deletion", "insertion"],
    steps: int,
    random_orders: int,
    center: bool,
    seed: int,
    settings: dict[str, object],
) -> PerturbationCurves:
    began = perf_counter()
    x = judge.x
    count, pixels = len(x), x.shape[2] * x.shape[3]
    _check(steps, pixels, random_orders)
    given = named_maps(maps, count=count, size=(x.shape[2], x.shape[3]))
    random = np.random.default_rng(seed)
    runs = {name: np.stack([pixel_order(one, random) for one in values]) for name, values in given.items()}
    chance = [f"random {i}" for i in range(random_orders)]
    references = {name: np.stack([random.permutation(pixels) for _ in range(count)]) for name in chance}
    if center:
        middle = center_map((x.shape[2], x.shape[3]))
        references["center"] = np.stack([pixel_order(middle, random) for _ in range(count)])
    limits = np.rint(np.linspace(0, pixels, steps + 1)).astype(np.int64)
    with evaluating(judge.module), torch.inference_mode():
        first, last = (x, other.detach()) if kind == "deletion" else (other.detach(), x)
        scores = _score_all(
            judge.ask,
            first=first,
            last=last,
            ranks=np.stack([*runs.values(), *references.values()]),
            limits=limits,
            wanted=judge.wanted,
            size=judge.at_once,
        )
    curves = dict(zip([*runs, *references], scores, strict=True))
    at_random = np.stack([curves[name] for name in chance]) if chance else None
    known = {} if at_random is None else {"random": at_random.mean(0)}
    return PerturbationCurves(
        kind=kind,
        fractions=limits / pixels,
        scores={name: curves[name] for name in runs},
        references={**known, **({"center": curves["center"]} if center else {})},
        spread=None if at_random is None else np.stack([at_random.min(0), at_random.max(0)], axis=1),
        target=judge.targets,
        score=judge.score,
        parameters={"steps": steps, "random_orders": random_orders, "seed": seed, **settings},
        seconds=perf_counter() - began,
    )


def _score_all(
    ask: Callable[[Tensor, list[int | UnitAddress | None]], Tensor],
    *,
    first: Float[Tensor, "n c h w"],
    last: Float[Tensor, "n c h w"],
    ranks: Int[np.ndarray, "r n p"],
    limits: Int[np.ndarray, " s"],
    wanted: list[int | UnitAddress | None],
    size: int,
) -> NDArray[np.float64]:
    """The score `r n s` of every picture in which the pixels of rank below a limit are taken from `last`."""
    orders, count, _ = ranks.shape
    scores = np.empty((orders, count, len(limits)))
    # The first and the last picture are the same for every order.
    ends = [(0, n, s) for n in range(count) for s in (0, len(limits) - 1)]
    between = [(r, n, s) for r in range(orders) for n in range(count) for s in range(1, len(limits) - 1)]
    places = ends + between
    held = torch.from_numpy(ranks).to(first.device)
    for begin in range(0, len(places), size):
        batch = places[begin : begin + size]
        r, n, s = (list(axis) for axis in zip(*batch, strict=True))
        bound = torch.from_numpy(limits[s]).to(first.device)
        changed = (held[r, n] < bound[:, None]).view(len(batch), 1, *first.shape[2:])  # b 1 h w
        answers = ask(torch.where(changed, last[n], first[n]), [wanted[i] for i in n])
        scores[r, n, s] = answers.double().cpu().numpy()
    scores[:, :, [0, -1]] = scores[:1, :, [0, -1]]
    return scores


def _ask(
    network: Network | nn.Module,
    module: nn.Module,
    x: Float[Tensor, "n c h w"],
    wanted: list[int | UnitAddress | None],
    *,
    score: Score,
    units: bool,
) -> Float[Tensor, " n"]:
    if units:
        return score_targets(network, module, x, wanted).scores
    with evaluating(module):
        logits: Tensor = module(x)
    logits = logits.float() if logits.element_size() < 4 else logits
    scores = logits.softmax(1) if score == "probability" else logits
    chosen: Tensor = scores.gather(1, torch.tensor(wanted, device=x.device)[:, None])[:, 0]
    return chosen


def _check(steps: int, pixels: int, random_orders: int) -> None:
    if not 1 <= steps <= pixels:
        raise ConfigError(f"steps must be from 1 to the {pixels} pixels of a picture; got {steps}.")
    if random_orders < 0:
        raise ConfigError(f"random_orders must be at least 0; got {random_orders}.")

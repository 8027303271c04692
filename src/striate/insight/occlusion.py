"""Occlusion: the class probability as a function of the position of a blank patch.

A patch of one color covers a window of the picture, and the window slides. Where the probability of the class falls,
the network was using what is hidden. For a window at grid place g, with p(c) the probability of class c,

    grid[g] = p(c | picture with window g blank)
    value[i, j] = mean over the windows g that cover pixel (i, j) of  p(c | picture) - grid[g]

There are ceil((H - h) / s) + 1 windows along a side; the last is cut at the border.

Source: Zeiler, Fergus 2013, "Visualizing and understanding convolutional networks", arXiv:1311.2901, section 4.2.
"""

import math
from collections.abc import Callable, Generator
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError
from striate.insight.fill import Fill, describe_fill, fill_color
from striate.insight.heatmap import Heatmap, as_numpy
from striate.insight.target import Target, choose_targets, module_and_input
from striate.models import Network
from striate.probe import evaluating
from striate.runtime import Places, patched_answers, visible_places

__all__ = ["occlusion", "spread_windows", "sweep_occlusion", "window_starts"]

Score = Literal["probability", "logit"]


def occlusion(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    window: int | tuple[int, int] = 16,
    stride: int | tuple[int, int] = 8,
    fill: Fill = None,
    score: Score = "probability",
    batch_size: int | None = None,
    memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Heatmap:
    """How much a class loses when a blank patch hides each place.

    One sweep keeps every class: `grid[n, y, x, k]` is the raw score of class k with the patch at that place.

    Where it pays, only what a patch can have changed is computed again, layer by layer (`striate.runtime.follow`): the
    same numbers to rounding, several times sooner. A patch that hides nothing but its own color is not asked about.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: Class index or label, one for all or one for each; each image's best answer by default.
        window: Side of the patch in pixels of what the network gets, or (height, width). One that is larger than the
            picture hides all of it, in one place.
        stride: Pixels between neighboring windows, at most the window (else pixels would stay unseen).
        fill: Color of the patch: RGB in [0, 1] for a `Network` (its mean color by default), a number or one for each
            channel in input space for a plain module (0 by default).
        score: `probability` after the softmax, or the raw `logit`.
        batch_size: Pictures that go through the network at once, at most; by default as many as the processor's cache
            (or a GPU) likes.
        memory: Bytes that the sweep may take beside the network, the pictures and the result: the maps of the clean
            picture that are kept, and those of the batch that is running. 1 GiB by default. It bounds the batch, so
            that the number of patches and classes does not matter.
        progress: Called with (windows done, windows in all).

    Returns:
        `values` `n h w`: the mean drop over the windows that cover a pixel; `grid` `n gh gw k`; `baseline` `n k`.

    Raises:
        ConfigError: A window or stride below 1, a stride above the window, a fill of the wrong length, or less memory
            than one picture takes.
        DataError: The clean picture's scores are not numbers.

    Source:
        Zeiler and Fergus 2013, arXiv:1311.2901, section 4.2.

    Differs:
        The paper shows the raw score of each position; that is `grid`. `values` averages the drop over the windows
        that cover a pixel, as captum does, so that the map has the picture's size and 0 means "does not matter".
    """
    sweep = sweep_occlusion(
        network,
        images,
        target=target,
        window=window,
        stride=stride,
        fill=fill,
        score=score,
        batch_size=batch_size,
        memory=memory,
    )
    while True:
        try:
            done, total = next(sweep)
        except StopIteration as finished:
            result: Heatmap = finished.value
            return result
        if progress is not None:
            progress(done, total)


def sweep_occlusion(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    window: int | tuple[int, int] = 16,
    stride: int | tuple[int, int] = 8,
    fill: Fill = None,
    score: Score = "probability",
    batch_size: int | None = None,
    memory: int | None = None,
) -> Generator[tuple[int, int], None, Heatmap]:
    """`occlusion` in steps: yields (windows done, windows in all) after every batch and returns the result.

    For a caller that draws progress, streams it, or wants to stop in between.
    """
    began = perf_counter()
    height, width = _pair("window", window)
    step_y, step_x = _pair("stride", stride)
    if step_y > height or step_x > width:
        raise ConfigError(
            f"stride must be at most the window, or pixels between windows are never hidden; got stride "
            f"({step_y}, {step_x}) and window ({height}, {width})."
        )
    for name, number in (("batch_size", batch_size), ("memory", memory)):
        if number is not None and number < 1:
            raise ConfigError(f"{name} must be at least 1; got {number}.")
    module, x = module_and_input(network, images)
    patch = fill_color(network, x, fill)
    tops, lefts = window_starts(x.shape[2], height, step_y), window_starts(x.shape[3], width, step_x)
    places = Places(tops, lefts, (height, width))
    # Modes end before each yield: whoever takes the steps has a thread and a module that are as they were.
    with evaluating(module), torch.inference_mode():
        logits = module(x)
        targets = choose_targets(network, logits, target)
        baseline = _finish(logits, score)
    answers = baseline[:, None].repeat(1, places.count, 1)  # n places k
    changed = [visible_places(picture, places, patch) for picture in x]
    done = len(x) * places.count - sum(len(numbers) for numbers in changed)
    if done:
        yield done, len(x) * places.count
    for n, numbers, scores in patched_answers(module, x, places, patch, changed, batch_size=batch_size, memory=memory):
        answers[n, numbers] = _finish(scores, score)
        done += len(numbers)
        yield done, len(x) * places.count
    grid = answers.view(len(x), len(tops), len(lefts), -1)
    chosen = targets.view(-1, 1, 1, 1).expand(-1, len(tops), len(lefts), 1)
    drop = baseline.gather(1, targets[:, None])[:, :, None] - grid.gather(3, chosen).squeeze(3)
    values = np.stack(
        [
            spread_windows(one, tops=tops, lefts=lefts, window=(height, width), size=(x.shape[2], x.shape[3]))
            for one in drop.cpu().double().numpy()
        ]
    )
    grid_values = as_numpy(grid)
    return Heatmap(
        values=values.astype(grid_values.dtype),
        method="occlusion",
        unit=f"{score} drop",
        signed=True,
        target=tuple(targets.tolist()),
        parameters={
            "window": [height, width],
            "stride": [step_y, step_x],
            "fill": describe_fill(network, fill),
            "score": score,
            "windows": [len(tops), len(lefts)],
        },
        grid=grid_values,
        baseline=as_numpy(baseline),
        seconds=perf_counter() - began,
    )


def window_starts(extent: int, window: int, stride: int) -> list[int]:
    """First pixels of the windows along one side: ceil((extent - window) / stride) + 1 of them.

    >>> window_starts(6, 3, 2)
    [0, 2, 4]
    """
    return [i * stride for i in range(max(math.ceil((extent - window) / stride), 0) + 1)]


def spread_windows(
    drop: Float[np.ndarray, "gh gw"],
    *,
    tops: list[int],
    lefts: list[int],
    window: tuple[int, int],
    size: tuple[int, int],
) -> NDArray[np.float64]:
    """At each pixel of a picture of `size`, the mean of `drop` over the windows that cover it.

    A window adds its value to a box. Marking the box's four corners and summing up twice adds all boxes at once.
    """
    total, count = np.zeros((size[0] + 1, size[1] + 1)), np.zeros((size[0] + 1, size[1] + 1))
    for y, top in enumerate(tops):
        bottom = min(top + window[0], size[0])
        for x, left in enumerate(lefts):
            right = min(left + window[1], size[1])
            for corners, value in ((total, drop[y, x]), (count, 1.0)):
                corners[top, left] += value
                corners[bottom, right] += value
                corners[top, right] -= value
                corners[bottom, left] -= value
    cover = count.cumsum(0).cumsum(1)[:-1, :-1]
    mean: NDArray[np.float64] = total.cumsum(0).cumsum(1)[:-1, :-1] / cover
    return mean


def _finish(logits: Tensor, score: Score) -> Tensor:
    scores = logits.float() if logits.element_size() < 4 else logits  # a drop is a small difference of two numbers
    return scores.softmax(1) if score == "probability" else scores


def _pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or min(pair) < 1 or any(side % 1 for side in pair):
        raise ConfigError(f"{name} must be at least 1 pixel, one number or (height, width); got {value}.")
    return pair

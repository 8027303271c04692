"""`deep_dream`: a photo in, a dream out; and the same step by step.

What is done is said in `dreamer.py`. Layers near the picture paint strokes, those at two thirds of the depth shapes and
eyes, the last ones parts of things; a class or a channel paints one thing, a guide paints what another photo is made
of.
"""

from collections.abc import Generator, Mapping, Sequence
from time import perf_counter

import torch
from torch import Tensor, nn

from striate.data.images import Photo
from striate.dreams.dream_photo import DreamSize, photo_tensor
from striate.dreams.dream_picture import DreamPicture
from striate.dreams.dreamer import Dreamer, DreamStep, Painting
from striate.dreams.goals import DreamTarget
from striate.dreams.lean_subject import Precision
from striate.models import Network

__all__ = ["deep_dream", "dream_result", "stream_deep_dream"]


def deep_dream(
    network: Network | nn.Module,
    photo: Photo | Tensor,
    *,
    target: DreamTarget | Sequence[DreamTarget] | Mapping[str, float] | None = None,
    guide: Photo | Tensor | None = None,
    size: DreamSize = None,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    strength: float = 1.5,
    jitter: int = 32,
    tile: int = 1024,
    precision: Precision = "float32",
    channels: int | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
) -> DreamPicture:
    """Paint into a photo more of what a layer, a unit or a class of a network sees in it.

    Args:
        network: A `Network`, or any module that takes one tensor `n c h w`.
        photo: One photo: a path, the bytes of a file, uint8 `h w 3`, or a tensor `1 3 h w` in [0, 1]; for a plain
            module a tensor `1 c h w` within `limits`.
        target: What to see more of: a layer's path (the notes' rule: its gradient is its activation), a unit's address
            (a channel's mean, or one unit), a class index or label (its logit), an `Objective`; or several, as text
            (`blocks.4,blocks.2:7=0.5`), a list, or names with weights. By default the end of the stage at two thirds of
            the network's depth.
        guide: A second picture: at every place, the layer becomes like what is most like it there.
        size: Longer side in pixels, or `original`; by default that of a tensor, and a photo's own within 224
            to 1024.
        octaves: Sizes to paint at, from small to full; those below 32 pixels a side are left out.
        scale: From one to the next.
        steps: At every octave.
        strength: Mean change of a pixel a step, in levels of 255.
        jitter: The picture is rolled by up to so many pixels before each step, and back.
        tile: A larger picture is seen in tiles of so many pixels a side, whose seams move: memory stays that of one.
        precision: `bfloat16` is faster on processors that multiply it, and not quite the same picture.
        channels: Of a plain module's pictures; those of its first convolution by default.
        limits: What black and white are in a plain module's input.
        seed: Of the rolls: the same seed gives the same picture.

    Returns:
        The picture with all its settings.

    Raises:
        UnknownNameError: A layer or label that does not exist; the message names the nearest.
        ConfigError: A setting out of its range, a guide for anything but layers, or numbers that are not finite.
        ShapeError: No such photo, a side below 32 pixels, or a size that the network refuses.
        DataError: A file that cannot be read.

    Source:
        Mordvintsev, Olah, Tyka 2015, "Inceptionism"; google/deepdream, `dream.ipynb` (octaves, jitter, mean |g|,
        guide).
    Differs:
        The octaves' photos are averaged as they become smaller (there: interpolated, which aliases). A mixture's
        gradients are brought to one size before they are weighted. Photo and detail are clipped together
        before the first step of an octave (there: after it).

    >>> import numpy as np, striate
    >>> photo = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    >>> result = deep_dream(striate.load("lenet5.mnist"), photo, target="c3", octaves=2, steps=2, size=64)
    >>> result.values.shape, result.parameters["sizes"]
    ((1, 51, 64), [[36, 46], [51, 64]])
    """
    stream = stream_deep_dream(
        network,
        photo,
        target=target,
        guide=guide,
        size=size,
        octaves=octaves,
        scale=scale,
        steps=steps,
        strength=strength,
        jitter=jitter,
        tile=tile,
        precision=precision,
        channels=channels,
        limits=limits,
        seed=seed,
    )
    while True:
        try:
            next(stream)
        except StopIteration as finished:
            result: DreamPicture = finished.value
            return result


def stream_deep_dream(
    network: Network | nn.Module,
    photo: Photo | Tensor,
    *,
    target: DreamTarget | Sequence[DreamTarget] | Mapping[str, float] | None = None,
    guide: Photo | Tensor | None = None,
    size: DreamSize = None,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    strength: float = 1.5,
    jitter: int = 32,
    tile: int = 1024,
    precision: Precision = "float32",
    channels: int | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
) -> Generator[tuple[DreamStep, Painting], None, DreamPicture]:
    """`deep_dream` as a generator: yields each step with the painting, whose `picture()` is a preview at full size."""
    began = perf_counter()
    dreamer = Dreamer(
        network,
        target=target,
        guide=guide,
        octaves=octaves,
        scale=scale,
        steps=steps,
        strength=strength,
        jitter=jitter,
        tile=tile,
        precision=precision,
        channels=channels,
        limits=limits,
        seed=seed,
    )
    own = None if isinstance(network, Network) else limits
    painting = dreamer.paint(photo_tensor(dreamer.whole, photo, size=size, limits=own))
    for step in painting.run():
        yield step, painting
    return dream_result(painting, seconds=perf_counter() - began)


def dream_result(painting: Painting, *, seconds: float = 0.0, guide: str = "") -> DreamPicture:
    """The painting as it is, finished or not."""
    dreamer = painting.dreamer
    low, high = dreamer.limits
    with torch.inference_mode(False), torch.no_grad():
        values, photo = (
            (low + (high - low) * x[0]).float().cpu().numpy() for x in (painting.picture(), painting.photo)
        )
    names = ", ".join(goal.name for goal in dreamer.goals)
    problems = []
    if painting.norms and not any(painting.norms):
        problems.append(
            f"Nothing in the picture excites {names}, at any step: it is as it was. Choose another unit, or its layer."
        )
    return DreamPicture(
        values=values,
        photo=photo,
        target=names,
        limits=dreamer.limits,
        network=dreamer.whole.name,
        parameters={
            **dreamer.parameters,
            "sizes": [list(size) for size in painting.sizes],
            "frame": painting.frame,
            **({"guide": guide} if guide else {}),
        },
        seed=dreamer.seed,
        seconds=seconds,
        stopped="steps" if painting.done == painting.total else "interrupted",
        history=tuple(painting.history),
        problems=tuple(problems),
    )

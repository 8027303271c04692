"""Fine-tuning: the network learns what the objects look like in warped crops, and what background does.

It was trained on whole photos of a thousand other classes. A new last layer for 1 + k answers takes the place of the
old one, and crops are shown to it in batches of a quarter objects (proposals that overlap one by half or more) and
three quarters background, for background is what a proposal mostly is.

Which crops a step sees is a function of seed and step: a run that goes on from a checkpoint ends with the same weights
on a CPU, bit by bit.
"""

import math
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from striate.detection.rcnn import RCNN
from striate.detection.rcnn_regions import RegionPictures
from striate.detection.rcnn_settings import FineTuned, RCNNSettings
from striate.detection.region_warp import warp_regions
from striate.errors import DataError
from striate.training.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint

__all__ = ["fine_tune"]

_PART = 32  # crops in one pass; more would not fit a small machine, and normalization sees enough of them


def fine_tune(
    detector: RCNN,
    source: RegionPictures,
    readable: NDArray[np.int64],
    settings: RCNNSettings,
    folder: Path,
    *,
    device: torch.device,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[FineTuned, None, bool]:
    """Train the network and the softmax layer of `detector`, from the newest checkpoint of `folder` on.

    Args:
        detector: Trained in place.
        source: Pictures and their regions.
        readable: Which of them can be read.
        settings: How.
        folder: For the checkpoints; the last one is that of the end.
        device: Where to compute; the detector is moved there.
        should_stop: Asked after every step; a checkpoint is written before it ends.

    Returns:
        Whether all steps are done.

    Raises:
        DataError: If the loss is not finite (the message names the pictures), or a checkpoint cannot be written.

    Source: Girshick et al. 2014, arXiv:1311.2524, section 2.3 (domain-specific fine-tuning).

    Differs: AdamW by default. A step takes its crops from a few pictures, and normalization sees parts of 32 of them.
        The rate falls along half a cosine, for the steps are few.
    """
    first = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        detector.softmax.weight.copy_(torch.empty(detector.softmax.weight.shape).normal_(std=0.01, generator=first))
        detector.softmax.bias.zero_()
    detector.to(device).train()
    names = [f"{part}.{name}" for part in ("network", "softmax") for name, _ in _part(detector, part)]
    weights = [p for part in ("network", "softmax") for _, p in _part(detector, part)]
    groups: list[dict[str, Any]] = [
        {"params": [p for _, p in _part(detector, "network")], "factor": 1.0},
        {"params": [p for _, p in _part(detector, "softmax")], "factor": settings.head_rate},
    ]
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.weight_decay)
        if settings.optimizer == "adamw"
        else torch.optim.SGD(groups, lr=settings.rate, momentum=settings.momentum, weight_decay=settings.weight_decay)
    )
    step = _restore(detector, optimizer, names, weights, folder)
    if step == settings.steps:
        return True
    newest: Path | None = None

    def write() -> Path:
        tensors = {f"module.{name}": value for name, value in _learned(detector).items()}
        for name, weight in zip(names, weights, strict=True):
            memory = {key: value for key, value in optimizer.state[weight].items() if isinstance(value, Tensor)}
            tensors |= {f"optimizer.{name}|{key}": value for key, value in memory.items()}
        return write_checkpoint(folder, Checkpoint(tensors, {"step": step}), step=step, before=newest)

    written = time.monotonic()
    while step < settings.steps:
        crops, answers, pictures = _batch(detector, source, readable, settings, step)
        torch.manual_seed(int(np.random.SeedSequence([settings.seed, 2, step]).generate_state(1)[0]))  # dropout
        rate = settings.rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.zero_grad(set_to_none=True)
        loss = right = 0.0
        parts = zip(crops.split(_PART), answers.split(_PART), strict=True)  # type: ignore[no-untyped-call]
        for some, wanted in parts:
            x = some.to(device).contiguous(memory_format=torch.channels_last)
            logits = detector.softmax(detector.network(x).whole)
            part = F.cross_entropy(logits, wanted.to(device), reduction="sum") / len(crops)
            part.backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach())
            right += int((logits.detach().argmax(1).cpu() == wanted).sum())
        if not math.isfinite(loss):
            where = ", ".join(source.pictures.where(int(i)) for i in pictures[:8])
            raise DataError(
                f"The loss of fine-tuning became NaN or infinite at step {step + 1}. Pictures of that step: {where}. "
                f"Lower rate ({settings.rate:g}), or look at these pictures; the last checkpoint is kept."
            )
        optimizer.step()
        step += 1
        yield FineTuned(step, settings.steps, loss, right / len(crops), rate)
        stop = should_stop()
        if stop or step == settings.steps or time.monotonic() - written > 60 * settings.checkpoint_minutes:
            newest, written = write(), time.monotonic()
        if stop and step < settings.steps:
            return False
    return True


def _part(detector: RCNN, name: str) -> list[tuple[str, torch.nn.Parameter]]:
    return list(detector.get_submodule(name).named_parameters())


def _learned(detector: RCNN) -> dict[str, Tensor]:
    return {name: value for name, value in detector.state_dict().items() if name.startswith(("network.", "softmax."))}


def _restore(
    detector: RCNN, optimizer: torch.optim.Optimizer, names: list[str], weights: list[torch.nn.Parameter], folder: Path
) -> int:
    found, _ = newest_checkpoint(folder)
    if found is None:
        return 0
    module = {name.removeprefix("module."): v for name, v in found.tensors.items() if name.startswith("module.")}
    detector.load_state_dict(module, strict=False)
    memory = [name for name in found.tensors if name.startswith("optimizer.")]
    of = dict(zip(names, weights, strict=True))
    for entry in memory:
        name, _, key = entry.removeprefix("optimizer.").partition("|")
        kept = found.tensors[entry]
        # Laid out in memory as the weight is; a count of steps has a layout of its own.
        optimizer.state[of[name]][key] = torch.empty_like(of[name]).copy_(kept) if kept.dim() else kept.clone()
    return int(found.facts["step"])


def _batch(
    detector: RCNN, source: RegionPictures, readable: NDArray[np.int64], settings: RCNNSettings, step: int
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """The crops of one step, what they are (0 is background), and the pictures they come from."""
    rng = np.random.default_rng([settings.seed, 1, step])
    count = min(settings.pictures_a_step, len(readable))
    pictures = np.sort(rng.choice(readable, count, replace=False))
    looks = [source.regions(int(index)) for index in pictures]
    classes = [look.class_at(settings.foreground_above) for look in looks]
    of_picture = np.repeat(np.arange(count), [len(answer) for answer in classes])
    rows = np.concatenate([np.arange(len(answer)) for answer in classes])
    answers = np.concatenate(classes)
    background = detector.num_classes
    objects = np.flatnonzero((answers >= 0) & (answers != background))
    grounds = np.flatnonzero(answers == background)
    wanted = round(settings.batch * settings.foreground) if len(objects) else 0
    chosen = [rng.choice(objects, wanted, replace=len(objects) < wanted)] if wanted else []
    rest = settings.batch - wanted
    if len(grounds):
        chosen.append(rng.choice(grounds, rest, replace=len(grounds) < rest))
    if not chosen:
        where = ", ".join(source.pictures.where(int(i)) for i in pictures[:8])
        raise DataError(f"No region of these pictures can be learned from: {where}. They have no proposals.")
    at = np.concatenate(chosen)
    mirrored = rng.random(len(at)) < 0.5
    order = rng.permutation(len(at))
    crops = torch.empty(len(at), 3, detector.crop_px, detector.crop_px)
    for number, look in enumerate(looks):
        here = np.flatnonzero(of_picture[at] == number)
        if len(here):
            boxes = look.boxes[torch.from_numpy(rows[at[here]])]
            crops[here] = warp_regions(look.image, boxes, detector.crop_px, detector.context_px, size=look.size)
    crops[mirrored] = crops[mirrored].flip(3)
    labels = torch.from_numpy((answers[at] + 1) % (background + 1))  # background, the last, becomes 0
    return crops[order], labels[order], pictures

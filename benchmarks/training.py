"""A training step of Striate beside the plain eager loop: same network, same batch, one process, in turn.

    python benchmarks/training.py [--rounds 7] > benchmarks/results/training.txt

The rival is what a tutorial shows: NCHW, float32, `torch.optim.SGD` with momentum as it comes, memory as glibc handles
it; beside it the same loop with freed memory kept (`striate.runtime.reuse_freed_memory`), which the others have as
well. Ours is the step of `striate.training.learner` with the settings of the recipes. A step is everything after the
pictures are read: normalization, forward, backward, update; ours also counts right answers. A ratio is of medians, of
steps taken in turn.
"""

import argparse
import ctypes
import os
import platform
import statistics
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch.nn import functional as F

from striate.data import Labels, Preprocessing
from striate.data.augment.recipes import build_augmentation
from striate.data.image_set import ImageSet
from striate.data.loader import Batch
from striate.data.stores import ArrayStore
from striate.models import create_model
from striate.runtime import reuse_freed_memory
from striate.training.learner import Learner
from striate.training.settings import TrainSettings
from striate.training.task import Task
from striate.training.world import ALONE

_TRIM, _MMAP, _USUAL = -1, -3, 128 * 1024  # malloc.h; glibc's thresholds at its start


def forget_freed_memory() -> None:
    """Handle freed memory as glibc does by itself."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP, _USUAL)
    libc.mallopt(_TRIM, _USUAL)
    libc.malloc_trim(0)


CASES = (("resnet18", 224, 32, 1000, 2.3), ("resnet20", 32, 128, 10, 1.7))


def rival(name: str, images: torch.Tensor, labels: torch.Tensor, classes: int):
    torch.manual_seed(0)
    module = create_model(name, num_classes=classes).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    pixels = images.permute(0, 3, 1, 2).contiguous()

    def step() -> float:
        x = (pixels.float() / 255 - mean) / std
        loss = F.cross_entropy(module(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def ours(name: str, images: torch.Tensor, labels: torch.Tensor, classes: int, side: int, precision: str):
    torch.manual_seed(0)
    preprocessing = Preprocessing(input_size=(side, side), resize=side)
    count = len(images)
    store = ArrayStore(images.numpy(), "random")
    pictures = ImageSet(tuple(map(str, range(classes))), labels.numpy(), store, Path("random"), "npz")
    task = Task(
        create_model(name, num_classes=classes),
        preprocessing,
        Labels(pictures.classes),
        pictures,
        None,
        build_augmentation("none", preprocessing),
    )
    settings = TrainSettings(batch_size=count, lr=0.01, precision=precision)
    learner = Learner(task, settings, device=torch.device("cpu"), world=ALONE)
    learner.begin_epoch()
    sizes = np.tile(np.array(images.shape[1:3]), (count, 1))
    batch = Batch(images, labels, np.arange(count), sizes)
    done = 0

    def step() -> float:
        nonlocal done
        loss, _ = learner.learn(batch, step=done, epoch=0, count=count, rate=0.01)
        done += 1
        return float(loss) / count

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(
        f"# python {platform.python_version()}; torch {torch.__version__}; threads {torch.get_num_threads()}; "
        f"load {os.getloadavg()[0]:.2f}"
    )
    names = ("plain eager float32", "the same, memory kept", "ours float32", "ours bfloat16")
    print(f"| step | batch | {' | '.join(f'{name}, ms' for name in names)} | plain / ours bfloat16 | wanted |")
    print("|---|---|---|---|---|---|---|---|")
    for name, side, count, classes, wanted in CASES:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)
        labels = torch.randint(0, classes, (count,), generator=generator)
        plain = rival(name, images, labels, classes)
        full, half = (ours(name, images, labels, classes, side, kind) for kind in ("float32", "bfloat16"))
        ways = ((plain, forget_freed_memory), *((step, reuse_freed_memory) for step in (plain, full, half)))
        times: list[list[float]] = [[] for _ in ways]
        for number in range(rounds + 1):
            for i in range(len(ways)) if number % 2 == 0 else reversed(range(len(ways))):
                step, prepare = ways[i]
                prepare()
                step()
                repeats = 1 if side > 64 else 4
                began = perf_counter()
                for _ in range(repeats):
                    step()
                if number:  # the first round warms up
                    times[i].append((perf_counter() - began) / repeats)
        middles = [statistics.median(taken) for taken in times]
        shown = " | ".join(f"{middle * 1e3:.0f}" for middle in middles)
        print(f"| {name} {side} px | {count} | {shown} | **{middles[0] / middles[3]:.2f}×** | {wanted}× |", flush=True)
    print(f"# load at the end {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()

"""NMS, RoI pooling and RoI align beside torchvision's own CPU operators: the same job, in turn, in one run.

    python benchmarks/box_ops.py [--stubs FOLDER] [--rounds 7] [--scattered]

torchvision's wheel is bound to one build of torch; beside another, `--stubs` names a folder with empty libraries of the
CUDA names that it links to (`tests/oracles/compiled_torchvision.py` makes such). Answers are compared in the same run.
Of each side the median of all rounds is printed, and the least, which other people's load disturbs less.
"""

import argparse
import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate import ops
from striate.runtime import reuse_freed_memory

Job = Callable[[], Any]


def clustered(count: int) -> tuple[Tensor, Tensor]:
    """Boxes around 60 objects of a 1000×600 picture, as proposals come, and a third of strays."""
    random = np.random.default_rng(0)
    center = random.uniform([0, 0], [1000, 600], (60, 2))
    side = np.exp(random.uniform(np.log(20), np.log(300), (60, 2)))
    which, stray = random.integers(0, 60, count), random.random(count) < 0.33
    centers = center[which] + random.normal(0, 0.12, (count, 2)) * side[which]
    sides = side[which] * np.exp(random.normal(0, 0.15, (count, 2)))
    centers[stray] = random.uniform([0, 0], [1000, 600], (int(stray.sum()), 2))
    sides[stray] = np.exp(random.uniform(np.log(16), np.log(250), (int(stray.sum()), 2)))
    boxes = np.concatenate([centers - sides / 2, centers + sides / 2], 1).clip(0, [1000, 600, 1000, 600])
    scores = random.beta(1, 3, count) + 0.3 * ~stray
    return torch.from_numpy(boxes).float(), torch.from_numpy(scores).float()


def scattered(count: int) -> tuple[Tensor, Tensor]:
    """Boxes of 10 to 100 pixels, three a square of 100 pixels."""
    corner = torch.rand(count, 2) * 100 * (count / 3) ** 0.5
    return torch.cat((corner, corner + 10 + 90 * torch.rand(count, 2)), 1), torch.rand(count)


def regions(count: int) -> Tensor:
    """Regions of an 800×608 picture, sides from 12 to 245 pixels, clipped."""
    center = torch.rand(count, 2) * torch.tensor([800.0, 608.0])
    side = torch.exp(torch.rand(count, 2) * 3 + 2.5)
    boxes = torch.cat((center - side / 2, center + side / 2), 1)
    return torch.cat((torch.zeros(count, 1), ops.clip_boxes_to_image(boxes, (608, 800))), 1)


def compare(name: str, ours: Job, theirs: Job, *, rounds: int, exact: bool) -> None:
    torch.testing.assert_close(ours(), theirs(), **({"rtol": 0, "atol": 0} if exact else {"rtol": 1e-4, "atol": 1e-3}))
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(rounds):
        for mine in (True, False) if turn % 2 else (False, True):
            job = ours if mine else theirs
            for _ in range(3 if mine else 1):
                began = time.perf_counter()
                job()
                times[mine].append((time.perf_counter() - began) * 1e3)
    a, b = (statistics.median(times[side]) for side in (True, False))
    c, d = (min(times[side]) for side in (True, False))
    print(f"{name:44}{a:10.3f}{b:12.3f}{b / a:8.1f}{c:12.3f}{d:12.3f}{d / c:8.1f}", flush=True)


def gradient(call: Callable[..., Tensor], maps: Tensor, *arguments: Any) -> Job:
    """The backward pass alone."""
    leaf = maps.clone().requires_grad_()
    found = call(leaf, *arguments)
    due = torch.ones_like(found)
    return lambda: torch.autograd.grad(found, leaf, due, retain_graph=True)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stubs", type=Path)
    parser.add_argument(
        "--scattered", action="store_true", help="also 100,000 scattered boxes, minutes for torchvision"
    )
    settings = parser.parse_args()
    for file in sorted(settings.stubs.glob("*.so*")) if settings.stubs else ():
        if file.suffix != ".c":
            ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
    import torchvision

    reuse_freed_memory()  # for both: answers of 200 MB would be spent on fresh pages
    theirs, rounds = torchvision.ops, settings.rounds
    torch.manual_seed(0)
    print(
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, {torch.get_num_threads()} threads, "
        f"float32, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':44}{'ours ms':>10}{'theirs ms':>12}{'ratio':>8}{'least ours':>12}{'theirs':>12}{'ratio':>8}")
    for count in (1000, 5000, 20_000):
        boxes, scores = clustered(count)
        for threshold in (0.5, 0.7):
            some = rounds if count < 20_000 else 3
            mine, other = (lambda f=f, b=boxes, s=scores, t=threshold: f(b, s, t) for f in (ops.nms, theirs.nms))
            compare(f"NMS, {count} clustered, IoU {threshold}", mine, other, rounds=some, exact=True)
    boxes, scores = clustered(5000)
    classes = torch.randint(0, 80, (5000,))
    mine, other = (lambda f=f: f(boxes, scores, classes, 0.5).sort()[0] for f in (ops.batched_nms, theirs.batched_nms))
    compare("batched NMS, 5000 clustered, 80 classes", mine, other, rounds=rounds, exact=True)
    maps, where = torch.randn(1, 512, 38, 50), regions(2000)
    for name, our, their, more in (
        ("RoI pool", ops.roi_pool, theirs.roi_pool, ()),
        ("RoI align, by the bin", ops.roi_align, theirs.roi_align, (-1, False)),
        ("RoI align, 2 points", ops.roi_align, theirs.roi_align, (2, True)),
    ):
        given = (where, 7, 1 / 16, *more)
        mine, other = (lambda f=f, g=given: f(maps, *g) for f in (our, their))
        compare(f"{name}, 2000 on 512×38×50", mine, other, rounds=3, exact=name == "RoI pool")
        compare(f"{name}, backward", gradient(our, maps, *given), gradient(their, maps, *given), rounds=3, exact=False)
    if settings.scattered:
        boxes, scores = scattered(100_000)
        mine, other = (lambda f=f: f(boxes, scores, 0.5) for f in (ops.nms, theirs.nms))
        compare("NMS, 100000 scattered, IoU 0.5", mine, other, rounds=1, exact=True)


if __name__ == "__main__":
    main()

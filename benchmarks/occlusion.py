"""Occlusion beside captum: patch 16, stride 8, 224 pixels, float32, all in one run.

    OMP_NUM_THREADS=2 python benchmarks/occlusion.py [NAME ...] [--repeats 1]

captum answers on the eager network as it was made (NCHW), with the best of 1, 4 and 16 `perturbations_per_eval`, which
a coarse grid picks; its channels-last time is told too. Ours is the whole call, with following the network. Weights are
random, of a size that keeps the signal through all layers (He 2015): a map that is zero everywhere would agree with
anything. The largest difference of the two maps is measured in the same run, over captum's largest value. Needs captum
(`pip install --no-deps captum==0.9.0`).
"""

import argparse
import copy
import os
import platform
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.insight import occlusion
from striate.models import create_model

NAMES = ("vgg16", "googlenet", "squeezenet1_1", "alexnet", "resnet18")


def clock(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def captum_map(module: nn.Module, x: Tensor, *, window: int, stride: int, at_once: int) -> Tensor:
    from captum.attr import Occlusion

    with torch.no_grad():
        return Occlusion(module).attribute(
            x,
            target=0,
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
            perturbations_per_eval=at_once,
        )


def best_at_once(module: nn.Module, x: Tensor) -> int:
    """Which `perturbations_per_eval` is fastest over 4 x 4 windows."""
    times = {}
    for at_once in (1, 4, 16):
        captum_map(module, x, window=112, stride=112, at_once=at_once)
        times[at_once], _ = clock(lambda n=at_once: captum_map(module, x, window=56, stride=56, at_once=n))
    return min(times, key=times.__getitem__)


def measure(name: str, *, repeats: int, channels_last: bool) -> str:
    torch.manual_seed(0)
    module, x = create_model(name, weights=None).eval(), torch.randn(1, 3, 224, 224)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    at_once = best_at_once(module, x)
    theirs, ours, other = [], [], float("nan")
    difference = 0.0
    for _ in range(repeats):
        seconds, wanted = clock(lambda: captum_map(module, x, window=16, stride=8, at_once=at_once))
        theirs.append(seconds)
        seconds, got = clock(lambda: occlusion(module, x, target=0, score="logit"))
        ours.append(seconds)
        wanted, reach = wanted[:, 0].numpy(), float(np.abs(module(x).detach()[0, 0]))
        height = float(np.abs(wanted).max())
        if not height > 1e-4 * reach:
            raise SystemExit(
                f"{name}: the map is empty ({height:.1e} beside a score of {reach:.1e}); nothing is compared."
            )
        difference = max(difference, float(np.abs(got.values - wanted).max() / height))
    if channels_last:
        other, _ = clock(
            lambda: captum_map(
                copy.deepcopy(module).to(memory_format=torch.channels_last),
                x.contiguous(memory_format=torch.channels_last),
                window=16,
                stride=8,
                at_once=at_once,
            )
        )
    a, b = float(np.median(theirs)), float(np.median(ours))
    return f"{name:20} {at_once:8} {a:9.2f} {other:9.2f} {b:8.2f} {a / b:7.1f}x {difference:10.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--no-channels-last", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(
        f"torch {torch.__version__}, captum 0.9.0, python {platform.python_version()}, "
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, float32, "
        f"load before {os.getloadavg()[0]:.2f}"
    )
    print(f"{'':20} {'at once':>8} {'captum':>9} {'its NHWC':>9} {'striate':>8} {'ratio':>8} {'difference':>10}")
    occlusion(create_model("squeezenet1_1", weights=None), torch.randn(1, 3, 224, 224), stride=16)  # imports
    for name in arguments.names:
        print(measure(name, repeats=arguments.repeats, channels_last=not arguments.no_channels_last), flush=True)


if __name__ == "__main__":
    main()

"""The five maps of a default report beside the same maps by captum, one after the other, in one process, in turn.

    OMP_NUM_THREADS=2 python benchmarks/explain_maps.py PHOTO [--rounds 3] > benchmarks/results/explain_maps.txt

captum answers on the network as it is (eager, NCHW, float32), with the best of 1, 4 and 16 `perturbations_per_eval`
for occlusion, which a coarse grid picks. Ours is `recipes.explain_maps.find_maps` with the windows of the command:
patch 16, stride 8. captum's guided back-propagation and deconvnet do not know ReLU6, so its maps are others there, for
the same work; occlusion, saliency and Grad-CAM are compared. Needs captum.
"""

import argparse
import os
import platform
import statistics
from pathlib import Path
from time import perf_counter
from typing import Any

import captum
import numpy as np
import torch
from captum.attr import Deconvolution, GuidedBackprop, LayerGradCam, Occlusion, Saliency

import striate
from striate.data import read_image
from striate.insight import sweep_occlusion
from striate.recipes.explain_maps import DEFAULT, find_maps
from striate.runtime import reuse_freed_memory


def by_captum(module: torch.nn.Module, layer: torch.nn.Module, x: torch.Tensor, target: int, at_once: int) -> Any:
    """Every map, and the seconds of each."""
    probability = torch.nn.Sequential(module, torch.nn.Softmax(1))
    ways = {
        "occlusion": lambda: Occlusion(probability).attribute(
            x, (3, 16, 16), (3, 8, 8), baselines=0, target=target, perturbations_per_eval=at_once
        ),
        "saliency": lambda: Saliency(module).attribute(x, target=target),
        "guided_backprop": lambda: GuidedBackprop(module).attribute(x, target=target),
        "deconvnet": lambda: Deconvolution(module).attribute(x, target=target),
        "grad_cam": lambda: LayerGradCam(module, layer).attribute(x, target=target, relu_attributions=True),
    }
    maps, seconds = {}, {}
    for name, way in ways.items():
        began = perf_counter()
        maps[name] = way().detach().numpy()
        seconds[name] = perf_counter() - began
    return maps, seconds


def by_striate(network: striate.Network, photo: np.ndarray, target: int) -> Any:
    steps = find_maps(
        network,
        photo,
        target=target,
        methods=DEFAULT,
        by_name=True,
        sweep=lambda k: sweep_occlusion(network, photo, target=k, window=16, stride=8),
    )
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            maps = finished.value.maps
            return maps, {name: found.seconds for name, found in maps.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"# torch {torch.__version__}; captum {captum.__version__}; python {platform.python_version()}; threads "
        f"{torch.get_num_threads()}; load {os.getloadavg()[0]:.2f}; efficientnet_lite0, float32, {options.photo.name}",
        flush=True,
    )
    reuse_freed_memory()  # for both sides
    network, rival = striate.load("efficientnet_lite0"), striate.load("efficientnet_lite0")
    module = rival.module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    photo = read_image(options.photo)
    x = network.preprocess(photo).contiguous()
    target = network.classify(photo, top=1)[0][0].index
    found, _ = by_striate(network, photo, target)
    layer = module.get_submodule(found["grad_cam"].parameters["layer"])
    coarse = {}
    for at_once in (1, 4, 16):
        began = perf_counter()
        Occlusion(module).attribute(x, (3, 32, 32), (3, 32, 32), target=target, perturbations_per_eval=at_once)
        coarse[at_once] = perf_counter() - began
    at_once = min(coarse, key=coarse.__getitem__)
    times: dict[str, list[float]] = {"captum": [], "ours": []}
    for number in range(options.rounds):
        for way in ("captum", "ours") if number % 2 == 0 else ("ours", "captum"):
            began = perf_counter()
            if way == "captum":
                theirs, each_captum = by_captum(module, layer, x, target, at_once)
            else:
                found, each_ours = by_striate(network, photo, target)
            times[way].append(perf_counter() - began)
    print(f"captum, {at_once} at once: {' '.join(f'{name} {s:.2f}' for name, s in each_captum.items())} s (last round)")
    print(f"ours: {' '.join(f'{name} {s:.2f}' for name, s in each_ours.items())} s (last round)")
    captum_s, ours_s = (statistics.median(times[way]) for way in ("captum", "ours"))
    print(
        f"all five, median of {options.rounds}: captum {captum_s:.2f} s, ours {ours_s:.2f} s: {captum_s / ours_s:.2f}x"
    )
    pairs = {
        "occlusion": (theirs["occlusion"][:, 0], found["occlusion"].values),
        "saliency": (np.abs(theirs["saliency"]).max(1), found["saliency"].values),
        "grad_cam": (theirs["grad_cam"][:, 0], np.maximum(found["grad_cam"].grid[..., 0], 0)),
    }
    for name, (one, other) in pairs.items():
        print(f"{name}: largest difference {np.abs(one - other).max() / np.abs(one).max():.1e} of the largest value")


if __name__ == "__main__":
    main()

"""How fast a pass for the strongest patches is, beside the bare forward pass of the same module on the same pictures.

    python benchmarks/patches.py [--pictures 96] [--rounds 3]

Both sides get the same tensors in memory, at the same batch size; what is measured is what the lists cost. `folded`
runs a copy with normalizations folded in, `as it is` the module itself. Ratios of medians, sides interleaved.
"""

import argparse
import os
import platform
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from striate.insight import top_patches
from striate.models import create_model
from striate.runtime import best_batch_size

CASES = {
    "squeezenet1_1": ["features.4", "features.7", "features.12"],
    "efficientnet_lite0": ["blocks.1.1", "blocks.3.2", "blocks.6.0"],
    "resnet18": ["layer1", "layer2", "layer4"],
}


def bare(module: nn.Module, x: Tensor, batch: int) -> None:
    """The whole forward pass, nothing kept."""
    with torch.inference_mode():
        for part in torch.split(x, batch):
            module(part)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'network':20} {'bare':>9} {'as it is':>9} {'folded':>9}  images/s; ratio to bare")
    torch.manual_seed(0)
    x = torch.rand(options.pictures, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    for name, layers in CASES.items():
        module = create_model(name).eval().to(memory_format=torch.channels_last)
        batch = best_batch_size(module, x[:1])
        sides = {
            "bare": lambda m=module, b=batch: bare(m, x, b),
            "as it is": lambda m=module, n=layers, b=batch: top_patches(m, x, n, batch_size=b, folded=False),
            "folded": lambda m=module, n=layers, b=batch: top_patches(m, x, n, batch_size=b),
        }
        times: dict[str, list[float]] = {side: [] for side in sides}
        bare(module, x[: 2 * batch], batch)
        for _ in range(options.rounds):
            for side, work in sides.items():
                began = perf_counter()
                work()
                times[side].append(perf_counter() - began)
        speed = {side: options.pictures / median(taken) for side, taken in times.items()}
        ratios = ", ".join(f"{side} {speed[side] / speed['bare']:.2f}" for side in list(sides)[1:])
        print(f"{name:20} " + " ".join(f"{speed[side]:9.1f}" for side in sides) + f"  {ratios}")


if __name__ == "__main__":
    main()

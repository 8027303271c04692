"""What each step of `striate.runtime` brings: images a second through a network, all variants in one run.

    python benchmarks/inference.py [--network efficientnet_lite0] [--rounds 5]

Variants run in turn, round by round, so that other load on the machine meets all of them alike; medians are printed,
and the answers of every variant are compared with the plain network's in the same run. The allocator's setting holds
for a whole process, so it has a process of its own that runs right after: compare ratios within a process.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

from striate.models import create_model, find_entry
from striate.runtime import best_batch_size, fold, reuse_freed_memory

PICTURES = 32


def measure(network: str, rounds: int, *, keep_memory: bool) -> dict[str, list[float]]:
    if keep_memory:
        reuse_freed_memory()
    torch.manual_seed(0)
    entry = find_entry(network)
    plain = create_model(network).eval()
    x = torch.randn(PICTURES, *entry.input_size)
    nhwc = create_model(network).eval().to(memory_format=torch.channels_last)
    nhwc.load_state_dict(plain.state_dict())
    folded = fold(nhwc, x)
    best = best_batch_size(nhwc, x)
    variants = {
        "plain, 16 at once": (plain, 16),
        "channels-last, 16 at once": (nhwc, 16),
        "folded, 16 at once": (folded, 16),
        f"folded, {best} at once": (folded, best),
    }
    rates: dict[str, list[float]] = {name: [] for name in variants}
    with torch.inference_mode():
        wanted = plain(x)
        for turn in range(rounds + 1):
            for name, (module, size) in variants.items():
                began = time.perf_counter()
                answers = torch.cat([module(batch) for batch in x.split(size)])
                seconds = time.perf_counter() - began
                off = float((answers - wanted).norm() / wanted.norm())
                if off > 1e-4:
                    raise SystemExit(f"{name} answers otherwise: {off:.1e}")
                if turn:  # the first is the warm-up
                    rates[name].append(PICTURES / seconds)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.network, options.rounds, keep_memory=True)))
        return
    rates = measure(options.network, options.rounds, keep_memory=False)
    command = [sys.executable, __file__, "--network", options.network, "--rounds", str(options.rounds), "--child"]
    kept = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    rates |= {f"{name}, memory kept": values for name, values in kept.items()}
    base = statistics.median(rates["plain, 16 at once"])
    setting = f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.rounds} rounds"
    print(f"{options.network}, float32, {setting}")
    for name, values in rates.items():
        middle = statistics.median(values)
        print(f"{name:40} {middle:7.1f} images/s  {middle / base:5.2f}×  (best {max(values):.1f})")


if __name__ == "__main__":
    main()

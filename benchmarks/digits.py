"""What the two LeNets reach on handwritten digits that they have not seen, trained by `striate train`.

    python benchmarks/digits.py MNIST.npz [--networks lenet5 lenet5_relu] [--seeds 0 1 2] [--hold-out 5000]

MNIST.npz holds `images` (uint8 n 28 28) and `labels`: the 60,000 training digits. `--hold-out` of them, in proportion
to the classes and always the same ones, are set aside before anything else and looked at once, after the last step of
the training. Nothing is chosen by them: there is no validation set, and the weights of the last step are the result.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import striate
from striate.data.opening import open_data
from striate.data.splitting import split_set
from striate.recipes import train
from striate.training.events import EpochDone
from striate.training.metrics import Rate, top_k_hits
from striate.training.predicting import predict_set
from striate.training.predictions import Predictions

SPLIT_SEED = 1998


def set_aside(source: Path, count: int, target: Path) -> None:
    """Write the digits again as `train` and `test`."""
    every = open_data(source)
    images = every.get("all", every.get("train"))
    if images is None:
        raise SystemExit(f"{source} holds no digits to learn from.")
    parts = split_set(images, {"train": 1 - count / len(images), "test": count / len(images)}, seed=SPLIT_SEED)
    arrays = {}
    for name, part in parts.items():
        arrays[f"{name}_images"] = np.stack([part.pixels(i)[..., 0] for i in range(len(part))])
        arrays[f"{name}_labels"] = part.labels
    np.savez(target, **arrays)


def answer(network: striate.Network, digits: Path) -> Predictions:
    """What a network answers to the digits that were set aside."""
    steps = predict_set(network, open_data(digits)["test"])
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            result: Predictions = finished.value
            return result


def learn(network: str, digits: Path, root: Path, *, seed: int, epochs: int | None) -> tuple[Path, float]:
    """Train with the recipe of this network; the run's folder and the seconds it took."""
    settings = {"data": digits, "model": network, "weights": "none", "val": 0.0, "seed": seed, "root": root}
    settings |= {"name": f"{network}-{seed}"} | ({} if epochs is None else {"epochs": epochs})
    began, folder = time.perf_counter(), root
    for event in train.run(settings):
        if isinstance(event, EpochDone):
            print(f"  {network} seed {seed}: {event.row}", flush=True)
        folder = getattr(event, "folder", folder)
    return Path(getattr(folder, "path", folder)), time.perf_counter() - began


def report(values: Sequence[Rate]) -> str:
    """Each rate, and the mean."""
    each = ", ".join(f"{100 * rate.value:.2f}" for rate in values)
    pooled = Rate.of(sum(rate.hits for rate in values), sum(rate.count for rate in values))
    first = values[0]
    return (
        f"{each} % (mean {100 * pooled.value:.2f} %; of {first.count:,} digits, 95 % interval of the first "
        f"{100 * first.low:.2f} to {100 * first.high:.2f} %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("digits", type=Path)
    parser.add_argument("--networks", nargs="+", default=["lenet5", "lenet5_relu"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--hold-out", type=int, default=5000)
    parser.add_argument("--epochs", type=int, help="by default those of the recipe")
    parser.add_argument("--root", type=Path, help="keep the runs there")
    options = parser.parse_args()
    print(f"striate {striate.__version__}, torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"threads {torch.get_num_threads()}; load before: {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as spare:
        root = options.root or Path(spare)
        digits = Path(spare) / "digits.npz"
        set_aside(options.digits, options.hold_out, digits)
        for network in options.networks:
            rates, seconds = [], []
            for seed in options.seeds:
                folder, took = learn(network, digits, root, seed=seed, epochs=options.epochs)
                predictions = answer(striate.load(folder), digits)
                hits = top_k_hits(predictions.logits, predictions.labels)
                rates.append(Rate.of(int(hits.sum()), len(hits)))
                seconds.append(took)
            print(f"{network}: {report(rates)}; {np.mean(seconds):.0f} s a training", flush=True)


if __name__ == "__main__":
    main()

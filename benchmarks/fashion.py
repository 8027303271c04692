"""Fashion-MNIST with ResNet-20: what `striate train` reaches beside the plain eager loop, and the time of both.

    python benchmarks/fashion.py DATA learn --seeds 0 1 2 --root RUNS      # both ways, every seed; hours, resumable
    python benchmarks/fashion.py DATA time --rounds 3                      # the same epoch by both, in turn
    python benchmarks/fashion.py DATA table --root RUNS                    # what `learn` found

DATA is what `striate data fetch fashion-mnist` makes, or Debian's `/usr/share/datasets/fashion-mnist`. All 60,000
training pictures are learned from, none is set aside, nothing is chosen by the test pictures: the averaged weights of
the last step answer them once.

The rival is the loop of a tutorial: NCHW, float32, `torch.optim.SGD`, `torch.optim.swa_utils` for the average, all
pictures in memory as tensors. Its recipe is that of ours, number by number (batch, rate, warm-up, cosine, decay,
smoothing, average, moved by up to 4 pixels and mirrored), so that accuracy compares the precision and the loop.
"""

import argparse
import json
import math
import os
import platform
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

import striate
from striate.data.opening import open_data
from striate.recipes import train
from striate.runtime import reuse_freed_memory
from striate.training.events import EpochDone
from striate.training.metrics import Rate, top_k_hits
from striate.training.predicting import predict_set
from striate.training.run_folder import RunFolder

EPOCHS, BATCH, RATE, DECAY, SMOOTHING, AVERAGE, WARMUP = 15, 128, 0.1, 5e-4, 0.1, 0.995, 2.0
MEAN, STD = 0.2860, 0.3530  # of the training pictures


def learn_ours(data: Path, root: Path, *, seed: int, epochs: int) -> dict[str, Any]:
    """`striate train DATA --model resnet20 --weights none --val 0 --lr .1 --erasing 0 --seed SEED`."""
    settings = {"data": data, "model": "resnet20", "weights": "none", "val": 0.0, "seed": seed, "root": root}
    settings |= {"lr": RATE, "erasing": 0.0, "epochs": epochs, "batch_size": BATCH, "name": f"ours-{seed}"}
    began, folder = perf_counter(), root
    begun = RunFolder(root / "classify" / f"ours-{seed}")
    for event in train.run(settings, resume=begun.exists(), folder=begun if begun.exists() else None):
        folder = getattr(event, "folder", folder)
        if isinstance(event, EpochDone):
            print(f"  ours {seed}: {event.row}", flush=True)
    seconds = perf_counter() - began
    steps = predict_set(striate.load(Path(getattr(folder, "path", folder))), open_data(data)["test"])
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            hits = top_k_hits(finished.value.logits, finished.value.labels)
            break
    return {"way": "ours", "seed": seed, "hits": int(hits.sum()), "count": len(hits), "seconds": seconds}


def tensors(data: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    images = open_data(data)[part]
    pixels = np.stack([images.pixels(i)[..., 0] for i in range(len(images))])
    return torch.from_numpy(pixels)[:, None], torch.from_numpy(np.asarray(images.labels, dtype=np.int64))


def moved(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each picture moved by up to 4 pixels and mirrored half of the time, all of a batch at once."""
    n, _, height, width = batch.shape
    padded = F.pad(batch, (4, 4, 4, 4))
    top, left = torch.randint(0, 9, (2, n), generator=generator)
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    mirrored = torch.rand(n, generator=generator) < 0.5
    columns[mirrored] = columns[mirrored].flip(1)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class Eager:
    """The tutorial's loop."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, *, seed: int, epochs: int) -> None:
        torch.manual_seed(seed)
        self.images, self.labels = images, labels
        self.module = striate.create_model("resnet20", num_classes=10, in_channels=1).train()
        decayed = [p for p in self.module.parameters() if p.dim() > 1]
        free = [p for p in self.module.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": free, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=RATE, momentum=0.9, nesterov=True)
        self.average = AveragedModel(self.module, avg_fn=self._mix, use_buffers=True)
        self.generator = torch.Generator().manual_seed(seed)
        self.steps = math.ceil(len(images) / BATCH)
        self.epochs, self.step = epochs, 0

    def _mix(self, old: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not old.is_floating_point():
            return new
        decay = min(AVERAGE, (1 + self.step) / (10 + self.step))
        return decay * old + (1 - decay) * new

    def rate(self) -> float:
        done = self.step / self.steps
        if done < WARMUP:
            return RATE * min((self.step + 1) / (WARMUP * self.steps), 1.0)
        return RATE * (1 + math.cos(math.pi * (done - WARMUP) / (self.epochs - WARMUP))) / 2

    def epoch(self) -> float:
        """One epoch; its seconds."""
        began = perf_counter()
        for places in torch.randperm(len(self.images), generator=self.generator).split(BATCH):
            x = (moved(self.images[places], self.generator).float() / 255 - MEAN) / STD
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate()
            loss = F.cross_entropy(self.module(x), self.labels[places], label_smoothing=SMOOTHING)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1
            self.average.update_parameters(self.module)
        return perf_counter() - began

    @torch.inference_mode()
    def right(self, images: torch.Tensor, labels: torch.Tensor) -> int:
        self.average.eval()
        x = (images.float() / 255 - MEAN) / STD
        return sum(
            int((self.average(part).argmax(1) == wanted).sum())
            for part, wanted in zip(x.split(500), labels.split(500), strict=True)
        )

    def save(self, path: Path, *, epoch: int, seconds: float) -> None:
        parts = {name: getattr(self, name).state_dict() for name in ("module", "optimizer", "average")}
        more = {"generator": self.generator.get_state(), "step": self.step, "epoch": epoch, "seconds": seconds}
        torch.save(parts | more, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def restore(self, path: Path) -> tuple[int, float]:
        kept = torch.load(path, weights_only=True)
        for name in ("module", "optimizer", "average"):
            getattr(self, name).load_state_dict(kept[name])
        self.generator.set_state(kept["generator"])
        self.step = kept["step"]
        return kept["epoch"], kept["seconds"]


def learn_eager(data: Path, root: Path, *, seed: int, epochs: int) -> dict[str, Any]:
    loop = Eager(*tensors(data, "train"), seed=seed, epochs=epochs)
    path = root / f"eager-{seed}.pt"
    first, seconds = loop.restore(path) if path.exists() else (0, 0.0)
    for number in range(first, epochs):
        seconds += loop.epoch()
        print(f"  eager {seed}: epoch {number + 1}, {seconds:.0f} s", flush=True)
        loop.save(path, epoch=number + 1, seconds=seconds)
    images, labels = tensors(data, "test")
    return {
        "way": "eager",
        "seed": seed,
        "hits": loop.right(images, labels),
        "count": len(images),
        "seconds": seconds,
    }


def time_both(data: Path, *, rounds: int) -> None:
    """An epoch of each in turn, everything included: reading, augmentation, steps, average."""
    images, labels = tensors(data, "train")
    taken: dict[str, list[float]] = {"ours": [], "eager": []}
    loop = Eager(images, labels, seed=0, epochs=EPOCHS)
    for number in range(rounds):
        for way in ("ours", "eager") if number % 2 == 0 else ("eager", "ours"):
            if way == "eager":
                taken[way].append(loop.epoch())
            else:
                with tempfile.TemporaryDirectory() as root:
                    taken[way].append(learn_ours_epoch(data, Path(root)))
            print(f"  {way}: {taken[way][-1]:.1f} s", flush=True)
    ours, eager = (statistics.median(taken[way]) for way in ("ours", "eager"))
    print(f"an epoch: ours {ours:.1f} s, eager {eager:.1f} s: {ours / eager:.2f} of its time (wanted: at most .6)")


def learn_ours_epoch(data: Path, root: Path) -> float:
    """The seconds of one epoch as the run counts them, checkpoints included."""
    settings = {"data": data, "model": "resnet20", "weights": "none", "val": 0.0, "root": root, "epochs": 1}
    settings |= {"lr": RATE, "erasing": 0.0, "batch_size": BATCH, "name": "epoch", "warmup_epochs": 0.5}
    rows = [event.row for event in train.run(settings) if isinstance(event, EpochDone)]
    return float(rows[-1]["seconds"])


def show_table(results: list[dict[str, Any]]) -> None:
    for way in ("ours", "eager"):
        mine = sorted((r for r in results if r["way"] == way), key=lambda r: r["seed"])
        if not mine:
            continue
        each = ", ".join(f"{100 * r['hits'] / r['count']:.2f}" for r in mine)
        pooled = Rate.of(sum(r["hits"] for r in mine), sum(r["count"] for r in mine))
        print(f"{way}: {each} % of the test pictures right (mean {100 * pooled.value:.2f} %, {len(mine)} seeds)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("part", choices=("learn", "time", "table"))
    parser.add_argument("--ways", nargs="+", default=["ours", "eager"], choices=("ours", "eager"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=Path("fashion"), help="keeps the runs and results.jsonl")
    options = parser.parse_args()
    reuse_freed_memory()
    print(
        f"# striate {striate.__version__}; torch {torch.__version__}; {platform.machine()}; threads "
        f"{torch.get_num_threads()}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    if options.part == "time":
        time_both(options.data, rounds=options.rounds)
        return
    options.root.mkdir(parents=True, exist_ok=True)
    log = options.root / "results.jsonl"
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if options.part == "learn":
        for seed in options.seeds:
            for way in options.ways:
                if any(r["way"] == way and r["seed"] == seed for r in results):
                    continue
                if way == "ours":
                    found = learn_ours(options.data, options.root, seed=seed, epochs=options.epochs)
                else:
                    found = learn_eager(options.data, options.root, seed=seed, epochs=options.epochs)
                results.append(found)
                with log.open("a") as file:
                    file.write(json.dumps(found) + "\n")
    show_table(results)


if __name__ == "__main__":
    main()

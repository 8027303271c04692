"""Detectors on scenes that they never saw: twenty emoji, ten built-in shapes; what each finds, and what it costs.

    python benchmarks/detection.py DATA train --models faster_rcnn fast_rcnn yolo rcnn --root RUNS
    python benchmarks/detection.py DATA test --models … --root RUNS [--unseen DATA-unseen]
    python benchmarks/detection.py DATA table --root RUNS

DATA is what `python benchmarks/detection_data.py emoji PACKAGE DATA` (or `shapes DATA`) makes. Training learns from its
part `train`, `val` chooses the best epoch; `test` has other backgrounds, poses, scales, lighting, overlaps, and is
answered once. R-CNN answers the first 100 test scenes, the others all 500. A training that was stopped goes on.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

import striate
from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.detection.answering import answer_set
from striate.detection.detection_evaluation import evaluate_boxes
from striate.detection.detector_facts import DetectorFacts
from striate.recipes import train
from striate.recipes.train_proposals import proposal_cache
from striate.runtime import reuse_freed_memory
from striate.training.events import EpochDone
from striate.training.run_folder import RunFolder

# What differs from the recipe: passes over 2,000 scenes that two cores do in at most 25 minutes.
SETTINGS: dict[str, dict[str, Any]] = {
    "faster_rcnn": {"epochs": 8},
    "fast_rcnn": {"epochs": 8},
    "yolo": {"epochs": 6},
    "rcnn": {},
}
FIRST = {"rcnn": 100}


def learn(data: Path, root: Path, model: str, *, seed: int, epochs: int | None) -> None:
    name = f"{model}-{seed}"
    settings = {"data": data, "model": model, "seed": seed, "root": root, "name": name, **SETTINGS.get(model, {})}
    if epochs is not None:
        settings["epochs"] = epochs
    began = perf_counter()
    begun = RunFolder(root / "detect" / name)
    for event in train.run(settings, resume=begun.exists(), folder=begun if begun.exists() else None):
        if isinstance(event, EpochDone):
            print(f"  {name}: {json.dumps(event.row)}", flush=True)
    print(f"  {name}: {perf_counter() - began:.0f} s in this sitting", flush=True)


def answer(data: Path, part: str, run: Path, *, first: int | None) -> dict[str, Any]:
    pictures: BoxSet = open_boxes(data)[part]
    if first is not None:
        pictures = pictures.subset(np.arange(min(first, len(pictures))))
    network = striate.load(run)
    work = answer_set(network, pictures, cache=proposal_cache(), workers=2)
    while True:
        try:
            next(work)
        except StopIteration as end:
            answers, _ = end.value
            break
    found = evaluate_boxes(answers)
    facts = DetectorFacts.load(run)
    return {
        "model": network.name,
        "run": run.name,
        "part": part if data.name.endswith("unseen") is False else "unseen",
        "pictures": len(answers),
        "objects": int(found.objects.sum()),
        "map50": found.mean_ap.value,
        "low": found.mean_ap.low,
        "high": found.mean_ap.high,
        "coco_ap": found.coco.ap,
        "ms": 1000 * found.seconds,
        "proposal_ms": 1000 * found.proposal_seconds,
        "training_s": facts.training_seconds,
        "stages": {stage.name: stage.seconds for stage in facts.stages},
        "disk_mb": ((facts.weights_bytes or 0) + (facts.cache_bytes or 0)) / 1e6,
        "errors": {kind.name: round(kind.cost, 4) for kind in found.errors.kinds},
    }


def show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        proposals = f" + {row['proposal_ms']:,.0f} ms proposals" if row["proposal_ms"] == row["proposal_ms"] else ""
        costs = ", ".join(f"{kind} {100 * cost:.1f}" for kind, cost in row["errors"].items())
        print(
            f"{row['run']} on {row['pictures']} scenes ({row['part']}): mAP@.5 {row['map50']:.3f} "
            f"({row['low']:.3f} to {row['high']:.3f}), COCO AP {row['coco_ap']:.3f}; trained in "
            f"{(row['training_s'] or 0) / 60:.1f} min; {row['ms']:.0f} ms a scene{proposals}; {row['disk_mb']:.0f} MB; "
            f"points of mAP that mistakes cost: {costs}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("part", choices=("train", "test", "table"))
    parser.add_argument("--models", nargs="+", default=list(SETTINGS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--first", type=int, help="test scenes; by default 100 for R-CNN and all for the others")
    parser.add_argument("--unseen", type=Path, help="scenes of sprites that were set aside")
    parser.add_argument("--root", type=Path, default=Path("detection"), help="keeps the runs and results.jsonl")
    options = parser.parse_args()
    reuse_freed_memory()
    print(
        f"# striate {striate.__version__}; torch {torch.__version__}; {platform.machine()}; threads "
        f"{torch.get_num_threads()}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    options.root.mkdir(parents=True, exist_ok=True)
    log = options.root / "results.jsonl"
    if options.part == "train":
        for model in options.models:
            learn(options.data, options.root, model, seed=options.seed, epochs=options.epochs)
    elif options.part == "test":
        for model in options.models:
            first = options.first or FIRST.get(model)
            sets = [options.data] + ([options.unseen] if options.unseen is not None else [])
            for data in sets:
                run = options.root / "detect" / f"{model}-{options.seed}"
                row = answer(data, "test", run, first=first)
                show([row])
                with log.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    elif log.exists():
        show([json.loads(line) for line in log.read_text().splitlines()])


if __name__ == "__main__":
    main()

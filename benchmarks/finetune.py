"""Fine-tuning the default network on emoji: nine categories, and five classes with five pictures each.

    npm pack emoji-datasource-google@16.0.0 && tar xzf emoji-datasource-google-16.0.0.tgz
    python benchmarks/finetune.py package [--task categories|few] [--seed 0] [--options "--epochs 8"]

Test pictures are of emoji that no other picture shows: all skin tones and variations of a base emoji are on one side.
Settings were chosen on validation pictures; the test pictures are answered once, by the weights that validated best.
"""

import argparse
import csv
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from striate.data.opening import open_data
from striate.models import load
from striate.training.evaluation import Evaluation
from striate.training.predicting import predict_set

FEW = ("country-flag", "animal-mammal", "transport-ground", "food-fruit", "face-concerned")


def pictures(package: Path) -> list[tuple[str, str, str, str]]:
    """Path, category, subcategory and base emoji of every picture."""
    rows = []
    for emoji in json.loads((package / "emoji.json").read_text()):
        shown = [emoji, *emoji.get("skin_variations", {}).values()]
        for one in shown:
            path = package / "img" / "google" / "64" / one["image"]
            if one["has_img_google"] and emoji["category"] != "Component" and path.exists():
                rows.append((str(path.resolve()), emoji["category"], emoji["subcategory"], emoji["unified"]))
    return rows


def write_table(rows: list[tuple[str, str, str, str]], path: Path, *, task: str, seed: int) -> None:
    """A CSV that `striate train` takes, with its split."""
    generator = np.random.default_rng(seed)
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["path", "label", "group", "split"])
        if task == "categories":
            bases = sorted({row[3] for row in rows})
            side = dict(zip(bases, generator.permutation(len(bases)) / len(bases), strict=True))
            for file, category, _, base in rows:
                part = "test" if side[base] < 0.2 else "val" if side[base] < 0.3 else "train"
                out.writerow([file, category, base, part])
        else:
            for name in FEW:
                chosen = {base: file for file, _, kind, base in rows if kind == name}
                order = generator.permutation(sorted(chosen))
                for number, base in enumerate(order):
                    out.writerow([chosen[base], name, base, "train" if number < 5 else "test"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--task", choices=["categories", "few"], default="categories")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("striate-out/finetune"))
    parser.add_argument("--options", default="", help="further options of striate train, in one word")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / f"{given.task}-{given.seed}.csv"
    write_table(pictures(given.package), table, task=given.task, seed=given.seed)
    name = f"{given.task}-{given.seed}-{int(time.time())}"
    command = [sys.executable, "-m", "striate", "train", str(table), "--root", str(given.out), "--name", name]
    command += [
        "--seed",
        str(given.seed),
        *(["--val", "0"] if given.task == "few" else []),
        *shlex.split(given.options),
    ]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    run = given.out / "classify" / name
    answering = predict_set(load(run), open_data(table)["test"])
    while True:
        try:
            next(answering)
        except StopIteration as finished:
            predictions = finished.value
            break
    score = Evaluation.from_predictions(predictions).to_dict()
    print(
        json.dumps(
            {
                "task": given.task,
                "seed": given.seed,
                "options": given.options,
                "seconds": round(seconds, 1),
                "test_pictures": len(predictions),
                "top1": float(predictions.correct.mean()),
                "interval": score.get("top1_interval"),
            }
        )
    )


if __name__ == "__main__":
    main()

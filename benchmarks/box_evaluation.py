"""Evaluation of boxes beside pycocotools and the development kit's loops: equal answers, the time of both, coverage.

    python benchmarks/box_evaluation.py [--cases 1000] [--pictures 500] [--studies 150]

Random cases are those of the tests (equal overlaps, equal scores, difficult and crowd objects), with seeds 0, 1, …
Times: one set of pictures with 60 boxes each, both sides in one run. Coverage: how often the 95 % intervals of average
precision hold the value of 20,000 pictures, in simulated studies, beside the plain bootstrap's.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the cases and the oracles are those of the tests

from striate.data.detections import Detections
from striate.detection import BoxPredictions, class_average_precision, coco_scores
from striate.detection.ap_interval import ap_intervals, resampled_ap
from striate.detection.voc_ap import match_boxes
from tests.detection.predicted import NASTY, random_answers
from tests.oracles.coco import coco_numbers
from tests.oracles.voc_devkit import devkit_ap


def equal_answers(cases: int) -> None:
    """The largest difference to both oracles."""
    worst_coco = worst_voc = 0.0
    numbers = voc_numbers = 0
    sets = [*NASTY.values(), *(random_answers(seed, steps=(1, 4, 1000)[seed % 3]) for seed in range(cases))]
    for place, one in enumerate(sets):
        ours = coco_scores(one)
        twelve, classes = coco_numbers(one)
        mine = np.nan_to_num([*ours.twelve, *ours.class_ap], nan=-1)
        worst_coco = max(worst_coco, float(np.abs(mine - np.concatenate([twelve, classes])).max()))
        numbers += len(mine)
        iou, inclusive = ((0.5, False), (0.5, True), (0.75, False))[place % 3]
        both = np.array([devkit_ap(one, number, iou=iou, inclusive=inclusive) for number in range(len(one.labels))]).T
        for rule, theirs in zip(("all-point", "11-point"), both, strict=True):
            own = np.array([*class_average_precision(one, iou=iou, rule=rule, inclusive=inclusive).values()])
            if not np.array_equal(np.isnan(own), np.isnan(theirs)):
                raise SystemExit(f"case {place}: NaN in other places")
            worst_voc = max(worst_voc, float(np.nan_to_num(np.abs(own - theirs)).max(initial=0.0)))
            voc_numbers += len(own)
    print(f"{len(sets):,} sets ({len(NASTY)} nasty): {numbers:,} numbers of COCO, largest difference {worst_coco:.1e};")
    print(f"  {voc_numbers:,} average precisions of VOC, largest difference {worst_voc:.1e}", flush=True)


def times(pictures: int) -> None:
    """Both evaluations of COCO, and ours of VOC, on one set."""
    rng = np.random.default_rng(0)
    labels = tuple(f"class {i}" for i in range(20))
    found, truth = [], []
    for _ in range(pictures):
        count = int(rng.poisson(6))
        corner = rng.uniform(0, 400, (60, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(10, 150, (60, 2))], axis=1)
        kinds = rng.integers(0, 20, 60)
        truth.append(Detections.of(boxes[:count] + rng.normal(0, 2, (count, 4)), kinds[:count], labels))
        found.append(Detections.of(boxes, kinds, labels, scores=rng.beta(1, 4, 60)))
    one = BoxPredictions.of(found, truth, [str(i) for i in range(pictures)])
    sides = {
        "pycocotools": lambda: coco_numbers(one),
        "coco_scores": lambda: coco_scores(one),
        "class_average_precision (VOC)": lambda: class_average_precision(one),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(5):
        for name, job in sides.items():
            began = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - began)
    print(f"{pictures:,} pictures, 20 classes, 60 boxes each; medians of 5 rounds in turn:")
    for name, taken in seconds.items():
        print(f"  {name:<30} {statistics.median(taken):7.3f} s")
    whole, ours = (statistics.median(seconds[name]) for name in ("pycocotools", "coco_scores"))
    print(f"  coco_scores is {whole / ours:.1f} times as fast as pycocotools", flush=True)


def population(rng: np.random.Generator, count: int, labels: tuple[str, ...]) -> BoxPredictions:
    """A detector that finds objects of each class with another chance, on easy and on difficult pictures."""
    skill = np.linspace(0.0, 3.5, len(labels))
    found, truth = [], []
    for _ in range(count):
        objects, false, mood = int(rng.poisson(2.5)), int(rng.poisson(1.5)), rng.normal(0, 0.8)
        kinds, other = rng.integers(0, len(labels), objects), rng.integers(0, len(labels), false)
        boxes = np.array([[20.0 * i, 0, 20 * i + 10, 10] for i in range(objects)]).reshape(-1, 4)
        ghosts = np.array([[20.0 * i, 50, 20 * i + 10, 60] for i in range(false)]).reshape(-1, 4)
        hit = rng.random(objects) < 1 / (1 + np.exp(-(skill[kinds] + mood)))
        raw = np.concatenate([rng.normal(1.2, 1, int(hit.sum())), rng.normal(-0.8, 1, false)])
        every, names = np.concatenate([boxes[hit], ghosts]), np.concatenate([kinds[hit], other])
        found.append(Detections.of(every, names, labels, scores=1 / (1 + np.exp(-raw))))
        truth.append(Detections.of(boxes, kinds, labels))
    return BoxPredictions.of(found, truth, [str(i) for i in range(count)])


def coverage(studies: int) -> None:
    """How often intervals hold the truth."""
    rng = np.random.default_rng(0)
    print(f"{studies} studies each; how often the 95 % interval holds the value of 20,000 pictures:")
    for classes in (3, 10):
        many = population(rng, 20_000, tuple(f"class {i}" for i in range(classes)))
        real = np.array([*class_average_precision(many).values()])
        for pictures in (15, 40, 150):
            mean, each, plain = [], [], []
            for study in range(studies):
                one = many.subset(rng.choice(20_000, pictures, replace=False))
                matches = match_boxes(one)
                ap = np.array([*class_average_precision(one).values()])
                whole, single = ap_intervals(one, matches, class_ap=ap, resamples=300, seed=study)
                known = np.flatnonzero(~np.isnan(ap))
                mean.append(whole.low <= real[known].mean() <= whole.high)
                each += [single[c].low <= real[c] <= single[c].high for c in known]
                drawn = rng.multinomial(pictures, np.full(pictures, 1 / pictures), 300).astype(float)
                with np.errstate(invalid="ignore"):
                    draws = resampled_ap(one, matches, drawn)
                low, high = np.nanquantile(draws[:, known], [0.025, 0.975], axis=0)
                plain += ((low <= real[known]) & (real[known] <= high)).tolist()
            shares = f"mean {np.mean(mean):.3f}, a class {np.mean(each):.3f}, a class plainly {np.mean(plain):.3f}"
            print(f"  {classes:>2} classes, {pictures:>3} pictures: {shares}", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--studies", type=int, default=150)
    args = parser.parse_args()
    names = ("numpy", "faster-coco-eval", "pycocotools")
    print(f"{platform.machine()}, load {os.getloadavg()[0]:.1f}, {', '.join(f'{n} {version(n)}' for n in names)}")
    if args.cases:
        equal_answers(args.cases)
    if args.pictures:
        times(args.pictures)
    if args.studies:
        coverage(args.studies)


if __name__ == "__main__":
    main()

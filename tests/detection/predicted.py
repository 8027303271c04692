"""Answers of imagined detectors for tests: random ones, and the nasty cases by name."""

import numpy as np

from striate.data.detections import Detections
from striate.detection.box_predictions import BoxPredictions

__all__ = ["NASTY", "answers", "random_answers"]

LABELS = ("cat", "dog", "owl")


def answers(found, truth, labels=LABELS, **options) -> BoxPredictions:
    """Pictures given as lists of (box, class, score) found and (box, class, *marks) that are there."""
    seen = [Detections.of([b for b, *_ in p], [c for _, c, _ in p], labels, scores=[s for *_, s in p]) for p in found]
    there = [
        Detections.of(
            [b for b, *_ in p],
            [c for _, c, *_ in p],
            labels,
            size=(100, 120),
            difficult=["difficult" in marks for _, _, *marks in p],
            crowd=["crowd" in marks for _, _, *marks in p],
        )
        for p in truth
    ]
    return BoxPredictions.of(seen, there, [f"{i}.jpg" for i in range(len(there))], **options)


def random_answers(seed: int, *, pictures: int = 12, classes: int = 3, most: int = 6, steps: int = 8) -> BoxPredictions:
    """Boxes on a coarse grid, so that equal overlaps occur; scores in few steps, so that equal scores do."""
    rng = np.random.default_rng(seed)
    labels = tuple(f"class {i}" for i in range(classes))
    seen, there = [], []
    for _ in range(pictures):
        count = int(rng.integers(0, most + 1))
        corner = rng.integers(0, 12, (count, 2)) * 8.0
        boxes = np.concatenate([corner, corner + rng.integers(1, 16, (count, 2)) * rng.choice([2.0, 8.0])], axis=1)
        kinds = rng.integers(0, classes, count)
        there.append(
            Detections.of(
                boxes,
                kinds,
                labels,
                size=(240, 240),
                difficult=rng.random(count) < 0.15,
                crowd=rng.random(count) < 0.1,
                areas=(boxes[:, 2:] - boxes[:, :2]).prod(1) * rng.choice([1.0, 0.6], count),
            )
        )
        copies = np.repeat(np.arange(count), rng.integers(0, 4, count))
        moved = boxes[copies] + rng.integers(-2, 3, (len(copies), 4)) * rng.choice([0.0, 2.0, 4.0], (len(copies), 1))
        other = int(rng.integers(0, 4))
        corner = rng.integers(0, 12, (other, 2)) * 8.0
        loose = np.concatenate([corner, corner + rng.integers(0, 16, (other, 2)) * 8.0], axis=1)
        every = np.concatenate([moved, loose]).reshape(-1, 4)
        every[:, 2:] = np.maximum(every[:, :2], every[:, 2:])
        guessed = np.concatenate([kinds[copies], rng.integers(0, classes, other)]).astype(int)
        guessed = np.where(rng.random(len(guessed)) < 0.2, rng.integers(0, classes, len(guessed)), guessed)
        scores = rng.integers(0, steps, len(every)) / steps
        order = rng.permutation(len(every))
        seen.append(Detections.of(every[order], guessed[order], labels, scores=scores[order]))
    return BoxPredictions.of(seen, there, [f"{i}.jpg" for i in range(pictures)])


BOX, NEAR, FAR = [10, 10, 50, 50], [12, 10, 52, 50], [70, 60, 110, 95]

NASTY = {
    "nothing at all": answers([[], []], [[], []]),
    "no ground truth": answers([[(BOX, 0, 0.9)], [(FAR, 1, 0.3)]], [[], []]),
    "no detections": answers([[], []], [[(BOX, 0)], [(FAR, 1), (BOX, 2)]]),
    "all difficult": answers([[(BOX, 0, 0.9), (FAR, 0, 0.8)]], [[(BOX, 0, "difficult"), (FAR, 0, "difficult")]]),
    "difficult beside easy": answers(
        [[(BOX, 0, 0.9), (NEAR, 0, 0.8), (FAR, 0, 0.7)]], [[(BOX, 0, "difficult"), (FAR, 0)]]
    ),
    "equal scores": answers(
        [[(FAR, 0, 0.5), (BOX, 0, 0.5), (NEAR, 0, 0.5)], [(BOX, 0, 0.5)]], [[(BOX, 0)], [(BOX, 0), (FAR, 0)]]
    ),
    "the same box twice": answers([[(BOX, 0, 0.9), (BOX, 0, 0.9), (BOX, 0, 0.1)]], [[(BOX, 0)]]),
    "two true boxes in one place": answers([[(BOX, 0, 0.9), (BOX, 0, 0.8)]], [[(BOX, 0), (BOX, 0)]]),
    "half overlap": answers([[([0, 0, 10, 10], 0, 0.9)]], [[([0, 0, 10, 20], 0)]]),
    "a crowd": answers(
        [[([20, 20, 30, 30], 0, 0.9), ([60, 20, 70, 30], 0, 0.8), (FAR, 0, 0.7)]],
        [[([0, 0, 100, 50], 0, "crowd"), (FAR, 0)]],
    ),
    "a class without objects": answers([[(BOX, 0, 0.9), (FAR, 2, 0.99)]], [[(BOX, 0), (FAR, 1)]]),
    "boxes without area": answers([[([10, 10, 10, 50], 0, 0.9), (BOX, 0, 0.8)]], [[(BOX, 0), ([5, 5, 5, 5], 0)]]),
    "one picture, one class": answers([[((0, 0, 5, 5), 0, 0.2)]], [[((0, 0, 5, 5), 0)]], labels=("cat",)),
    "more than a hundred boxes": answers(
        [[([i, 0, i + 20, 20], 0, 1 - i / 200) for i in range(150)]], [[([120, 0, 140, 20], 0), ([3, 0, 23, 20], 0)]]
    ),
    "a label with a mark in it": answers([[(BOX, 0, 0.9)]], [[(BOX, 0)]], labels=('</script>"',)),
}

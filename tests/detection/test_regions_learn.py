"""Both detectors learn sixteen pictures by heart: mAP .95 or more, with a small network from random weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from striate.data.detections import Detections
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detector import BoxTargets
from striate.detection.fast_rcnn import build_fast_rcnn
from striate.detection.faster_rcnn import build_faster_rcnn
from striate.detection.voc_ap import mean_average_precision

LABELS = ("red", "green", "blue")
SIDE = 64


def colored_rectangles(count, *, seed=0):
    """Pictures of one to three rectangles of pure color on gray noise, and their boxes."""
    rng = np.random.default_rng(seed)
    pictures, truth = [], []
    for _ in range(count):
        picture = rng.normal(0.5, 0.05, (3, SIDE, SIDE)).astype(np.float32)
        boxes, classes = [], []
        for _ in range(rng.integers(1, 4)):
            w, h = rng.integers(14, 34, 2)
            x, y = rng.integers(0, SIDE - w), rng.integers(0, SIDE - h)
            box = (x, y, x + w, y + h)
            if any(min(box[2], b[2]) > max(box[0], b[0]) and min(box[3], b[3]) > max(box[1], b[1]) for b in boxes):
                continue
            color = int(rng.integers(3))
            picture[:, y : y + h, x : x + w] = 0.1
            picture[color, y : y + h, x : x + w] = 0.9
            boxes.append(box)
            classes.append(color)
        pictures.append(picture)
        truth.append(Detections.of(boxes, classes, LABELS, size=(SIDE, SIDE)))
    return torch.from_numpy(np.stack(pictures)) - 0.5, truth


def proposals_about(truth, *, seed=0):
    """What selective search would give: boxes about the objects, good and bad, and boxes of nothing."""
    rng = np.random.default_rng(seed)
    result = []
    for one in truth:
        sides = np.tile(one.boxes[:, 2:] - one.boxes[:, :2], (1, 2))
        about = np.concatenate([one.boxes + rng.normal(0, 0.15, one.boxes.shape) * sides for _ in range(20)])
        corner = rng.random((40, 2)) * 40
        nothing = np.concatenate([corner, corner + 10 + rng.random((40, 2)) * 24], 1)
        result.append(torch.tensor(np.concatenate([about, nothing]), dtype=torch.float32))
    return result


def learn(detector, *, steps, batch, rate, proposals=None):
    pictures, truth = colored_rectangles(16)
    what = [
        BoxTargets(torch.from_numpy(t.boxes), torch.from_numpy(t.classes), torch.zeros(len(t), dtype=torch.bool))
        for t in truth
    ]
    sizes = [(SIDE, SIDE)] * batch
    detector.roi_heads.settings = replace(detector.roi_heads.settings, batch=24)  # pictures are small, so is this
    optimizer = torch.optim.AdamW(detector.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    detector.train()
    for step in range(steps):
        rows = [(step * batch + i) * 5 % 16 for i in range(batch)]
        given = None if proposals is None else [proposals[row] for row in rows]
        losses = detector(pictures[rows], sizes, targets=[what[row] for row in rows], proposals=given)
        optimizer.zero_grad()
        torch.stack([values.mean() for values in losses.values()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    detector.eval()
    found = []
    with torch.inference_mode():
        for row in range(16):
            given = None if proposals is None else [proposals[row]]
            (one,) = detector(pictures[row : row + 1], sizes[:1], proposals=given, score_threshold=0.01)
            found.append(Detections.of(one.boxes, one.classes, LABELS, scores=one.scores, size=(SIDE, SIDE)))
    return mean_average_precision(BoxPredictions.of(found, truth, [str(row) for row in range(16)]))


SMALL = {"backbone": "resnet20", "maps": [2, 4], "frozen": 0, "freeze_norm": False, "num_classes": 3}


def test_fast_rcnn_learns_sixteen_pictures():
    _, truth = colored_rectangles(16)
    detector = build_fast_rcnn(**{**SMALL, "maps": [4]})
    assert learn(detector, steps=90, batch=4, rate=2e-3, proposals=proposals_about(truth)) >= 0.95


def test_faster_rcnn_learns_sixteen_pictures():
    detector = build_faster_rcnn(**{**SMALL, "maps": [4]})
    assert learn(detector, steps=90, batch=4, rate=2e-3) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fast", "faster", "pyramid"])
def test_larger_ones_learn_too(kind):
    if kind == "fast":
        _, truth = colored_rectangles(16)
        assert learn(build_fast_rcnn(**SMALL), steps=120, batch=4, rate=2e-3, proposals=proposals_about(truth)) >= 0.95
    elif kind == "faster":
        assert learn(build_faster_rcnn(**SMALL), steps=200, batch=4, rate=2e-3) >= 0.95
    else:
        detector = build_faster_rcnn(num_classes=3, preset="faster_rcnn_resnet18_fpn", frozen=0, freeze_norm=False)
        assert learn(detector, steps=200, batch=4, rate=1e-3) >= 0.95

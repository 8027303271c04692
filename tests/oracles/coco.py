"""pycocotools as an oracle: COCO's own evaluation, given its own files."""

import contextlib
import importlib.util
import io

import numpy as np
import pytest

from striate.detection.box_predictions import BoxPredictions

__all__ = ["coco_numbers"]


def coco_numbers(predictions: BoxPredictions) -> tuple[np.ndarray, np.ndarray]:
    """The twelve numbers, and AP of every class, −1 where there is nothing to find; skips the test without pycocotools.

    Boxes go through `loadRes`, as result files do.
    """
    if importlib.util.find_spec("pycocotools") is None:
        pytest.skip("pycocotools is not installed (oracle; pip install pycocotools==2.0.11)")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images, found, number = [], [], 0
    truth = []
    for picture in range(len(predictions)):
        images.append({"id": picture + 1, "width": 1000, "height": 1000})
        there, seen = predictions.truth(picture), predictions.found(picture)
        for row in range(len(there)):
            number += 1
            x1, y1, x2, y2 = there.boxes[row].astype(float).tolist()
            truth.append(
                {
                    "id": number,
                    "image_id": picture + 1,
                    "category_id": int(there.classes[row]) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(there.areas[row]),
                    "iscrowd": int(there.crowd[row] or there.difficult[row]),
                }
            )
        for row in range(len(seen)):
            x1, y1, x2, y2 = seen.boxes[row].astype(float).tolist()
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(seen.scores[row])}
            found.append({"image_id": picture + 1, "category_id": int(seen.classes[row]) + 1, **box})
    gt = COCO()
    gt.dataset = {
        "images": images,
        "annotations": truth,
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(predictions.labels)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        gt.createIndex()
        if found:
            dt = gt.loadRes(found)
        else:  # loadRes looks at the first box
            dt = COCO()
            dt.dataset = {**gt.dataset, "annotations": []}
            dt.createIndex()
        judge = COCOeval(gt, dt, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    precision = judge.eval["precision"][:, :, :, 0, -1]
    return np.asarray(judge.stats), precision.mean(axis=(0, 1))

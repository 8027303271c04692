"""What YOLO does with one picture, step by step, as data: to be drawn, or to be looked up.

1. The picture is cut into a grid.
2. Every cell says which class an object there would be: the class map.
3. Every cell gives b boxes with confidences: P(object) · IoU.
4. Confidence times class is a score; what scores too little goes.
5. Of boxes of one class that overlap, the surest stays.

Source: Redmon, Divvala, Girshick and Farhadi 2016, You Only Look Once, arXiv:1506.02640, figure 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.detections import Detections
from striate.detection.detector import BoxTargets, FoundBoxes
from striate.detection.yolo_decode import candidate_boxes, suppress_boxes
from striate.detection.yolo_detector import YoloDetector
from striate.detection.yolo_grid import assign_cells, cell_boxes
from striate.errors import ConfigError, ShapeError
from striate.probe import evaluating

__all__ = ["YoloStages", "yolo_stages"]


@dataclass(frozen=True, eq=False)
class YoloStages:
    """The steps of one answer; boxes in canvas pixels.

    Attributes:
        canvas: `(height, width)` of the tensor that the network took.
        size: `(height, width)` of the photo in its upper left corner.
        grid: `(s, t)` cells.
        class_map: int64 `s t`, the likeliest class of each cell.
        class_probabilities: float32 `s t k`, P(class | object).
        confidences: float32 `s t b`, P(object) · IoU.
        boxes: All s · t · b boxes in the order of rows, columns and b, not clipped; scored by confidence alone, each
            with the likeliest class of its cell.
        candidates: Those that score enough for a class, by confidence · class, clipped to the photo, surest first; a
            box comes once for each class that it scores enough for.
        found: Those that non-maximum suppression leaves.
        owners: int64 `s t`: class of the object that the cell is responsible for, −1 where there is none; None where
            nobody said what is on the photo.
        collided: Objects that no cell is responsible for, because a smaller one has its middle in the same cell; None
            as before.
        score_threshold: Of `candidates`.
        iou_threshold: Of the suppression.
    """

    canvas: tuple[int, int]
    size: tuple[int, int]
    grid: tuple[int, int]
    class_map: NDArray[np.int64]
    class_probabilities: NDArray[np.float32]
    confidences: NDArray[np.float32]
    boxes: Detections
    candidates: Detections
    found: Detections
    owners: NDArray[np.int64] | None
    collided: int | None
    score_threshold: float
    iou_threshold: float

    def cell(self, row: int, column: int) -> tuple[float, float, float, float]:
        """The corners `xyxy` of a cell, in canvas pixels."""
        down, across = self.canvas[0] / self.grid[0], self.canvas[1] / self.grid[1]
        return column * across, row * down, (column + 1) * across, (row + 1) * down


def yolo_stages(
    detector: YoloDetector,
    image: Float[Tensor, "c h w"],
    *,
    size: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
    target: BoxTargets | None = None,
    score_threshold: float = 0.2,
) -> YoloStages:
    """Every step of the answer to one picture; the detector is left as it was.

    Args:
        detector: Any YOLO of the house.
        image: Normalized, on the detector's device.
        size: `(height, width)` of the photo in the canvas; all of it by default.
        labels: Names of the k classes; `class 0` and so on by default.
        target: What is on the photo, to see which cell is responsible for what.
        score_threshold: Of the step that leaves boxes out; the paper shows .2.

    Raises:
        ConfigError: If there is not one label a class.
        ShapeError: If `image` is no single picture, or the network takes no such canvas.
    """
    if image.ndim != 3:
        raise ShapeError(f"image must be one picture c h w, got {tuple(image.shape)}; take one of a batch.")
    names = tuple(labels) if labels is not None else tuple(f"class {i}" for i in range(detector.num_classes))
    if len(names) != detector.num_classes:
        raise ConfigError(f"labels must be one a class: {detector.num_classes}, got {len(names)}.")
    canvas = (image.shape[-2], image.shape[-1])
    photo = canvas if size is None else size
    with evaluating(detector), torch.no_grad():
        cells = detector.cells(image[None])
        candidates = candidate_boxes(cells, [photo], canvas=canvas, score_threshold=score_threshold)[0]
        found = suppress_boxes(candidates, iou_threshold=detector.iou_threshold, keep=detector.keep)
        probability = cells.classes[0]  # s t k
        class_map = probability.argmax(-1)  # s t
        b = cells.confidences.shape[-1]
        every = FoundBoxes(
            cell_boxes(cells.boxes, canvas=canvas).reshape(-1, 4),
            cells.confidences.reshape(-1),
            class_map[..., None].expand(*class_map.shape, b).reshape(-1),
        )
    grid = (class_map.shape[0], class_map.shape[1])
    owners, collided = None, None
    if target is not None:
        wanted = assign_cells([target], [photo], grid=grid, canvas=canvas)
        owners = torch.where(wanted.has_object[0], wanted.classes[0], -1).cpu().numpy()
        collided = int(wanted.collided)
    return YoloStages(
        canvas=canvas,
        size=photo,
        grid=grid,
        class_map=class_map.cpu().numpy(),
        class_probabilities=probability.detach().float().cpu().numpy(),
        confidences=cells.confidences[0].detach().float().cpu().numpy(),
        boxes=_detections(every, names, photo),
        candidates=_detections(candidates, names, photo),
        found=_detections(found, names, photo),
        owners=owners,
        collided=collided,
        score_threshold=score_threshold,
        iou_threshold=detector.iou_threshold,
    )


def _detections(found: FoundBoxes, labels: tuple[str, ...], size: tuple[int, int]) -> Detections:
    boxes, scores, classes = (part.detach().cpu().numpy() for part in found)
    return Detections.of(boxes, classes, labels, scores=scores, size=size)

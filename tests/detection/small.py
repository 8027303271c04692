"""Small things to find: detectors of some thousand weights, pictures of other shapes than the canvas, whole tasks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment.box_policies import build_box_augmentation
from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.loader import Batch, load_batches
from striate.data.stores import ArrayStore
from striate.detection.detector import Detector
from striate.detection.fast_rcnn import build_fast_rcnn
from striate.detection.faster_rcnn import build_faster_rcnn
from striate.detection.finding import FITS
from striate.detection.learning import DetectionTask
from striate.detection.proposals import Proposals, ProposalSettings
from striate.detection.roi_head import BoxPredictor, FullLayers
from striate.detection.sliding_windows import sliding_windows
from striate.detection.yolo_detector import YoloDetector
from striate.training.loop import Trainer
from striate.training.run_folder import RunFolder
from striate.training.settings import TrainSettings
from striate.training.world import ALONE, World
from tests.detection.shapes import CLASSES, shape_set
from tests.training.small import write_plain

CANVAS = (64, 64)
MEAN, STD = (0.401, 0.501, 0.601), (0.2, 0.25, 0.3)  # no level of a pixel becomes zero
WINDOWS = ProposalSettings("sliding_windows", max_boxes=30, min_side_px=16)


class Grid(nn.Module):
    """Four convolutions, a cell for every 16 px."""

    def __init__(self, outputs: int, *, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (8, 8, 12, 12):
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=not norm)]
            layers += [nn.BatchNorm2d(width)] if norm else []
            layers += [nn.LeakyReLU(0.1)]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.cells = nn.Conv2d(channels, outputs, 1)

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        return canvas[0] // 16, canvas[1] // 16

    def forward(self, x: Tensor) -> Tensor:
        cells: Tensor = self.cells(self.layers(x))
        return cells


def small_detector(kind: str = "yolo", *, norm: bool = False, classes: int = 3) -> Detector:
    """`yolo` of four convolutions, or `fast_rcnn` and `faster_rcnn` on a ResNet-20."""
    torch.manual_seed(5)
    if kind == "yolo":
        return YoloDetector(Grid(classes + 10, norm=norm), num_classes=classes)
    how: dict[str, Any] = {"backbone": "resnet20", "maps": [4], "frozen": 0, "freeze_norm": not norm}
    build = build_fast_rcnn if kind == "fast_rcnn" else build_faster_rcnn
    detector = build(num_classes=classes, **how)
    heads = detector.roi_heads
    heads.settings = replace(heads.settings, batch=16)
    heads.box_head = FullLayers(heads.box_roi_pool.features, (16, 16))  # the millions of weights are not what is tested
    heads.box_predictor = BoxPredictor(16, classes)
    return detector


def view(fit: Any = "whole", size: tuple[int, int] = CANVAS) -> Preprocessing:
    return Preprocessing(size, None, fit=fit, mean=MEAN, std=STD)


def windows(pictures: BoxSet) -> Proposals:
    """Boxes all over every picture."""
    boxes = sliding_windows((96, 96), max_boxes=30, min_side_px=16)
    return Proposals(tuple(boxes for _ in range(len(pictures))), WINDOWS)


def box_task(
    kind: str = "yolo",
    *,
    train: BoxSet | None = None,
    validation: BoxSet | str | None = "some",
    policy: str = "flip",
    fit: Any = "whole",
    norm: bool = False,
    module: Detector | None = None,
    **changes: Any,
) -> DetectionTask:
    """Twelve pictures of 96 px to learn from on canvases of 64 px, five to be measured on."""
    learned = shape_set(12, side=96) if train is None else train
    measured = shape_set(5, side=96, seed=1) if isinstance(validation, str) else validation
    detector = small_detector(kind, norm=norm) if module is None else module
    takes = detector.takes_proposals
    return DetectionTask(
        module=detector,
        preprocessing=view(fit),
        labels=Labels(learned.classes),
        train=learned,
        validation=measured,
        augmentation=build_box_augmentation(policy, CANVAS, fit=FITS[fit], truth=learned.truth, settings=changes),
        train_proposals=windows(learned) if takes else None,
        validation_proposals=windows(measured) if takes and measured is not None else None,
        classifier=("network.cells",) if kind == "yolo" else ("roi_heads.box_predictor",),
    )


def box_settings(**changes: Any) -> TrainSettings:
    return TrainSettings(
        **{"epochs": 2, "batch_size": 4, "lr": 1e-3, "optimizer": "adamw", "workers": 0, "warmup_epochs": 0.0} | changes
    )


def box_trainer(path: Path, task: DetectionTask, *, world: World = ALONE, **changes: Any) -> Trainer:
    path.mkdir(parents=True, exist_ok=True)
    return Trainer(task, box_settings(**changes), RunFolder(path), save_weights=write_plain, world=world)


def batch_of(task: DetectionTask, indices: Iterable[int], *, seed: int = 0, epoch: int = 0) -> Batch:
    order = [np.asarray(list(indices), dtype=np.int64)]
    geometry = task.augmentation.geometry
    return next(load_batches(task.train.pictures, order, geometry, seed=seed, epoch=epoch, workers=0))


def one_picture(size: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]], **marks: Any) -> BoxSet:
    """A set of one picture with white rectangles."""
    picture = np.full((*size, 3), 40, dtype=np.uint8)
    for x0, y0, x1, y1 in boxes:
        picture[y0:y1, x0:x1] = 255
    truth = Detections.of(boxes, [0] * len(boxes), CLASSES, size=size, **marks)
    return BoxSet(CLASSES, (truth,), ArrayStore(picture[None], "one"), Path("one"), "voc")

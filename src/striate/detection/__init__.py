"""Finding objects: R-CNN, Fast R-CNN, Faster R-CNN and YOLO, their parts, and how well they find.

Names load on first use: the facts of this floor are read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.detection.box_predictions import BoxPredictions
    from striate.detection.coco_ap import CocoScores, coco_scores
    from striate.detection.detection_evaluation import BoxEvaluation, evaluate_boxes
    from striate.detection.detector import BoxTargets, Detector, FoundBoxes
    from striate.detection.detector_comparison import Contestant, DetectorComparison, compare_detectors
    from striate.detection.detector_facts import DetectorFacts, TrainingStage, update_detector_facts
    from striate.detection.voc_ap import class_average_precision, mean_average_precision
    from striate.detection.yolo import build_yolo
    from striate.detection.yolo_decode import decode_cells
    from striate.detection.yolo_detector import YoloDetector
    from striate.detection.yolo_grid import CellTargets, YoloCells, assign_cells, cell_boxes, encode_boxes
    from striate.detection.yolo_loss import YoloLossWeights, responsible_boxes, yolo_losses
    from striate.detection.yolo_steps import YoloStages, yolo_stages
    from striate.detection.yolo_v1 import (
        build_yolo_v1,
        build_yolo_v1_darknet,
        build_yolo_v1_tiny,
        build_yolo_v1_trunk,
        load_yolo_v1_trunk,
    )

__all__ = [
    "BoxEvaluation",
    "BoxPredictions",
    "BoxTargets",
    "CellTargets",
    "CocoScores",
    "Contestant",
    "Detector",
    "DetectorComparison",
    "DetectorFacts",
    "FoundBoxes",
    "TrainingStage",
    "YoloCells",
    "YoloDetector",
    "YoloLossWeights",
    "YoloStages",
    "assign_cells",
    "build_yolo",
    "build_yolo_v1",
    "build_yolo_v1_darknet",
    "build_yolo_v1_tiny",
    "build_yolo_v1_trunk",
    "cell_boxes",
    "class_average_precision",
    "coco_scores",
    "compare_detectors",
    "decode_cells",
    "encode_boxes",
    "evaluate_boxes",
    "load_yolo_v1_trunk",
    "mean_average_precision",
    "responsible_boxes",
    "update_detector_facts",
    "yolo_losses",
    "yolo_stages",
]

_HOME = {
    "BoxEvaluation": "detection_evaluation",
    "BoxPredictions": "box_predictions",
    "BoxTargets": "detector",
    "CellTargets": "yolo_grid",
    "CocoScores": "coco_ap",
    "Contestant": "detector_comparison",
    "Detector": "detector",
    "DetectorComparison": "detector_comparison",
    "DetectorFacts": "detector_facts",
    "FoundBoxes": "detector",
    "TrainingStage": "detector_facts",
    "YoloCells": "yolo_grid",
    "YoloDetector": "yolo_detector",
    "YoloLossWeights": "yolo_loss",
    "YoloStages": "yolo_steps",
    "assign_cells": "yolo_grid",
    "build_yolo": "yolo",
    "build_yolo_v1": "yolo_v1",
    "build_yolo_v1_darknet": "yolo_v1",
    "build_yolo_v1_tiny": "yolo_v1",
    "build_yolo_v1_trunk": "yolo_v1",
    "cell_boxes": "yolo_grid",
    "class_average_precision": "voc_ap",
    "coco_scores": "coco_ap",
    "compare_detectors": "detector_comparison",
    "decode_cells": "yolo_decode",
    "encode_boxes": "yolo_grid",
    "evaluate_boxes": "detection_evaluation",
    "load_yolo_v1_trunk": "yolo_v1",
    "mean_average_precision": "voc_ap",
    "responsible_boxes": "yolo_loss",
    "update_detector_facts": "detector_facts",
    "yolo_losses": "yolo_loss",
    "yolo_stages": "yolo_steps",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"striate.detection.{_HOME[name]}"), name)
    raise AttributeError(f"module 'striate.detection' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

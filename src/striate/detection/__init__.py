"""Finding objects: R-CNN, Fast R-CNN, Faster R-CNN and YOLO, their parts, and how well they find.

Names load on first use: the facts of this floor are read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.detection.alternating import AlternatingStep, backbone_state, enter_step, leave_steps
    from striate.detection.anchors import Anchors
    from striate.detection.box_predictions import BoxPredictions
    from striate.detection.box_regression import BoxRegression, fit_box_regression
    from striate.detection.coco_ap import CocoScores, coco_scores
    from striate.detection.crop_features import CropFeatures, CropNetwork, build_crop_network
    from striate.detection.detection_evaluation import BoxEvaluation, evaluate_boxes
    from striate.detection.detector import BoxTargets, Detector, FoundBoxes
    from striate.detection.detector_comparison import Contestant, DetectorComparison, compare_detectors
    from striate.detection.detector_facts import DetectorFacts, TrainingStage, update_detector_facts
    from striate.detection.fast_rcnn import FastRCNN, build_fast_rcnn
    from striate.detection.faster_rcnn import FasterRCNN, build_faster_rcnn
    from striate.detection.feature_cache import FeatureCache
    from striate.detection.margins import fit_sigmoid
    from striate.detection.proposal_cache import ProposalCache
    from striate.detection.proposals import (
        ProposalProgress,
        Proposals,
        ProposalSettings,
        find_proposals,
        proposals_for,
        propose,
    )
    from striate.detection.rcnn import RCNN, RegionCandidates, build_rcnn
    from striate.detection.rcnn_settings import RCNNSettings
    from striate.detection.rcnn_stages import CropStages, look_at_crops
    from striate.detection.rcnn_training import train_rcnn
    from striate.detection.recall import ProposalRecall, best_overlaps, proposal_recall
    from striate.detection.region_presets import RegionPreset, find_region_preset, list_region_presets
    from striate.detection.region_svm import SvmSettings, fit_svm, svm_objective
    from striate.detection.region_warp import warp_regions
    from striate.detection.stages import AnchorMap, AnchorMatches, RegionStages, look_at_anchors, look_at_regions
    from striate.detection.truncated_svd import compress
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
    "RCNN",
    "AlternatingStep",
    "AnchorMap",
    "AnchorMatches",
    "Anchors",
    "BoxEvaluation",
    "BoxPredictions",
    "BoxRegression",
    "BoxTargets",
    "CellTargets",
    "CocoScores",
    "Contestant",
    "CropFeatures",
    "CropNetwork",
    "CropStages",
    "Detector",
    "DetectorComparison",
    "DetectorFacts",
    "FastRCNN",
    "FasterRCNN",
    "FeatureCache",
    "FoundBoxes",
    "ProposalCache",
    "ProposalProgress",
    "ProposalRecall",
    "ProposalSettings",
    "Proposals",
    "RCNNSettings",
    "RegionCandidates",
    "RegionPreset",
    "RegionStages",
    "SvmSettings",
    "TrainingStage",
    "YoloCells",
    "YoloDetector",
    "YoloLossWeights",
    "YoloStages",
    "assign_cells",
    "backbone_state",
    "best_overlaps",
    "build_crop_network",
    "build_fast_rcnn",
    "build_faster_rcnn",
    "build_rcnn",
    "build_yolo",
    "build_yolo_v1",
    "build_yolo_v1_darknet",
    "build_yolo_v1_tiny",
    "build_yolo_v1_trunk",
    "cell_boxes",
    "class_average_precision",
    "coco_scores",
    "compare_detectors",
    "compress",
    "decode_cells",
    "encode_boxes",
    "enter_step",
    "evaluate_boxes",
    "find_proposals",
    "find_region_preset",
    "fit_box_regression",
    "fit_sigmoid",
    "fit_svm",
    "leave_steps",
    "list_region_presets",
    "load_yolo_v1_trunk",
    "look_at_anchors",
    "look_at_crops",
    "look_at_regions",
    "mean_average_precision",
    "proposal_recall",
    "proposals_for",
    "propose",
    "responsible_boxes",
    "svm_objective",
    "train_rcnn",
    "update_detector_facts",
    "warp_regions",
    "yolo_losses",
    "yolo_stages",
]

_HOME = {
    "RCNN": "rcnn",
    "AlternatingStep": "alternating",
    "AnchorMap": "stages",
    "AnchorMatches": "stages",
    "Anchors": "anchors",
    "BoxEvaluation": "detection_evaluation",
    "BoxPredictions": "box_predictions",
    "BoxRegression": "box_regression",
    "BoxTargets": "detector",
    "CellTargets": "yolo_grid",
    "CocoScores": "coco_ap",
    "Contestant": "detector_comparison",
    "CropFeatures": "crop_features",
    "CropNetwork": "crop_features",
    "CropStages": "rcnn_stages",
    "Detector": "detector",
    "DetectorComparison": "detector_comparison",
    "DetectorFacts": "detector_facts",
    "FastRCNN": "fast_rcnn",
    "FasterRCNN": "faster_rcnn",
    "FeatureCache": "feature_cache",
    "FoundBoxes": "detector",
    "ProposalCache": "proposal_cache",
    "ProposalProgress": "proposals",
    "ProposalRecall": "recall",
    "ProposalSettings": "proposals",
    "Proposals": "proposals",
    "RCNNSettings": "rcnn_settings",
    "RegionCandidates": "rcnn",
    "RegionPreset": "region_presets",
    "RegionStages": "stages",
    "SvmSettings": "region_svm",
    "TrainingStage": "detector_facts",
    "YoloCells": "yolo_grid",
    "YoloDetector": "yolo_detector",
    "YoloLossWeights": "yolo_loss",
    "YoloStages": "yolo_steps",
    "assign_cells": "yolo_grid",
    "backbone_state": "alternating",
    "best_overlaps": "recall",
    "build_crop_network": "crop_features",
    "build_fast_rcnn": "fast_rcnn",
    "build_faster_rcnn": "faster_rcnn",
    "build_rcnn": "rcnn",
    "build_yolo": "yolo",
    "build_yolo_v1": "yolo_v1",
    "build_yolo_v1_darknet": "yolo_v1",
    "build_yolo_v1_tiny": "yolo_v1",
    "build_yolo_v1_trunk": "yolo_v1",
    "cell_boxes": "yolo_grid",
    "class_average_precision": "voc_ap",
    "coco_scores": "coco_ap",
    "compare_detectors": "detector_comparison",
    "compress": "truncated_svd",
    "decode_cells": "yolo_decode",
    "encode_boxes": "yolo_grid",
    "enter_step": "alternating",
    "evaluate_boxes": "detection_evaluation",
    "find_proposals": "proposals",
    "find_region_preset": "region_presets",
    "fit_box_regression": "box_regression",
    "fit_sigmoid": "margins",
    "fit_svm": "region_svm",
    "leave_steps": "alternating",
    "list_region_presets": "region_presets",
    "load_yolo_v1_trunk": "yolo_v1",
    "look_at_anchors": "stages",
    "look_at_crops": "rcnn_stages",
    "look_at_regions": "stages",
    "mean_average_precision": "voc_ap",
    "proposal_recall": "recall",
    "proposals_for": "proposals",
    "propose": "proposals",
    "responsible_boxes": "yolo_loss",
    "svm_objective": "region_svm",
    "train_rcnn": "rcnn_training",
    "update_detector_facts": "detector_facts",
    "warp_regions": "region_warp",
    "yolo_losses": "yolo_loss",
    "yolo_stages": "yolo_steps",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"striate.detection.{_HOME[name]}"), name)
    raise AttributeError(f"module 'striate.detection' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Ways of looking inside a network, one a file.

Imported eagerly: the functions have the names of their files, and a lazy name would lose against the file.
"""

from striate.insight.activations import StageActivations, stage_activations
from striate.insight.completeness import Completeness, completeness
from striate.insight.deconvnet import deconvnet
from striate.insight.depth_sheet import DepthSheet, depth_sheet
from striate.insight.effective_field import effective_field
from striate.insight.equivariance import shift_response
from striate.insight.error_consistency import ErrorConsistency, error_consistency
from striate.insight.explanation import Explanation
from striate.insight.feature_pictures import FeatureProgress, feature_pictures, stream_feature_pictures
from striate.insight.feature_result import FeaturePictures
from striate.insight.field_result import EffectiveField, EffectiveFields
from striate.insight.grabcut import grabcut
from striate.insight.grad_cam import grad_cam
from striate.insight.guided_backprop import guided_backprop
from striate.insight.guided_grad_cam import guided_grad_cam
from striate.insight.heatmap import Heatmap
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_result import StudyResult
from striate.insight.input_gradient import InputGradient, input_gradient
from striate.insight.insertion_deletion import deletion, deletion_insertion, insertion
from striate.insight.integrated_gradients import integrated_gradients
from striate.insight.inversion import Inversion, InversionStep, invert
from striate.insight.inversion_prior import Prior
from striate.insight.inversion_sheet import InversionSheet, invert_depth
from striate.insight.kernels import Kernels, kernels
from striate.insight.label_agreement import cohen_kappa, fleiss_kappa
from striate.insight.layer_activations import LayerActivations, LayerMaps, layer_activations
from striate.insight.neighbors import Neighbors, nearest_neighbors
from striate.insight.occlusion import occlusion, sweep_occlusion
from striate.insight.patches import LayerPatches, TopPatches
from striate.insight.perturbation_curves import PerturbationCurves
from striate.insight.plain_ascent import PlainAscent
from striate.insight.pointing_game import PointingGame, boxes_in_view, pointing_game
from striate.insight.randomization import randomization
from striate.insight.randomization_check import RandomizationCheck
from striate.insight.reconstruction import Reconstruction
from striate.insight.representation_map import RepresentationMap, representation_map
from striate.insight.representation_set import Representations
from striate.insight.representations import representations, stream_representations
from striate.insight.saliency import saliency
from striate.insight.segmentation import Segmentation
from striate.insight.shift_result import LayerShift, ShiftResponse
from striate.insight.smooth_grad import smooth_grad
from striate.insight.statistics_result import LayerStatistics, UnitStatistics
from striate.insight.top_patches import stream_top_patches, top_patches
from striate.insight.unit_portraits import UnitPortraits, UnitView, look_at_units, read_units
from striate.insight.unit_statistics import stream_unit_statistics, unit_statistics

__all__ = [
    "Completeness",
    "DepthSheet",
    "EffectiveField",
    "EffectiveFields",
    "ErrorConsistency",
    "Explanation",
    "FeaturePictures",
    "FeatureProgress",
    "Heatmap",
    "HumanStudy",
    "InputGradient",
    "Inversion",
    "InversionSheet",
    "InversionStep",
    "Kernels",
    "LayerActivations",
    "LayerMaps",
    "LayerPatches",
    "LayerShift",
    "LayerStatistics",
    "Neighbors",
    "PerturbationCurves",
    "PlainAscent",
    "PointingGame",
    "Prior",
    "RandomizationCheck",
    "Reconstruction",
    "RepresentationMap",
    "Representations",
    "Segmentation",
    "ShiftResponse",
    "StageActivations",
    "StudyResult",
    "TopPatches",
    "UnitPortraits",
    "UnitStatistics",
    "UnitView",
    "boxes_in_view",
    "cohen_kappa",
    "completeness",
    "deconvnet",
    "deletion",
    "deletion_insertion",
    "depth_sheet",
    "effective_field",
    "error_consistency",
    "feature_pictures",
    "fleiss_kappa",
    "grabcut",
    "grad_cam",
    "guided_backprop",
    "guided_grad_cam",
    "input_gradient",
    "insertion",
    "integrated_gradients",
    "invert",
    "invert_depth",
    "kernels",
    "layer_activations",
    "look_at_units",
    "nearest_neighbors",
    "occlusion",
    "pointing_game",
    "randomization",
    "read_units",
    "representation_map",
    "representations",
    "saliency",
    "shift_response",
    "smooth_grad",
    "stage_activations",
    "stream_feature_pictures",
    "stream_representations",
    "stream_top_patches",
    "stream_unit_statistics",
    "sweep_occlusion",
    "top_patches",
    "unit_statistics",
]

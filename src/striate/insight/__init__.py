"""Ways of looking inside a network, one a file.

Imported eagerly: the functions have the names of their files, and a lazy name would lose against the file.
"""

from striate.insight.activations import StageActivations, stage_activations
from striate.insight.explanation import Explanation
from striate.insight.grabcut import grabcut
from striate.insight.heatmap import Heatmap
from striate.insight.insertion_deletion import deletion, insertion
from striate.insight.kernels import Kernels, kernels
from striate.insight.occlusion import occlusion, sweep_occlusion
from striate.insight.perturbation_curves import PerturbationCurves
from striate.insight.saliency import saliency
from striate.insight.segmentation import Segmentation

__all__ = [
    "Explanation",
    "Heatmap",
    "Kernels",
    "PerturbationCurves",
    "Segmentation",
    "StageActivations",
    "deletion",
    "grabcut",
    "insertion",
    "kernels",
    "occlusion",
    "saliency",
    "stage_activations",
    "sweep_occlusion",
]

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
from striate.insight.patches import LayerPatches, TopPatches
from striate.insight.perturbation_curves import PerturbationCurves
from striate.insight.saliency import saliency
from striate.insight.segmentation import Segmentation
from striate.insight.top_patches import stream_top_patches, top_patches

__all__ = [
    "Explanation",
    "Heatmap",
    "Kernels",
    "LayerPatches",
    "PerturbationCurves",
    "Segmentation",
    "StageActivations",
    "TopPatches",
    "deletion",
    "grabcut",
    "insertion",
    "kernels",
    "occlusion",
    "saliency",
    "stage_activations",
    "stream_top_patches",
    "sweep_occlusion",
    "top_patches",
]

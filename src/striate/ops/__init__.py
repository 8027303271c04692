"""Tensor functions: convolution and pooling in every form, their adjoints and matrices, filters; boxes and regions."""

from striate.ops import reference
from striate.ops.adjoints import (
    bias_adjoint,
    input_adjoint,
    transposed_input_adjoint,
    transposed_weight_adjoint,
    weight_adjoint,
)
from striate.ops.average_pooling import average_pool, global_pool, lp_pool
from striate.ops.borders import Border, pad
from striate.ops.boxes import (
    box_area,
    box_convert,
    box_coverage,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    remove_small_boxes,
)
from striate.ops.convolution import (
    convolution,
    cross_correlation,
    depthwise_convolution,
    flip_kernel,
    pointwise_convolution,
    separable_convolution,
)
from striate.ops.filters import Filter, filter_image, find_filter, list_filters
from striate.ops.kernel_text import parse_kernel
from striate.ops.local_response_norm import local_response_norm
from striate.ops.matrix import ConvolutionMatrix, average_pool_matrix, convolution_matrix
from striate.ops.max_pooling import max_pool, max_pool_with_indices, min_pool, min_pool_with_indices
from striate.ops.nms import batched_nms, nms
from striate.ops.nms_steps import NmsStep, NmsSteps, nms_steps
from striate.ops.pooling_adjoints import average_pool_adjoint, lp_pool_adjoint, max_pool_adjoint
from striate.ops.roi_align import roi_align
from striate.ops.roi_pool import roi_pool
from striate.ops.soft_nms import soft_nms
from striate.ops.transposed_convolution import transposed_convolution

__all__ = [
    "Border",
    "ConvolutionMatrix",
    "Filter",
    "NmsStep",
    "NmsSteps",
    "average_pool",
    "average_pool_adjoint",
    "average_pool_matrix",
    "batched_nms",
    "bias_adjoint",
    "box_area",
    "box_convert",
    "box_coverage",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "convolution",
    "convolution_matrix",
    "cross_correlation",
    "depthwise_convolution",
    "distance_box_iou",
    "filter_image",
    "find_filter",
    "flip_kernel",
    "generalized_box_iou",
    "global_pool",
    "input_adjoint",
    "list_filters",
    "local_response_norm",
    "lp_pool",
    "lp_pool_adjoint",
    "max_pool",
    "max_pool_adjoint",
    "max_pool_with_indices",
    "min_pool",
    "min_pool_with_indices",
    "nms",
    "nms_steps",
    "pad",
    "parse_kernel",
    "pointwise_convolution",
    "reference",
    "remove_small_boxes",
    "roi_align",
    "roi_pool",
    "separable_convolution",
    "soft_nms",
    "transposed_convolution",
    "transposed_input_adjoint",
    "transposed_weight_adjoint",
    "weight_adjoint",
]

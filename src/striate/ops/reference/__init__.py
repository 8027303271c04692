"""The operators once more, slowly: loops over NumPy numbers, written from the formulas, to read and to check against.

They know no torch and share nothing with the fast operators. Maps are `n c` and any number of axes of space; everything
is computed in float64 (what `nms` compares, in the precision of its boxes). Padding is (before, after) for each axis.
"""

from striate.ops.reference.boxes import box_iou, nms, soft_nms
from striate.ops.reference.convolution import convolution, cross_correlation, transposed_convolution
from striate.ops.reference.local_response_norm import local_response_norm
from striate.ops.reference.pooling import pool
from striate.ops.reference.regions import roi_align, roi_pool

__all__ = [
    "box_iou",
    "convolution",
    "cross_correlation",
    "local_response_norm",
    "nms",
    "pool",
    "roi_align",
    "roi_pool",
    "soft_nms",
    "transposed_convolution",
]

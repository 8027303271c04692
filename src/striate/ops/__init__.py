"""Tensor functions: convolution and pooling in every form, their adjoints and matrices, filters."""

from striate.ops import reference
from striate.ops.borders import Border, pad
from striate.ops.convolution import (
    convolution,
    cross_correlation,
    depthwise_convolution,
    flip_kernel,
    pointwise_convolution,
    separable_convolution,
    transposed_convolution,
)
from striate.ops.local_response_norm import local_response_norm
from striate.ops.pooling import (
    average_pool,
    global_pool,
    lp_pool,
    max_pool,
    max_pool_with_indices,
    min_pool,
    min_pool_with_indices,
)

__all__ = [
    "Border",
    "average_pool",
    "convolution",
    "cross_correlation",
    "depthwise_convolution",
    "flip_kernel",
    "global_pool",
    "local_response_norm",
    "lp_pool",
    "max_pool",
    "max_pool_with_indices",
    "min_pool",
    "min_pool_with_indices",
    "pad",
    "pointwise_convolution",
    "reference",
    "separable_convolution",
    "transposed_convolution",
]

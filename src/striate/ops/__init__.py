"""Tensor functions: convolution and pooling in every form, their adjoints and matrices, filters."""

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

__all__ = [
    "Border",
    "convolution",
    "cross_correlation",
    "depthwise_convolution",
    "flip_kernel",
    "pad",
    "pointwise_convolution",
    "separable_convolution",
    "transposed_convolution",
]

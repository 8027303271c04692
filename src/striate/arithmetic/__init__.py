"""Exact whole-number facts about networks: no tensors, no torch."""

from striate.arithmetic.layer import (
    Activation,
    Branches,
    Convolution,
    Flatten,
    GlobalPooling,
    Layer,
    Linear,
    Pooling,
    padding_per_axis,
    per_axis,
)
from striate.arithmetic.measure import LayerMeasure, Measurement, measure
from striate.arithmetic.notation import parse_layer, parse_layers, write_layer
from striate.arithmetic.padding import Padding, resolve_padding, split_padding
from striate.arithmetic.questions import (
    LosslessSizes,
    input_sizes_for,
    kernel_sizes_for,
    lossless_input_sizes,
    lost_pixels,
    paddings_for,
    strides_for,
)
from striate.arithmetic.receptive_field import (
    Field,
    merge_fields,
    read_field,
    span_field,
    upsample_field,
    window_field,
)
from striate.arithmetic.sizes import OutputSize, conv_output_size, conv_transpose_output_size, pool_output_size

__all__ = [
    "Activation",
    "Branches",
    "Convolution",
    "Field",
    "Flatten",
    "GlobalPooling",
    "Layer",
    "LayerMeasure",
    "Linear",
    "LosslessSizes",
    "Measurement",
    "OutputSize",
    "Padding",
    "Pooling",
    "conv_output_size",
    "conv_transpose_output_size",
    "input_sizes_for",
    "kernel_sizes_for",
    "lossless_input_sizes",
    "lost_pixels",
    "measure",
    "merge_fields",
    "padding_per_axis",
    "paddings_for",
    "parse_layer",
    "parse_layers",
    "per_axis",
    "pool_output_size",
    "read_field",
    "resolve_padding",
    "span_field",
    "split_padding",
    "strides_for",
    "upsample_field",
    "window_field",
    "write_layer",
]

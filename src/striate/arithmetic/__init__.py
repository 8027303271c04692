"""Exact whole-number facts about networks: no tensors, no torch."""

from striate.arithmetic.comparisons import (
    Comparison,
    ComparisonRow,
    compare,
    convolution_alternatives,
    separable_layers,
    separable_ratio,
    small_filter_alternatives,
    small_filter_break_even,
)
from striate.arithmetic.convolution_trace import ConvolutionTrace, LinearView, trace_convolution
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
from striate.arithmetic.layer_traces import ElementTrace, FlattenTrace, LinearTrace
from striate.arithmetic.measure import LayerMeasure, Measurement, measure
from striate.arithmetic.network_trace import LayerTrace, NetworkTrace, trace_network
from striate.arithmetic.notation import parse_layer, parse_layers, write_layer
from striate.arithmetic.padding import Padding, resolve_padding, split_padding
from striate.arithmetic.pooling_trace import PoolingTrace, trace_pooling
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
from striate.arithmetic.window import Step, Window

__all__ = [
    "Activation",
    "Branches",
    "Comparison",
    "ComparisonRow",
    "Convolution",
    "ConvolutionTrace",
    "ElementTrace",
    "Field",
    "Flatten",
    "FlattenTrace",
    "GlobalPooling",
    "Layer",
    "LayerMeasure",
    "LayerTrace",
    "Linear",
    "LinearTrace",
    "LinearView",
    "LosslessSizes",
    "Measurement",
    "NetworkTrace",
    "OutputSize",
    "Padding",
    "Pooling",
    "PoolingTrace",
    "Step",
    "Window",
    "compare",
    "conv_output_size",
    "conv_transpose_output_size",
    "convolution_alternatives",
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
    "separable_layers",
    "separable_ratio",
    "small_filter_alternatives",
    "small_filter_break_even",
    "span_field",
    "split_padding",
    "strides_for",
    "trace_convolution",
    "trace_network",
    "trace_pooling",
    "upsample_field",
    "window_field",
    "write_layer",
]

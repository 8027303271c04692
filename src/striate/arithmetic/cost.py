"""What one layer makes of one input shape: the shape that comes out, what it learns, what it computes, what it sees.

For a convolution of n filters of size f × f over c channels in g groups, with o × o places in its output:

    parameters = n (c/g) f² + n (the bias)          multiply-adds = n (c/g) f² o²

A transposed convolution spends its products where it reads, on i² places of the input, instead of o². Biases, poolings
and activation functions are not counted (one MAC is one multiply-add; FLOPs = 2 × MACs).
"""

from dataclasses import dataclass
from math import prod

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
from striate.arithmetic.padding import PaddingSpec
from striate.arithmetic.receptive_field import Field, span_field, upsample_field, window_field
from striate.arithmetic.sizes import OutputSize, conv_output_size, conv_transpose_output_size, pool_output_size
from striate.errors import ConfigError, ShapeError

__all__ = ["LayerCost", "field_after_layer", "layer_cost"]


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The counts of one layer.

    Attributes:
        output_shape: `(c, *spatial)`, or `(features,)`.
        parameters: Numbers that it learns, biases included.
        macs: Multiply-adds for one picture.
        sizes: How each spatial size came about; empty where no window slides.
    """

    output_shape: tuple[int, ...]
    parameters: int = 0
    macs: int = 0
    sizes: tuple[OutputSize, ...] = ()


def layer_cost(layer: Layer, shape: tuple[int, ...]) -> LayerCost:
    """The counts of one layer on an input of `shape`; of `Branches` see `measure`.

    Raises:
        ShapeError: The layer does not fit the input.
        ConfigError: Groups that do not divide the channels, settings for another number of axes.

    >>> layer_cost(Convolution(out_channels=64, kernel_size=7, stride=2, padding=3, bias=False), (3, 224, 224)).macs
    118013952
    """
    match layer:
        case Convolution():
            return _convolution(layer, shape)
        case Pooling():
            return _pooling(layer, shape)
        case GlobalPooling():
            return LayerCost((shape[0], *(1 for _ in _spatial(shape))))
        case Activation():
            return LayerCost(shape)
        case Flatten():
            return LayerCost((prod(shape),))
        case Linear():
            if len(shape) > 1:
                raise ShapeError("A fully connected layer reads one row of numbers; put 'flatten' before it.")
            weights = shape[0] * layer.out_features
            return LayerCost((layer.out_features,), weights + (layer.out_features if layer.bias else 0), weights)
        case Branches():
            raise ConfigError("Branches have no cost of their own; measure() walks through what they hold.")


def field_after_layer(layer: Layer, field: Field | None, shape: tuple[int, ...], cost: LayerCost) -> Field | None:
    """The receptive field after a layer, from the one before it, of which the units have `shape`."""
    if field is None or not any(field.stride):  # no places, or every unit sees all of them already
        return field
    match layer:
        case Convolution() | Pooling():
            slide = upsample_field if isinstance(layer, Convolution) and layer.transposed else window_field
            return slide(
                field,
                kernel_size=tuple(size.kernel_size for size in cost.sizes),
                stride=tuple(size.stride for size in cost.sizes),
                padding=tuple(size.padding.before for size in cost.sizes),
                dilation=tuple(size.dilation for size in cost.sizes),
            )
        case GlobalPooling() | Flatten():
            return span_field(field, shape[1:])
        case _:
            return field


def _convolution(layer: Convolution, shape: tuple[int, ...]) -> LayerCost:
    spatial = _spatial(shape)
    channels, axes = shape[0], len(spatial)
    filters = channels if layer.out_channels is None else layer.out_channels
    groups = channels if layer.groups is None else layer.groups
    if channels % groups or filters % groups:
        raise ConfigError(
            f"groups must divide the channels and the filters, got {groups} groups "
            f"for {channels} channels and {filters} filters."
        )
    kernel = per_axis("kernel_size", layer.kernel_size, axes)
    stride, dilation = per_axis("stride", layer.stride, axes), per_axis("dilation", layer.dilation, axes)
    settings = zip(spatial, kernel, stride, padding_per_axis(layer.padding, axes), dilation, strict=True)
    if layer.transposed:
        extra = per_axis("output_padding", layer.output_padding, axes)
        sizes = tuple(
            conv_transpose_output_size(i, f, stride=s, padding=_numbers(p), dilation=d, output_padding=q)
            for (i, f, s, p, d), q in zip(settings, extra, strict=True)
        )
    else:
        sizes = tuple(conv_output_size(i, f, stride=s, padding=p, dilation=d) for i, f, s, p, d in settings)
    weights = filters * (channels // groups) * prod(kernel)
    places = tuple(size.size for size in sizes)
    return LayerCost(
        (filters, *places),
        weights + (filters if layer.bias else 0),
        weights * prod(spatial if layer.transposed else places),
        sizes,
    )


def _pooling(layer: Pooling, shape: tuple[int, ...]) -> LayerCost:
    spatial = _spatial(shape)
    axes = len(spatial)
    kernel, dilation = per_axis("kernel_size", layer.kernel_size, axes), per_axis("dilation", layer.dilation, axes)
    stride = kernel if layer.stride is None else per_axis("stride", layer.stride, axes)
    sizes = tuple(
        pool_output_size(i, f, stride=s, padding=p, dilation=d, ceil_mode=layer.ceil_mode)
        for i, f, s, p, d in zip(spatial, kernel, stride, padding_per_axis(layer.padding, axes), dilation, strict=True)
    )
    return LayerCost((shape[0], *(size.size for size in sizes)), sizes=sizes)


def _spatial(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) < 2:
        raise ShapeError("A layer with a window needs a map: channels and 1 to 3 spatial axes.")
    return shape[1:]


def _numbers(padding: PaddingSpec) -> int | tuple[int, int]:
    if isinstance(padding, str):
        raise ConfigError(f"padding of a transposed convolution must be a number or (before, after), got {padding!r}.")
    return padding

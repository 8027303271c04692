"""What other layers would cost in the place of a convolution: those that give the same output shape.

| way | stands in for | what changes |
|---|---|---|
| `standard` | a convolution in groups | every filter reads every channel |
| `g groups` | one in fewer groups, where g divides its channels | channels of different groups do not meet |
| `depthwise separable` | a window that is not depthwise | the window on each channel by itself, then a 1×1 |
| `1×1` | a window | its middle alone is read |
| `layers of 3×3` | an odd window of 5 and more (1×3 for 1×7) | (f − 1)/2 layers that see the same |

What a network would answer with them is another question: it would have to be trained again.
"""

from collections.abc import Sequence
from dataclasses import replace

from striate.arithmetic import (
    ComparisonRow,
    Convolution,
    Layer,
    OutputSize,
    Padding,
    measure,
    separable_layers,
)

__all__ = ["AS_IT_IS", "alternatives_to", "ways_in_order"]

AS_IT_IS = "as it is"


def ways_in_order(groups: Sequence[int]) -> tuple[str, ...]:
    """The names of all ways, the convolution itself first.

    >>> ways_in_order([2])
    ('as it is', 'standard', '2 groups', 'depthwise separable', '1×1', 'layers of 3×3')
    """
    return (AS_IT_IS, "standard", *(f"{g} groups" for g in groups), "depthwise separable", "1×1", "layers of 3×3")


def alternatives_to(
    layer: Convolution, input_shape: tuple[int, ...], *, groups: Sequence[int] = ()
) -> tuple[ComparisonRow, ...]:
    """A convolution on one input as it is, then each way that can stand in its place.

    A transposed convolution is only measured.

    Args:
        layer: The convolution.
        input_shape: `(c, *spatial)` of what it reads.
        groups: Numbers of groups to try, each at least 2.

    Raises:
        ShapeError: The layer does not fit the input.
        ConfigError: As `measure`.

    >>> rows = alternatives_to(Convolution(out_channels=64, kernel_size=7, padding=3), (64, 32, 32))
    >>> [(way.name, way.macs) for way in rows][::3]
    [('as it is', 205520896), ('layers of 3×3', 113246208)]
    """
    itself = measure((layer,), input_shape)
    rows = [ComparisonRow.of(AS_IT_IS, itself)]
    if layer.transposed:
        return tuple(rows)
    channels, sizes = input_shape[0], itself.rows[0].sizes
    filters = channels if layer.out_channels is None else layer.out_channels
    now = channels if layer.groups is None else layer.groups
    full = replace(layer, out_channels=filters, groups=1)
    stacks: dict[str, tuple[Layer, ...]] = {}
    if now > 1:
        stacks["standard"] = (full,)
    for g in groups:
        if now < g < channels and channels % g == 0 and filters % g == 0:
            stacks[f"{g} groups"] = (replace(full, groups=g),)
    window = any(size.kernel_size > 1 for size in sizes)
    if window and now < channels:
        stacks["depthwise separable"] = separable_layers(full)
    rows += [ComparisonRow.of(name, measure(layers, input_shape)) for name, layers in stacks.items()]
    if window:
        # A 1×1 in the middle of every window reads the places where a window has its middle, and no others.
        middles = [size.input_size + size.padding.total - size.dilation * (size.kernel_size - 1) for size in sizes]
        point = replace(full, kernel_size=1, padding=0, dilation=1)
        rows.append(ComparisonRow.of("1×1", measure((point,), (channels, *middles))))
    small = _small_filters(replace(layer, out_channels=filters, groups=now), sizes)
    if small:
        rows.append(ComparisonRow.of("layers of 3×3", measure(small, input_shape)))
    return tuple(rows)


def _small_filters(layer: Convolution, sizes: Sequence[OutputSize]) -> tuple[Layer, ...]:
    """(f − 1)/2 layers of 3 × 3 for one of f × f; none where f is even or below 5, or is not the same on all its axes.

    Each takes its share of the padding, so that the sizes between fit; the stride is the last one's, so that the field
    is the same. Groups stay.
    """
    sides = {size.kernel_size for size in sizes if size.kernel_size > 1}
    if len(sides) != 1 or max(sides) < 5 or max(sides) % 2 == 0:
        return ()
    count = (max(sides) - 1) // 2
    small = tuple(min(size.kernel_size, 3) for size in sizes)
    layers = []
    for number in range(count):
        padding = _one_if_equal([_share_of(size.padding, count, number) for size in sizes])
        stride = layer.stride if number == count - 1 else 1
        layers.append(replace(layer, kernel_size=small, padding=padding, stride=stride))
    return tuple(layers)


def _share_of(padding: Padding, count: int, number: int) -> tuple[int, int]:
    """One of `count` whole parts of a padding, the larger ones first."""
    before, after = (side // count + (number < side % count) for side in padding)
    return before, after


def _one_if_equal(padding: list[tuple[int, int]]) -> int | tuple[tuple[int, int], ...]:
    """One number where all sides have the same."""
    sides = {side for pair in padding for side in pair}
    return max(sides) if len(sides) == 1 else tuple(padding)

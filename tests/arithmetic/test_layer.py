"""What a layer may be: settings made plain, and wrong ones refused where they are written."""

import numpy as np
import pytest

from striate.arithmetic import (
    Activation,
    Branches,
    Convolution,
    GlobalPooling,
    Linear,
    Pooling,
    padding_per_axis,
    per_axis,
)
from striate.errors import ConfigError, StriateError, UnknownNameError


@pytest.mark.untyped
def test_whole_numbers_of_any_type_become_pythons() -> None:
    layer = Convolution(out_channels=np.int64(8), kernel_size=(np.int32(3), 5), padding=((np.uint8(1), 2),))
    assert layer == Convolution(out_channels=8, kernel_size=(3, 5), padding=((1, 2),))
    assert type(layer.out_channels) is int
    assert type(layer.padding[0][0]) is int
    assert hash(layer) == hash(Convolution(out_channels=8, kernel_size=(3, 5), padding=((1, 2),)))


def test_a_tuple_of_one_counts_for_all_axes() -> None:
    assert Pooling(kind="max", kernel_size=(3,), stride=(2,), padding=(1,)) == Pooling(
        kind="max", kernel_size=3, stride=2, padding=1
    )
    assert padding_per_axis(Convolution(out_channels=1, kernel_size=3, padding=((0, 1),)).padding, 2) == (
        (0, 1),
        (0, 1),
    )


@pytest.mark.parametrize(("value", "axes", "expected"), [(3, 1, (3,)), (3, 3, (3, 3, 3)), ((1, 2), 2, (1, 2))])
def test_per_axis(value: int | tuple[int, ...], axes: int, expected: tuple[int, ...]) -> None:
    assert per_axis("stride", value, axes) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 0}, r"kernel_size must be at least 1, got 0"),
        ({"kernel_size": 3.0}, r"kernel_size must be a whole number of at least 1, got 3\.0"),
        ({"kernel_size": True}, r"kernel_size must be a whole number of at least 1, got True"),
        ({"kernel_size": "3"}, r"kernel_size must be a whole number"),
        ({"kernel_size": [3, 3]}, r"kernel_size must be one whole number, or a tuple with one an axis, got \[3, 3\]"),
        ({"kernel_size": None}, r"kernel_size must be one whole number"),
        ({"kernel_size": ()}, r"kernel_size must have one number for each of 1 to 3 axes, got \(\)"),
        ({"kernel_size": (3, 3, 3, 3)}, r"1 to 3 axes"),
        ({"kernel_size": (3, 0)}, r"kernel_size must be at least 1, got 0"),
        ({"stride": 0}, r"stride must be at least 1, got 0"),
        ({"stride": None}, r"stride must be one whole number"),
        ({"dilation": -1}, r"dilation must be at least 1, got -1"),
        ({"padding": -1}, r"padding must be at least 0, got -1"),
        ({"padding": ((1, -2), 0)}, r"padding must be at least 0, got -2"),
        ({"padding": ((1, 2, 3),)}, r"padding of one axis must be one number or \(before, after\), got \(1, 2, 3\)"),
        ({"padding": ()}, r"padding must be given for each of 1 to 3 axes"),
        ({"padding": "sames"}, r"padding has no choice 'sames'\. Nearest: 'same'"),
        ({"padding": None}, r"padding must be one whole number"),
        ({"out_channels": 0}, r"out_channels must be at least 1"),
        ({"groups": 0}, r"groups must be at least 1"),
        ({"bias": 1}, r"bias must be True or False, got 1"),
        ({"transposed": "yes"}, r"transposed must be True or False"),
        ({"output_padding": 1}, r"output_padding is for transposed convolutions alone, got 1"),
        ({"transposed": True, "padding": "same"}, r"padding of a transposed convolution must be a number .*got 'same'"),
        ({"kernel_size": (3, 3), "stride": (1, 1, 1)}, r"same axes, got axes: kernel_size 2, stride 3"),
        ({"stride": (2, 2), "padding": (1, 1, 1)}, r"same axes, got axes: stride 2, padding 3"),
    ],
)
def test_convolution_refuses(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Convolution(**({"out_channels": 8, "kernel_size": 3} | settings))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pooling(kind="mean", kernel_size=2), r"kind has no choice 'mean'"),
        (lambda: Pooling(kind="max", kernel_size=0), r"kernel_size must be at least 1"),
        (lambda: Pooling(kind="max", kernel_size=2, ceil_mode=None), r"ceil_mode must be True or False"),
        (lambda: Pooling(kind="max", kernel_size=(2, 2), stride=(1, 1, 1)), r"kernel_size 2, stride 3"),
        (lambda: GlobalPooling(kind="average pool"), r"kind has no choice 'average pool'\. Nearest: 'average'"),
        (lambda: Activation(function="gelu"), r"function has no choice 'gelu'"),
        (lambda: Linear(out_features=0), r"out_features must be at least 1"),
        (lambda: Linear(out_features=2, bias=0), r"bias must be True or False"),
        (lambda: Branches(paths=((), ()), join="multiply"), r"join has no choice 'multiply'"),
        (lambda: Branches(paths=((),), join="add"), r"paths must be at least 2, got 1"),
        (lambda: Branches(paths=[(), ()], join="add"), r"paths must be a tuple of tuples"),
        (lambda: Branches(paths=((), [Linear(out_features=1)]), join="add"), r"paths must be a tuple of tuples"),
        (
            lambda: Branches(paths=((), ("relu",)), join="add"),
            r"paths must hold layers such as Convolution, got 'relu'",
        ),
        (lambda: per_axis("stride", (1, 2), 3), r"stride has 2 axes, got \(1, 2\), and the input has 3"),
        (lambda: padding_per_axis((1, 2, 3), 2), r"padding has 3 axes"),
    ],
)
def test_others_refuse(make: object, message: str) -> None:
    with pytest.raises(StriateError, match=message) as caught:
        make()
    assert isinstance(caught.value, ConfigError | UnknownNameError)

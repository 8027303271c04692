"""Receptive fields of whole networks, as published.

Source: Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks", Distill, and the table
of the library that came with it: field, stride and, where it has one, padding (minus our start). TF-Slim's networks.
"""

from collections.abc import Callable

import pytest

from striate.arithmetic import Branches, Convolution, Layer, Pooling, measure


def _conv(f: int | tuple[int, int], *, stride: int = 1, padding: str = "same") -> Convolution:
    return Convolution(out_channels=1, kernel_size=f, stride=stride, padding=padding)


def _pool(f: int, *, stride: int = 2, padding: str = "same") -> Pooling:
    return Pooling(kind="max", kernel_size=f, stride=stride, padding=padding)


def _side_by_side(*paths: tuple[Layer, ...]) -> Branches:
    return Branches(paths=paths, join="concat")


def _residual(stride: int) -> Branches:
    """TF-Slim's bottleneck: its stride lies in the 3×3, and it is the last unit of a block that has one."""
    shortcut: tuple[Layer, ...] = () if stride == 1 else (_pool(1, stride=stride),)
    return Branches(paths=((_conv(1), _conv(3, stride=stride), _conv(1)), shortcut), join="add")


def _resnet_v1(*units: int) -> list[tuple[str, list[Layer]]]:
    blocks: list[tuple[str, list[Layer]]] = [("stem", [_conv(7, stride=2), _pool(3)])]
    for number, count in enumerate(units, 1):
        last = 1 if number == 4 else 2
        blocks.append((f"block{number}", [_residual(1)] * (count - 1) + [_residual(last)]))
    return blocks


def _double(n: int, stride: int = 1, *, padding: str = "same") -> tuple[Layer, ...]:
    return (_conv(1), *[_conv(3)] * (n - 1), _conv(3, stride=stride, padding=padding))


def _inception_v2() -> list[tuple[str, list[Layer]]]:
    block = _side_by_side((_conv(1),), _double(1), _double(2), (_pool(3, stride=1), _conv(1)))
    smaller = _side_by_side(_double(1, 2), _double(2, 2), (_pool(3),))
    stem: list[Layer] = [_conv(7, stride=2), _pool(3), _conv(1), _conv(3), _pool(3)]
    stages: list[tuple[str, list[Layer]]] = [("MaxPool_3a_3x3", stem), ("Mixed_3b", [block]), ("Mixed_3c", [block])]
    stages += [("Mixed_4a", [smaller]), ("Mixed_4b", [block]), ("Mixed_4c", [block]), ("Mixed_4d", [block])]
    return [*stages, ("Mixed_4e", [block]), ("Mixed_5a", [smaller]), ("Mixed_5b", [block]), ("Mixed_5c", [block])]


def _inception_v3() -> list[tuple[str, list[Layer]]]:
    pooled: tuple[Layer, ...] = (Pooling(kind="average", kernel_size=3, stride=1, padding="same"), _conv(1))
    a = _side_by_side((_conv(1),), (_conv(1), _conv(5)), _double(2), pooled)
    b = _side_by_side(
        (_conv(1),),
        (_conv(1), _conv((1, 7)), _conv((7, 1))),
        (_conv(1), _conv((7, 1)), _conv((1, 7)), _conv((7, 1)), _conv((1, 7))),
        pooled,
    )
    split = _side_by_side((_conv((1, 3)),), (_conv((3, 1)),))
    c = _side_by_side((_conv(1),), (_conv(1), split), (_conv(1), _conv(3), split), pooled)
    pool = _pool(3, padding="valid")
    to_b = _side_by_side((_conv(3, stride=2, padding="valid"),), _double(2, 2, padding="valid"), (pool,))
    seven = (_conv(1), _conv((1, 7)), _conv((7, 1)), _conv(3, stride=2, padding="valid"))
    to_c = _side_by_side(_double(1, 2, padding="valid"), seven, (pool,))
    stages: list[tuple[str, list[Layer]]] = [
        ("Conv2d_1a_3x3", [_conv(3, stride=2, padding="valid")]),
        ("Conv2d_2a_3x3", [_conv(3, padding="valid")]),
        ("MaxPool_3a_3x3", [_conv(3), pool]),
        ("MaxPool_5a_3x3", [_conv(1), _conv(3, padding="valid"), pool]),
        ("Mixed_5d", [a, a, a]),
        ("Mixed_6a", [to_b]),
        ("Mixed_6b", [b]),
        ("Mixed_6e", [b, b, b]),
        ("Mixed_7a", [to_c]),
        ("Mixed_7b", [c]),
        ("Mixed_7c", [c]),
    ]
    return stages


def _mobilenet_v1() -> list[tuple[str, list[Layer]]]:
    def step(stride: int) -> list[Layer]:
        return [Convolution(out_channels=None, groups=None, kernel_size=3, stride=stride, padding="same"), _conv(1)]

    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    blocks = [(f"Conv2d_{number}_pointwise", step(stride)) for number, stride in enumerate(strides, 1)]
    return [("Conv2d_0", [_conv(3, stride=2)]), *blocks]


def _vgg(*convolutions: int) -> list[tuple[str, list[Layer]]]:
    return [
        (f"pool{number}", [*[_conv(3)] * count, _pool(2, padding="valid")])
        for number, count in enumerate(convolutions, 1)
    ]


def _alexnet_v2() -> list[tuple[str, list[Layer]]]:
    pool = _pool(3, padding="valid")
    return [
        ("pool1", [_conv(11, stride=4, padding="valid"), pool]),
        ("conv2", [_conv(5)]),
        ("conv3", [pool, _conv(3)]),
        ("conv4", [_conv(3)]),
        ("conv5", [_conv(3)]),
        ("pool5", [pool]),
    ]


PUBLISHED: list[tuple[str, list[tuple[str, list[Layer]]], dict[str, tuple[int, ...]]]] = [
    (
        "alexnet_v2",
        _alexnet_v2(),
        {
            "pool1": (19, 8, 0),
            "conv2": (51, 8, 16),
            "conv3": (99, 16, 32),
            "conv4": (131, 16, 48),
            "conv5": (163, 16, 64),
            "pool5": (195, 32, 64),
        },
    ),
    (
        "vgg_a",
        _vgg(1, 1, 2, 2, 2),
        {"pool1": (4, 2, 1), "pool2": (10, 4, 3), "pool3": (30, 8, 11), "pool4": (70, 16, 27), "pool5": (150, 32, 59)},
    ),
    (
        "vgg_16",
        _vgg(2, 2, 3, 3, 3),
        {"pool1": (6, 2, 2), "pool2": (16, 4, 6), "pool3": (44, 8, 18), "pool4": (100, 16, 42), "pool5": (212, 32, 90)},
    ),
    (
        "inception_v2",
        _inception_v2(),
        {
            "MaxPool_3a_3x3": (27, 8),
            "Mixed_3b": (59, 8),
            "Mixed_3c": (91, 8),
            "Mixed_4a": (123, 16),
            "Mixed_4b": (187, 16),
            "Mixed_4c": (251, 16),
            "Mixed_4d": (315, 16),
            "Mixed_4e": (379, 16),
            "Mixed_5a": (443, 32),
            "Mixed_5b": (571, 32),
            "Mixed_5c": (699, 32),
        },
    ),
    (
        "inception_v3",
        _inception_v3(),
        {
            "Conv2d_1a_3x3": (3, 2, 0),
            "Conv2d_2a_3x3": (7, 2, 0),
            "MaxPool_3a_3x3": (15, 4, 2),
            "MaxPool_5a_3x3": (31, 8, 2),
            "Mixed_5d": (127, 8, 50),
            "Mixed_6a": (159, 16, 58),
            "Mixed_6b": (351, 16, 154),
            "Mixed_6e": (927, 16, 442),
            "Mixed_7a": (1055, 32, 490),
            "Mixed_7b": (1183, 32, 554),
            "Mixed_7c": (1311, 32, 618),
        },
    ),
    (
        "mobilenet_v1",
        _mobilenet_v1(),
        {
            "Conv2d_0": (3, 2),
            "Conv2d_1_pointwise": (7, 2),
            "Conv2d_4_pointwise": (27, 8),
            "Conv2d_6_pointwise": (59, 16),
            "Conv2d_11_pointwise": (219, 16),
            "Conv2d_12_pointwise": (251, 32),
            "Conv2d_13_pointwise": (315, 32),
        },
    ),
    (
        "resnet_v1_50",
        _resnet_v1(3, 4, 6, 3),
        {"block1": (35, 8), "block2": (99, 16), "block3": (291, 32), "block4": (483, 32)},
    ),
    (
        "resnet_v1_101",
        _resnet_v1(3, 4, 23, 3),
        {"block1": (35, 8), "block2": (99, 16), "block3": (835, 32), "block4": (1027, 32)},
    ),
    (
        "resnet_v1_152",
        _resnet_v1(3, 8, 36, 3),
        {"block1": (35, 8), "block2": (163, 16), "block3": (1315, 32), "block4": (1507, 32)},
    ),
    (
        "resnet_v1_200",
        _resnet_v1(3, 24, 36, 3),
        {"block1": (35, 8), "block2": (419, 16), "block3": (1571, 32), "block4": (1763, 32)},
    ),
]


@pytest.mark.parametrize(("name", "stages", "published"), PUBLISHED, ids=[name for name, *_ in PUBLISHED])
def test_published_receptive_fields(
    name: str,
    stages: list[tuple[str, list[Layer]]],
    published: dict[str, tuple[int, ...]],
    record_property: Callable[[str, object], None],
) -> None:
    layers: list[Layer] = []
    found = {}
    for stage, added in stages:
        layers += added
        # Odd sizes: TF's padding is then the same on both sides at every stride, as in the table.
        field = measure(layers, (1, 321, 321)).field
        assert field is not None
        assert field.size[0] == field.size[1]
        found[stage] = (field.size[0], field.stride[0], -field.start[0])
    assert {stage: found[stage][: len(facts)] for stage, facts in published.items()} == published
    record_property("counted", ("published receptive fields", len(published)))

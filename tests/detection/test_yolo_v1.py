"""The published networks of YOLO v1: their layers, their numbers, and that they learn and answer as detectors."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from striate.detection.detector import BoxTargets
from striate.detection.yolo_detector import YoloDetector
from striate.detection.yolo_v1 import (
    YoloV1,
    build_yolo_v1,
    build_yolo_v1_darknet,
    build_yolo_v1_tiny,
    build_yolo_v1_trunk,
    load_yolo_v1_trunk,
)
from striate.errors import ConfigError, ShapeError, WeightsError
from striate.layers.locally_connected import LocallyConnected

BUILDERS = (build_yolo_v1, build_yolo_v1_darknet, build_yolo_v1_tiny)

# The paper's figure 3 as (kernel, filters); the stride-2 layers are the first and the 22nd.
PAPER = [
    (7, 64), (3, 192), (1, 128), (3, 256), (1, 256), (3, 512), *4 * [(1, 256), (3, 512)], (1, 512), (3, 1024),
    *2 * [(1, 512), (3, 1024)], (3, 1024), (3, 1024), (3, 1024), (3, 1024),
]  # fmt: skip


def on_paper(build: Callable[..., nn.Module], **options: int | bool) -> nn.Module:
    """The network without numbers."""
    with torch.device("meta"):
        return build(num_classes=20, **options)


def sizes(module: nn.Module) -> tuple[int, int]:
    return sum(p.numel() for p in module.parameters()), sum(
        b.numel() for b in module.buffers() if b.is_floating_point()
    )


def test_the_paper_counts_24_convolutions_and_1470_numbers() -> None:
    detector = on_paper(build_yolo_v1)
    convolutions = [m for m in detector.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.kernel_size[0], m.out_channels) for m in convolutions] == PAPER
    assert [i for i, m in enumerate(convolutions) if m.stride == (2, 2)] == [0, 21]
    assert sum(isinstance(m, nn.MaxPool2d) for m in detector.modules()) == 4
    full = [m for m in detector.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in full] == [(7 * 7 * 1024, 4096), (4096, 1470)]
    assert isinstance(detector, YoloDetector)
    network = detector.network
    assert isinstance(network, YoloV1)
    assert network(torch.zeros(1, 3, 448, 448, device="meta")).shape == (1, 30, 7, 7)
    ins = [3, *(filters for _, filters in PAPER)]
    by_hand = sum(f * f * c * n + n for c, (f, n) in zip(ins, PAPER, strict=False))
    by_hand += 50176 * 4096 + 4096 + 4096 * 1470 + 1470
    assert sizes(detector) == (by_hand, 0) == (271_703_550, 0)


def test_the_released_network_has_as_many_numbers_as_its_weights_file() -> None:
    """yolov1.weights is 789,312,988 bytes: 16 of a header, then 4 a number, running means and variances among them.

    The same network's first 20 convolutions end at byte 89,721,616 and all 24 at 240,782,096.
    """
    detector = on_paper(build_yolo_v1_darknet)
    assert isinstance(detector, YoloDetector)
    network = detector.network
    assert isinstance(network, YoloV1)
    assert 16 + 4 * sum(sizes(detector)) == 789_312_988
    assert 16 + 4 * sum(sizes(network.trunk)) == 89_721_616
    assert 16 + 4 * (sum(sizes(network.trunk)) + sum(sizes(network.neck))) == 240_782_096
    assert network(torch.zeros(1, 3, 448, 448, device="meta")).shape == (1, 35, 7, 7)
    assert 7 * 7 * 35 == 1715


def test_tiny_has_8_convolutions_and_one_full_layer() -> None:
    detector = on_paper(build_yolo_v1_tiny)
    filters = [m.out_channels for m in detector.modules() if isinstance(m, nn.Conv2d)]
    assert filters == [16, 32, 64, 128, 256, 512, 1024, 256]
    assert [m.out_features for m in detector.modules() if isinstance(m, nn.Linear)] == [1470]
    ins = [3, *filters]
    by_hand = sum(9 * c * n + 2 * n for c, n in zip(ins, filters, strict=False)) + 7 * 7 * 256 * 1470 + 1470
    assert sizes(detector)[0] == by_hand == 27_095_374


def test_the_flat_answer_is_in_darknets_order() -> None:
    """Classes of all cells, then all confidences, then all boxes: `src/detection_layer.c`."""
    network = YoloV1(nn.Identity(), nn.Identity(), nn.Flatten(), num_classes=3, boxes=2, image_size=128)
    side, k, b = 2, 3, 2
    flat = torch.arange(float(side * side * (k + 5 * b))).view(1, -1)
    network.head = nn.Module()
    network.head.forward = lambda x: flat.expand(len(x), -1)
    grid = network(torch.zeros(1, 3, 128, 128))[0]
    for cell in range(side * side):
        row, column = divmod(cell, side)
        said = grid[:, row, column].tolist()
        assert said[:k] == [cell * k + j for j in range(k)]
        assert said[k : k + b] == [side * side * k + cell * b + j for j in range(b)]
        start = side * side * (k + b) + cell * b * 4
        assert said[k + b :] == [start + j for j in range(4 * b)]


@pytest.mark.parametrize("build", [build_yolo_v1_darknet, build_yolo_v1_tiny])
def test_they_learn_and_answer(build: Callable[..., YoloDetector]) -> None:
    """The smallest of each (64 px, one cell), one class, with an empty picture in the batch."""
    detector = build(num_classes=1, image_size=64)
    images = torch.randn(2, 3, 64, 64)
    one = BoxTargets(torch.tensor([[10.0, 10, 40, 50]]), torch.tensor([0]), torch.zeros(1, dtype=torch.bool))
    none = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
    losses = detector(images, [(64, 64), (64, 50)], targets=[one, none])
    assert isinstance(losses, dict)
    assert list(losses) == ["coord", "size", "objectness", "noobj", "class"]
    assert losses["coord"][0] > 0
    assert [losses[name][1].item() for name in ("coord", "size", "objectness", "class")] == [0, 0, 0, 0]
    gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(detector.parameters()))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    found = detector.eval()(images, [(64, 64), (64, 50)], score_threshold=-10.0)
    assert len(found) == 2
    assert all(bool((boxes.boxes[:, 2] <= 50).all()) for boxes in found[1:])


def test_the_trunk_moves_from_the_classifier_to_the_detector() -> None:
    classifier = build_yolo_v1_trunk(num_classes=5, batch_norm=True)
    assert classifier(torch.randn(1, 3, 64, 64)).shape == (1, 5)
    detector = build_yolo_v1_darknet(num_classes=2, image_size=64)
    load_yolo_v1_trunk(detector, classifier.state_dict())
    assert isinstance(detector.network, YoloV1)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(detector.network.trunk.eval()(x), classifier.trunk.eval()(x), rtol=0, atol=0)
    assert sum(isinstance(m, nn.Conv2d) for m in classifier.modules()) == 20


def test_locally_connected_is_a_convolution_where_all_places_agree() -> None:
    layer = LocallyConnected(3, 4, 3, size=(5, 6)).double()
    kernel = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64)
    with torch.no_grad():
        layer.weight[:] = kernel.flatten(1)
        layer.bias[:] = bias[:, None, None]
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, kernel, bias, padding=1))


def test_locally_connected_differs_from_place_to_place() -> None:
    """One place by hand: only its own filters change what it says."""
    layer = LocallyConnected(2, 3, 3, size=(4, 4)).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    before = layer(x)
    with torch.no_grad():
        layer.weight[4 * 1 + 2] = 0  # row 1, column 2
    after = layer(x)
    assert (before != after).any(1)[0].nonzero().tolist() == [[1, 2]]
    torch.testing.assert_close(after[0, :, 1, 2], layer.bias[:, 1, 2])
    assert layer.weight.abs().max() <= math.sqrt(2 / 18)


def test_refusals() -> None:
    detector = on_paper(build_yolo_v1)
    with pytest.raises(ShapeError, match=r"must be 448×448 px, .*, got 320×448"):
        detector(torch.zeros(1, 3, 320, 448, device="meta"), [(320, 448)])
    for build in BUILDERS:
        with pytest.raises(ConfigError, match=r"multiple of 64 px, .*, got 100"):
            build(num_classes=2, image_size=100)
        with pytest.raises(ConfigError, match="num_classes must be at least 1, got 0"):
            build(num_classes=0)
    with pytest.raises(WeightsError, match="batch_norm=True"):
        load_yolo_v1_trunk(
            build_yolo_v1_darknet(num_classes=2, image_size=64), build_yolo_v1_trunk(num_classes=2).state_dict()
        )
    with pytest.raises(ShapeError, match=r"maps of \(4, 4\)"):
        LocallyConnected(1, 1, 3, size=(4, 4))(torch.zeros(1, 1, 4, 5))

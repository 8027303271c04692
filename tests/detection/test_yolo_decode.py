"""From cells to boxes: scores, threshold, clipping, suppression; and the same as stages."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.detection.detector import BoxTargets
from striate.detection.yolo_decode import candidate_boxes, class_scores, decode_cells, suppress_boxes
from striate.detection.yolo_detector import YoloDetector
from striate.detection.yolo_grid import YoloCells, assign_cells, split_cells
from striate.detection.yolo_steps import yolo_stages
from striate.errors import ConfigError, ShapeError
from tests.oracles.yolo_v1 import box_of_cell


def no_cells(s: int, t: int, b: int, k: int, *, n: int = 1) -> YoloCells:
    return YoloCells(torch.zeros(n, s, t, k), torch.zeros(n, s, t, b), torch.zeros(n, s, t, b, 4))


class Fixed(nn.Module):
    """A network that says the same of every picture."""

    def __init__(self, raw: Tensor) -> None:
        super().__init__()
        self.raw = nn.Parameter(raw)

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        del canvas
        return self.raw.shape[-2], self.raw.shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.raw.expand(len(x), -1, -1, -1)


def raw_of(cells: YoloCells) -> Tensor:
    flat = torch.cat([cells.classes, cells.confidences, cells.boxes.flatten(-2)], dim=-1)
    return flat.permute(0, 3, 1, 2)


def test_a_score_is_confidence_times_class() -> None:
    cells = no_cells(1, 1, 2, 3)
    cells.classes[0, 0, 0] = torch.tensor([0.5, 0.3, 0.2])
    cells.confidences[0, 0, 0] = torch.tensor([0.8, 0.1])
    expected = torch.tensor([[0.4, 0.24, 0.16], [0.05, 0.03, 0.02]])
    torch.testing.assert_close(class_scores(cells)[0, 0, 0], expected)


def test_a_box_comes_for_each_class_that_scores_enough() -> None:
    cells = no_cells(2, 2, 1, 2)
    cells.classes[0, 1, 0] = torch.tensor([0.5, 0.5])
    cells.confidences[0, 1, 0] = 0.8
    cells.boxes[0, 1, 0, 0] = torch.tensor([0.5, 0.5, 0.5, 0.5])
    (found,) = decode_cells(cells, [(40, 80)], canvas=(40, 80), score_threshold=0.4)
    assert found.classes.tolist() == [0, 1]  # equal scores: in the order of classes
    assert found.boxes.tolist() == [[10, 25, 30, 35]] * 2  # a quarter of 80 × 40 around (20, 30)
    (none,) = decode_cells(cells, [(40, 80)], canvas=(40, 80), score_threshold=0.41)
    assert [part.shape for part in none] == [(0, 4), (0,), (0,)]


@given(st.integers(0, 500), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_all_boxes_equal_the_slow_twin(seed: int, s: int, t: int, b: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    raw = torch.rand(1, 2 + 5 * b, s, t, generator=generator, dtype=torch.float64) * 0.8
    cells = split_cells(raw, num_classes=2, boxes=b)
    (found,) = candidate_boxes(cells, [(50, 70)], canvas=(50, 70), score_threshold=-1.0)
    assert bool((found.scores.diff() <= 0).all())
    slow = []
    for row in range(s):
        for column in range(t):
            for j in range(b):
                box = box_of_cell(cells.boxes[0, row, column, j].tolist(), row, column, grid=(s, t), canvas=(50, 70))
                x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], 70), min(box[3], 50)
                for k in range(2):
                    score = (cells.confidences[0, row, column, j] * cells.classes[0, row, column, k]).item()
                    slow.append((score, k, x1, y1, x2, y2))
    fast = torch.cat([found.scores[:, None], found.classes[:, None].double(), found.boxes], dim=1).tolist()
    assert len(fast) == len(slow)
    np.testing.assert_allclose(sorted(fast), sorted(slow), rtol=1e-9, atol=1e-9)


def test_boxes_are_clipped_to_the_photo_and_those_beside_it_left_out() -> None:
    cells = no_cells(2, 2, 1, 1)
    cells.classes[:] = 1
    cells.confidences[0, :, :, 0] = torch.tensor([[0.9, 0.8], [0.7, 0.6]])
    cells.boxes[..., :2] = 0.5
    cells.boxes[..., 2:] = 0.9
    (found,) = decode_cells(cells, [(60, 100)], canvas=(100, 100), score_threshold=0.1, iou_threshold=1.0)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])  # the middles of the lower row lie at 75 px
    assert found.boxes.min() >= 0
    assert found.boxes[:, 2].max() <= 100
    assert found.boxes[:, 3].max() <= 60


def test_boxes_without_area_are_left_out() -> None:
    cells = no_cells(1, 1, 2, 1)
    cells.classes[:], cells.confidences[:] = 1, 1
    cells.boxes[0, 0, 0] = torch.tensor([[0.5, 0.5, 0.0, 0.5], [0.5, 0.5, -0.5, 0.5]])
    (found,) = decode_cells(cells, [(10, 10)], canvas=(10, 10))
    assert found.boxes.tolist() == [[3.75, 3.75, 6.25, 6.25]]


def test_suppression_stays_within_classes_and_keeps_the_surest() -> None:
    cells = no_cells(1, 1, 3, 2)
    cells.classes[0, 0, 0] = torch.tensor([1.0, 0.5])
    cells.confidences[0, 0, 0] = torch.tensor([0.6, 0.9, 0.8])
    cells.boxes[0, 0, 0] = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.51, 0.5], [0.1, 0.1, 0.3, 0.3]])
    (all_of_them,) = candidate_boxes(cells, [(100, 100)], canvas=(100, 100), score_threshold=0.01)
    assert len(all_of_them.boxes) == 6
    (found,) = decode_cells(cells, [(100, 100)], canvas=(100, 100), score_threshold=0.01)
    assert list(zip(found.classes.tolist(), found.scores.tolist(), strict=True)) == [
        (0, pytest.approx(0.9)), (0, pytest.approx(0.8)), (1, pytest.approx(0.45)), (1, pytest.approx(0.4)),
    ]  # fmt: skip
    assert len(suppress_boxes(all_of_them, iou_threshold=0.5, keep=3).boxes) == 3


def test_what_the_targets_say_is_what_is_found() -> None:
    """Cells that say their targets find every object, once, and nothing else."""
    boxes = torch.tensor([[3.0, 5, 20, 30], [30, 10, 60, 22], [8, 35, 58, 60]])
    target = BoxTargets(boxes, torch.tensor([2, 0, 1]), torch.zeros(3, dtype=torch.bool))
    wanted = assign_cells([target], [(64, 64)], grid=(8, 8), canvas=(64, 64))
    said = YoloCells(
        nn.functional.one_hot(wanted.classes, 3).float(),
        wanted.has_object[..., None].float(),
        wanted.boxes[..., None, :],
    )
    (found,) = decode_cells(said, [(64, 64)], canvas=(64, 64), score_threshold=0.5)
    order = found.classes.argsort()
    torch.testing.assert_close(found.boxes[order], boxes[[1, 2, 0]])
    assert found.scores.tolist() == [1, 1, 1]

    stages = yolo_stages(
        YoloDetector(Fixed(raw_of(said)), num_classes=3, boxes=1), torch.zeros(3, 64, 64), labels="abc", target=target
    )
    assert stages.grid == (8, 8)
    assert stages.cell(1, 2) == (16, 8, 24, 16)
    assert stages.owners is not None
    assert sorted(stages.owners[stages.owners >= 0].tolist()) == [0, 1, 2]
    assert stages.collided == 0
    assert np.array_equal(stages.class_map[stages.owners >= 0], stages.owners[stages.owners >= 0])
    assert (len(stages.boxes), len(stages.candidates), len(stages.found)) == (64, 3, 3)
    assert sorted(stages.found.label(i) for i in range(3)) == ["a", "b", "c"]


def test_stages_end_as_the_detector_answers() -> None:
    cells = YoloCells(torch.rand(1, 4, 4, 3), torch.rand(1, 4, 4, 2), torch.rand(1, 4, 4, 2, 4) * 0.7)
    detector = YoloDetector(Fixed(raw_of(cells)), num_classes=3, boxes=2).train()
    stages = yolo_stages(detector, torch.zeros(3, 80, 80), size=(80, 60), score_threshold=0.3)
    assert detector.training
    (found,) = detector(torch.zeros(1, 3, 80, 80), [(80, 60)], score_threshold=0.3)
    np.testing.assert_array_equal(stages.found.boxes, found.boxes.detach().numpy())
    np.testing.assert_array_equal(stages.found.classes, found.classes.numpy())
    assert stages.found.scores is not None
    assert stages.found.size == (80, 60)
    assert stages.confidences.shape == (4, 4, 2)
    assert stages.boxes.classes.tolist() == np.repeat(stages.class_map, 2).tolist()
    assert stages.owners is None


def test_refusals() -> None:
    cells = no_cells(1, 1, 1, 1)
    with pytest.raises(ConfigError, match=r"iou_threshold must be in \[0, 1\], got 1\.5"):
        decode_cells(cells, [(10, 10)], canvas=(10, 10), iou_threshold=1.5)
    detector = YoloDetector(Fixed(raw_of(cells)), num_classes=1, boxes=1)
    with pytest.raises(ConfigError, match="labels must be one a class: 1, got 2"):
        yolo_stages(detector, torch.zeros(3, 8, 8), labels=["a", "b"])
    with pytest.raises(ShapeError, match="one picture c h w"):
        yolo_stages(detector, torch.zeros(1, 3, 8, 8))
    with pytest.raises(ConfigError, match="takes none"):
        detector(torch.zeros(1, 3, 8, 8), [(8, 8)], proposals=[torch.zeros(1, 4)])
    with pytest.raises(ShapeError, match=r"a photo of \(9, 8\) does not fit"):
        detector(torch.zeros(1, 3, 8, 8), [(9, 8)])
    with pytest.raises(ShapeError, match="2 sizes for 1 images"):
        detector(torch.zeros(1, 3, 8, 8), [(8, 8)] * 2)
    one = BoxTargets(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([1]), torch.zeros(1, dtype=torch.bool))
    with pytest.raises(ShapeError, match="classes must be from 0 to 0, got 1 to 1"):
        detector(torch.zeros(1, 3, 8, 8), [(8, 8)], targets=[one])
    for name in ("num_classes", "boxes", "keep"):
        numbers: dict[str, Any] = {"num_classes": 1, name: 0}
        with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
            YoloDetector(nn.Identity(), **numbers)
    with pytest.raises(ConfigError, match="'linear' or 'logistic', got 'tanh'"):
        YoloDetector(nn.Identity(), num_classes=1, output="tanh")  # type: ignore[arg-type]

"""The loss of YOLO v1: one cell by hand, whole grids against the slow twin, gradients, and what must not count."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.detection.detector import BoxTargets
from striate.detection.yolo_grid import YoloCells, assign_cells, cell_boxes, encode_boxes, split_cells
from striate.detection.yolo_loss import YoloLossWeights, cell_losses, responsible_boxes, yolo_losses
from striate.errors import ConfigError, ShapeError
from tests.oracles.yolo_v1 import loss_of_picture

CANVAS = (70, 140)


def truth(*rows: tuple[float, float, float, float, int], ignored: tuple[int, ...] = ()) -> BoxTargets:
    boxes = torch.tensor([row[:4] for row in rows], dtype=torch.float64).reshape(-1, 4)
    marks = torch.tensor([i in ignored for i in range(len(rows))], dtype=torch.bool)
    return BoxTargets(boxes, torch.tensor([row[4] for row in rows], dtype=torch.int64), marks)


def random_cells(n: int, s: int, t: int, b: int, k: int, *, seed: int = 0) -> YoloCells:
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(n, k + 5 * b, s, t, generator=generator, dtype=torch.float64)
    return split_cells(raw, num_classes=k, boxes=b)


def test_one_cell_by_hand() -> None:
    """Grid of one cell on 100×100 px, one object of 36×64 px in the middle, class 1 of 2; the second box fits best."""
    target = assign_cells([truth((32, 18, 68, 82, 1))], [(100, 100)], grid=(1, 1), canvas=(100, 100))
    assert target.boxes[0, 0, 0].tolist() == pytest.approx([0.5, 0.5, 0.6, 0.8])
    raw = torch.zeros(1, 12, 1, 1, dtype=torch.float64)
    raw[0, :, 0, 0] = torch.tensor([0.3, 0.6, 0.9, 0.4, 0.1, 0.1, 0.1, 0.1, 0.5, 0.6, 0.6, 0.5], dtype=torch.float64)
    losses = yolo_losses(split_cells(raw, num_classes=2, boxes=2), target)
    # Box 1: middle (50, 60), 36 by 25 px: rows 47.5 to 72.5 all lie inside 18 to 82. IoU = 900 / (2304 + 900 − 900).
    iou = 900 / 2304
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {
            "coord": 5 * 0.1**2,
            "size": 5 * 0.3**2,
            "objectness": (0.4 - iou) ** 2,
            "noobj": 0.5 * 0.9**2,
            "class": 0.3**2 + 0.4**2,
        }
    )


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(
        st.tuples(st.integers(0, 130), st.integers(0, 60), st.integers(1, 60), st.integers(1, 60), st.integers(0, 2)),
        max_size=12,
    ),
    st.integers(0, 1000),
)
def test_equals_the_slow_twin(
    s: int, t: int, b: int, k: int, things: list[tuple[int, int, int, int, int]], seed: int
) -> None:
    objects = [(float(x), float(y), float(x + w), float(y + h), label % k) for x, y, w, h, label in things]
    cells = random_cells(1, s, t, b, k, seed=seed)
    target = assign_cells([truth(*objects)], [CANVAS], grid=(s, t), canvas=CANVAS)
    losses = yolo_losses(cells, target)
    classes, confidences, boxes = (part[0].tolist() for part in cells)
    slow = loss_of_picture(classes, confidences, boxes, objects, canvas=CANVAS)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(slow, rel=1e-9, abs=1e-9)
    assert target.collided.item() == len(objects) - target.has_object.sum().item()


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 9))
def test_decode_of_encode_is_the_box(shares: list[tuple[float, ...]], s: int, t: int) -> None:
    rows = []
    for x, y, w, h in shares:
        left, top = x * 130, y * 60
        rows.append([left, top, left + 0.5 + w * (139 - left), top + 0.5 + h * (69 - top)])
    boxes = torch.tensor(rows, dtype=torch.float64)
    places, encoded = encode_boxes(boxes, grid=(s, t), canvas=CANVAS)
    grid = torch.zeros(len(rows), s * t, 1, 4, dtype=torch.float64)
    grid[torch.arange(len(rows)), places, 0] = encoded
    drawn = cell_boxes(grid.reshape(-1, s, t, 1, 4), canvas=CANVAS).reshape(len(rows), s * t, 4)
    torch.testing.assert_close(drawn[torch.arange(len(rows)), places], boxes, rtol=1e-9, atol=1e-9)
    assert bool(((encoded[:, :2] >= 0) & (encoded[:, :2] < 1 + 1e-12)).all())


def test_a_box_that_touches_nothing_is_chosen_by_distance() -> None:
    """No box overlaps: the nearer one answers (darknet), with confidence 0 as its target."""
    target = assign_cells([truth((0, 0, 10, 10, 0))], [(100, 100)], grid=(1, 1), canvas=(100, 100))
    raw = torch.zeros(1, 11, 1, 1, dtype=torch.float64)
    raw[0, :, 0, 0] = torch.tensor([1, 0.2, 0.3, 0.9, 0.9, 0.1, 0.1, 0.4, 0.4, 0.1, 0.1])
    chosen = responsible_boxes(split_cells(raw, num_classes=1, boxes=2), target)
    assert (chosen.box.item(), chosen.iou.item()) == (1, 0)
    losses = yolo_losses(split_cells(raw, num_classes=1, boxes=2), target)
    assert losses["objectness"].item() == pytest.approx(0.3**2)
    assert losses["noobj"].item() == pytest.approx(0.5 * 0.2**2)


def test_a_negative_root_is_no_nan() -> None:
    """The paper's √ŵ of a predicted w would be NaN; a predicted root of −.6 draws the box that .6 draws."""
    target = assign_cells([truth((32, 18, 68, 82, 0))], [(100, 100)], grid=(1, 1), canvas=(100, 100))
    raw = torch.tensor([1, 1, 0.5, 0.5, -0.6, -0.8], dtype=torch.float64, requires_grad=True)
    losses = yolo_losses(split_cells(raw.reshape(1, 6, 1, 1), num_classes=1, boxes=1), target)
    assert losses["objectness"].item() == pytest.approx(0)  # the box is drawn right: IoU 1
    assert losses["size"].item() == pytest.approx(5 * (1.2**2 + 1.6**2))
    (gradient,) = torch.autograd.grad(torch.stack(list(losses.values())).sum(), raw)
    assert bool(gradient.isfinite().all())


def test_gradients() -> None:
    """Second-degree polynomials where the responsible boxes are held, and no gradient flows through the overlap."""
    target = assign_cells(
        [truth((5, 5, 60, 50, 1), (80, 20, 130, 60, 0)), truth()], [CANVAS, (70, 100)], grid=(2, 3), canvas=CANVAS
    )
    raw = torch.randn(2, 13, 2, 3, dtype=torch.float64, requires_grad=True)
    held = responsible_boxes(split_cells(raw, num_classes=3, boxes=2), target)

    def total(x: torch.Tensor) -> torch.Tensor:
        losses = cell_losses(split_cells(x, num_classes=3, boxes=2), target, held)
        return torch.stack(list(losses.values()))

    assert torch.autograd.gradcheck(total, raw)
    (frozen,) = torch.autograd.grad(total(raw).sum(), raw)
    whole = torch.stack(list(yolo_losses(split_cells(raw, num_classes=3, boxes=2), target).values()))
    (found,) = torch.autograd.grad(whole.sum(), raw)
    torch.testing.assert_close(found, frozen, rtol=0, atol=0)


def test_confidence_learns_towards_the_overlap_from_both_sides() -> None:
    target = assign_cells([truth((32, 18, 68, 82, 0))], [(100, 100)], grid=(1, 1), canvas=(100, 100))
    for confidence, sign in ((1.0, 1), (0.0, -1)):
        raw = torch.tensor([1, confidence, 0.5, 0.5, 0.5, 0.8], dtype=torch.float64, requires_grad=True)
        losses = yolo_losses(split_cells(raw.reshape(1, 6, 1, 1), num_classes=1, boxes=1), target)
        (gradient,) = torch.autograd.grad(losses["objectness"].sum(), raw)
        assert math.copysign(1, gradient[1].item()) == sign
        assert gradient[2:].eq(0).all()


def test_background_cells_learn_confidence_alone() -> None:
    raw = torch.randn(1, 12, 3, 3, dtype=torch.float64, requires_grad=True)
    target = assign_cells([truth()], [(90, 90)], grid=(3, 3), canvas=(90, 90))
    losses = yolo_losses(split_cells(raw, num_classes=2, boxes=2), target)
    assert [name for name, value in losses.items() if value.item() != 0] == ["noobj"]
    (gradient,) = torch.autograd.grad(torch.stack(list(losses.values())).sum(), raw)
    assert gradient[:, 2:4].ne(0).all()
    assert gradient[:, :2].eq(0).all()
    assert gradient[:, 4:].eq(0).all()


def test_padding_and_ignored_objects_are_not_asked() -> None:
    """A canvas of 4×4 cells of 10 px, a photo of 25×40 px: rows that begin at 30 px lie beside it."""
    things = truth((0, 0, 22, 9, 0), (12, 1, 18, 8, 1), ignored=(0,))
    target = assign_cells([things], [(25, 40)], grid=(4, 4), canvas=(40, 40))
    assert target.has_object[0].nonzero().tolist() == [[0, 1]]  # an object of its own, also under an ignored one
    assert target.is_asked[0].int().tolist() == [[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
    cells = random_cells(1, 4, 4, 2, 2)
    before = yolo_losses(cells, target)
    wild = YoloCells(*(torch.where(target.is_asked.view(1, 4, 4, *[1] * (p.ndim - 3)), p, torch.inf) for p in cells))
    after = yolo_losses(wild, target)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_smallest_object_of_a_cell_wins_whatever_the_order() -> None:
    large, small, equal = (10, 10, 50, 50, 0), (20, 20, 40, 40, 1), (21, 20, 41, 40, 2)
    for rows, label in (((large, small), 1), ((small, large), 1), ((small, equal), 1), ((equal, small), 2)):
        target = assign_cells([truth(*rows)], [(60, 60)], grid=(1, 1), canvas=(60, 60))
        assert (target.classes.item(), target.collided.item()) == (label, 1)


def test_five_thousand_objects() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(5000, 2, generator=generator) * 300
    boxes = torch.cat([corners, corners + 1 + torch.rand(5000, 2, generator=generator) * 19], dim=1)
    labels = torch.randint(0, 3, (5000,), generator=generator)
    many = BoxTargets(boxes, labels, torch.zeros(5000, dtype=torch.bool))
    target = assign_cells([many], [(320, 320)], grid=(20, 20), canvas=(320, 320))
    assert target.has_object.sum() + target.collided == 5000
    losses = yolo_losses(random_cells(1, 20, 20, 2, 3), target)
    assert all(bool(value.isfinite().all()) for value in losses.values())


def test_an_object_on_the_edge_or_beyond_belongs_to_the_nearest_cell() -> None:
    places, encoded = encode_boxes(
        torch.tensor([[60.0, 60, 80, 80], [69, 69, 71, 71], [-20, -20, 10, 10]]), grid=(7, 7), canvas=(70, 70)
    )
    assert places.tolist() == [48, 48, 0]
    assert encoded[0, :2].tolist() == [1, 1]
    assert encoded[2, 0] < 0


def test_half_precision_counts_in_single() -> None:
    raw = torch.randn(2, 12, 3, 3)
    target = assign_cells([truth((5, 5, 60, 50, 1)), truth()], [CANVAS] * 2, grid=(3, 3), canvas=CANVAS)
    half = yolo_losses(split_cells(raw.bfloat16(), num_classes=2, boxes=2), target)
    single = yolo_losses(split_cells(raw.bfloat16().float(), num_classes=2, boxes=2), target)
    for name, value in half.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, single[name], rtol=0, atol=0)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"25 channels|30 channels"):
        split_cells(torch.zeros(1, 25, 7, 7), num_classes=20, boxes=2)
    with pytest.raises(ShapeError, match=r"box 1 is \[5\.0, 5\.0, 5\.0, 9\.0\]"):
        assign_cells([truth((0, 0, 9, 9, 0), (5, 5, 5, 9, 0))], [(9, 9)], grid=(1, 1), canvas=(9, 9))
    with pytest.raises(ShapeError, match="positive"):
        assign_cells([truth((0, 0, math.nan, 9, 0))], [(9, 9)], grid=(1, 1), canvas=(9, 9))
    with pytest.raises(ShapeError, match="1 targets and 2 sizes"):
        assign_cells([truth()], [(9, 9), (9, 9)], grid=(1, 1), canvas=(9, 9))
    with pytest.raises(ConfigError, match=r"noobj must be a finite number from 0, got -1"):
        YoloLossWeights(noobj=-1)

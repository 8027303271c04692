"""NMS and Soft-NMS: equal to the slow twins, to torchvision bit for bit; invariances; nasty numbers; refusals."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from striate import ops
from striate.errors import ConfigError, ShapeError
from striate.ops import reference
from striate.ops.nms_kernels import keep_sorted, limits
from striate.ops.nms_rows import keep_by_blocks, keep_by_rows
from tests.oracles.box_cases import clustered, scattered
from tests.oracles.compiled_torchvision import ask_torchvision

NASTY = {
    "equal boxes": [[0, 0, 10, 10]] * 5,
    "points": [[3, 3, 3, 3]] * 3 + [[0, 0, 10, 10]],
    "lines": [[0, 5, 10, 5]] * 2 + [[0, 0, 10, 10]],
    "turned inside out": [[10, 10, 0, 0], [0, 0, 10, 10], [10, 0, 0, 10], [9, 9, 1, 1]],
    "nan": [[float("nan"), 0, 10, 10], [0, 0, 10, 10], [0, 0, float("nan"), 10], [0, 0, 10, 9.5]],
    "infinite": [[-float("inf"), 0, float("inf"), 10], [0, 0, float("inf"), 10], [0, 0, 10, 10], [0, 0, 10, 9]],
    "huge": [[-3e38, -3e38, 3e38, 3e38], [-3e38, -3e38, 3e38, 2.9e38], [0, 0, 1e19, 1e19], [0, 0, 1e19, 0.9e19]],
    "tiny": [[0, 0, 1e-20, 1e-20], [0, 0, 1e-20, 0.8e-20], [0, 0, 1e-23, 1e-23], [0, 0, 1e-10, 1e-35]],
    "negative": [[-100, -100, -1, -1], [-99, -100, -1, -1], [0, 0, 99, 99], [1, 0, 99, 99]],
    "exactly at the threshold": [[0, 0, 2, 1], [0, 0, 1, 1], [0, 0, 4, 1], [0, 0, 3, 1], [0, 0, 10, 1], [0, 0, 7, 1]],
}
THRESHOLDS = (-0.1, 0.0, 1e-9, 0.3, 0.5, 0.7, 1.0, 1.5)


def compiled_keep(boxes: Tensor, threshold: float, classes: Tensor | None = None) -> np.ndarray[Any, Any]:
    corners = boxes.numpy().T.copy()
    starts = [0, len(boxes)]
    if classes is not None:
        starts = [0, *(np.flatnonzero(np.diff(classes.numpy())) + 1).tolist(), len(boxes)]
    return keep_sorted(corners, np.array(starts), limits(threshold, corners.dtype))


@pytest.mark.compile
def test_torchvision_keeps_the_same(record_property: Callable[[str, object], None]) -> None:
    """Clustered, scattered and nasty boxes, equal and NaN scores; both precisions."""
    cases: list[tuple[Tensor, Tensor, float]] = []
    for dtype in (torch.float32, torch.float64):
        for count in (1, 40, 300, 2500, 4000):
            for boxes, scores in (clustered(count, dtype=dtype), scattered(count)):
                cases += [(boxes.to(dtype), scores.to(dtype), t) for t in (0.0, 0.3, 0.7)]
        for rows in NASTY.values():
            boxes = torch.cat((torch.tensor(rows, dtype=dtype), clustered(2600, dtype=dtype)[0]))
            scores = torch.rand(len(boxes), dtype=dtype).round(decimals=2)
            scores[5] = float("nan")
            cases += [(boxes, scores, t) for t in THRESHOLDS]
    for case, theirs in zip(cases, ask_torchvision([("nms", case) for case in cases]), strict=True):
        assert torch.equal(ops.nms(*case), theirs)
    record_property("counted", ("NMS beside torchvision's compiled operator", len(cases)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NASTY)
def test_nasty_numbers(name: str, dtype: torch.dtype) -> None:
    """All ways agree with the rule, alone and among a thousand others (then the grid is at work)."""
    plain = torch.tensor(NASTY[name], dtype=dtype)
    boxes = torch.cat((plain, clustered(2600, dtype=dtype)[0]))
    for some in (plain, boxes):
        for threshold in THRESHOLDS:
            rows = keep_by_rows(some.numpy().T, None, threshold)
            np.testing.assert_array_equal(compiled_keep(some, threshold), rows)
            np.testing.assert_array_equal(keep_by_blocks(some, None, threshold).numpy(), rows)
        assert keep_by_rows(some.numpy().T, None, 1.5).all()


BOXES = st.lists(st.tuples(*[st.integers(0, 12)] * 4, st.integers(0, 4), st.integers(0, 2)), max_size=24)


@given(rows=BOXES, threshold=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.7, 1.0]))
def test_the_twin_keeps_the_same(rows: list[tuple[int, ...]], threshold: float) -> None:
    """Small whole numbers: ties of scores, of boxes, and of an IoU with the threshold are the rule."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    boxes, scores, classes = table[:, :4].copy(), table[:, 4].copy(), table[:, 5].copy()
    boxes[:, 2:] += boxes[:, :2]
    b, s, k = map(torch.from_numpy, (boxes, scores, classes))
    assert ops.nms(b, s, threshold).tolist() == reference.nms(boxes, scores, threshold)
    assert ops.batched_nms(b, s, k.long() - 1, threshold).tolist() == reference.nms(boxes, scores, threshold, classes)
    if len(b):
        assert ops.nms_steps(b, s, threshold).kept.tolist() == reference.nms(boxes, scores, threshold)
    order = torch.sort(s, stable=True, descending=True).indices.numpy()
    np.testing.assert_array_equal(compiled_keep(b[order], threshold), keep_by_rows(boxes[order].T, None, threshold))
    for method in ("linear", "gaussian"):
        picked, final = ops.soft_nms(b.double(), s.double() / 4, k, method=method, iou_threshold=threshold)  # type: ignore[arg-type]
        twin = reference.soft_nms(boxes, scores / 4, method=method, iou_threshold=threshold, classes=classes)  # type: ignore[arg-type]
        assert picked.tolist() == twin[0]
        torch.testing.assert_close(final, torch.tensor(twin[1], dtype=torch.float64), rtol=1e-14, atol=0)


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_what_the_grid_leaves_out_changes_nothing(seed: int, threshold: float) -> None:
    """Sizes over eight powers of two and far strays; then one huge box, which stretches the grid."""
    random = np.random.default_rng(seed)
    corner = random.normal(0, 300, (3000, 2)) * np.exp(random.normal(0, 1, (3000, 1)))
    boxes = np.concatenate([corner, corner + np.exp(random.uniform(0, 6, (3000, 2)))], 1).astype(np.float32)
    boxes[7] = [-1e7, -1e7, 1e7, 1e7]
    np.testing.assert_array_equal(
        compiled_keep(torch.from_numpy(boxes), threshold), keep_by_rows(boxes.T, None, threshold)
    )


def test_classes_do_not_meet_whatever_their_coordinates() -> None:
    boxes, scores = clustered(3000)
    boxes -= 500
    classes = torch.randint(-3, 4, (3000,))
    found = ops.batched_nms(boxes, scores, classes, 0.5)
    alone = [
        torch.where(classes == k)[0][ops.nms(boxes[classes == k], scores[classes == k], 0.5)] for k in range(-3, 4)
    ]
    together = torch.cat(alone).sort().values
    assert torch.equal(found.sort().values, together)
    assert torch.equal(found, together[scores[together].sort(stable=True, descending=True).indices])
    assert torch.equal(ops.batched_nms(boxes, scores, torch.zeros(3000), 0.5), ops.nms(boxes, scores, 0.5))
    # Where torchvision's offsets go wrong: the second box would be moved onto the first.
    two = torch.tensor([[0.0, 0, 100, 100], [-101.0, -101, -1, -1]])
    assert ops.batched_nms(two, torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), 0.5).tolist() == [0, 1]


def test_the_answer_moves_with_the_boxes() -> None:
    """Shifted by whole numbers and doubled, nothing is rounded; in another order, the same boxes stay."""
    boxes, _ = clustered(3000)
    boxes = boxes.round()
    scores = torch.randperm(3000).float()
    kept = ops.nms(boxes, scores, 0.5)
    assert torch.equal(kept, ops.nms(boxes * 2 + 512, scores, 0.5))
    turn = torch.randperm(3000)
    assert torch.equal(turn[ops.nms(boxes[turn], scores[turn], 0.5)], kept)
    assert (ops.box_iou(boxes[kept], boxes[kept]).fill_diagonal_(0) <= 0.5).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32, torch.int64])
def test_other_types_are_computed_wider(dtype: torch.dtype) -> None:
    boxes, scores = clustered(400)
    coarse = boxes.to(dtype)
    assert torch.equal(ops.nms(coarse, scores.half(), 0.5), ops.nms(coarse.double(), scores.half().float(), 0.5))


def test_nothing_in_nothing_out() -> None:
    none = torch.zeros(0, 4), torch.zeros(0)
    assert ops.nms(*none, 0.5).shape == (0,)
    assert ops.nms(*none, 0.5).dtype == torch.int64
    assert ops.batched_nms(*none, torch.zeros(0, dtype=torch.int64), 0.5).shape == (0,)
    assert ops.soft_nms(*none)[0].shape == (0,)
    assert ops.nms_steps(*none, 0.5).kept.shape == (0,)


def test_soft_nms_on_many_boxes_equals_the_rule() -> None:
    """A vectorized loop over all boxes, in double precision, as the twin takes minutes."""
    boxes, scores = clustered(1500, dtype=torch.float64)
    for method in ("linear", "gaussian"):
        picked, final = ops.soft_nms(boxes, scores, method=method)  # type: ignore[arg-type]
        left, open_, rule = scores.clone(), torch.ones(1500, dtype=torch.bool), []
        ious = ops.box_iou(boxes, boxes).nan_to_num(0)
        while bool(open_.any()):
            best = int(torch.where(open_, left, -1.0).argmax())
            if left[best] < 0.001:
                break
            rule.append(best)
            open_[best] = False
            iou = ious[best]
            sunk = (1 - iou) if method == "linear" else torch.exp(-iou * iou / 0.5)
            left = torch.where(open_ & (iou > (0.3 if method == "linear" else 0)), left * sunk, left)
        assert picked.tolist() == rule
        torch.testing.assert_close(final, left[picked], rtol=1e-13, atol=0)
        assert (final.diff() <= 0).all()


def test_steps_in_words_and_discarded_first() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [20.0, 0, 30, 10], [0.0, 0, 5, 5]])
    steps = ops.nms_steps(boxes, torch.tensor([0.8, 0.9, 0.7, 0.6]), 0.5, score_threshold=0.6)
    assert steps.discarded.tolist() == [3]
    assert steps.kept.tolist() == [1, 2]
    assert steps.to_text().splitlines()[1] == "1. pick box 1 (.90); remove box 0 (IoU .82); leave box 2 (.00)"


def test_few_boxes_do_not_start_the_compiler() -> None:
    import subprocess

    program = (
        "import sys, torch; from striate import ops; ops.nms(torch.rand(200, 4), torch.rand(200), .5); "
        "ops.batched_nms(torch.rand(200, 4), torch.rand(200), torch.zeros(200), .5); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_export_and_fake_tensors() -> None:
    class Picker(torch.nn.Module):
        def forward(self, boxes: Tensor, scores: Tensor) -> Tensor:
            return boxes[ops.nms(boxes, scores, 0.5)]

    count = torch.export.Dim("count", min=2)
    program = torch.export.export(Picker(), clustered(50), dynamic_shapes=({0: count}, {0: count}))
    boxes, scores = clustered(700)
    assert torch.equal(program.module()(boxes, scores), boxes[ops.nms(boxes, scores, 0.5)])


def test_refusals() -> None:
    boxes, scores = torch.zeros(3, 4), torch.zeros(3)
    with pytest.raises(ShapeError, match=r"boxes must be 'n 4' .* got the shape \(3, 5\)"):
        ops.nms(torch.zeros(3, 5), scores, 0.5)
    with pytest.raises(ShapeError, match=r"one number for each of the 3 boxes, got the shape \(2,\)"):
        ops.nms(boxes, torch.zeros(2), 0.5)
    with pytest.raises(ConfigError, match="iou_threshold must be a number"):
        ops.nms(boxes, scores, float("nan"))
    with pytest.raises(ShapeError, match="idxs must be one class"):
        ops.batched_nms(boxes, scores, torch.zeros(4), 0.5)
    with pytest.raises(ConfigError, match="method must be 'linear' or 'gaussian'"):
        ops.soft_nms(boxes, scores, method="hard")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sigma must be positive"):
        ops.soft_nms(boxes, scores, sigma=0.0)
    with pytest.raises(ConfigError, match=r"got nan for boxes\[1\]"):
        ops.soft_nms(boxes, torch.tensor([0.0, float("nan"), 0.0]))

"""RoI pooling and RoI align: twins, torchvision, closed forms, gradients, threads, precisions, export, refusals."""

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
from striate.ops.roi_align_gather import align, align_adjoint
from striate.ops.roi_pool_gather import pool, pool_adjoint
from tests.oracles.box_cases import regions
from tests.oracles.compiled_torchvision import ask_torchvision

ODD = torch.tensor([
    [0, 3, 3, 3, 3], [0, 30, 20, 10, 5], [0, -50, -50, -20, -20], [0, 900, 700, 950, 800], [0, -1e6, -1e6, 1e6, 1e6],
    [0, 0, 0, 16, 16], [0, 8, 8, 24, 24], [0, -8, -8, 8, 8], [0, 100, 100, 100.001, 500], [0, 792, 600, 800, 608],
    [0, 40, 8, 56, 56],
])  # fmt: skip
SETTINGS = [(sampling, aligned) for sampling in (-1, 0, 1, 2, 3) for aligned in (False, True)]


def boxes_of(count: int, pictures: int) -> Tensor:
    return torch.cat((regions(count, pictures=pictures, size=(160, 240)), ODD))


@pytest.mark.parametrize(("sampling", "aligned"), SETTINGS)
@pytest.mark.parametrize("bins", [(1, 1), (2, 2), (3, 7)])
def test_align_equals_the_twin_and_plain_torch(bins: tuple[int, int], sampling: int, aligned: bool) -> None:
    maps, boxes = torch.randn(2, 3, 10, 15, dtype=torch.float64), boxes_of(12, 2).double()
    boxes = boxes[boxes[:, 1:].abs().amax(1) < 1e5] if sampling <= 0 else boxes  # the twin visits every point
    found = ops.roi_align(maps, boxes, bins, 1 / 16, sampling, aligned)
    twin = reference.roi_align(maps.numpy(), boxes.numpy(), bins, 1 / 16, sampling, aligned=aligned)
    torch.testing.assert_close(found, torch.from_numpy(twin), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found, align(maps, boxes, 1 / 16, bins, sampling, aligned=aligned))
    due = torch.randn_like(found)
    ours = torch.ops.striate.roi_align_adjoint(due, boxes, 2, 10, 15, 1 / 16, sampling, aligned)
    torch.testing.assert_close(ours, align_adjoint(due, boxes, (2, 3, 10, 15), 1 / 16, sampling, aligned=aligned))


@pytest.mark.parametrize("bins", [(1, 1), (2, 2), (3, 7)])
def test_pool_equals_the_twin_and_plain_torch(bins: tuple[int, int]) -> None:
    maps, boxes = torch.randn(2, 3, 10, 15, dtype=torch.float64).round(decimals=1), boxes_of(40, 2).double()
    found = ops.roi_pool(maps, boxes, bins, 1 / 16)
    np.testing.assert_array_equal(found.numpy(), reference.roi_pool(maps.numpy(), boxes.numpy(), bins, 1 / 16))
    assert torch.equal(found, pool(maps, boxes, 1 / 16, bins))
    due = torch.randn_like(found)
    ours = torch.ops.striate.roi_pool_adjoint(due, maps, found, boxes, 1 / 16)
    torch.testing.assert_close(ours, pool_adjoint(due, maps, boxes, 1 / 16))


@pytest.mark.compile
def test_torchvision_finds_the_same(record_property: Callable[[str, object], None]) -> None:
    """Pooling and its gradient to the last bit, aligning up to the order in which products are added."""
    calls: list[tuple[str, list[Any]]] = []
    for dtype in (torch.float32, torch.float64):
        maps, boxes = torch.randn(2, 20, 38, 50, dtype=dtype).round(decimals=1), regions(150, pictures=2).to(dtype)
        boxes = torch.cat((boxes, ODD[ODD[:, 1:].abs().amax(1) < 1e5].to(dtype)))
        for bins in (1, 7, [3, 2]):
            due = torch.randn(len(boxes), 20, *((bins, bins) if isinstance(bins, int) else bins), dtype=dtype)
            for name, more in [("roi_pool", []), *(("roi_align", list(s)) for s in SETTINGS)]:
                arguments = [maps, boxes, bins, 1 / 16, *more]
                calls += [(name, arguments), (f"{name}'", [*arguments, due])]
    for (name, arguments), theirs in zip(calls, ask_torchvision(calls), strict=True):
        call = getattr(ops, name.rstrip("'"))
        maps = arguments[0].clone().requires_grad_()
        if name.endswith("'"):
            call(maps, *arguments[1:-1]).backward(arguments[-1])
            ours = maps.grad
        else:
            ours = call(*arguments)
        if name == "roi_pool":
            assert torch.equal(ours, theirs)
        else:
            rough = arguments[0].dtype == torch.float32
            torch.testing.assert_close(ours, theirs, rtol=1e-4 if rough else 1e-9, atol=3e-5 if rough else 1e-11)
    record_property("counted", ("RoI pooling and aligning beside torchvision's compiled operators", len(calls)))


def test_closed_form_of_aligned() -> None:
    """A ramp stays a ramp: half a pixel between the two conventions (detectron2 states these numbers)."""
    ramp, box = torch.arange(25.0).view(1, 1, 5, 5), torch.tensor([[0, 1.0, 1, 3, 3]])
    assert ops.roi_align(ramp, box, 4, 1.0, -1, False)[0, 0, 0].tolist() == [7.5, 8, 8.5, 9]
    assert ops.roi_align(ramp, box, 4, 1.0, -1, True)[0, 0, 0].tolist() == [4.5, 5, 5.5, 6]


def test_the_whole_map_at_its_own_size_is_the_map() -> None:
    maps = torch.randn(1, 4, 6, 9)
    whole = torch.tensor([[0.0, 0, 0, 9, 6]])
    torch.testing.assert_close(ops.roi_align(maps, whole, (6, 9), aligned=True, sampling_ratio=1), maps)
    assert torch.equal(ops.roi_pool(maps, torch.tensor([[0.0, 0, 0, 8, 5]]), (6, 9)), maps)


@given(
    h=st.integers(1, 6), w=st.integers(1, 6), c=st.integers(1, 35), count=st.integers(0, 4), bins=st.integers(1, 4),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_size(h: int, w: int, c: int, count: int, bins: int, seed: int) -> None:
    torch.manual_seed(seed)
    maps = torch.randn(2, c, h, w, dtype=torch.float64)
    boxes = torch.cat((torch.randint(0, 2, (count, 1)), torch.rand(count, 4) * 9 - 1), 1).double()
    twin = reference.roi_align(maps.numpy(), boxes.numpy(), (bins, bins))
    torch.testing.assert_close(ops.roi_align(maps, boxes, bins), torch.from_numpy(twin))
    np.testing.assert_array_equal(
        ops.roi_pool(maps, boxes, bins).numpy(), reference.roi_pool(maps.numpy(), boxes.numpy(), (bins, bins))
    )


def test_gradients_are_those_of_the_numbers() -> None:
    maps = torch.randperm(2 * 2 * 6 * 7).view(2, 2, 6, 7).double().requires_grad_()  # no ties
    boxes = torch.tensor([[0, 0, 0, 60, 50], [1, 20, 10, 70, 90], [0, 5, 5, 5, 5], [1, -20, -20, 30, 200.0]]).double()
    assert torch.autograd.gradcheck(lambda m: ops.roi_pool(m, boxes, 3, 1 / 16), maps)
    for sampling, aligned in SETTINGS:
        assert torch.autograd.gradcheck(lambda m, s=sampling, a=aligned: ops.roi_align(m, boxes, 2, 1 / 16, s, a), maps)


def test_threads_and_repetition_change_no_bit() -> None:
    maps, boxes, due = torch.randn(1, 70, 19, 25), regions(300, size=(304, 400)), torch.randn(300, 70, 7, 7)
    before = torch.get_num_threads()
    seen = []
    try:
        for threads in (1, 2, 3, 1):
            torch.set_num_threads(threads)
            for call in (ops.roi_align, ops.roi_pool):
                leaf = maps.clone().requires_grad_()
                found = call(leaf, boxes, 7, 1 / 16)
                found.backward(due)
                seen.append((found.detach(), leaf.grad))
    finally:
        torch.set_num_threads(before)
    for later in range(2, len(seen)):
        for a, b in zip(seen[later], seen[later % 2], strict=True):
            assert torch.equal(a, b)  # type: ignore[arg-type]


def test_a_list_of_boxes_and_other_layouts_of_memory() -> None:
    maps, boxes = torch.randn(2, 6, 10, 15), boxes_of(9, 2)[:9]
    boxes = boxes[boxes[:, 0].argsort(stable=True)]
    listed = [boxes[boxes[:, 0] == k, 1:] for k in range(2)]
    for call in (ops.roi_align, ops.roi_pool):
        found = call(maps, boxes, 3, 1 / 16)
        assert torch.equal(call(maps, listed, 3, 1 / 16), found)
        assert torch.equal(call(maps.contiguous(memory_format=torch.channels_last), boxes, 3, 1 / 16), found)
        assert found.is_contiguous()
        assert call(maps, [], 3).shape == (0, 6, 3, 3)
        assert call(maps, [torch.zeros(0, 4)] * 2, 3).shape == (0, 6, 3, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype: torch.dtype) -> None:
    maps, boxes = torch.randn(1, 5, 10, 15).to(dtype), boxes_of(9, 1)[:9]
    for call in (ops.roi_align, ops.roi_pool):
        leaf = maps.clone().requires_grad_()
        found = call(leaf, boxes, 3, 1 / 16)
        assert torch.equal(found, call(maps.float(), boxes, 3, 1 / 16).to(dtype))
        found.sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.dtype == dtype


def test_not_a_number_never_wins_a_pool() -> None:
    maps = torch.full((1, 1, 2, 2), float("nan"))
    maps[0, 0, 1, 1] = -7
    assert ops.roi_pool(maps, torch.tensor([[0.0, 0, 0, 1, 1]]), 1).item() == -7
    assert ops.roi_pool(maps, torch.tensor([[0.0, 0, 0, 0, 0]]), 1).item() == torch.finfo(torch.float32).min
    assert pool(maps, torch.tensor([[0.0, 0, 0, 0, 0]]), 1.0, (1, 1)).item() == torch.finfo(torch.float32).min


def test_export_and_compile_to_a_graph() -> None:
    class Head(torch.nn.Module):
        def forward(self, maps: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
            return ops.roi_align(maps, boxes, 3, 1 / 16), ops.roi_pool(maps, [boxes[:, 1:]], 3, 1 / 16)

    count = torch.export.Dim("count", min=2)
    maps, boxes = torch.randn(1, 4, 10, 15), boxes_of(9, 1)[:9]
    program = torch.export.export(Head(), (maps, boxes), dynamic_shapes=({}, {0: count}))
    for ours, theirs in zip(program.module()(maps, boxes[:4]), Head()(maps, boxes[:4]), strict=True):
        assert torch.equal(ours, theirs)
    torch.library.opcheck(torch.ops.striate.roi_align.default, (maps.requires_grad_(), boxes, 0.1, 2, 2, -1, True))
    torch.library.opcheck(torch.ops.striate.roi_pool.default, (maps, boxes, 0.1, 2, 2))


@pytest.mark.parametrize("call", [ops.roi_align, ops.roi_pool])
def test_refusals(call: Callable[..., Tensor]) -> None:
    maps, box = torch.randn(2, 3, 5, 5), torch.tensor([[0.0, 0, 0, 4, 4]])
    with pytest.raises(ShapeError, match=r"takes maps 'n c h w', got the shape \(3, 5, 5\)"):
        call(maps[0], box, 2)
    with pytest.raises(ShapeError, match=r"must be 'r 5' .* a list has one 'r 4' for each picture"):
        call(maps, box[:, 1:], 2)
    with pytest.raises(ShapeError, match=r"boxes\[0\] must be 'r 4', got the shape \(1, 5\)"):
        call(maps, [box], 2)
    with pytest.raises(ShapeError, match="boxes for 3 pictures, but there are 2 maps"):
        call(maps, [box[:, 1:]] * 3, 2)
    with pytest.raises(ConfigError, match=r"boxes\[0\] is of picture 2, but there are maps of 2"):
        call(maps, box + torch.tensor([2.0, 0, 0, 0, 0]), 2)
    with pytest.raises(ConfigError, match=r"must be a finite number, got .*nan.* in boxes\[0\]"):
        call(maps, box * torch.tensor([1, float("nan"), 1, 1, 1]), 2)
    with pytest.raises(ConfigError, match="output_size"):
        call(maps, box, 0)
    with pytest.raises(ConfigError, match="spatial_scale must be a positive number"):
        call(maps, box, 2, 0.0)
    with pytest.raises(ConfigError, match="floating-point maps"):
        call(maps.long(), box, 2)

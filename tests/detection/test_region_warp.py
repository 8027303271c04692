"""R-CNN's warped crops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from striate.detection.region_warp import context_for, warp_regions
from striate.errors import ConfigError, ShapeError
from tests.oracles.region_warp import warp_region


def image(h: int, w: int, seed: int = 0) -> Tensor:
    return torch.randn(3, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 24),
    st.integers(0, 6),
    st.lists(st.tuples(*[st.floats(-30, 70)] * 4), max_size=4),
)
def test_like_the_rules_pixel_by_pixel(
    size: tuple[int, int], crop: int, context: int, boxes: list[tuple[float, float, float, float]]
) -> None:
    context = min(context, (crop - 1) // 2)
    x = image(*size)
    fast = warp_regions(x, torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4), crop, context)
    for number, box in enumerate(boxes):
        slow = warp_region(x.numpy(), box, crop, context)
        # grid_sample's places go through [−1, 1] and back: a rounding of the last bits.
        np.testing.assert_allclose(fast[number].numpy(), slow, atol=1e-9)


def test_single_precision_at_a_large_picture() -> None:
    x = image(300, 400)
    boxes = torch.tensor([[10.0, 20, 380, 290], [350, 250, 420, 310], [30, 40, 33, 100]])
    fast = warp_regions(x.float(), boxes, 227, 16)
    for number, box in enumerate(boxes.tolist()):
        np.testing.assert_allclose(fast[number].numpy(), warp_region(x.numpy(), tuple(box), 227, 16), atol=3e-4)


def test_without_context_it_is_torchs_resize() -> None:
    x = image(50, 60)
    crops = warp_regions(x, torch.tensor([[5.0, 10, 45, 30]], dtype=torch.float64), 32, 0)
    wanted = interpolate(x[None, :, 10:30, 5:45], (32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(crops, wanted)


def test_the_context_has_its_width() -> None:
    x = torch.zeros(1, 227, 227)
    x[:, 100:120, 90:140] = 1
    crop = warp_regions(x, torch.tensor([[90.0, 100, 140, 120]]), 227, 16)[0, 0]
    inside = (crop > 0.5).nonzero()
    # 16 pixels on every side, to the rounding of a pixel of the picture, which is 11 pixels high in the crop.
    assert inside.min(0).values.sub(16).abs().max() <= 11
    assert inside.max(0).values.sub(227 - 17).abs().max() <= 11


def test_padding_of_a_canvas_is_outside() -> None:
    x = image(40, 40)
    boxes = torch.tensor([[10.0, 10, 35, 35]], dtype=torch.float64)
    torch.testing.assert_close(warp_regions(x, boxes, 20, 2, size=(20, 30)), warp_regions(x[:, :20, :30], boxes, 20, 2))


def test_nothing_to_see() -> None:
    x = image(20, 20)
    boxes = torch.tensor([[30.0, 5, 50, 15], [5, 5, 5, 15], [15, 15, 5, 5]], dtype=torch.float64)
    assert not warp_regions(x, boxes, 8, 1).any()
    assert warp_regions(x, boxes[:0], 8, 1).shape == (0, 3, 8, 8)


def test_gradients_reach_the_picture() -> None:
    x = image(9, 8).requires_grad_()
    boxes = torch.tensor([[1.0, 1, 6, 8]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: warp_regions(x, boxes, 5, 1), (x,))


def test_context_follows_the_crop() -> None:
    assert [context_for(side) for side in (227, 224, 128, 112)] == [16, 16, 9, 8]


def test_refusals() -> None:
    x, box = image(9, 9), torch.zeros(1, 4)
    with pytest.raises(ConfigError, match="more than twice context_px, got 32 and 16"):
        warp_regions(x, box, 32, 16)
    with pytest.raises(ShapeError, match="box 0 is not finite"):
        warp_regions(x, box * torch.nan)
    with pytest.raises(ShapeError, match=r"part of the picture \(9, 9\), got \(10, 9\)"):
        warp_regions(x, box, size=(10, 9))


@pytest.mark.untyped
def test_refuses_other_shapes() -> None:
    with pytest.raises(ShapeError, match=r"boxes must be r 4 \(xyxy\), got 4"):
        warp_regions(image(9, 9), torch.zeros(4))

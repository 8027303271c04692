"""Boxes told from other boxes, and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.detection.box_coder import DELTA_WEIGHTS, LARGEST_STRETCH, decode_boxes, encode_boxes
from striate.errors import ShapeError
from tests.detection.region_oracles import encode
from tests.oracles.foreign import load_torchvision

corner = st.floats(-300, 300, width=32)
side = st.floats(1, 500, width=32)
box = st.tuples(corner, corner, side, side).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])


@given(box, box, st.sampled_from([(1.0, 1.0, 1.0, 1.0), DELTA_WEIGHTS]))
def test_there_and_back(one, other, weights):
    boxes, references = torch.tensor([one], dtype=torch.float64), torch.tensor([other], dtype=torch.float64)
    deltas = encode_boxes(boxes, references, weights=weights)
    assert deltas[0].tolist() == pytest.approx(encode(boxes[0].tolist(), references[0].tolist(), weights), abs=1e-9)
    if float(deltas[0, 2:].max()) / weights[2] < LARGEST_STRETCH:
        torch.testing.assert_close(decode_boxes(deltas, references, weights=weights), boxes, rtol=1e-9, atol=1e-7)


def test_torchvision_decodes_to_the_same_numbers():
    load_torchvision()
    from torchvision.models.detection._utils import BoxCoder

    corners = torch.rand(200, 2) * 300
    references = torch.cat([corners, corners + 1 + torch.rand(200, 2) * 200], 1)
    deltas = torch.randn(200, 4) * 4
    theirs = BoxCoder(DELTA_WEIGHTS)
    torch.testing.assert_close(
        decode_boxes(deltas, references, weights=DELTA_WEIGHTS),
        theirs.decode_single(deltas, references),
        rtol=0,
        atol=0,
    )
    boxes = decode_boxes(deltas * 0.1, references)
    torch.testing.assert_close(
        encode_boxes(boxes, references, weights=DELTA_WEIGHTS), theirs.encode_single(boxes, references)
    )


def test_no_stretch_is_infinite_and_half_precision_is_widened():
    reference = torch.tensor([[0.0, 0, 16, 16]])
    wide = decode_boxes(torch.tensor([[0, 0, 1000.0, 1000.0]]), reference)
    torch.testing.assert_close(wide[0, 2] - wide[0, 0], torch.tensor(1000.0))
    found = decode_boxes(torch.tensor([[0.0, 0, 0, 0]], dtype=torch.bfloat16), torch.tensor([[517.0, 3, 533, 19]]))
    assert found.tolist() == [[517, 3, 533, 19]]


def test_a_reference_without_extent_gives_finite_numbers():
    assert encode_boxes(torch.tensor([[0.0, 0, 5, 5]]), torch.tensor([[3.0, 3, 3, 3]])).isfinite().all()


def test_refusals():
    with pytest.raises(ShapeError, match="one reference a box"):
        encode_boxes(torch.zeros(2, 4), torch.zeros(3, 4))
    with pytest.raises(ShapeError, match="one reference a delta"):
        decode_boxes(torch.zeros(2, 4), torch.zeros(3, 4))

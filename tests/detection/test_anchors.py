"""Anchors: the paper's table, torchvision's numbers, and where cells lie."""

import pytest
import torch

from striate.detection.anchors import Anchors, cell_anchors, grid_anchors
from striate.errors import ConfigError
from tests.oracles.foreign import load_torchvision

# The comment of py-faster-rcnn's generate_anchors.py: MATLAB's output, pixels counted from 1, both corners inside.
TABLE = [
    [-83, -39, 100, 56],
    [-175, -87, 192, 104],
    [-359, -183, 376, 200],
    [-55, -55, 72, 72],
    [-119, -119, 136, 136],
    [-247, -247, 264, 264],
    [-35, -79, 52, 96],
    [-79, -167, 96, 184],
    [-167, -343, 184, 360],
]


def test_the_papers_nine_anchors():
    ours = cell_anchors([128, 256, 512], [0.5, 1.0, 2.0], convention="py_faster_rcnn", stride=16)
    edges = [[left - 1, top - 1, right, bottom] for left, top, right, bottom in TABLE]
    assert ours.tolist() == edges


@pytest.mark.parametrize("sizes", [[32], [128, 256, 512], [45, 91]])
def test_torchvision_gives_the_same_anchors(sizes):
    load_torchvision()
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    ratios = (0.5, 1.0, 2.0)
    theirs = AnchorGenerator((tuple(sizes),), (ratios,))
    wanted = theirs(ImageList(torch.zeros(1, 3, 100, 170), [(100, 170)]), [torch.zeros(1, 4, 7, 11)])[0]
    ours = Anchors((tuple(sizes),), ratios, "torchvision")
    found = ours.on_maps([(7, 11)], [(100 // 7, 170 // 11)], [0.0])
    torch.testing.assert_close(found[0], wanted, rtol=0, atol=0)


def test_exact_anchors_have_their_area_and_ratio_about_the_cells_center():
    boxes = cell_anchors([40, 80], [0.5, 1.0, 3.0], center=7.5)
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    torch.testing.assert_close(w * h, torch.tensor([40.0, 80.0] * 3) ** 2, rtol=1e-5, atol=0)
    torch.testing.assert_close(h / w, torch.tensor([0.5, 0.5, 1.0, 1.0, 3.0, 3.0]))
    torch.testing.assert_close(boxes[:, :2] + boxes[:, 2:], torch.full((6, 2), 15.0))


def test_grid_goes_row_by_row():
    grid = grid_anchors(torch.tensor([[0.0, 0, 1, 1], [0, 0, 2, 2]]), (2, 3), (10.0, 100.0))
    assert grid.shape == (12, 4)
    assert grid[2].tolist() == [100, 0, 101, 1]  # the second cell of the first row
    assert grid[7].tolist() == [0, 10, 2, 12]  # the second anchor of the first cell of the second row


@pytest.mark.parametrize(
    ("sizes", "ratios", "words"),
    [
        ((), (1.0,), "at least one size"),
        (((32,),), (), "numbers above 0"),
        (((32,), (32, 64)), (1.0,), "equally many"),
        (((-1,),), (1.0,), "above 0"),
    ],
)
def test_refusals(sizes, ratios, words):
    with pytest.raises(ConfigError, match=words):
        Anchors(sizes, ratios)


def test_refusal_of_a_convention_and_of_other_maps():
    with pytest.raises(ConfigError, match="convention must be one of"):
        Anchors(((32,),), (1.0,), "mine")
    with pytest.raises(ConfigError, match="sizes for 1 maps, but the network has 2"):
        Anchors(((32,),)).on_maps([(1, 1), (1, 1)], [(1, 1), (1, 1)], [0, 0])

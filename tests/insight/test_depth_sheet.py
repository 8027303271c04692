"""The sheet by depth: units that stand out, kernels and other pictures beside them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import ConfigError, UnknownNameError
from striate.insight import depth_sheet, kernels, top_patches


def network() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()).eval()


def test_units_are_those_that_stand_out_most() -> None:
    net, x = network(), torch.rand(20, 3, 16, 16)
    with torch.no_grad():
        net[0].bias[2] = -99  # a silent unit is never chosen
    found = top_patches(net, x, ["1", "4"], k=3)
    sheet = depth_sheet(found, units=5)
    with torch.no_grad():
        for layer, depth in (("1", 2), ("4", 5)):
            peaks = net[:depth](x).amax((2, 3)).double()  # n c
            worth = (peaks.topk(3, dim=0).values.mean(0) - peaks.mean(0)) / peaks.std(0, correction=0)
            best = worth.masked_fill(peaks.amax(0) <= 0, -np.inf).nan_to_num(-np.inf).argsort(descending=True)[:5]
            mine = [int(u.split(":")[1]) for u in sheet.units if u.startswith(f"{layer}:")]
            assert mine == best.tolist()
            assert layer == "4" or 2 not in mine


def test_kernels_and_pictures_have_their_places(tmp_path: Path) -> None:
    found = top_patches(network(), torch.rand(9, 3, 16, 16), ["1", "4"], k=3)
    plain = depth_sheet(found, units=2)
    pictures = {plain.units[0]: np.full((20, 20, 3), 77, np.uint8)}
    sheet = depth_sheet(found, units=2, kernels=kernels(network()), pictures=pictures)
    drawn = sheet.draw()
    assert drawn.shape[1] > plain.draw().shape[1]
    assert (drawn == 77).all(2).sum() >= 80 * 80
    assert sheet.save(tmp_path / "d.png").stat().st_size > 100


def test_refusals(tmp_path: Path) -> None:
    net = network()
    found = top_patches(net, torch.rand(4, 3, 16, 16), ["1", "4"], k=3)
    with pytest.raises(ConfigError, match="units must be at least 1"):
        depth_sheet(found, units=0)
    with pytest.raises(UnknownNameError, match="No patches of a layer '9'"):
        depth_sheet(found, layers=["9"])
    with pytest.raises(ConfigError, match="kernels must be those of colors"):
        depth_sheet(found, kernels=kernels(net, layer="3"))
    with pytest.raises(ConfigError, match=r"must end in \.png"):
        depth_sheet(found).save(tmp_path / "d.npz")
    with pytest.raises(ConfigError, match="no unit stands out"):
        depth_sheet(top_patches(net, torch.zeros(4, 3, 16, 16), "1"))

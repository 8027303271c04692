"""Activations of every layer, taken before anything writes over them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import striate
from striate.draw.channel_grid import draw_channels
from striate.draw.colormap import SIGNED, colorize
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.insight import LayerActivations, layer_activations
from tests.insight.unit_networks import NETWORKS, build


class Overwriting(nn.Module):
    """Every output is written over by the next line."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        x = F.relu_(self.b(x).mul_(3))
        return self.fc(self.relu(x).mean((2, 3)))


def test_every_layer_as_it_gave_it() -> None:
    net, x = Overwriting().double().eval(), torch.randn(2, 3, 9, 8, dtype=torch.float64)
    found = layer_activations(net, x)
    assert [list(one.layers) for one in found] == [["a", "relu", "b", "relu#2", "fc"]] * 2
    with torch.no_grad():
        a = net.a(x)
        b = net.b(a.relu())
        wanted = {"a": a, "relu": a.relu(), "b": b, "relu#2": (3 * b).relu()}
        wanted["fc"] = net.fc(wanted["relu#2"].mean((2, 3)))[:, :, None, None]
    for n in range(2):
        for layer, value in wanted.items():
            np.testing.assert_allclose(found[n][layer].maps, value[n].numpy(), rtol=1e-12)
    one = found[0]["b"]
    np.testing.assert_allclose(one.minimum, b[0].amin((1, 2)).numpy())
    np.testing.assert_allclose(one.maximum, b[0].amax((1, 2)).numpy())
    np.testing.assert_allclose(one.mean, b[0].mean((1, 2)).numpy())
    np.testing.assert_allclose(found[0]["relu"].zeros, (a[0] <= 0).double().mean((1, 2)).numpy())
    assert one.signed
    assert not found[0]["relu"].signed


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    found = layer_activations(build(name), torch.randn(1, 3, 14, 16, dtype=torch.float64))[0]
    again = LayerActivations.load(found.save(tmp_path / "a.npz"))
    assert again.to_dict() == found.to_dict()
    assert [one.field for one in again.layers.values()] == [one.field for one in found.layers.values()]
    for layer, one in found.layers.items():
        np.testing.assert_array_equal(again[layer].maps, one.maps)
    folder = found.save(tmp_path / "sheet")
    assert len(list(folder.glob("*.png"))) == len(found.layers)
    assert {"activations.npz", "activations.json"} <= {p.name for p in folder.iterdir()}


def test_a_sheet_shows_every_pixel_of_every_channel() -> None:
    maps = np.random.default_rng(1).normal(size=(5, 3, 4))
    sheet = draw_channels(maps, title="there", note="5 channels")
    low = np.abs(maps).max()
    flat = sheet.reshape(-1, 3)
    for values in maps:
        for color in colorize(values, colormap=SIGNED, limits=(-low, low)).reshape(-1, 3):
            assert (flat == color).all(1).sum() >= 160 // 4 * (160 // 4)
    with pytest.raises(ShapeError, match="one number for each of the 5"):
        draw_channels(maps, channels=[1])


def test_nothing_is_left_behind() -> None:
    net = Overwriting().train()
    layer_activations(net, torch.randn(1, 3, 9, 8))
    assert net.training
    assert all(not part._forward_hooks for part in net.modules())


def test_refusals(tmp_path: Path) -> None:
    net, x = Overwriting(), torch.randn(1, 3, 9, 8)
    with pytest.raises(ConfigError, match="layers is empty"):
        layer_activations(net, x, layers=[])
    with pytest.raises(UnknownNameError, match="no layer 'c'"):
        layer_activations(net, x, layers=["c"])
    found = layer_activations(net, x)[0]
    with pytest.raises(UnknownNameError, match="No activations of a layer 'c'"):
        found.draw("c")
    with pytest.raises(ConfigError, match="name one of the layers"):
        found.draw()
    with pytest.raises(ConfigError, match="must end in"):
        found.save(tmp_path / "a.txt")
    with pytest.raises(DataError, match="cannot be read"):
        LayerActivations.load(tmp_path / "none.npz")


def test_the_default_network(photo_path: Callable[[str], Path], tmp_path: Path) -> None:
    network = striate.load("efficientnet_lite0")
    found = layer_activations(network, photo_path("chelsea.png"), layers=["conv_stem", "relu1", "classifier"])[0]
    logits = network.logits(photo_path("chelsea.png"))[0]
    np.testing.assert_allclose(found["classifier"].maps[:, 0, 0], logits.numpy(), rtol=1e-4, atol=1e-4)
    assert found["relu1"].maps.min() >= 0
    assert found["conv_stem"].signed
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        layer_activations(network, tmp_path, layers=["relu1"])

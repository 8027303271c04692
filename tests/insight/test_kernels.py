"""Kernels of every kind of convolution, each weight at its place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.draw.colormap import SIGNED, colorize
from striate.errors import ConfigError, UnknownNameError
from striate.insight import Kernels, kernels


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 8, 3, groups=2),
        nn.Conv2d(8, 3, 1),
        nn.Conv2d(3, 4, 3),
        nn.ConvTranspose2d(4, 6, 2, groups=2),
    )


def response(convolution: nn.Module, kernel: int, weights: np.ndarray, inputs: range) -> None:
    """One weight at a time: a pixel of an input channel meets the weight that `Kernels` says it meets."""
    for t, channel in enumerate(inputs):
        x = torch.zeros(1, convolution.in_channels, 9, 9)
        x[0, channel, 4, 4] = 1
        with torch.no_grad():
            out = (convolution(x) - convolution(torch.zeros_like(x)))[0, kernel].numpy()
        k, _ = weights.shape[2:]
        if isinstance(convolution, nn.ConvTranspose2d):
            np.testing.assert_allclose(out[4 : 4 + k, 4 : 4 + k], weights[kernel, t], atol=1e-6)
        else:
            at = 4 - k + 1
            np.testing.assert_allclose(out[at : at + k, at : at + k], weights[kernel, t, ::-1, ::-1], atol=1e-6)


def test_every_weight_meets_the_channel_that_is_said() -> None:
    net = network()
    for layer in ("0", "2", "3", "4", "5", "6"):
        found = kernels(net, layer=layer)
        for kernel in range(len(found.weights)):
            response(net[int(layer)], kernel, found.weights, found.inputs_of(kernel))


def test_what_can_be_read_is_said() -> None:
    net = network()
    assert kernels(net).interpretable
    assert "own colors" in kernels(net).words
    for layer, words in (
        ("2", "each reads one channel"),
        ("3", "each reads 3 of 6 channels"),
        ("4", "each reads all 8 channels"),
        ("5", "each reads all 3 channels"),  # three channels, but no colors any more
    ):
        found = kernels(net, layer=layer)
        assert not found.interpretable
        assert words in found.words
        assert "Not directly interpretable" in found.words
    assert kernels(net, layer="2").depthwise
    assert not kernels(net, layer="3").depthwise
    assert kernels(net, layer="6").transposed


def test_two_stems_both_meet_colors() -> None:
    class Stems(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5), nn.Conv2d(8, 3, 1)

    found = Stems()
    assert [kernels(found, layer=n).channels for n in "abc"] == ["RGB", "RGB", "maps"]


@pytest.mark.parametrize("layer", ["0", "2", "3", "4", "6"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_sheet_holds_every_weight_on_one_scale(layer: str, theme: str) -> None:
    found = kernels(network(), layer=layer)
    sheet = found.draw_sheet(theme=theme).reshape(-1, 3)
    if layer == "0":
        wanted = found.draw().reshape(-1, 3)
    else:
        top = float(np.abs(found.weights).max())
        wanted = colorize(found.weights.reshape(1, -1), colormap=SIGNED, limits=(-top, top)).reshape(-1, 3)
    colors = {tuple(c) for c in sheet.tolist()}
    assert {tuple(c) for c in wanted.tolist()} <= colors


def test_some_kernels_and_inputs_of_a_wide_layer() -> None:
    found = kernels(nn.Sequential(nn.Conv2d(64, 70, 3)))
    all_of_it = found.draw_sheet()
    some = found.draw_sheet(kernels=[69, 3], inputs=[63])
    assert some.shape[0] < all_of_it.shape[0]
    with pytest.raises(ConfigError, match="kernels must be numbers from 0 to 69; got 70"):
        found.draw_sheet(kernels=[70])
    with pytest.raises(ConfigError, match="inputs must be numbers from 0 to 63; got none"):
        found.draw_sheet(inputs=[])


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = kernels(network(), layer="3")
    again = Kernels.load(found.save(tmp_path / "k.npz"))
    assert (again.address, again.groups, again.words) == (found.address, found.groups, found.words)
    np.testing.assert_array_equal(again.weights, found.weights)
    assert found.save(tmp_path / "k.png").stat().st_size > 100
    with pytest.raises(ConfigError, match="must end in"):
        found.save(tmp_path / "k.csv")


def test_a_container_names_the_convolutions_in_it() -> None:
    net = nn.Sequential(network())
    with pytest.raises(UnknownNameError, match=r"'0' is a Sequential, .* Its convolutions: 0\.0, 0\.2, 0\.3"):
        kernels(net, layer="0")


def test_the_default_network() -> None:
    net = striate.load("efficientnet_lite0")
    assert kernels(net).channels == "RGB"
    assert kernels(net, layer="blocks.0.0.conv_dw").depthwise
    assert kernels(net, layer="conv_head").draw_sheet().shape[1] <= 1500

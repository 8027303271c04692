"""A gradient that is cut to the unit's field is the whole gradient's part, and nothing lies outside of it."""

from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.insight import InputGradient, deconvnet, guided_backprop, input_gradient
from striate.layers.same_padding import SamePadConv2d

METHODS = {"plain": input_gradient, "guided": guided_backprop, "deconvnet": deconvnet}


class Strided(nn.Module):
    """Strides, dilation, pooling that rounds up, two branches, padding of every kind, and one global layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.left, self.right = nn.Conv2d(4, 4, 3, dilation=2, padding=2), nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.down = nn.Conv2d(4, 5, 4, stride=2, padding=1)
        self.gate = nn.Linear(5, 5)
        self.last = nn.Conv2d(5, 2, 1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.stem(x)))
        x = self.norm(F.relu(self.left(x)) + self.right(x))
        x = F.relu(self.down(x))
        return self.last(x * self.gate(x.mean((2, 3))).sigmoid()[:, :, None, None])


class Same(nn.Module):
    """TensorFlow's padding, which depends on the size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.layers = nn.ModuleList(SamePadConv2d(3, 3, 3, stride=s) for s in (2, 1, 2, 2))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return x


class DownAndUp(nn.Module):
    """A grid that is hidden in functions: parts of the picture cannot be cut out blindly."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(F.max_pool2d(x, 4), scale_factor=4))


def whole_again(cut: InputGradient, size: tuple[int, int]) -> np.ndarray:
    out = np.zeros((len(cut), cut.values.shape[1], *size))
    for plane, values, (x0, y0, x1, y1) in zip(out, cut.values, cut.boxes, strict=True):
        rows, columns = slice(max(y0, 0), min(y1, size[0])), slice(max(x0, 0), min(x1, size[1]))
        plane[:, rows, columns] = values[:, rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
        assert values.shape[1:] == (y1 - y0, x1 - x0)
    return out


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("size", [(64, 64), (61, 70)], ids=str)
@pytest.mark.parametrize("layer", ["stem", "pool", "left", "norm", "down"])
def test_the_cut_is_the_whole_gradients_part(layer: str, size: tuple[int, int], rule: str) -> None:
    net, x = Strided().eval(), torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        from striate.probe import capture

        height, width = capture(net, x, [layer])[layer].shape[2:]
    places = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 3), (1, 2)]
    units = [f"{layer}:{i % 4}@{y},{x}" for i, (y, x) in enumerate(places)] + [f"{layer}:1"]
    cut, whole = METHODS[rule](net, x, target=units, crop=True), METHODS[rule](net, x, target=units)
    np.testing.assert_allclose(whole_again(cut, size), whole.values, atol=1e-14)
    assert cut.target == whole.target
    np.testing.assert_array_equal(cut.scores, whole.scores)
    assert np.abs(cut.values).max() > 0
    assert np.prod(cut.values.shape[2:]) < 0.6 * np.prod(size)


@pytest.mark.parametrize("size", [(64, 64), (57, 62), (63, 61)], ids=str)
def test_padding_that_depends_on_the_size(size: tuple[int, int]) -> None:
    net, x = Same().eval(), torch.randn(2, 3, *size, dtype=torch.float64)
    for layer, units in (
        ("layers.2", ["layers.2:1@4,5", "layers.2:0"]),
        ("layers.3", ["layers.3:0@0,0", "layers.3:2@4,3"]),
    ):
        cut, whole = guided_backprop(net, x, target=units, crop=True), guided_backprop(net, x, target=units)
        np.testing.assert_allclose(whole_again(cut, size), whole.values, atol=1e-14, err_msg=layer)


def test_a_hidden_grid_is_found_out_and_the_whole_picture_taken() -> None:
    net, x = DownAndUp().eval(), torch.randn(1, 3, 48, 48, dtype=torch.float64)
    units = [f"conv:{c}@{y},{x}" for c, y, x in [(0, 5, 6), (1, 17, 30), (2, 47, 0)]]
    cut, whole = guided_backprop(net, x, target=units, crop=True), guided_backprop(net, x, target=units)
    np.testing.assert_allclose(whole_again(cut, (48, 48)), whole.values, atol=1e-14)


def test_only_the_parts_go_through_the_network() -> None:
    class Sized(Strided):
        sizes: ClassVar[list[tuple[int, ...]]] = []

        def forward(self, x: Tensor) -> Tensor:
            if x.dtype == torch.float64 and torch.is_grad_enabled():
                self.sizes.append(tuple(x.shape))
            return super().forward(x)

    net = Sized().eval()
    guided_backprop(
        net, torch.randn(1, 3, 96, 96, dtype=torch.float64), target=["pool:0@8,8", "pool:1@9,12"], crop=True
    )
    assert Sized.sizes == [(2, 3, 12, 12)]


def test_a_field_larger_than_the_picture_is_the_picture() -> None:
    cut = guided_backprop(
        Strided().eval(), torch.randn(1, 3, 20, 64, dtype=torch.float64), target="down:0@0,3", crop=True
    )
    assert cut.values.shape[2] == 20
    assert cut.values.shape[3] < 64
    assert cut.boxes[0, 1] == 0
    assert cut.boxes[0, 3] == 20


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (0, "all targets must be units of one layer"),
        (["stem:0", "pool:0"], "all targets must be units of one layer"),
        ("last:0", "sees .or may see. the whole picture"),
    ],
    ids=["class", "layers", "whole"],
)
def test_refusals(target: int | str | list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=f"crop: .*{words}"):
        guided_backprop(Strided().eval(), torch.zeros(1, 3, 32, 32, dtype=torch.float64), target=target, crop=True)

"""Shifts and effective fields against loops, and against what must hold exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.insight import EffectiveFields, ShiftResponse, effective_field, shift_response
from striate.probe import summary
from tests.insight.unit_networks import build


def blurred(n: int, h: int, w: int) -> torch.Tensor:
    x = torch.randn(n, 3, h + 8, w + 8, dtype=torch.float64)
    return nn.functional.avg_pool2d(x, 9, stride=1)


@pytest.mark.parametrize("name", ["plain", "branches"])
@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("fill", ["edge", "zero", "wrap"])
def test_maps_follow_multiples_of_their_stride_exactly(name: str, axis: str, fill: str) -> None:
    net = build(name)
    layers = {"plain": ["0", "3", "5"], "branches": ["left", "wide", "last"]}[name]
    found = shift_response(net, blurred(2, 40, 44), layers=layers, shifts=[-4, -2, 0, 1, 2, 4, 6], axis=axis, fill=fill)
    for one in found.layers.values():
        assert one.stride in (1.0, 2.0)
        for shift, error, units in zip(found.shifts, one.interior, one.interior_units, strict=True):
            assert units > 0
            if shift % one.stride == 0:
                assert error < 1e-12, (one.layer, shift)
            else:
                assert error > 1e-3, (one.layer, shift)
        moved = found.shifts != 0
        assert (one.overlap[moved] > one.interior[moved]).any() or fill == "wrap"
        assert (one.overlap_units >= one.interior_units).all()
    assert found.probability is None


def test_the_error_equals_a_loop() -> None:
    net, x, shift = build("branches"), blurred(2, 30, 33), 3
    one = shift_response(net, x, layers=["left"], shifts=[shift], fill="zero")["left"]
    field = summary(net, (3, 30, 33)).row("left").field
    moved = torch.zeros_like(x)
    moved[..., shift:] = x[..., :-shift]
    with torch.no_grad():
        still, after = (net.left(net.relu(net.stem(p))) for p in (x, moved))
    got, expected, places = [], [], []
    for i in range(after.shape[3]):
        at = i - shift / 2
        low, high = int(np.floor(at)), int(np.ceil(at))
        boxes = [field.box(0, i)[1], *(field.box(0, j)[1] for j in (low, high))]
        old = [(boxes[0][0] - shift, boxes[0][1] - shift), *boxes[1:]]
        if all(a >= 0 and b <= 33 - shift for a, b in old) and low >= 0 and high < after.shape[3]:
            places.append(i)
            got.append(after[..., i])
            expected.append((still[..., low] + still[..., high]) / 2)
    a, b = torch.stack(got, -1), torch.stack(expected, -1)
    spread = sum(((m - m.mean((0, 2, 3), keepdim=True)) ** 2).sum() for m in (a, b)) / 2
    assert one.interior_units[0] == len(places) > 3
    np.testing.assert_allclose(one.interior[0], float((((a - b) ** 2).sum() / spread).sqrt()), rtol=1e-9)


def test_fields_larger_than_the_picture_have_no_interior() -> None:
    found = shift_response(build("plain"), blurred(1, 12, 12), layers=["0", "6"], shifts=[2])
    assert np.isfinite(found["0"].interior).all()
    assert np.isnan(found["6"].interior).all()
    assert found["6"].interior_units.tolist() == [0]


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    ).double()


def test_a_network_that_pools_everything_is_invariant_to_shifts_that_wrap() -> None:
    found = shift_response(classifier(), blurred(3, 20, 20), shifts=[0, 1, 5, 9], fill="wrap")
    assert found.probability.shape == found.same.shape == (3, 4)
    np.testing.assert_allclose(found.probability, found.probability[:, :1].repeat(4, 1), rtol=1e-12)
    assert found.same.all()
    edges = shift_response(classifier(), blurred(3, 20, 20), shifts=[0, 1, 5, 9], fill="zero", target=[0, 1, 2])
    assert edges.target == (0, 1, 2)
    assert np.abs(edges.probability - edges.probability[:, :1]).max() > 1e-6


def test_shifts_are_saved_and_drawn(tmp_path: Path) -> None:
    found = shift_response(classifier(), blurred(3, 20, 20), shifts=[0, 1, 2])
    again = ShiftResponse.load(found.save(tmp_path / "s.npz"))
    assert again.to_dict() == found.to_dict()
    np.testing.assert_array_equal(again.draw(), found.draw())
    assert found.save(tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_refusals_of_shifts() -> None:
    net, x = build("plain"), blurred(1, 12, 12)
    with pytest.raises(ConfigError, match="smaller than the picture, 12 pixels; got 12"):
        shift_response(net, x, shifts=[0, 12])
    with pytest.raises(ConfigError, match="axis must be"):
        shift_response(net, x, axis="z")
    with pytest.raises(ConfigError, match="shifts is empty"):
        shift_response(net, x, shifts=[])
    with pytest.raises(UnknownNameError, match="no layer 'nine'"):
        shift_response(net, x, layers=["nine"], shifts=[1])
    with pytest.raises(ShapeError, match="must be maps"):
        shift_response(classifier(), x, layers=["4"], shifts=[1])


# --- effective fields


def test_energy_equals_a_loop_over_channels() -> None:
    net, x = build("branches"), blurred(3, 24, 22)
    one = effective_field(net, x, "last", probes=5, batch_size=2)["last"]
    wanted = torch.zeros(24, 22, dtype=torch.float64)
    for picture in x:
        leaf = picture[None].clone().requires_grad_(True)
        out = net(leaf)
        for channel in range(5):
            (g,) = torch.autograd.grad(out[0, channel, out.shape[2] // 2, out.shape[3] // 2], leaf, retain_graph=True)
            wanted += (g[0] ** 2).sum(0) / 5 / 3
    np.testing.assert_allclose(one.energy, wanted.numpy(), rtol=1e-9, atol=1e-18)
    assert one.inside == pytest.approx(1.0, abs=1e-12)
    assert not one.whole


def test_random_signs_give_the_sum_over_channels_on_average() -> None:
    net, x = build("plain"), blurred(2, 24, 22)
    exact = effective_field(net, x, "5", probes=6)["5"]
    chance = effective_field(net, x.repeat(8, 1, 1, 1), "5", probes=5, seed=3)["5"]
    assert np.abs(chance.energy - exact.energy).sum() < 0.5 * exact.energy.sum()
    assert chance.energy.sum() == pytest.approx(exact.energy.sum(), rel=0.35)
    again = effective_field(net, x.repeat(8, 1, 1, 1), "5", probes=5, seed=3)["5"]
    np.testing.assert_array_equal(again.energy, chance.energy)


@pytest.mark.parametrize("depth", [2, 5, 10])
def test_a_stack_of_averages_is_the_binomial_of_the_paper(depth: int) -> None:
    """With equal weights the gradient is the n-fold convolution of a box: variance n (k² − 1) / 12 (section 2.2)."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(depth)]).double()
    for part in net:
        nn.init.constant_(part.weight, 1 / 9)
    side = 2 * depth + 11
    one = effective_field(net, torch.zeros(1, 1, side, side, dtype=torch.float64), str(depth - 1))[str(depth - 1)]
    assert one.size == (2 * depth + 1, 2 * depth + 1)
    amplitude = np.sqrt(one.energy)
    p = amplitude / amplitude.sum()
    x = np.arange(side)
    mean = (p.sum(0) * x).sum()
    assert (p.sum(0) * (x - mean) ** 2).sum() == pytest.approx(depth * 8 / 12)
    assert one.center == pytest.approx((side // 2, side // 2))
    assert one.gaussian > 0.98
    left, top, right, bottom = one.square(0.95)
    assert right - left == bottom - top
    inside = one.energy[int(top) : int(bottom), int(left) : int(right)].sum() / one.energy.sum()
    smaller = one.energy[int(top) + 1 : int(bottom) - 1, int(left) + 1 : int(right) - 1].sum() / one.energy.sum()
    assert inside >= 0.95 > smaller
    assert right - left < one.size[0] or depth < 3


def test_gates_leak_out_of_the_box() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.out = nn.Conv2d(3, 4, 3), nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.a(x)
            return self.out(x * x.mean((2, 3), keepdim=True).sigmoid())

    one = effective_field(Gated().double(), blurred(2, 20, 20), "out")["out"]
    assert one.whole
    assert 0.5 < one.inside < 1


def test_effective_fields_leave_nothing_and_are_saved(tmp_path: Path) -> None:
    net = build("plain").train()
    with torch.inference_mode():
        found = effective_field(net, blurred(1, 20, 20), ["0", "5"])
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    assert all(not part._forward_hooks for part in net.modules())
    again = EffectiveFields.load(found.save(tmp_path / "e.npz"))
    assert again.to_dict() == found.to_dict()
    np.testing.assert_array_equal(again.draw(), found.draw())


def test_refusals_of_effective_fields() -> None:
    net, x = build("plain"), blurred(1, 12, 12)
    with pytest.raises(ConfigError, match="at least one layer"):
        effective_field(net, x, [])
    with pytest.raises(UnknownNameError, match="no layer 'nine'"):
        effective_field(net, x, "nine")
    with pytest.raises(ShapeError, match="a middle needs maps"):
        effective_field(classifier(), x, "4")
    with pytest.raises(ConfigError, match="share must be above 0"):
        effective_field(net, x, "0")["0"].square(0)

"""Statistics of units against one look at all pictures together."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.insight import UnitStatistics, unit_statistics
from striate.insight.listed_layers import list_layers
from striate.insight.unit_statistics import stream_unit_statistics
from striate.probe import capture
from tests.insight.unit_networks import NETWORKS, build


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_equals_all_pictures_at_once(name: str, batch: int) -> None:
    net, x = build(name), torch.randn(8, 3, 17, 14, dtype=torch.float64) + 3
    found = unit_statistics(net, x, batch_size=batch)
    with torch.inference_mode():
        outputs = capture(net, x, list(found.layers))
    assert set(outputs) == set(list_layers(net, x))
    for layer, out in outputs.items():
        one, flat = found[layer], out.transpose(0, 1).flatten(1)  # c n*h*w
        wanted = {
            "mean": flat.mean(1),
            "std": flat.std(1, correction=0),
            "minimum": flat.amin(1),
            "maximum": flat.amax(1),
            "positive": (flat > 0).double().mean(1),
            "zeros": (flat == 0).double().mean(1),
            "active": (out.amax((2, 3)) > 0).double().mean(0),
        }
        for what, value in wanted.items():
            np.testing.assert_allclose(getattr(one, what), value.numpy(), rtol=1e-9, atol=1e-12, err_msg=what)
        assert one.shape == tuple(out.shape[1:])


def test_a_large_mean_keeps_its_small_spread() -> None:
    x = 1e4 + torch.randn(64, 1, 8, 8, dtype=torch.float64)
    found = unit_statistics(nn.Sequential(nn.ReLU()), x.float(), batch_size=3)["0"]
    np.testing.assert_allclose(found.std[0], float(x.float().double().std(correction=0)), rtol=1e-4)


def test_dead_constant_and_signed_units_are_told_apart() -> None:
    convolution = nn.Conv2d(1, 4, 1)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([1.0, -1.0, 0.0, 0.0]).view(4, 1, 1, 1))
        convolution.bias.copy_(torch.tensor([0.0, -0.5, 0.7, -0.7]))
    net = nn.Sequential(convolution, nn.ReLU(inplace=True))
    found = unit_statistics(net, torch.rand(6, 1, 5, 5))
    before, after = found["0"], found["1"]
    assert after.dead.tolist() == [False, True, False, True]
    assert before.dead.tolist() == [False, True, False, True]
    assert before.constant.tolist() == [False, False, True, True]
    assert after.constant.tolist() == [False, True, True, True]
    assert (before.rectified, after.rectified) == (False, True)
    assert "values below zero are passed on" in before.meaning
    assert found.dead == ["1:1", "1:3"]
    assert "(2)" in found.to_text()


class Functional(nn.Module):
    """A block whose output no layer gives, an activation that works on what a layer gave, a layer without units."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Sum()
        self.drop = nn.Dropout(0.5)
        self.tokens = nn.LayerNorm(3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(F.relu_(self.block(x)))
        return self.fc(self.tokens(x.flatten(2).transpose(1, 2)).mean(1))


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.chain = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.a(x) - self.b(self.chain(x)))


def test_layers_are_listed_by_what_they_add() -> None:
    x = torch.randn(1, 3, 6, 6)
    assert list_layers(Functional().eval(), x) == [
        "block.a",
        "block.chain.0",
        "block.chain.1",
        "block.b",
        "block",
        "fc",
    ]
    shared = nn.ReLU()
    twice = nn.Sequential(nn.Conv2d(3, 3, 1), shared, nn.Conv2d(3, 3, 1), shared)
    assert list_layers(twice.eval(), x) == ["0", "1", "2", "1#2"]
    with pytest.raises(ConfigError, match="no layers whose outputs are units"):
        list_layers(nn.Sequential(nn.Flatten()).eval(), x)


def test_what_looks_at_values_is_listed_too() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bright, self.dark, self.last = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.bright(x) if x.mean().item() > 0.2 else self.dark(x))

    assert list_layers(Choosing().eval(), torch.ones(1, 1, 6, 6)) == ["bright", "last"]


def test_in_place_activations_do_not_reach_what_was_measured() -> None:
    net = Functional()
    x = torch.randn(5, 3, 6, 6)
    found = unit_statistics(net, x)
    with torch.no_grad():
        np.testing.assert_allclose(found["block.a"].minimum, net.block.a(x).amin((0, 2, 3)).numpy(), rtol=1e-5)
    assert (found["block.a"].minimum < 0).all()
    assert (found["block"].minimum >= 0).all()
    assert net.training


def test_saved_drawn_and_streamed(tmp_path: Path) -> None:
    x = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    assert list(stream_unit_statistics(build("plain"), x, layers=["2"], batch_size=3)) == [(3, 4), (4, 4)]
    found = unit_statistics(build("plain"), x, layers=["0", "2"])
    again = UnitStatistics.load(found.save(tmp_path / "s.npz"))
    assert again.to_dict() == found.to_dict()
    assert found.save(tmp_path / "s.json").stat().st_size > 100
    assert found.draw().shape[2] == 3
    assert found.save(tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"
    assert str(found).splitlines()[0].split()[:3] == ["layer", "kind", "units"]


def test_refusals(tmp_path: Path) -> None:
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    net = build("plain")
    with pytest.raises(ConfigError, match="layers is empty"):
        unit_statistics(net, x, layers=[])
    with pytest.raises(UnknownNameError, match="no layer 'nine'"):
        unit_statistics(net, x, layers=["nine"])
    with pytest.raises(UnknownNameError, match="No statistics of a layer '2'"):
        _ = unit_statistics(net, x, layers=["0"])["2"]
    with pytest.raises(ShapeError, match="units need maps"):
        unit_statistics(Functional(), x.float(), layers=["tokens"])
    with pytest.raises(DataError, match="There are none"):
        unit_statistics(net, [])
    with pytest.raises(ConfigError, match="must end in"):
        unit_statistics(net, x, layers=["0"]).save(tmp_path / "s.txt")

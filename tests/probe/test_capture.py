"""Capturing any layer of any module, and leaving no trace."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.probe import capture


class Tangle(nn.Module):
    """In-place, functional, shared and never-called parts, as people's networks have them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.shared = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3)
        self.pair = Pair()
        self.unused = nn.Linear(1, 1)
        self.ran_last = False
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(self.first(x))
        x = self.shared(self.second(x))
        left, right = self.pair(x)
        self.ran_last = True
        return self.last(F.relu(left + right)).mean((2, 3))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, 2 * x


def hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in module.modules())


def test_layers_before_and_after_an_in_place_relu_are_told_apart() -> None:
    net, x = Tangle().eval(), torch.randn(2, 3, 9, 9)
    got = capture(net, x, ["first", "shared", "second", "shared#2"])
    torch.testing.assert_close(got["first"], net.first(x))
    torch.testing.assert_close(got["shared"], net.first(x).relu())
    torch.testing.assert_close(got["second"], net.second(net.first(x).relu()))
    torch.testing.assert_close(got["shared#2"], net.second(net.first(x).relu()).relu())
    assert (got["first"] < 0).any()


def test_the_pass_stops_at_the_last_wanted_layer() -> None:
    net = Tangle()
    capture(net, torch.randn(1, 3, 9, 9), ["second"])
    assert not net.ran_last


def test_no_hook_is_left_even_after_an_error() -> None:
    net = Tangle()
    capture(net, torch.randn(1, 3, 9, 9), ["last"])
    with pytest.raises(RuntimeError):
        capture(net, torch.randn(1, 5, 9, 9), ["last"])
    assert hooks(net) == 0


def test_gradients_flow_through_what_was_captured() -> None:
    net, x = Tangle(), torch.randn(1, 3, 9, 9, requires_grad=True)
    capture(net, x, ["second"])["second"].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("layer", ["secnd", "", "pair.0"])
def test_an_unknown_layer_names_the_nearest(layer: str) -> None:
    with pytest.raises(UnknownNameError, match="has no layer") as caught:
        capture(Tangle(), torch.randn(1, 3, 9, 9), [layer])
    if layer == "secnd":
        assert "'second'" in str(caught.value)


def test_a_layer_that_is_never_called_is_said_so() -> None:
    with pytest.raises(UnknownNameError, match="'unused' exists but is not called"):
        capture(Tangle(), torch.randn(1, 3, 9, 9), ["unused"])
    with pytest.raises(UnknownNameError, match="'shared#3' exists but is not called"):
        capture(Tangle(), torch.randn(1, 3, 9, 9), ["shared#3"])


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "1.5"])
def test_refuses_a_call_that_has_no_number(number: str) -> None:
    with pytest.raises(ConfigError, match=rf"layer 'shared#{number}': after # stands the number of a call.*'shared#2'"):
        capture(Tangle(), torch.randn(1, 3, 9, 9), [f"shared#{number}"])


def test_a_layer_without_one_tensor_is_refused() -> None:
    with pytest.raises(ShapeError, match="'pair' gives a tuple"):
        capture(Tangle(), torch.randn(1, 3, 9, 9), ["pair"])


def test_threads_that_share_a_module_each_get_their_own() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()

    def ask(value: int) -> bool:
        x = torch.full((1, 3, 16, 16), float(value))
        with torch.no_grad():
            return torch.equal(capture(net, x, ["2"])["2"], net[:3](x)) and net(x).shape == (1, 4, 10, 10)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(100)))


def test_a_compiled_module_is_captured_also_after_its_first_run() -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(1, 3, 8, 8)
    net.compile(backend="eager")
    net(x)
    torch.testing.assert_close(capture(net, x, ["0"])["0"], net[0](x))

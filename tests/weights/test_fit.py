import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.errors import WeightsError, WeightsWarning
from striate.weights import Blueprint, fit_state
from striate.weights.fit import adapt_channels


class Net(nn.Module):
    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.bn(self.conv(x)).mean((2, 3)))


PARTS: dict[str, Any] = {"classifier": ("fc",), "first_conv": "conv", "name": "net"}


def state(**sizes: int) -> dict[str, torch.Tensor]:
    return {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in Net(**sizes).state_dict().items()}


def test_every_tensor_finds_its_place() -> None:
    module, weights = Net(), state()
    report = fit_state(module, weights, **PARTS)
    torch.testing.assert_close(dict(module.state_dict()), weights)
    assert set(report.loaded) == set(weights)
    assert (report.dropped, report.adapted) == ((), ())


def test_old_files_without_counters_load() -> None:
    module, weights = Net(), state()
    del weights["bn.num_batches_tracked"]
    module.bn.num_batches_tracked.fill_(7)
    assert len(fit_state(module, weights, **PARTS).loaded) == len(weights)
    assert module.bn.num_batches_tracked == 0


def test_another_precision_is_converted() -> None:
    module, weights = Net(), {k: v.double() if v.is_floating_point() else v for k, v in state().items()}
    fit_state(module, weights, **PARTS)
    assert module.conv.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("conv.weight"), r"do not fit net: 'conv\.weight' is missing"),
        (lambda s: s.update(more=torch.ones(1)), "'more' is unknown"),
        (lambda s: s.update({"bn.weight": torch.ones(9)}), r"'bn\.weight' has shape \(9,\) where \(8,\)"),
        (lambda s: s.update({"bn.weight": torch.ones(8, dtype=torch.int64)}), "holds torch.int64 where torch.float32"),
    ],
)
@pytest.mark.parametrize("allow", [True, False])
def test_a_difference_is_an_error_and_changes_nothing(change, words: str, allow: bool) -> None:
    module, weights = Net(), state()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    change(weights)
    with pytest.raises(WeightsError, match=words):
        fit_state(module, weights, allow_adapt=allow, **PARTS)
    torch.testing.assert_close(dict(module.state_dict()), before, rtol=0, atol=0)


def test_what_the_weights_look_like_is_said() -> None:
    other = nn.Sequential(nn.Linear(2, 2))
    look = [Blueprint.of("resnet34", other)]
    with pytest.raises(WeightsError, match=r"do not fit net: .* These look like weights of resnet34\.$"):
        fit_state(Net(), dict(other.state_dict()), blueprints=look, **PARTS)


def test_another_number_of_classes_must_be_asked_for() -> None:
    with pytest.raises(WeightsError, match="for 1000 classes, net has 10; give num_classes=1000"):
        fit_state(Net(), state(classes=1000), **PARTS)
    with pytest.raises(WeightsError, match="for 1 image channels, net takes 3; give in_channels=1"):
        fit_state(Net(), state(channels=1), **PARTS)


def test_the_classifier_is_dropped_and_said() -> None:
    module, weights = Net(classes=5), state(classes=1000)
    fresh = module.fc.weight.detach().clone()
    with pytest.warns(
        WeightsWarning, match=r"net: the classifier starts from random values \(fc\.weight, fc\.bias left"
    ):
        report = fit_state(module, weights, allow_adapt=True, **PARTS)
    assert report.dropped == ("fc.weight", "fc.bias")
    assert set(report.loaded) == set(weights) - set(report.dropped)
    torch.testing.assert_close(module.fc.weight, fresh, rtol=0, atol=0)
    torch.testing.assert_close(module.conv.weight, weights["conv.weight"])


def test_gray_pictures_get_the_answer_of_the_same_picture_in_color() -> None:
    module, weights, color = Net(channels=1), state(), Net()
    fit_state(color, weights, **PARTS)
    with pytest.warns(WeightsWarning, match=r"adapted: conv\.weight \(3 to 1 image channels\)"):
        report = fit_state(module, weights, allow_adapt=True, **PARTS)
    assert report.adapted == ("conv.weight (3 to 1 image channels)",)
    gray = torch.randn(2, 1, 6, 6)
    torch.testing.assert_close(module.eval()(gray), color.eval()(gray.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


@given(old=st.integers(1, 5), new=st.integers(1, 7))
def test_equal_channels_keep_their_response(old: int, new: int) -> None:
    """However many copies of one gray picture the new kernel gets, it answers as the old one did."""
    kernel = torch.randn(4, old, 3, 3).double()
    kernel = kernel.mean(1, keepdim=True).expand(-1, old, -1, -1)  # then every repetition is the same sum
    adapted = adapt_channels(kernel, new)
    assert adapted.shape == (4, new, 3, 3)
    torch.testing.assert_close(adapted.sum(1), kernel.sum(1))


def test_more_channels_repeat_in_turn() -> None:
    kernel = torch.arange(3.0).reshape(1, 3, 1, 1)
    torch.testing.assert_close(adapt_channels(kernel, 4).flatten(), torch.tensor([0.0, 1, 2, 0]) * 0.75)
    torch.testing.assert_close(adapt_channels(kernel, 2).flatten(), torch.tensor([0.0, 1]) * 1.5)
    torch.testing.assert_close(adapt_channels(kernel, 3), kernel)
    with pytest.raises(WeightsError, match="at least one image channel, got 0"):
        adapt_channels(kernel, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_are_said(value: float) -> None:
    weights = state()
    weights["bn.weight"][3] = value
    with pytest.warns(WeightsWarning, match=r"bn\.weight hold values that are no numbers"):
        fit_state(Net(), weights, **PARTS)


def test_nothing_is_said_where_nothing_happened() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_state(Net(), state(), allow_adapt=True, **PARTS)


def test_a_network_without_classifier_is_strict() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(WeightsError, match=r"do not fit Sequential: '0\.weight' has shape"):
        fit_state(module, {"0.weight": torch.ones(4, 1, 3, 3), "0.bias": torch.ones(4)}, allow_adapt=True)

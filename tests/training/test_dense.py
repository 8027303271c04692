"""Sliding a classifier: equal to itself at its own size, equal to a slow slide over every crop at others."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.errors import ConfigError
from striate.models import create_model
from striate.models.catalogue import find_entry
from striate.training.dense import densify

SMALL = ["alexnet", "lenet5", "lenet5_relu", "resnet20", pytest.param("vgg11", marks=pytest.mark.slow), "squeezenet1_1"]


@pytest.mark.parametrize("name", SMALL)
def test_at_the_native_size_it_answers_as_the_network_itself(name):
    torch.manual_seed(0)
    shape = find_entry(name).input_size
    module = create_model(name, num_classes=7).eval().double()
    x = torch.rand(2, *shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(densify(module, shape)(x), module(x), rtol=1e-9, atol=1e-9)
        larger = torch.rand(1, shape[0], shape[1] + 64, shape[2] + 96, dtype=torch.float64)
        assert densify(module, shape)(larger).shape == (1, 7)


class Valid(nn.Module):
    """Convolutions without padding, so that every crop of the picture gives exactly one place of the map."""

    def __init__(self, flatten: str) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 5, 3)
        self.hidden, self.last = nn.Linear(5 * 4 * 3, 9), nn.Linear(9, 3)
        self.how = flatten

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.tanh(self.first(x))))  # n 5 4 3 for 8 × 7
        x = {
            "flatten": lambda: torch.flatten(x, 1),
            "method": lambda: x.flatten(1),
            "view": lambda: x.view(x.size(0), -1),
            "reshape": lambda: x.reshape(len(x), 5 * 4 * 3),
        }[self.how]()
        return self.last(F.dropout(torch.relu(self.hidden(x)), 0.5, self.training))


@pytest.mark.parametrize("flatten", ["flatten", "method", "view", "reshape"])
def test_at_a_larger_size_it_is_the_mean_over_every_crop(flatten):
    torch.manual_seed(0)
    module = Valid(flatten).eval().double()
    x = torch.rand(2, 2, 12, 13, dtype=torch.float64)
    with torch.no_grad():
        slow = torch.stack(
            [module(x[:, :, top : top + 8, left : left + 7]) for top in range(5) for left in range(7)]
        ).mean(0)
        torch.testing.assert_close(densify(module, (2, 8, 7))(x), slow, rtol=1e-10, atol=1e-10)


def test_an_adaptive_pooling_that_averages_whole_windows_slides_with_them():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 1), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4)).eval().double()
    x = torch.rand(1, 1, 8, 10, dtype=torch.float64)
    with torch.no_grad():
        crops = [x[:, :, top : top + 6, left : left + 6] for top in (0,) for left in (0, 3)]  # windows of 3 × 3
        slow = torch.stack([module(crop) for crop in crops]).mean(0)
        torch.testing.assert_close(densify(module, (1, 6, 6))(x), slow, rtol=1e-10, atol=1e-10)


def test_a_window_of_the_whole_map_slides():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 1), nn.AvgPool2d(5), nn.Flatten(), nn.Linear(3, 4)).eval().double()
    x = torch.rand(1, 1, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        slow = torch.stack([module(x[:, :, t : t + 5, l : l + 5]) for t in range(2) for l in range(3)]).mean(0)
        torch.testing.assert_close(densify(module, (1, 5, 5))(x), slow, rtol=1e-10, atol=1e-10)


def test_the_module_is_left_as_it_was():
    module = create_model("alexnet", num_classes=3).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    dense = densify(module, (3, 224, 224))
    with torch.no_grad():
        dense(torch.rand(1, 3, 224, 256))
    assert list(before) == list(module.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


class Cuts(nn.Module):
    """Reads the row of numbers as a row: it cannot be slid."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1)[:, :12])


class Sorts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1).sort(dim=1).values)


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (Cuts(), (1, 4, 4), "reads? .*row of numbers"),
        (Sorts(), (1, 4, 4), "does not answer as it does by itself"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 3)), (1, 5, 5), r"\(5, 5\) to \(2, 2\)"),
        (nn.Flatten(0), (1, 4, 4), "one row of scores a picture"),
    ],
)
def test_what_cannot_be_slid_is_refused_by_name(module, shape, words):
    with pytest.raises(ConfigError, match=f"'odd' cannot be slid over a whole picture: .*{words}"):
        densify(module.eval(), shape, name="odd")

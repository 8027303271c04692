"""What is asked: classes, labels and unit addresses, read the same by every method."""

import re
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate import insight
from striate.data import Labels, Preprocessing
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.insight.target import choose_targets, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import UnitAddress, capture


class Branches(nn.Module):
    """One module used twice, a functional activation, a head that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.twice = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 3)
        self.heads = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = F.relu(self.twice(self.twice(x)) + x)
        self.heads += 1
        return self.fc(x.mean((2, 3)))


def network_of(module: nn.Module, names: tuple[str, ...]) -> Network:
    return Network("test", module, Preprocessing(input_size=(8, 8)), Labels(names))


def test_everything_that_names_a_target_is_read() -> None:
    network = network_of(Branches(), ("cat", "stem:1", "7"))
    unit = UnitAddress("twice", 2, (4, 5))
    assert read_targets(network, None, 2) == [None, None]
    assert read_targets(network, "cat", 2) == [0, 0]
    assert read_targets(network, ["cat", 2], 2) == [0, 2]
    assert read_targets(network, np.array([1, 2]), 2) == [1, 2]
    assert read_targets(network, torch.tensor([1, 2]), 2) == [1, 2]
    assert read_targets(network, np.int64(1), 1) == [1]
    assert read_targets(network, "twice:2@4,5", 1) == [unit]
    assert read_targets(network, unit, 2) == [unit, unit]
    assert read_targets(network, ["twice#2:2", "cat", None], 3) == [UnitAddress("twice#2", 2), 0, None]
    assert read_targets(network, "stem:1", 1) == [1], "a label, though it is an address as well"
    assert read_targets(network, UnitAddress("stem", 1), 1) == [UnitAddress("stem", 1)]
    assert read_targets(network.module, "stem:1", 1) == [UnitAddress("stem", 1)]


def test_many_questions_about_one_image() -> None:
    net = Branches()
    assert read_targets(net, [0, "stem:1", 2], 1, many=True) == [0, UnitAddress("stem", 1), 2]
    with pytest.raises(ConfigError, match=re.escape("one for each of the 1 images; got 3")):
        read_targets(net, [0, 1, 2], 1)
    with pytest.raises(ConfigError, match="any number for a single image; got 3"):
        read_targets(net, [0, 1, 2], 2, many=True)
    with pytest.raises(ConfigError, match="got 0"):
        read_targets(net, [], 1, many=True)


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("twice", ConfigError, "name a channel, such as 'twice:0'"),
        (UnitAddress("twice"), ConfigError, "name a channel"),
        ("twic:1", UnknownNameError, "no layer 'twic'. Nearest: 'twice'"),
        ("dog", UnknownNameError, "No class named 'dog'"),
        (True, ConfigError, "got True"),
        (1.5, ConfigError, "must be a class index, a label or a unit address; got 1.5"),
        (7, UnknownNameError, "No class 7"),
    ],
    ids=["bare-layer", "bare-address", "no-such-layer", "no-such-label", "bool", "float", "index"],
)
def test_refusals(target: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_targets(network_of(Branches(), ("cat", "cow")), [target], 1)  # type: ignore[list-item]


def test_refusals_of_a_plain_module() -> None:
    with pytest.raises(ConfigError, match="because a plain module has no labels; got 'cat'"):
        read_targets(Branches(), "cat", 1)
    with pytest.raises(ConfigError, match="must be a class here"):
        choose_targets(Branches(), torch.zeros(1, 3), "stem:1")
    assert choose_targets(Branches(), torch.tensor([[1.0, 3, 2], [5, 1, 1]]), None).tolist() == [1, 0]


def test_scores_are_the_activations_and_the_pass_stops_at_the_last_layer() -> None:
    net, x = Branches().eval(), torch.randn(2, 3, 8, 8)
    asked = score_targets(net, net, x, read_targets(net, ["twice#2:1@2,3", "stem:2"], 2))
    assert net.heads == 0
    stem, second = (capture(net, x, [layer])[layer] for layer in ("stem", "twice#2"))
    y, column = divmod(int(stem[1, 2].argmax()), 8)
    assert asked.targets == ("twice#2:1@2,3", f"stem:2@{y},{column}")
    torch.testing.assert_close(asked.scores, torch.stack([second[0, 1, 2, 3], stem[1, 2].max()]))
    mixed = score_targets(net, net, x, [None, UnitAddress("fc", 1)])
    assert mixed.targets == (int(net(x)[0].argmax()), "fc:1")
    torch.testing.assert_close(mixed.scores, torch.stack([net(x)[0].max(), net(x)[1, 1]]))


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("stem:4", ConfigError, "channel must be from 0 to 3; got 4"),
        ("stem:0@8,0", ConfigError, "position must be within 8 × 8"),
        ("fc:0@0,0", ConfigError, "vectors, whose units have no position"),
        ("twice#3:0", UnknownNameError, "not called in the forward pass"),
        (3, ConfigError, "class index from 0 to 2; got 3"),
    ],
    ids=["channel", "position", "vector", "call", "class"],
)
def test_refusals_that_need_the_shapes(target: int | str, error: type[Exception], words: str) -> None:
    net = Branches().eval()
    with pytest.raises(error, match=words):
        score_targets(net, net, torch.zeros(1, 3, 8, 8), read_targets(net, target, 1))


def test_refusal_of_a_layer_without_units() -> None:
    net = nn.Sequential(nn.Flatten(2), nn.Flatten())
    with pytest.raises(ShapeError, match=r"must give 'n c h w' or 'n k' with n = 1 to have units; got \(1, 3, 4\)"):
        score_targets(net, net, torch.zeros(1, 3, 2, 2), [UnitAddress("0", 1)])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_photos_come_in_the_precision_of_the_weights(dtype: torch.dtype) -> None:
    network = network_of(Branches().to(dtype), ("cat", "cow", "dog"))
    module, x = module_and_input(network, np.zeros((9, 9, 3), np.uint8))
    assert x.dtype == dtype
    assert module(x).dtype == dtype


class Cut(nn.Module):
    """Answers, but not by a way that has a gradient to its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).detach().mean((2, 3)))


class Constant(nn.Module):
    """A layer whose output has a gradient to its weights alone."""

    def __init__(self) -> None:
        super().__init__()
        self.detached = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.detached(x.detach())


def damaged() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net[0].weight.data[0, 0, 0, 0] = float("nan")
    return net


@pytest.mark.parametrize(
    "look",
    [
        insight.saliency,
        insight.guided_backprop,
        insight.grad_cam,
        partial(insight.occlusion, window=4, stride=4),
        partial(insight.integrated_gradients, steps=2),
        partial(insight.smooth_grad, samples=2),
    ],
)
def test_weights_that_are_no_numbers_give_no_map(look) -> None:
    with pytest.raises(DataError, match=r"the network answers (nan|NaN), which no map explains"):
        look(damaged(), torch.rand(1, 3, 8, 8))


def test_a_tensor_that_wants_a_gradient_is_a_picture_like_any_other() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.rand(1, 3, 8, 8)
    wanted = insight.occlusion(net, x, target=1, window=4, stride=4).values
    found = insight.occlusion(net, x.clone().requires_grad_(), target=1, window=4, stride=4).values
    np.testing.assert_array_equal(found, wanted)


def test_whole_numbers_have_no_gradient() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ShapeError, match=r"images must be floating point for a gradient; got torch\.int64"):
        insight.saliency(net, torch.ones(1, 3, 2, 2, dtype=torch.int64))


def test_a_layer_without_a_way_to_the_score_is_named() -> None:
    x = torch.rand(1, 3, 8, 8)
    with pytest.raises(ConfigError, match="does not depend on layer 'first' in a way that has a gradient"):
        insight.grad_cam(Cut(), x, layer="first")
    with pytest.raises(ConfigError, match="layer 'detached' has no gradient with respect to the picture"):
        insight.effective_field(Constant(), x, "detached")


def test_a_color_that_is_no_number_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    x = torch.rand(1, 3, 8, 8)
    with pytest.raises(ConfigError, match=r"fill must be one number .* and finite; got nan"):
        insight.occlusion(net, x, window=4, stride=2, fill=float("nan"))
    with pytest.raises(ConfigError, match=r"baseline must be one number .* and finite; got inf"):
        insight.integrated_gradients(net, x, baseline=float("inf"), steps=2)


def test_batches_and_data_of_nothing_are_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    x = torch.rand(1, 3, 8, 8)
    for look in (insight.unit_statistics, partial(insight.top_patches, layers=["0"])):
        with pytest.raises(ConfigError, match="batch_size must be 1 or more"):
            look(net, x, batch_size=0)
        with pytest.raises(ShapeError, match="at least one picture"):
            look(net, x[:0])

"""LeNet-5 against the paper's numbers and a NumPy twin."""

from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from striate.errors import ConfigError, ShapeError
from striate.models.lenet5 import C3_TABLE, LeNet5, build_lenet5, class_codes, map_loss
from tests.oracles.lenet5 import lenet5_logits
from tests.oracles.networks import assert_behaves, assert_catalogue_entry_is_true, relative_difference

RELU = {"activation": "relu", "pooling": "max", "connections": "full", "output": "linear"}


def build(num_classes: int = 10, in_channels: int = 1, **options: str) -> LeNet5:
    torch.manual_seed(0)
    return build_lenet5(num_classes=num_classes, in_channels=in_channels, **options).eval()


def shapes(network: nn.Module, x: torch.Tensor) -> dict[str, tuple[int, ...]]:
    seen = {}
    for name, layer in network.named_children():
        x = layer(x)
        seen[name] = tuple(x.shape[1:])
    return seen


@pytest.mark.parametrize(("name", "parameters"), [("lenet5", 60_000), ("lenet5_relu", 61_706)])
def test_catalogue(name: str, parameters: int) -> None:
    network = assert_catalogue_entry_is_true(name)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_parameters_and_connections_are_the_papers() -> None:
    network = build()
    parameters = {name: sum(p.numel() for p in layer.parameters()) for name, layer in network.named_children()}
    assert {name: n for name, n in parameters.items() if n} == {
        "c1": 156,
        "s2": 12,
        "c3": 1_516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
    }
    size = shapes(network, torch.zeros(1, 1, 32, 32))
    assert [size[name] for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")] == [
        *((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84, 1, 1), (10, 1, 1))
    ]
    # Every unit has one connection an input and one for its bias; the output's units have no bias.
    links = sum(len(row) for row in C3_TABLE)
    connections = {
        "c1": 28 * 28 * parameters["c1"],
        "s2": 14 * 14 * 6 * (4 + 1),
        "c3": 10 * 10 * (25 * links + 16),
        "s4": 5 * 5 * 16 * (4 + 1),
        "c5": parameters["c5"],
        "f6": parameters["f6"],
        "output": network.get_buffer("output.codes").numel(),
    }
    assert connections["c1"] == 122_304
    assert connections["s2"] == 5_880
    assert connections["c3"] == 151_600
    assert connections["s4"] == 2_000
    assert sum(connections.values()) == 340_908


def test_c3_table_is_what_the_paper_says_of_it() -> None:
    ring = [{(i + step) % 6 for step in range(6)} for i in range(6)]
    assert ring[0] == set(range(6))
    assert [set(row) for row in C3_TABLE[:6]] == [{i, (i + 1) % 6, (i + 2) % 6} for i in range(6)]
    assert [set(row) for row in C3_TABLE[6:12]] == [{(i + step) % 6 for step in range(4)} for i in range(6)]
    # The next three are fours with a gap: two pairs of neighbors, opposite each other, all three ways.
    assert [set(range(6)) - set(row) for row in C3_TABLE[12:15]] == [{2, 5}, {0, 3}, {1, 4}]
    assert C3_TABLE[15] == tuple(range(6))
    # Ten crosses in each row of table I.
    assert Counter(source for row in C3_TABLE for source in row) == dict.fromkeys(range(6), 10)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_equals_the_numpy_twin(in_channels: int) -> None:
    network = build(in_channels=in_channels).double()
    x = torch.randn(in_channels, 32, 32, dtype=torch.float64)
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    expected = torch.from_numpy(lenet5_logits(x.numpy(), state, C3_TABLE))
    torch.testing.assert_close(network(x[None])[0].detach(), expected)


def test_relu_variant_equals_the_textbook_network() -> None:
    network = build(**RELU)
    textbook = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    ours = network.state_dict().values()
    theirs = textbook.state_dict()
    textbook.load_state_dict({key: t.reshape(theirs[key].shape) for key, t in zip(theirs, ours, strict=True)})
    x = torch.randn(5, 1, 32, 32)
    assert relative_difference(network(x), textbook(x)) < 1e-6


@pytest.mark.parametrize("options", [{}, RELU])
def test_larger_images_are_read_at_every_position(options: dict[str, str]) -> None:
    network = build(**options).double()
    x = torch.randn(2, 1, 41, 36, dtype=torch.float64)  # 3 × 2 positions, four pixels apart; one row is left over
    crops = [network(x[:, :, top : top + 32, left : left + 32]) for top in (0, 4, 8) for left in (0, 4)]
    torch.testing.assert_close(network(x), torch.stack(crops).mean(dim=0))


@pytest.mark.parametrize("options", [{}, RELU, {"connections": "full"}, {"output": "linear", "activation": "relu"}])
def test_behaves(options: dict[str, str]) -> None:
    assert_behaves(build(in_channels=2, num_classes=7, **options), torch.randn(3, 2, 36, 40))


def test_exports_with_any_batch_and_size() -> None:
    network = build()
    # From 36: torch.export takes a size of one, which the maps of 32 pixels have, for a constant.
    sizes = {0: torch.export.Dim("n"), 2: torch.export.Dim("h", min=36), 3: torch.export.Dim("w", min=36)}
    exported = torch.export.export(network, (torch.randn(2, 1, 48, 40),), dynamic_shapes=(sizes,))
    x = torch.randn(3, 1, 36, 57)
    torch.testing.assert_close(exported.module()(x), network(x))


def test_refuses_small_images_and_unknown_parts() -> None:
    with pytest.raises(ShapeError, match=r"LeNet-5 needs images of at least 32×32 pixels .* got 28×28"):
        build()(torch.zeros(1, 1, 28, 28))
    for part in ("activation", "pooling", "connections", "output"):
        with pytest.raises(ConfigError, match=f"{part} has no choice 'none'"):
            build(**{part: "none"})


def test_digit_codes_are_drawings_and_far_apart() -> None:
    codes = class_codes(10)
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    pictures = codes.reshape(10, 12, 7)
    # A zero is closed and hollow, a one has its ink in the middle, an eight is a six and a nine at once, nearly.
    assert (pictures[0, 4:8, 3] == -1).all()
    assert (pictures[1, 1:11, 3:5] == 1).all()
    differences = (codes[:, None] != codes[None]).sum(dim=-1)
    assert differences.fill_diagonal_(84).min() >= 10
    assert differences[8, 6] < differences[8, 1]


@pytest.mark.parametrize("num_classes", [2, 9, 11, 1000])
def test_other_classes_get_lasting_codes_by_chance(num_classes: int) -> None:
    state = torch.get_rng_state()
    codes = class_codes(num_classes)
    assert torch.equal(torch.get_rng_state(), state)
    assert codes.shape == (num_classes, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert len(codes.unique(dim=0)) == num_classes
    assert torch.equal(codes, class_codes(1000)[:num_classes])
    if num_classes == 1000:
        assert codes.mean().abs() < 4 / 84_000**0.5
        assert codes.mean(dim=0).abs().max() < 5 / 1000**0.5


@pytest.mark.parametrize("j", [0.1, 20.0])
def test_map_loss_is_equation_9(j: float) -> None:
    penalties = 30 * torch.rand(6, 10, dtype=torch.float64)
    labels = torch.tensor([0, 3, 9, 9, 1, 5])
    expected = [
        penalties[p, d].item() + np.log(np.exp(-j) + np.exp(-penalties[p].numpy()).sum()) for p, d in enumerate(labels)
    ]
    loss = map_loss(-penalties, labels, j=j)
    assert loss.item() == pytest.approx(np.mean(expected))
    assert loss.item() > 0


def test_map_loss_stays_finite_and_stops_pushing_beyond_j() -> None:
    logits = torch.tensor([[-1.0, -400.0, -2.0]], requires_grad=True)
    loss = map_loss(logits, torch.tensor([0]), j=5.0)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad[0, 1] == 0.0
    assert logits.grad[0, 2] > 0.1
    far = torch.full((1, 3), -1e4)
    assert map_loss(far, torch.tensor([1]), j=5.0).item() == pytest.approx(1e4 - 5)


def test_initialization_is_the_papers() -> None:
    network = build()
    fan_ins = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for name, fan_in in fan_ins.items():
        for part, parameter in network.get_submodule(name).named_parameters():
            assert parameter.abs().max() <= 2.4 / fan_in, (name, part)
            if parameter.numel() > 100:
                deviation = 2.4 / fan_in / 3**0.5
                assert parameter.std().item() == pytest.approx(deviation, rel=0.1), (name, part)
                assert parameter.mean().abs() < 4 * deviation / parameter.numel() ** 0.5, (name, part)
    c3 = network.get_submodule("c3").get_parameter("weight")
    for links, fan_in in ((c3[:18], 75), (c3[18:54], 100), (c3[54:], 150)):
        assert 0.95 * 2.4 / fan_in < links.abs().max() <= 2.4 / fan_in
    assert not torch.equal(build_lenet5(num_classes=10, in_channels=1).get_parameter("c1.weight"), network[0].weight)


def test_relu_initialization_is_hes() -> None:
    network = build(**RELU)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert parameter.std().item() == pytest.approx((2 / parameter[0].numel()) ** 0.5, rel=0.2), name


@pytest.mark.parametrize("options", [{}, RELU])
def test_learns_digits(options: dict[str, str]) -> None:
    digits = load_digits()
    images = torch.from_numpy(digits.images).float()[:, None] / 16
    images = nn.functional.pad(nn.functional.interpolate(images, scale_factor=3, mode="bilinear"), (4, 4, 4, 4))
    images = (images - 20 / 255) / (200 / 255)
    labels = torch.from_numpy(digits.target).long()
    network = build(**options).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(4):
        for batch in torch.randperm(1400).split(32):
            logits = network(images[batch])
            loss = (
                nn.functional.cross_entropy(logits, labels[batch]) if options else map_loss(logits, labels[batch], j=1)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (network(images[1400:]).argmax(dim=1) == labels[1400:]).float().mean()
    # The last 397 digits are other writers' (chance is .1).
    assert right > 0.85

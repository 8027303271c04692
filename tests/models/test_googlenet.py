"""GoogLeNet against torchvision, and the graph of 2014 against the paper's numbers and a slow twin of its parts."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.errors import ConfigError, ShapeError
from striate.models.catalogue import find_entry
from striate.models.googlenet import GoogLeNet, GoogLeNetOutputs, build_googlenet
from tests.oracles.foreign import load_torchvision
from tests.oracles.networks import count_macs, forget_statistics, relative_difference, same_weights

NAMES = ["googlenet", "googlenet_2014"]


def build(name: str, *, num_classes: int = 1000, in_channels: int = 3, **changes: object) -> GoogLeNet:
    options = {**find_entry(name).options, **changes}
    return build_googlenet(num_classes=num_classes, in_channels=in_channels, **options)


def build_torchvisions(**options: object) -> nn.Module:
    """torchvision's with a wider spread of weights, so that the logits do not all come from the last bias."""
    models = load_torchvision().models
    torch.manual_seed(0)
    network = models.googlenet(init_weights=False, **options)
    return forget_statistics(network)


@pytest.mark.parametrize("size", [(224, 224), (97, 161), (15, 15)])
@pytest.mark.parametrize("transform_input", [False, True])
def test_logits_are_torchvisions(size, transform_input):
    theirs = build_torchvisions(transform_input=transform_input).eval()
    with torch.device("meta"):
        ours = build("googlenet", transform_input=transform_input).eval()
    same_weights(ours, theirs)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        assert relative_difference(ours(x), theirs(x)) < 1e-5


def test_transform_input_is_off_unless_asked_for():
    assert build("googlenet").transform_input is False


@pytest.mark.parametrize("side", [224, 128])
def test_training_gives_three_logits_in_torchvisions_order(side):
    theirs = build_torchvisions(dropout=0.0, dropout_aux=0.0).train()
    with torch.device("meta"):
        ours = build("googlenet", dropout=0.0, dropout_aux=0.0).train()
    same_weights(ours, theirs)
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        answers, expected = ours(x), theirs(x)
    assert isinstance(answers, GoogLeNetOutputs)
    assert answers._fields == type(expected)._fields == ("logits", "aux_logits2", "aux_logits1")
    for answer, wanted in zip(answers, expected, strict=True):
        assert relative_difference(answer, wanted) < 1e-5
    assert not torch.equal(answers.aux_logits1, answers.aux_logits2)


def test_dropout_is_torchvisions_and_the_papers():
    with torch.device("meta"):
        assert [(build(n).dropout.p, build(n).aux1.dropout.p) for n in NAMES] == [(0.2, 0.7), (0.4, 0.7)]


@pytest.mark.parametrize(
    ("name", "with_heads", "without"),
    [("googlenet", 13_004_888, 6_624_904), ("googlenet_2014", 13_378_280, 6_998_552)],
)
def test_parameters_are_the_published_ones(name, with_heads, without):
    with torch.device("meta"):
        assert sum(p.numel() for p in build(name).parameters()) == with_heads == find_entry(name).parameters
        assert sum(p.numel() for p in build(name, aux_logits=False).parameters()) == without


@pytest.mark.parametrize(("name", "gmacs"), [("googlenet", 1.498), ("googlenet_2014", 1.58)])
def test_macs_are_the_published_ones(name, gmacs):
    """torchvision prints 1.498; the paper's table 1 adds up to 1.58 billion, "1.5 billion" in its text."""
    entry = find_entry(name)
    with torch.device("meta"):
        network = build(name)
    macs = count_macs(network, *entry.input_size)
    assert macs == entry.macs
    assert macs / 1e9 == pytest.approx(gmacs, abs=0.005)


# Table 1: output size and multiply-adds in millions, as far as the paper's figures are those of its own layers.
TABLE_1 = {
    "maxpool1": (64, 56, 56),
    "maxpool2": (192, 28, 28),
    "inception3a": (256, 28, 28),
    "inception3b": (480, 28, 28),
    "maxpool3": (480, 14, 14),
    "inception4a": (512, 14, 14),
    "inception4d": (528, 14, 14),
    "inception4e": (832, 14, 14),
    "maxpool4": (832, 7, 7),
    "inception5b": (1024, 7, 7),
    "avgpool": (1024, 1, 1),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_has_the_size_of_table_1(name):
    with torch.device("meta"):
        network = build(name).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for stage in TABLE_1:
        network.get_submodule(stage).register_forward_hook(
            lambda _m, _i, out, stage=stage: shapes.update({stage: tuple(out.shape[1:])})
        )
    network(torch.zeros(1, 3, 224, 224, device="meta"))
    assert shapes == TABLE_1


def test_graph_of_2014_is_the_papers_step_by_step():
    """A twin in plain functions, written from the paper's table and figures alone."""
    torch.manual_seed(0)
    network = build("googlenet_2014", num_classes=20, dropout=0.0, dropout_aux=0.0).train()
    weights = dict(network.named_parameters())

    def conv(x, name, stride=1):
        kernel = weights[f"{name}.conv.weight"]
        x = F.conv2d(x, kernel, weights[f"{name}.conv.bias"], stride=stride, padding=kernel.shape[-1] // 2)
        return x.clamp(min=0)

    def normalize(x):
        squares = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
        near = sum(squares[:, i : i + x.shape[1]] for i in range(5))
        return x / (1 + 1e-4 / 5 * near) ** 0.75

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def inception(x, name):
        name = f"inception{name}"
        one = conv(x, f"{name}.branch1")
        three = conv(conv(x, f"{name}.branch2.0"), f"{name}.branch2.1")
        five = conv(conv(x, f"{name}.branch3.0"), f"{name}.branch3.1")
        return torch.cat([one, three, five, conv(F.max_pool2d(x, 3, 1, 1), f"{name}.branch4.1")], 1)

    def full(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def head(x, name):
        x = conv(F.avg_pool2d(x, 5, 3), f"{name}.conv")
        return full(full(x.flatten(1), f"{name}.fc1").clamp(min=0), f"{name}.fc2")

    image = 50 * torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        x = normalize(pool(conv(image, "conv1", stride=2)))
        x = pool(normalize(conv(conv(x, "conv2"), "conv3")))
        x = pool(inception(inception(x, "3a"), "3b"))
        x = inception(x, "4a")
        first = head(x, "aux1")
        x = inception(inception(inception(x, "4b"), "4c"), "4d")
        second = head(x, "aux2")
        x = pool(inception(x, "4e"))
        x = inception(inception(x, "5a"), "5b")
        logits = full(x.mean((2, 3)), "fc")
        answers = network(image)
        for answer, wanted in zip(answers, (logits, second, first), strict=True):
            assert relative_difference(answer, wanted) < 1e-5


def test_heads_of_2014_say_what_size_they_need():
    network = build("googlenet_2014", num_classes=3).train()
    with pytest.raises(ShapeError, match=r"maps of 12 to 14 units a side .* but got 8×8: train at 224×224"):
        network(torch.zeros(1, 3, 128, 128))
    assert build("googlenet_2014", num_classes=3, aux_pool="adaptive").train()(torch.zeros(1, 3, 128, 128))
    assert network.eval()(torch.zeros(1, 3, 128, 128)).shape == (1, 3)


@pytest.mark.parametrize("name", NAMES)
def test_smallest_image(name):
    least = find_entry(name).min_size
    network = build(name, num_classes=3).eval()
    with torch.no_grad():
        assert network(torch.randn(1, 3, least, least)).isfinite().all()
        with pytest.raises(ShapeError, match=f"GoogLeNet needs images of at least {least}×{least} pixels"):
            network(torch.randn(1, 3, least - 1, 64))
        network.min_size = 1  # without the check, PyTorch itself refuses: the limit is exact
        with pytest.raises(RuntimeError, match="Output size is too small"):
            network(torch.randn(1, 3, least - 1, 64))


def test_random_weights():
    torch.manual_seed(0)
    modern, paper = build("googlenet"), build("googlenet_2014")
    largest = max(float(m.weight.detach().abs().max()) for m in modern.modules() if isinstance(m, nn.Conv2d))
    assert 0.0199 < largest <= 0.02
    # Cut at two deviations, a normal distribution keeps .8796 of its deviation.
    weights = torch.cat([m.weight.detach().flatten() for m in modern.modules() if isinstance(m, nn.Conv2d)])
    assert float(weights.std()) == pytest.approx(0.01 * 0.8796, rel=1e-3)
    for key, module in paper.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = (3 / module.weight[0].numel()) ** 0.5
            assert 0.95 * bound < float(module.weight.detach().abs().max()) <= bound * 1.0001, key
            last = key == "fc" or key.endswith("fc2")
            torch.testing.assert_close(module.bias.detach(), torch.full_like(module.bias, 0.0 if last else 0.2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel_5x5": 7}, "kernel_5x5 3 or 5, maxpool4 2 or 3 and aux_pool .* but got 7, 2 and 'adaptive'"),
        ({"maxpool4": 4}, "but got 3, 4 and 'adaptive'"),
        ({"aux_pool": "max"}, "but got 3, 2 and 'max'"),
        ({"transform_input": True, "in_channels": 1}, "transform_input needs images of 3 channels .* in_channels=1"),
    ],
)
def test_refuses_what_does_not_exist(changes, message):
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build("googlenet", **changes)

"""The ResNets for small pictures: the paper's counts, a twin written out, both shortcuts, what looks inside."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate import create_model
from striate.errors import ConfigError
from striate.insight import occlusion, saliency
from striate.models.catalogue import find_entry
from striate.models.small_resnet import SmallResNet, build_small_resnet
from striate.probe import summary
from tests.oracles.networks import count_macs, forget_statistics, relative_difference

# Millions of parameters and per cent of errors on CIFAR-10: the paper's table 6.
TABLE_6 = {20: (0.27, 8.75), 32: (0.46, 7.51), 44: (0.66, 7.17), 56: (0.85, 6.97), 110: (1.7, 6.43)}


def twin(state: dict[str, Tensor], x: Tensor, depth: int) -> Tensor:
    """The network as a page of arithmetic, from the names of its weights."""

    def norm(y: Tensor, name: str) -> Tensor:
        mean, var, scale, shift = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(y, mean, var, scale, shift)

    x = F.relu(norm(F.conv2d(x, state["conv1.weight"], padding=1), "bn1"))
    for stage in (1, 2, 3):
        for block in range((depth - 2) // 6):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = F.relu(norm(F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1), f"{name}.bn1"))
            y = norm(F.conv2d(y, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if stride == 2 and f"{name}.downsample.0.weight" in state:
                x = norm(F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=2), f"{name}.downsample.1")
            elif stride == 2:
                zeros = torch.zeros(len(y), y.shape[1] // 4, *y.shape[2:])
                x = torch.cat([zeros, F.avg_pool2d(x, 1, 2), zeros], 1)
            x = F.relu(x + y)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def built(**options: object) -> SmallResNet:
    torch.manual_seed(0)
    with torch.no_grad():
        return forget_statistics(build_small_resnet(**options)).eval()


@pytest.mark.parametrize("depth", TABLE_6)
def test_counts_are_the_papers_and_those_by_hand(depth: int) -> None:
    entry, n = find_entry(f"resnet{depth}"), (depth - 2) // 6
    millions, errors = TABLE_6[depth]
    assert entry.parameters / 1e6 == pytest.approx(millions, abs=0.05 if depth == 110 else 0.005)
    assert entry.published["top1"] == pytest.approx(100 - errors)
    inside = 9 * (16 * 16 * 2 * n + 16 * 32 + 32 * 32 * (2 * n - 1) + 32 * 64 + 64 * 64 * (2 * n - 1))
    norms = 2 * (16 + 2 * n * (16 + 32 + 64))
    assert entry.parameters == 9 * 3 * 16 + inside + norms + 64 * 10 + 10
    # All convolutions of the stages cost the same, but the two that change the channels half as much.
    assert entry.macs == 9 * 3 * 16 * 32**2 + (6 * n - 1) * 9 * 16 * 16 * 32**2 + 64 * 10
    with torch.device("meta"):
        network = create_model(entry.name)
    assert count_macs(network, 3, 32, 32) == entry.macs
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    assert len([part for part in network.modules() if isinstance(part, nn.ReLU)]) == depth - 1


@pytest.mark.parametrize("shortcut", ["zeros", "projection"])
@pytest.mark.parametrize(
    ("in_channels", "size"), [(3, (32, 32)), (1, (28, 28)), (1, (8, 8)), (3, (9, 31)), (3, (1, 1))]
)
def test_is_its_twin_at_any_size(shortcut: str, in_channels: int, size: tuple[int, int]) -> None:
    net = built(depth=20, shortcut=shortcut, in_channels=in_channels)
    x = torch.randn(2, in_channels, *size)
    with torch.inference_mode():
        assert relative_difference(net(x), twin(net.state_dict(), x, 20)) < 1e-5


def test_a_projection_has_weights_and_the_names_of_the_large_networks() -> None:
    zeros, projection = (build_small_resnet(depth=20, shortcut=kind) for kind in ("zeros", "projection"))
    more = projection.state_dict().keys() - zeros.state_dict().keys()
    assert {key.rpartition(".")[0] for key in more} == {
        f"layer{stage}.0.downsample.{part}" for stage in (2, 3) for part in (0, 1)
    }
    weights = [sum(p.numel() for p in net.parameters()) for net in (zeros, projection)]
    assert weights[1] - weights[0] == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    large = create_model("resnet18").state_dict().keys()
    assert {key for key in projection.state_dict() if ".2." not in key} <= large


def test_the_stages_have_the_papers_sizes_and_fields() -> None:
    table = summary(create_model("resnet20"), (3, 32, 32))
    shapes = [table.row(f"layer{stage}").output_shape[1:] for stage in (1, 2, 3)]
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    # A 3×3 adds twice the stride before it: 3, then 6 × 2, then 2 + 5 × 4, then 4 + 5 × 8.
    fields = [table.row(f"layer{stage}").field.size for stage in (1, 2, 3)]
    assert fields == [(15, 15), (37, 37), (81, 81)]
    assert table.row("layer2.0.downsample").field.size == (15, 15)


def test_weights_start_as_he_says_and_blocks_as_copies_when_asked() -> None:
    torch.manual_seed(0)
    net = build_small_resnet(depth=56, zero_init_residual=True)
    for key, part in net.named_modules():
        if isinstance(part, nn.Conv2d) and part.weight.numel() > 1000:
            assert float(part.weight.detach().std()) == pytest.approx((2 / (9 * part.out_channels)) ** 0.5, rel=0.1), (
                key
            )
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(net.eval().layer1(x), x)
    assert build_small_resnet(depth=8).layer1[0].bn2.weight.min() == 1


def test_learns_in_a_few_steps() -> None:
    """Which half of a small grey picture is bright: above 95 % after 30 steps, by chance 50 %."""
    torch.manual_seed(0)
    net = build_small_resnet(depth=8, num_classes=2, in_channels=1).train()
    labels = torch.arange(64) % 2
    pictures = torch.randn(64, 1, 12, 12)
    pictures[labels == 0, :, :6] += 0.7
    pictures[labels == 1, :, 6:] += 0.7
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(net(pictures), labels).backward()
        optimizer.step()
    with torch.no_grad():
        assert float((net(pictures).argmax(1) == labels).float().mean()) > 0.95


@pytest.mark.parametrize("name", ["resnet20", "wrn16_4"])
def test_ways_of_looking_inside_work(name: str) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        net = forget_statistics(create_model(name)).eval()
    x = torch.randn(1, 3, 32, 32)
    sweep = occlusion(net, x, target=3, window=8, stride=8, fill=0.0, score="logit")
    covered = x.clone()
    covered[:, :, :8, 8:16] = 0
    with torch.inference_mode():
        np.testing.assert_allclose(sweep.grid[0, 0, 1], net(covered)[0].numpy(), rtol=1e-3, atol=1e-4)
    gradient = saliency(net, x, target=3)
    assert gradient.values.shape == (1, 32, 32)
    assert np.isfinite(gradient.values).all()
    assert (gradient.values > 0).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 18}, "depth is 6n \\+ 2, with n blocks in each of three stages, but got 18: use 14 or 20"),
        ({"depth": 2}, "but got 2: use 8 or 14"),
        ({"depth": 20, "shortcut": "B"}, r"shortcut is 'projection' \(option B\) or 'zeros' \(option A\), but got 'B'"),
    ],
)
def test_refuses_what_does_not_exist(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_small_resnet(**options)

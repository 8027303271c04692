"""Wide ResNet: the published counts, and a twin written out as the authors' code is: functions of named weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate import create_model
from striate.errors import ConfigError
from striate.models.catalogue import find_entry
from striate.models.wide_resnet import WideResNet, build_wide_resnet
from striate.probe import summary
from tests.oracles.networks import count_macs, forget_statistics, relative_difference

# Millions of parameters: the paper's tables 4 and 5 (some have an answer for each of CIFAR-100's classes).
PUBLISHED = {(16, 8): 11.0, (40, 4): 8.9, (28, 10): 36.5}


def twin(state: dict[str, Tensor], x: Tensor, depth: int) -> Tensor:
    def active(y: Tensor, name: str) -> Tensor:
        mean, var, scale, shift = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.relu(F.batch_norm(y, mean, var, scale, shift))

    x = F.conv2d(x, state["conv1.weight"], padding=1)
    for stage in (1, 2, 3):
        for block in range((depth - 4) // 6):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            a = active(x, f"{name}.bn1")
            y = active(F.conv2d(a, state[f"{name}.conv1.weight"], stride=stride, padding=1), f"{name}.bn2")
            y = F.conv2d(y, state[f"{name}.conv2.weight"], padding=1)
            projection = state.get(f"{name}.downsample.weight")
            x = y + (x if projection is None else F.conv2d(a, projection, stride=stride))
    return F.linear(active(x, "bn").mean((2, 3)), state["fc.weight"], state["fc.bias"])


def built(**options: object) -> WideResNet:
    torch.manual_seed(0)
    with torch.no_grad():
        return forget_statistics(build_wide_resnet(**options)).eval()


@pytest.mark.parametrize(("depth", "width"), PUBLISHED)
def test_other_depths_and_widths_have_the_papers_parameters(depth: int, width: int) -> None:
    with torch.device("meta"):
        net = build_wide_resnet(depth=depth, width=width)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(PUBLISHED[depth, width], abs=0.06)
    # The paper counts convolutions: two a block, the first, and a projection a stage.
    assert len([part for part in net.modules() if isinstance(part, nn.Conv2d)]) == depth


def test_counts_of_wrn16_4_are_those_by_hand() -> None:
    entry = find_entry("wrn16_4")
    weights = [  # of each stage: two blocks of two 3×3, and a projection
        9 * (a * b + 3 * b * b) + a * b for a, b in ((16, 64), (64, 128), (128, 256))
    ]
    norms = 2 * (16 + 3 * 64 + 64 + 3 * 128 + 128 + 3 * 256 + 256)
    assert entry.parameters == 9 * 3 * 16 + sum(weights) + norms + 256 * 10 + 10 == 2_748_890
    places = (32**2, 16**2, 8**2)
    macs = 9 * 3 * 16 * 32**2 + sum(w * p for w, p in zip(weights, places, strict=True)) + 256 * 10
    with torch.device("meta"):
        network = create_model("wrn16_4")
    assert entry.macs == macs == count_macs(network, 3, 32, 32)
    assert entry.published["top1"] == pytest.approx(100 - 5.02)  # the paper's table 6, without dropout


@pytest.mark.parametrize(
    ("in_channels", "size"), [(3, (32, 32)), (1, (28, 28)), (1, (8, 8)), (3, (9, 31)), (3, (1, 1))]
)
def test_is_its_twin_at_any_size(in_channels: int, size: tuple[int, int]) -> None:
    net = built(depth=16, width=2, in_channels=in_channels, dropout=0.3)
    x = torch.randn(2, in_channels, *size)
    with torch.inference_mode():
        assert relative_difference(net(x), twin(net.state_dict(), x, 16)) < 1e-5


def test_without_widening_the_first_stage_needs_no_projection() -> None:
    net = built(depth=10, width=1)
    assert net.layer1[0].downsample is None
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        assert relative_difference(net(x), twin(net.state_dict(), x, 10)) < 1e-5


def test_the_stages_have_the_papers_sizes() -> None:
    table = summary(create_model("wrn16_4"), (3, 32, 32))
    shapes = [table.row(f"layer{stage}").output_shape[1:] for stage in (1, 2, 3)]
    assert shapes == [(64, 32, 32), (128, 16, 16), (256, 8, 8)]
    assert [table.row(f"layer{stage}").field.size for stage in (1, 2, 3)] == [(11, 11), (25, 25), (53, 53)]


def test_weights_start_as_in_the_authors_code() -> None:
    torch.manual_seed(0)
    net = build_wide_resnet(depth=16, width=4)
    for key, part in net.named_modules():
        if isinstance(part, nn.Conv2d) and part.weight.numel() > 1000:
            fan_in = part.weight[0].numel()
            assert float(part.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.06), key
    assert not net.fc.bias.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 20}, "depth is 6n \\+ 4, with n blocks in each of three stages, but got 20: use 16 or 22"),
        ({"depth": 4}, "but got 4: use 10 or 16"),
        ({"width": 0}, "width multiplies the channels and is at least 1, but got 0"),
        ({"dropout": 1.0}, r"dropout is a probability, at least 0 and below 1, but got 1\.0"),
    ],
)
def test_refuses_what_does_not_exist(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_wide_resnet(**{"depth": 16, "width": 4, **changes})

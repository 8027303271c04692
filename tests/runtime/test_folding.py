"""A folded network answers the same, and nothing is folded that somebody else reads."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.models import create_model
from striate.runtime import fold
from tests.oracles.networks import forget_statistics


def kinds(module: nn.Module) -> list[str]:
    return [type(part).__name__ for part in module.modules()]


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet20",
        "wrn16_4",
        "googlenet",
        "efficientnet_lite0",
        "se_resnet50",
        "vgg11_bn",
        "squeezenet1_1",
        "lenet5_relu",
    ],
)
def test_networks_answer_the_same_in_double(name: str) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        net = forget_statistics(create_model(name, num_classes=5)).double()
    x = torch.randn(2, 1 if name.startswith("lenet") else 3, 64, 64, dtype=torch.float64)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    folded = fold(net, x)
    assert folded is not net
    assert not folded.training
    assert net.training
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), net.eval()(x), rtol=1e-9, atol=1e-9)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(getattr(part, "inplace", False) for part in net.modules())
    if name == "resnet18":
        assert "BatchNorm2d" not in kinds(folded)
        assert kinds(net).count("BatchNorm2d") == 20
    if name == "resnet20":
        assert "BatchNorm2d" not in kinds(folded)
    if name == "wrn16_4":  # behind a sum no convolution can take it in: before five blocks, and the last
        assert (kinds(net).count("BatchNorm2d"), kinds(folded).count("BatchNorm2d")) == (13, 6)


class Shortcut(nn.Module):
    """The normalization is not the only reader of its convolution."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.conv, self.norm, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU()
        forget_statistics(self)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.mode == "added":
            return self.norm(y) + y
        if self.mode == "functional between":
            return self.norm(F.relu(y))
        if self.mode == "in place between":
            return self.norm(F.relu_(y))
        if self.mode == "twice":
            return self.norm(self.norm(y))
        if self.mode == "returned":
            self.kept = y
            return torch.cat([self.norm(y), self.kept], 1)
        if self.mode == "view":
            return self.act(y.view(len(y), -1)).sum(1, keepdim=True) + y.sum((1, 2, 3))[:, None]
        return self.act(self.norm(y)) + self.norm(y)


@pytest.mark.parametrize(
    "mode", ["added", "functional between", "in place between", "twice", "returned", "view", "called again"]
)
def test_what_others_read_is_left_alone(mode: str) -> None:
    with torch.no_grad():
        net = Shortcut(mode).double().eval()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(fold(net, x)(x), net(x), rtol=1e-12, atol=1e-12)
    assert "BatchNorm2d" in kinds(fold(net, x))


class Hidden(nn.Module):
    """Calls a registered layer through a list, which a copy cannot redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.order = [self.conv]
        forget_statistics(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.order[0](x))


def test_a_copy_that_would_answer_otherwise_is_not_used() -> None:
    with torch.no_grad():
        net = Hidden().eval()
    x = torch.randn(1, 3, 8, 8)
    assert fold(net, x) is net


def test_nothing_to_fold_gives_the_module_back() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert fold(net, torch.randn(1, 3, 2, 2)) is net


def test_untracked_statistics_are_not_folded() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    x = torch.randn(4, 3, 8, 8)
    assert "BatchNorm2d" in kinds(fold(net, x))


class Clips(nn.BatchNorm2d):
    """A subclass that does more, as timm's normalization with an activation inside."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).clamp(max=5)


class Standardizes(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / weight.std(), self.bias)


class Decides(nn.Module):
    """Another picture takes another way, on which the convolution has a second reader."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y if float(x.mean()) > 10 else self.norm(y)


class Overwrites(nn.Module):
    """An identity hands on the tensor itself, and an older view of it is still to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.same, self.act = nn.Conv2d(3, 4, 3), nn.Identity(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        older = y[:1]
        return self.act(self.same(y)) + older


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 4, 3), Clips(4)),
        (Standardizes(3, 4, 3), nn.BatchNorm2d(4)),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)),
        (nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)),
        (Decides(),),
        (Overwrites(),),
    ],
    ids=lambda layers: " ".join(type(layer).__name__ for layer in layers),
)
def test_what_may_do_more_than_its_class_says_is_not_folded(layers: tuple[nn.Module, ...]) -> None:
    with torch.no_grad():
        net = forget_statistics(nn.Sequential(*layers)).eval()
    folded = fold(net, torch.randn(1, 3, 8, 8))
    assert kinds(folded) == kinds(net)
    for scale in (1, 100):
        x = scale * torch.rand(1, 3, 8, 8)
        with torch.inference_mode():
            assert torch.equal(folded(x), net(x))


def test_hooked_compiled_and_half_networks_come_back_as_they_are() -> None:
    def fresh() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()

    x, net = torch.randn(1, 3, 8, 8), fresh()
    assert fold(net, x) is not net
    assert fold(net.half(), x.half()) is net
    assert fold(fresh(), x[:0]) is not None
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        net = fresh()
        getattr(net[2], register)(lambda *_: None)
        assert fold(net, x) is net
    net = fresh()
    net.compile(backend="eager")
    assert fold(net, x) is net


def test_a_traced_graph_is_folded_like_the_module_it_came_from() -> None:
    with torch.no_grad():
        net = forget_statistics(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())).eval()
    traced, x = torch.fx.symbolic_trace(net), torch.randn(1, 3, 8, 8)
    folded = fold(traced, x)
    assert "BatchNorm2d" not in kinds(folded)
    assert "BatchNorm2d" in kinds(traced)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), net(x))

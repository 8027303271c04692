"""Fused optimizers against the formulas, whatever way the weights lie in memory."""

from typing import Any

import pytest
import torch
from torch import nn

from striate.training.optimizers import build_optimizer, highest_rate, set_rate
from striate.training.parameter_groups import parameter_groups, stages_of
from striate.training.settings import TrainSettings
from tests.training.small import small_net

STEPS = 6


def net() -> nn.Sequential:
    """Weights of every shape that channels-last lays out in its own way, depthwise and 1×1 ones among them."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 6, 1),
        nn.Conv2d(6, 4, (1, 3), bias=False),
        nn.Flatten(),
        nn.Linear(4 * 4 * 2, 3),
    )


def trained(settings: TrainSettings, layout: torch.memory_format, optimizer_of: Any) -> dict[str, torch.Tensor]:
    module = net().double().to(memory_format=layout)  # type: ignore[call-overload]
    groups = parameter_groups(module, stages_of(module, classifier=("6",)), weight_decay=0.05, layer_decay=0.7)
    optimizer = optimizer_of(settings, groups)
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for step in range(STEPS):
        loss = module(x.contiguous(memory_format=layout)).logsumexp(1).square().mean()
        loss.backward()
        set_rate(optimizer, 0.02 * (step + 1))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return module.state_dict()


def slow_twin(settings: TrainSettings, groups: list[dict[str, Any]]) -> Any:
    """The update rules of the papers, one weight at a time, on plain copies."""

    class Twin:
        def __init__(self) -> None:
            self.param_groups = groups
            self.memory: dict[int, list[torch.Tensor]] = {}
            self.step_count = 0

        @torch.no_grad()
        def step(self) -> None:
            self.step_count += 1
            for group in groups:
                for p in group["params"]:
                    g, w = p.grad.contiguous(), p.clone(memory_format=torch.contiguous_format)
                    lr, decay, m = group["lr"], group["weight_decay"], settings.momentum
                    if settings.optimizer == "sgd":
                        g = g + decay * w
                        (velocity,) = self.memory.get(id(p), [torch.zeros_like(g)])
                        velocity = m * velocity + g
                        self.memory[id(p)] = [velocity]
                        w -= lr * (g + m * velocity if settings.nesterov else velocity)
                    else:
                        w *= 1 - lr * decay
                        first, second = self.memory.get(id(p), [torch.zeros_like(g), torch.zeros_like(g)])
                        first = m * first + (1 - m) * g
                        second = 0.999 * second + 0.001 * g * g
                        self.memory[id(p)] = [first, second]
                        corrected = first / (1 - m**self.step_count)
                        w -= lr * corrected / ((second / (1 - 0.999**self.step_count)).sqrt() + 1e-8)
                    p.copy_(w)

        def zero_grad(self, set_to_none: bool) -> None:
            for group in groups:
                for p in group["params"]:
                    p.grad = None

    return Twin()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize(
    "given",
    [{"optimizer": "sgd"}, {"optimizer": "sgd", "nesterov": False}, {"optimizer": "adamw"}],
    ids=["nesterov", "polyak", "adamw"],
)
def test_fused_steps_are_those_of_the_papers(given: dict[str, Any], layout: torch.memory_format) -> None:
    settings = TrainSettings(**given)
    ours = trained(settings, layout, build_optimizer)
    expected = trained(settings, layout, slow_twin)
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-9, atol=1e-11, msg=lambda m, n=name: f"{n}: {m}")


def test_without_momentum_nesterov_is_plain_descent() -> None:
    parameter = nn.Parameter(torch.ones(3))
    group = {"params": [parameter], "scale": 0.5, "weight_decay": 0.0}
    optimizer = build_optimizer(TrainSettings(momentum=0.0), [group])
    parameter.grad = torch.full((3,), 2.0)
    set_rate(optimizer, 0.2)
    optimizer.step()
    assert parameter.tolist() == pytest.approx([0.8] * 3)


def test_every_group_gets_its_share_of_the_rate() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "scale": s, "weight_decay": 0.0} for s in (1.0, 0.25)]
    optimizer = build_optimizer(TrainSettings(), groups)
    set_rate(optimizer, 0.4)
    assert [group["lr"] for group in optimizer.param_groups] == [0.4, 0.1]


def test_the_rate_that_suits() -> None:
    with_norm, without = small_net(), small_net(norm=False)
    assert highest_rate(TrainSettings(lr=0.3), with_norm, fine_tuning=True) == 0.3
    assert highest_rate(TrainSettings(batch_size=256), with_norm, fine_tuning=False) == pytest.approx(0.1)
    assert highest_rate(TrainSettings(batch_size=64), with_norm, fine_tuning=False) == pytest.approx(0.025)
    assert highest_rate(TrainSettings(batch_size=256), without, fine_tuning=False) == pytest.approx(0.01)
    assert highest_rate(TrainSettings(optimizer="adamw"), with_norm, fine_tuning=False) == pytest.approx(1e-3)
    assert highest_rate(TrainSettings(optimizer="adamw"), with_norm, fine_tuning=True) < 1e-3

"""What a training costs: memory by counting, time in proportion to the work (not to a clock)."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.training import estimate as module
from striate.training.classification import ClassificationTask
from striate.training.estimate import Estimate, estimate_training
from tests.training.small import bars, settings, small_net, small_task, with_module
from tests.training.test_loop import files

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is a second later: reading a batch takes 1 s, learning from it 1 s."""
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(module, "perf_counter", tick)


def estimated(task: ClassificationTask, *, processes: int = 1, **given: Any) -> Estimate:
    return estimate_training(task, settings(**given), device=CPU, processes=processes)


@pytest.mark.usefixtures("clock")
def test_time_is_that_of_all_pictures_in_all_epochs() -> None:
    base = estimated(small_task(validation=None)).seconds
    assert base == pytest.approx(1.1 * 3 * 40 * (1 / 8 + 1 / 8))  # 3 epochs, 40 pictures, batches of 8
    assert estimated(small_task(validation=None), epochs=30).seconds == pytest.approx(10 * base)
    assert estimated(small_task(validation=None), workers=2).seconds == pytest.approx(0.75 * base)
    assert estimated(small_task(train=bars(80), validation=None)).seconds == pytest.approx(2 * base)
    assert estimated(small_task(validation=None), processes=2).seconds == pytest.approx(base)  # half of twice as long
    assert estimated(small_task()).seconds == pytest.approx(base + 1.1 * 3 * 16 * (1 / 24 + 1 / 8))


def test_memory_is_counted() -> None:
    weights = sum(p.numel() for p in small_net().parameters())
    maps = 8 * (4 * 64 * 3 + 6 * 16 * 3 + 96 * 2 + 2)  # a batch of 8: what every layer gives
    found = estimated(small_task(), optimizer="sgd")
    assert found.parameters == weights
    assert found.memory_bytes == 4 * (3 * weights + maps)
    assert estimated(small_task(), optimizer="adamw", ema=0.9).memory_bytes == 4 * (6 * weights + maps)
    assert estimated(small_task(), accumulate=4).memory_bytes == 4 * (3 * weights + maps // 4)
    assert estimated(small_task(), precision="float64").memory_bytes == 8 * (3 * weights + maps)


def test_multiply_adds_are_those_of_one_picture() -> None:
    assert estimated(small_task()).macs == 64 * 4 * 9 + 16 * 6 * 4 * 9 + 96 * 2


def test_nothing_is_changed() -> None:
    task = small_task(small_net(dropout=0.5), policy="digits")
    before = copy.deepcopy(task.module.state_dict())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    estimated(task, head_epochs=1, precision="float64")
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in task.module.state_dict().items())
    assert all(p.requires_grad and p.grad is None and p.dtype == torch.float32 for p in task.module.parameters())


def test_large_networks_are_tried_with_few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    net = small_net()
    net.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    monkeypatch.setattr(module, "_MOST_MACS", 5e4)
    task = small_task(net)
    estimated(task)
    assert set(seen[1:]) == {2}  # the first is the summary's


def test_refused_when_a_batch_is_too_small_for_batch_normalization() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4), nn.Flatten())
    net.add_module("head", nn.Linear(4, 2))
    with pytest.raises(
        ConfigError, match="cannot learn from 1 picture of 8 pixels at a time; give a larger batch_size"
    ):
        estimated(with_module(small_task(), net), batch_size=1)
    with pytest.raises(ConfigError, match="cannot learn from 1 picture"):
        estimated(with_module(small_task(), net), batch_size=4, accumulate=4)


def test_a_network_without_logits_is_refused_before_anything_is_written() -> None:
    class Maps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.conv(x)
            return answer

    with pytest.raises(ConfigError, match="answers with logits n × k"):
        estimated(replace(with_module(small_task(), Maps()), classifier=()))


def test_pictures_that_cannot_be_read_cost_no_estimate(tmp_path: Path) -> None:
    assert estimated(small_task(train=files(tmp_path / "none", 8, set(range(8))))).seconds >= 0

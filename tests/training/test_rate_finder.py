"""The learning-rate finder on a case whose best rate is known, and on pictures."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.errors import ConfigError, DataError
from striate.training.classification import ClassificationTask
from striate.training.rate_finder import FoundRate, RateTried, find_rate, steepest_rate
from tests.training.small import bars, settings, small_net, small_task
from tests.training.test_loop import files


def searched(task: ClassificationTask, **given: Any) -> tuple[list[RateTried], FoundRate]:
    options = {name: given.pop(name) for name in ("steps", "lowest", "highest") if name in given}
    search = find_rate(task, settings(**given), **options)
    tried = []
    while True:
        try:
            tried.append(next(search))
        except StopIteration as done:
            return tried, done.value


class Slope(nn.Module):
    """Logits (w, 0) for class 0 and (0, w) for class 1: the loss is softplus(−w), steep where w is small."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.head.weight, w)

    def forward(self, x: Tensor) -> Tensor:
        bright = (x.mean((1, 2, 3)) > 0).float()[:, None]  # class 1 is bright
        return torch.cat([1 - bright, bright], dim=1) * self.head(x.new_ones(1, 1))


def test_the_steepest_place_of_a_known_curve() -> None:
    rates = np.geomspace(1e-5, 10, 200)
    losses = 2 - 1.5 / (1 + (0.01 / rates) ** 2) + (rates / 0.8) ** 2  # falls around .01, flies off around 1
    found = steepest_rate(rates, losses)
    assert found is not None
    assert 0.006 < found < 0.016
    assert steepest_rate(rates, rates) is None
    assert steepest_rate([], []) is None


def test_rates_rise_by_one_factor_and_the_search_ends_where_the_loss_flies_off() -> None:
    tried, found = searched(small_task(small_net(norm=False)), momentum=0.9, highest=1000.0)
    rates = [event.rate for event in tried]
    factors = np.diff(np.log(rates))
    assert factors == pytest.approx(factors[0])
    assert len(tried) < 100
    assert found.rates.tolist() == rates
    assert found.suggestion is not None
    assert found.suggestion < rates[-1] / 5
    assert found.losses.min() < 0.6 * found.losses[0]


def test_the_suggestion_is_a_rate_that_learns(tmp_path: Path) -> None:
    """Three epochs with it are better than with a hundredth of it, and it does not fly off."""
    from tests.training.small import trainer

    _, found = searched(small_task())
    assert found.suggestion is not None
    losses = []
    for rate in (found.suggestion, found.suggestion / 100):
        run = trainer(tmp_path / str(rate), small_task(), lr=rate)
        list(run.run())
        losses.append(run.folder.metrics()[-1]["train_loss"])
    assert losses[0] < 0.7 * losses[1]


def test_a_slope_without_noise() -> None:
    """One weight, all pictures alike: the rate at which w makes its largest way is found within a factor of three."""
    pictures = bars(16)
    store = type(pictures.store)(np.repeat(pictures.labels * 255, 64).reshape(16, 8, 8).astype(np.uint8), "flat")
    flat = type(pictures)(pictures.classes, pictures.labels, store, pictures.source, pictures.kind)
    task = small_task(Slope(-3.0), train=flat, validation=None)
    _, found = searched(task, optimizer="sgd", momentum=0.0, weight_decay=0.0, batch_size=16, highest=100.0)
    w, expected = -3.0, []
    for rate in found.rates:
        expected.append(math.log1p(math.exp(-w)))
        w += rate / (1 + math.exp(w))
    assert found.losses == pytest.approx(expected, rel=1e-4)
    assert found.suggestion is not None
    steepest = found.rates[int(np.diff(expected).argmin()) + 1]
    assert steepest / 3 < found.suggestion < steepest * 3


def test_the_network_stays_as_it_was_and_the_search_repeats_itself() -> None:
    task = small_task(small_net(dropout=0.3), policy="digits")
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    mode, wanted = task.module.training, [p.requires_grad for p in task.module.parameters()]
    first = searched(task, freeze="conv1")[1]
    again = searched(task, freeze="conv1")[1]
    assert np.array_equal(first.losses, again.losses)
    assert all(torch.equal(value, before[name]) for name, value in task.module.state_dict().items())
    assert [p.requires_grad for p in task.module.parameters()] == wanted
    assert task.module.training == mode


def test_batches_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    train = files(tmp_path / "some", 12, set(range(9)))
    tried, _ = searched(small_task(train=train), batch_size=2, steps=12)
    assert len(tried) == 12
    with pytest.raises(DataError, match="None of the training pictures can be read"):
        searched(small_task(train=files(tmp_path / "none", 4, set(range(4)))))


@pytest.mark.parametrize(
    "wrong", [{"steps": 9}, {"lowest": 0.0}, {"lowest": 1.0, "highest": 0.5}, {"highest": math.inf}]
)
def test_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="steps must be at least 10 and the rates rise"):
        searched(small_task(), **wrong)

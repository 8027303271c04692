"""Schedules are closed forms; torch's own schedulers, stepped one by one, are the foreign oracle."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from striate.training.schedules import learning_rate_factor
from striate.training.settings import TrainSettings

SPE = 7  # steps an epoch


def factors(settings: TrainSettings, steps_per_epoch: int = SPE) -> list[float]:
    steps = settings.epochs * steps_per_epoch
    return [learning_rate_factor(settings, step=step, steps_per_epoch=steps_per_epoch) for step in range(steps)]


def theirs(build: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build(optimizer)
    found = []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("final", [0.0, 0.01])
def test_cosine_is_torchs(final: float) -> None:
    settings = TrainSettings(epochs=6, schedule="cosine", warmup_epochs=0, final_lr=final)
    expected = theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, 6 * SPE, eta_min=final), 6 * SPE)
    assert factors(settings) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_poly_is_torchs(power: float) -> None:
    settings = TrainSettings(epochs=6, schedule="poly", warmup_epochs=0, power=power)
    expected = theirs(lambda o: lr_scheduler.PolynomialLR(o, 6 * SPE, power), 6 * SPE)
    assert factors(settings) == pytest.approx(expected, abs=1e-12)


def test_step_is_torchs() -> None:
    settings = TrainSettings(epochs=9, schedule="step", warmup_epochs=0, step_epochs=(3, 7), step_factor=0.2)
    expected = theirs(lambda o: lr_scheduler.MultiStepLR(o, [3 * SPE, 7 * SPE], 0.2), 9 * SPE)
    assert factors(settings) == pytest.approx(expected, abs=1e-15)


def test_one_cycle_is_torchs_up_to_the_step_on_which_it_turns() -> None:
    """torch counts the last step of each half as its end; ours are functions of the epochs done."""
    settings = TrainSettings(epochs=10, schedule="one-cycle", warmup_epochs=3)
    ours = factors(settings, 100)
    expected = theirs(
        lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=1000, pct_start=0.3, final_div_factor=1e9), 1000
    )
    assert max(abs(a - b) for a, b in zip(ours, expected, strict=True)) < 0.006  # one step of the steepest part
    assert max(ours) == 1.0
    assert ours.index(1.0) in {299, 300}


def test_warm_up_rises_in_a_straight_line_to_one() -> None:
    settings = TrainSettings(epochs=10, schedule="constant", warmup_epochs=2)
    assert factors(settings)[: 2 * SPE] == pytest.approx([(i + 1) / (2 * SPE) for i in range(2 * SPE)])
    assert factors(settings)[2 * SPE :] == [1.0] * (8 * SPE)


def test_a_warm_up_takes_at_most_half_of_all_epochs() -> None:
    ours = factors(TrainSettings(epochs=2, schedule="cosine", warmup_epochs=5))
    assert ours.index(max(ours)) == SPE - 1
    assert ours[-1] < 0.2


def test_a_warm_up_may_be_shorter_than_an_epoch() -> None:
    ours = factors(TrainSettings(epochs=4, schedule="cosine", warmup_epochs=0.5))
    assert ours[0] == pytest.approx(1 / 3.5)
    assert ours[2] < 1 == ours[3]


def test_cosine_after_a_warm_up_is_a_half_wave_over_the_rest() -> None:
    settings = TrainSettings(epochs=10, schedule="cosine", warmup_epochs=2, final_lr=0.1)
    for step, factor in list(enumerate(factors(settings)))[2 * SPE :]:
        u = (step / SPE - 2) / 8
        assert factor == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * u)) / 2)


@given(
    schedule=st.sampled_from(["cosine", "poly", "one-cycle", "constant", "step"]),
    epochs=st.integers(1, 40),
    warmup=st.floats(0, 50),
    final=st.floats(0, 1),
    steps_per_epoch=st.integers(1, 30),
)
def test_a_rate_is_never_above_the_highest_nor_below_nothing(
    schedule: str, epochs: int, warmup: float, final: float, steps_per_epoch: int
) -> None:
    settings = TrainSettings(epochs=epochs, schedule=schedule, warmup_epochs=warmup, final_lr=final, step_epochs=(1, 5))
    found = factors(settings, steps_per_epoch)
    assert all(0 <= factor <= 1 + 1e-12 for factor in found)
    assert found[0] > 0

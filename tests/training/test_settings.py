"""Every setting has its rule; what does not fit together says why."""

from typing import Any

import pytest
from pydantic import ValidationError

from striate.errors import ConfigError
from striate.training.settings import TrainSettings


def message(given: dict[str, Any]) -> str:
    with pytest.raises((ConfigError, ValidationError)) as caught:
        TrainSettings(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"schedule": "step"}, "needs step_epochs"),
        ({"step_epochs": (5, 3)}, "must rise"),
        ({"step_epochs": (0,)}, "at least 1"),
        ({"head_epochs": 2, "freeze": "trunk"}, "give one"),
        ({"accumulate": 9, "batch_size": 8}, "more than the batch of 8"),
        ({"epochs": 0}, "epochs"),
        ({"lr": float("inf")}, "lr"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": 0}, "lr"),
        ({"momentum": 1.0}, "momentum"),
        ({"ema": 1.0}, "ema"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"epoch": 3}, "epoch"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"warmup_epochs": float("inf")}, "warmup_epochs"),
    ],
)
def test_refused(given: dict[str, Any], says: str) -> None:
    assert says in message(given)


def test_the_words_of_every_setting_are_in_the_docstring() -> None:
    text = TrainSettings.__doc__ or ""
    assert [name for name in TrainSettings.model_fields if f"        {name}: " not in text] == []


def test_settings_come_back_from_json() -> None:
    settings = TrainSettings(schedule="step", step_epochs=(2, 5), lr=0.1 + 0.2, workers=3)
    assert TrainSettings.model_validate_json(settings.model_dump_json()) == settings

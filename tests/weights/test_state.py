from pathlib import Path

import pytest
import torch
from torch import Tensor

from striate.errors import WeightsError
from striate.weights.state import plain_state, strip_prefixes

PATH = Path("run.pth")


def state() -> dict[str, Tensor]:
    return {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s, "optimizer": {"lr": 0.1}},
        lambda s: {"model_state_dict": s},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": {f"module._orig_mod.{k}": v for k, v in s.items()}},
    ],
)
def test_the_usual_wrappers_are_taken_off(wrap) -> None:
    assert list(plain_state(wrap(state()), PATH)) == ["conv.weight", "conv.bias"]


def test_a_prefix_stays_where_not_every_name_has_it() -> None:
    mixed = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert list(strip_prefixes(mixed)) == ["module.a", "b"]


def test_parameters_come_without_their_gradient_history() -> None:
    found = plain_state({"a": torch.nn.Parameter(torch.ones(2))}, PATH)
    assert not found["a"].requires_grad


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds a list, not named tensors"),
        (torch.ones(1), "holds a Tensor, not named tensors"),
        ({}, "holds 0 entries"),
        ({"a": torch.ones(1), "epoch": 3}, "holds a int under 'epoch'"),
        ({"epoch": 3}, "holds a int under 'epoch'"),
        ({3: torch.ones(1)}, "holds a Tensor under 3"),
        ({"a": torch.ones(2, 2).to_sparse()}, "'a' is sparse"),
        ({"a": torch.ones(2, device="meta")}, "empty of data"),
        ({"a": torch.ones(1).expand(1_000_000_000)}, r"'a' claims shape \(1000000000,\), but the file holds less"),
    ],
)
def test_anything_else_is_refused(content: object, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        plain_state(content, PATH)

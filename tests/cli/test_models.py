"""The list of networks and their cards."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from striate.models import find_entry, list_models


def test_the_list_has_every_network_in_order(run_cli: Callable[..., Any]) -> None:
    lines = run_cli("models").out.splitlines()
    assert lines[0].split() == ["name", "year", "parameters", "GMACs", "input", "weights"]
    assert [line.split()[0] for line in lines[1:-1]] == list_models()


@pytest.mark.parametrize("name", list_models())
def test_every_card(name: str, run_cli: Callable[..., Any]) -> None:
    entry = find_entry(name)
    out = run_cli("models", name).out
    assert entry.paper in out
    assert entry.variant in out
    assert f"{entry.parameters:,} parameters" in out
    for note in (*entry.notes, *entry.same_keys_as):
        assert note in out


def test_a_trap_is_told(run_cli: Callable[..., Any]) -> None:
    assert "resnet50_v1 load here without error but mean another graph" in run_cli("models", "resnet50").out


def test_json_has_the_facts_and_the_weights(run_cli: Callable[..., Any]) -> None:
    everything = run_cli("models", "--json").json
    assert [entry["name"] for entry in everything] == list_models()
    card = run_cli("models", "efficientnet_lite0", "--json").json
    assert card in everything
    assert card["weights"][0]["name"] == "efficientnet_lite0.in1k"
    assert card["input_size"] == [3, 224, 224]


def test_the_task_selects(run_cli: Callable[..., Any]) -> None:
    names = [entry["name"] for entry in run_cli("models", "--task", "classify", "--json").json]
    assert names == list_models("classify")
    result = run_cli("models", "--task", "clasify")
    assert result.code == 2
    assert "No network has the task 'clasify'. Nearest: 'classify'." in result.err


def test_no_torch_is_needed() -> None:
    program = "import sys; from striate.cli import main; main(['models']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0

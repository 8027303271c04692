"""`striate invert` on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[8:32, 18:23] = 0
    Image.fromarray(pixels).save("one.png")
    return Path("one.png")


def test_a_sheet_a_table_and_the_next_command(photo: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli(
        "invert", photo, "--network", "lenet5.mnist", "--layers", "c1", "c3", "--samples", "2", "--steps", "3"
    )
    assert result.code == 0
    assert "Invert one.png from 2 layers of lenet5.mnist, 2 pictures each: c1, c3." in result.err
    assert "At most about" in result.err
    lines = result.out.splitlines()
    assert lines[0] == "What lenet5 keeps of one.png, from shallow to deep:"
    assert lines[2].startswith("c1     6×28×28")
    assert lines[-2].startswith("Data    striate-out/one-lenet5.mnist-inversion")
    assert lines[-1] == "Next    striate explain one.png --network lenet5.mnist"
    assert Path("striate-out/one-lenet5.mnist-inversion/sheet.png").is_file()
    again = run_cli("invert", "--from", "striate-out/one-lenet5.mnist-inversion")
    assert again.code == 0
    assert again.out.startswith("Report  ")


def test_json_is_one_document(photo: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli(
        "invert", photo, "--network", "lenet5.mnist", "--layers", "c1", "--samples", "1", "--steps", "2", "--json"
    )
    assert result.code == 0
    assert result.json["table"][0]["layer"] == "c1"
    assert result.json["table"][0]["disagreement"] is None
    assert result.json["report"].endswith("report.html")


def test_mistakes_are_sentences(photo: Path, run_cli: Callable[..., Any]) -> None:
    assert "either PHOTO or --from" in run_cli("invert").err
    wrong = run_cli("invert", photo, "--network", "lenet5.mnist", "--layers", "c9")
    assert wrong.code == 2
    assert "no layer 'c9'" in wrong.err
    assert "'--samples' must be" in run_cli("invert", photo, "--samples", "0").err
    assert (
        "There is no prior 'smooth'" in run_cli("invert", photo, "--network", "lenet5.mnist", "--prior", "smooth").err
    )

"""The layer table on the terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.insight import LayerActivations
from striate.models import find_entry


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_totals_are_the_catalogues(run_cli: Callable[..., Any]) -> None:
    document = run_cli("inspect", "resnet18", "--json").json
    entry = find_entry("resnet18")
    assert document["parameters"] == entry.parameters
    assert document["macs"] == entry.macs
    assert document["input_size"] == [1, 3, 224, 224]
    addresses = [row["address"] for row in document["rows"]]
    assert addresses[0] == "conv1"
    assert addresses[-1] == "fc"


def test_the_table(run_cli: Callable[..., Any]) -> None:
    result = run_cli("inspect", "resnet18.tv_in1k", "--depth", "1")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "resnet18: 11.7 M parameters, 1.81 GMACs at 3×224×224."
    assert lines[1].split() == ["layer", "kind", "output", "parameters", "MACs", "field", "stride"]
    conv1 = next(line for line in lines if line.startswith("conv1 "))
    assert conv1.split() == ["conv1", "Conv2d", "64×112×112", "9,408", "118,013,952", "7×7", "2"]
    total = next(line for line in lines if line.startswith("total"))
    assert total.split() == ["total", "11,689,512", "1,814,073,344"]
    assert not any("layer1.0" in line for line in lines)
    shares = [int(line.split()[-2]) for line in lines if line.endswith(" %")]
    assert abs(sum(shares) - 100) <= len(shares)


@pytest.mark.parametrize(("text", "size"), [("320x480", [320, 480]), ("256", [256, 256]), ("64×96", [64, 96])])
def test_input_sizes(text: str, size: list[int], run_cli: Callable[..., Any]) -> None:
    assert run_cli("inspect", "squeezenet1_1", "--input-size", text, "--json").json["input_size"] == [1, 3, *size]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input-size", "big"], "--input-size must be HEIGHTxWIDTH in pixels, such as 320x480, got 'big'."),
        (["--input-size", "0x5"], "got '0x5'"),
        (["--input-size", "3x224x224"], "got '3x224x224'"),
        (["--input-size", "8"], "--input-size must be at least 17x17 for squeezenet1_1, got 8x8."),
        (["--depth", "0"], "--depth must be at least 1, got 0."),
    ],
)
def test_refusals(words: list[str], message: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli("inspect", "squeezenet1_1", *words)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--units", "conv1:3", "--depth", "1"], "--input-size and --depth belong to the table"),
        (["--photo", "a.png", "--images", "b"], "give --photo or --images, or name --units"),
        (["--units", "conv1:3@2,1"], "'conv1:3' instead of 'conv1:3@2,1'"),
        (["--units", "c11:3"], "no layer 'c11'"),
        (["--photo", "missing.png"], "missing.png"),
    ],
)
def test_refusals_of_portraits(words: list[str], message: str, run_cli: Callable[..., Any], here: Path) -> None:
    result = run_cli("inspect", "lenet5.mnist", *words)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert not list(here.iterdir())


def test_portraits_end_with_the_page_and_what_is_next(run_cli: Callable[..., Any], here: Path) -> None:
    result = run_cli("inspect", "lenet5.mnist", "--units", "c1:0,c3:4", "--steps", "3", "--out", "o")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == ["unit", "c1:0", "c3:4", "Report", "Data", "Next"]
    assert (here / "o" / "report.html").is_file()
    document = run_cli("inspect", "lenet5.mnist", "--units", "c3:4", "--no-pictures", "--json").json
    assert [unit["address"] for unit in document["units"]] == ["c3:4"]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scribbles on paper, and a file that is none."""
    folder = tmp_path_factory.mktemp("papers")
    for number in range(4):
        pixels = np.full((40, 40), 230, np.uint8)
        pixels[8:32, 6 + 7 * number : 9 + 7 * number] = 20
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_all_maps_of_a_photo(run_cli: Callable[..., Any], here: Path, papers: Path) -> None:
    result = run_cli("inspect", "lenet5.mnist", "--photo", papers / "1.png", "--out", "maps")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()][1:] == ["Report", "Data", "Next"]
    assert "c1" in (here / "maps" / "report.html").read_text(encoding="utf-8")
    maps = LayerActivations.load(here / "maps" / "activations.npz")
    assert maps["c1"].maps.shape == (6, 28, 28)


def test_what_units_do_over_a_folder(run_cli: Callable[..., Any], here: Path, papers: Path) -> None:
    result = run_cli("inspect", "lenet5.mnist", "--images", papers, "--out", "stats")
    assert result.code == 0
    assert "dead units over 4 pictures." in result.out
    assert "broken.png" in result.err
    assert (here / "stats" / "patches.npz").is_file()
    document = run_cli("inspect", "lenet5.mnist", "--images", papers, "--out", "again", "--json").json
    assert document["statistics"]["count"] == 4
    assert document["patches"]["count"] == 4

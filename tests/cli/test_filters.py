"""`striate filters` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.ops import list_filters


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save("cat.png")
    return Path("cat.png")


def test_a_photo_gives_a_sheet_and_the_next_command(photo: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("filters", photo, "--filter", "sobel", "-f", "gaussian:sigma=1")
    assert result.code == 0
    assert result.err.splitlines()[0] == "Filter cat.png (40×30): 2 filters, border 'reflect'."
    lines = result.out.splitlines()
    assert lines[1].startswith("sobel ")
    assert lines[2].startswith("gaussian:sigma=1 ")
    assert lines[-2] == "Sheet   striate-out/cat-filters/sheet.png"
    assert lines[-1].startswith("Next    striate ")
    assert Path("striate-out/cat-filters/gaussian_sigma_1.png").is_file()


def test_several_photos_one_of_them_broken(photo: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    Path("broken.png").write_bytes(b"no picture")
    result = run_cli("filters", photo, "broken.png", "--kernel", "1 -1", "--out", "here", "--json")
    assert result.code == 1
    document = json.loads(result.out)
    assert (document["filtered"], document["failed"]) == (1, 1)
    assert "broken.png" in document["results"][1]["error"]
    assert Path("here/cat-filters/kernel.png").is_file()


def test_a_photo_given_twice_is_filtered_once(photo: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("filters", photo, "./cat.png", "--filter", "sobel", "--out", "here", "--json")
    assert result.code == 0
    assert result.err.splitlines()[0] == "cat.png is given 2 times; it is filtered once."
    assert result.json["filtered"] == 1
    assert Path("here/sobel.png").is_file()


@pytest.mark.parametrize("flags", [[], ["--out", "here"]])
def test_photos_of_one_name_get_folders_of_their_own(
    flags: list[str], photo: Path, run_cli: Callable[..., Any]
) -> None:
    Path("more").mkdir()
    Image.new("RGB", (9, 9)).save("more/cat.png")
    result = run_cli("filters", photo, "more/cat.png", "--filter", "sobel", *flags, "--json")
    top = Path("here" if flags else "striate-out")
    files = [Path(one["files"]["sobel"]) for one in result.json["results"]]
    assert files == [top / "cat-filters" / "sobel.png", top / "cat-filters-2" / "sobel.png"]
    assert [Image.open(file).size for file in files] == [(40, 30), (9, 9)]


def test_the_list_names_every_filter(run_cli: Callable[..., Any]) -> None:
    text = run_cli("filters", "--list").out
    assert all(name in text for name in list_filters())
    assert "gabor-bank" in text
    assert "vertical-edges: 1 0 -1; 1 0 -1; 1 0 -1" in text
    assert [one["name"] for one in run_cli("filters", "--list", "--json").json] == list(list_filters())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "'striate filters' needs a photo, or --list."),
        (["cat.png", "--kernel", "1 0 -1; 1 0"], "row 1 has 3 numbers, row 2 has 2."),
        (["cat.png", "--kernel", "a b"], "kernel must hold finite numbers, got 'a'."),
        (["cat.png", "--filter", "sobl"], "No filter named 'sobl'. Nearest: 'sobel'"),
        (["cat.png", "--filter", "box:size=-3"], "size must be a whole number from 1 to 999, got -3."),
        (
            ["cat.png", "--device", "tpu"],
            "Error: device must be 'cpu', 'cuda' (or 'cuda:1' and so on) or 'auto', got 'tpu'.\n",
        ),
        (
            ["cat.png", "--border", "nope"],
            "'--border' must be 'zeros', 'reflect', 'symmetric', 'replicate' or 'circular', got 'nope'.",
        ),
        (["cat.png", "--list"], "--list takes no photo, got 'cat.png'; leave one of them out."),
        (["none.png"], "none.png: no such file."),
        (["cat.png", "--max-side", "0"], "'--max-side' must be greater than or equal to 1, got 0."),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], message: str, photo: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("filters", *words)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert not Path("striate-out").exists()

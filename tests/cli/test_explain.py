"""The main job from the command line."""

import inspect as python_inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.cli.explain import explain
from striate.recipes.explain import ExplainConfig

COARSE = ("--window", "56", "--stride", "56")  # 16 places instead of 676: the same code in a tenth of the time


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """scikit-image's cup of coffee, and the folder of its explanation."""
    skimage = pytest.importorskip("skimage")
    folder = tmp_path_factory.mktemp("explained")
    photo = folder / "a cup.png"
    shutil.copyfile(Path(skimage.__file__).parent / "data/coffee.png", photo)
    return photo, folder / "out"


@pytest.fixture(scope="module")
def first_run(explained: tuple[Path, Path]) -> dict[str, Any]:
    """What a script gets from one run with --json."""
    import contextlib
    import io

    from striate.cli import main

    photo, out = explained
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main(["explain", str(photo), "--out", str(out), *COARSE, "--json"])
    return {"code": code, "document": json.loads(stdout.getvalue()), "stderr": stderr.getvalue()}


def test_coffee_is_espresso_and_everything_is_written(first_run: dict[str, Any], explained: tuple[Path, Path]) -> None:
    assert first_run["code"] == 0
    document = first_run["document"]
    assert document["answers"][0]["label"] == "espresso"
    assert document["answers"][0]["probability"] > 0.8
    assert len(document["answers"]) == 5
    assert Path(document["folder"]) == explained[1]
    written = [Path(path) for path in document["files"].values()]
    assert {"report.html", "explanation.json", "arrays.npz", "seen.png"} <= {path.name for path in written}
    assert all(path.stat().st_size > 0 for path in written)
    assert Path(document["report"]).stat().st_size < 5_000_000


def test_the_plan_and_progress_go_to_stderr(first_run: dict[str, Any]) -> None:
    lines = first_run["stderr"].splitlines()
    assert lines[0].startswith("Explain a cup.png with efficientnet_lite0")
    assert "occlusion …" in lines


def test_the_page_is_drawn_again_from_the_data(
    first_run: dict[str, Any], explained: tuple[Path, Path], tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(explained[1], copy)
    before = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    result = run_cli("explain", "--from", copy)
    assert result.code == 0
    assert result.out.startswith(f"Report  {copy / 'report.html'}")
    assert (copy / "report.html").read_bytes() == before


def test_for_people_the_answer_comes_first(
    explained: tuple[Path, Path], tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("explain", explained[0], "--out", tmp_path / "o", *COARSE, "--target", "cup", "--top", "2")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0].startswith("efficientnet_lite0 sees espresso (9")
    assert lines[1].split() == [*lines[1].split()[:2], "espresso", "class", "967"]
    assert lines[3].startswith("The maps explain cup (")
    assert lines[4].startswith(f"Report  {tmp_path / 'o' / 'report.html'} (")
    assert lines[-1] == f"Next    striate explain '{explained[0]}' --target 967"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "crane"], "'crane' names 2 classes: 134 crane (bird), 517 crane (machine)."),
        (["--target", "cupp"], "No class named 'cupp'. Nearest: 'cup'"),
        (["--target", "1000"], "1000"),
        (["--network", "efficientnet_lite9"], "No network named 'efficientnet_lite9'. Nearest: 'efficientnet_lite"),
        (["--window", "0"], "'--window' must be greater than or equal to 1, got 0."),
        (["--max-megapixels", "0.1"], "megapixel"),
    ],
)
def test_refusals(
    words: list[str], message: str, explained: tuple[Path, Path], tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("explain", explained[0], "--out", tmp_path / "none", *words)
    assert result.code == 2
    assert message in result.err.splitlines()[-1]
    assert not (tmp_path / "none").exists()


def test_from_an_empty_folder_says_what_is_missing(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("explain", "--from", tmp_path)
    assert result.code == 2
    assert "explanation.json is missing" in result.err


def test_a_folder_that_cannot_be_written_is_said(
    explained: tuple[Path, Path], tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    result = run_cli("explain", explained[0], "--out", tmp_path / "file", *COARSE)
    assert result.code == 2
    assert "--out" in result.err.splitlines()[-1]


def test_flags_and_defaults_are_those_of_the_config() -> None:
    flags = {
        name: parameter.default
        for name, parameter in python_inspect.signature(explain).parameters.items()
        if name not in {"photo", "from_", "json"}
    }
    config = {name: field.default for name, field in ExplainConfig.model_fields.items() if name != "photo"}
    assert flags == config

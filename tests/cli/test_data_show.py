"""`striate data show`: sentences, a path, the next command; or one JSON document."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def test_it_says_what_training_sees_and_where_the_sheet_is(run_cli, folder, tmp_path):
    out = tmp_path / "sheet.png"
    result = run_cli("data", "show", folder, "--size", 32, "--pictures", 3, "--out", out)
    assert result.code == 0
    assert "moved by up to 4 px" in result.out
    assert str(out) in result.out
    assert "striate train" in result.out + result.err
    assert out.stat().st_size > 1000


def test_json_holds_every_number(run_cli, folder, tmp_path):
    words = ("--size", 32, "--mixup", 0.5, "--seed", 4, "--json", "--out", tmp_path / "sheet.png")
    document = run_cli("data", "show", folder, *words).json
    assert document["seed"] == 4
    assert document["policy"] == "small"
    assert len(document["pictures"]) == 6
    assert len(document["pictures"][0]["shares"]) == 6


def test_refusals_are_one_sentence(run_cli, folder, tmp_path):
    for words, what in (
        ((tmp_path / "nothing",), "no such file or folder"),
        ((folder, "--augment", "smal"), "Nearest: 'small'"),
        ((folder, "--pictures", 0), "pictures"),
    ):
        result = run_cli("data", "show", *words)
        assert result.code == 2
        assert what in result.err
        assert "Traceback" not in result.err

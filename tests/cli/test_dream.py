"""`striate dream`: a picture with its settings, a film that goes on where it was stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FAST = ("--network", "lenet5.mnist", "--layer", "c3", "--octaves", "1", "--steps", "2", "--size", "64")


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small photo in an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_a_dream_is_written_with_its_settings(run_cli: Callable[..., Any], photo: Path) -> None:
    result = run_cli("dream", photo, *FAST, "--out", "o.png")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()][-2:] == ["Picture", "Next"]
    with Image.open("o.png") as made:
        assert max(made.size) == 64
        assert "c3" in str(made.info)
    first = Path("o.png").read_bytes()
    again = run_cli("dream", photo, *FAST, "--out", "again.png")
    assert again.code == 0
    with Image.open("again.png") as two, Image.open("o.png") as one:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    assert first


def test_a_film_goes_on_at_the_next_frame(run_cli: Callable[..., Any], photo: Path) -> None:
    film = (*FAST, "--frames", "3", "--zoom", "1.1", "--video", "none")
    assert run_cli("dream", photo, *film, "--out", "whole").code == 0
    frames = sorted(Path("whole").rglob("*.png"))
    assert len(frames) >= 3
    assert run_cli("dream", photo, *film, "--out", "cut").code == 0
    removed = max(Path("cut").rglob("*.png"))
    removed.unlink()
    assert run_cli("dream", photo, *film, "--out", "cut").code == 0
    for one in frames:
        other = Path("cut") / one.relative_to("whole")
        np.testing.assert_array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", "c33"), "c33"),
        (("--octaves", "0"), "octaves"),
        (("--frames", "0"), "frames"),
    ],
)
def test_refusals(words: tuple[str, ...], message: str, run_cli: Callable[..., Any], photo: Path) -> None:
    result = run_cli("dream", photo, "--network", "lenet5.mnist", *words)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err

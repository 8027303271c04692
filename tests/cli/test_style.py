"""`striate style` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.draw.described import read_described

NET = ("--network", "lenet5.mnist", "--content-layers", "c3", "--style-layers", "c1", "c3")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, size in (("photo", (40, 48)), ("paint", (36, 36)), ("other", (50, 40))):
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(f"{name}.png")
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[:20, :, 3] = 255
    Image.fromarray(clear).save("clear.png")
    return tmp_path


def test_a_picture_with_its_settings_inside(pictures: Path, run_cli: Callable[..., Any]) -> None:
    done = run_cli("style", "photo.png", "paint.png", "other.png", *NET, "--steps", "3", "--format", "webp")
    assert done.code == 0, done.err
    assert "Paint photo.png in the style of paint.png and other.png, 3 steps, at 53 × 64 pixels" in done.err
    folder = Path("striate-out/photo-paint-style")
    assert done.out.splitlines()[0].startswith("loss of lenet5")
    assert f"Picture {folder / 'picture.webp'}" in done.out
    pixels, settings = read_described(folder / "picture.webp")
    assert pixels.shape == (53, 64, 3)
    assert settings["command"].startswith("striate style photo.png paint.png other.png --network lenet5.mnist")
    assert settings["parameters"]["style_weights"] == [0.5, 0.5]
    assert not (folder / "preview.png").exists()
    assert not (folder / "picture.png").exists()
    again = run_cli("style", "photo.png", "paint.png", "other.png", *NET, "--steps", "3", "--out", "b", "--json")
    assert again.json["kind"] == "styled picture"
    assert np.array_equal(read_described("b/picture.png")[0], pixels)


def test_stopped_and_gone_on_with(pictures: Path) -> None:
    from striate.recipes.events import Done
    from striate.recipes.style import StyleConfig, read_config, run

    settings = {
        "content": Path("photo.png"),
        "styles": (Path("paint.png"),),
        "network": "lenet5.mnist",
        "content_layers": ("c3",),
        "style_layers": ("c1", "c3"),
        "steps": 6,
    }
    *_, whole = run(StyleConfig(**settings, out=Path("whole")))
    asked = iter([False, False, True])
    *_, part = run(StyleConfig(**settings, out=Path("part")), should_stop=lambda: next(asked))
    assert isinstance(part, Done)
    assert not part.result.finished
    assert part.files["state"].is_file()
    *_, rest = run(read_config(Path("part")), resume=True)
    assert rest.result.finished
    assert np.array_equal(rest.result.values, whole.result.values)
    assert rest.result.curve.tolist() == whole.result.curve.tolist()
    assert not Path("part/state.pt").exists()


def test_compare_says_what_was_found(pictures: Path, run_cli: Callable[..., Any]) -> None:
    done = run_cli("style", "photo.png", "paint.png", *NET, "--compare", "--seeds", "2", "--steps", "6", "--out", "c")
    assert done.code == 0, done.err
    assert "of 2 runs" in done.out
    assert "The loss is that of lenet5." in done.out
    known = json.loads(Path("c/compare.json").read_text())
    assert {(c["optimizer"], c["seed"]) for c in known["curves"]} == {(n, s) for n in ("lbfgs", "adam") for s in (0, 1)}
    assert Path("c/compare.png").is_file()


def test_odd_pictures(pictures: Path, run_cli: Callable[..., Any]) -> None:
    Image.new("L", (1, 1), 90).save("dot.png")
    sideways = Image.Exif()
    sideways[0x0112] = 6
    Image.fromarray(np.zeros((30, 60, 3), np.uint8)).save("turned.jpg", exif=sideways)
    for content, style, height in (("turned.jpg", "clear.png", 64), ("dot.png", "dot.png", 64)):
        done = run_cli("style", content, style, *NET, "--steps", "2", "--out", "d", "--json")
        assert done.code == 0, done.err
        assert done.json["size"][0] == height  # upright


def test_mistakes_are_sentences(pictures: Path, run_cli: Callable[..., Any]) -> None:
    Path("broken.png").write_bytes(b"x")
    for words, message in (
        ((), "needs either CONTENT and STYLE, or --resume"),
        (("photo.png",), "at least one STYLE"),
        (("photo.png", "nowhere.png"), "no such file"),
        (("photo.png", "broken.png"), "broken.png"),
        (("photo.png", "paint.png", *NET[:2], "--style-layers", "c33"), "no layer 'c33'"),
        (("photo.png", "paint.png", *NET, "--mask", "paint.png", "other.png"), "masks must be one for each of 1"),
        (("photo.png", "paint.png", *NET, "--preset", "gaty"), "Nearest: 'gatys'"),
        (("--resume", "empty"), "no style run to go on with"),
    ):
        done = run_cli("style", *words)
        assert done.code == 2, (words, done.err)
        assert message in done.err, (words, done.err)

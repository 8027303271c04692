"""`recipes.dream`: events in order, previews, stops that keep what is there, films."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.dreams import DreamPicture
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.recipes import film_file
from striate.recipes.dream import DreamConfig, run
from striate.recipes.events import Done, Plan, Progress


def settings(folder: Path, **changes: Any) -> DreamConfig:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a <b>photo.png")
    given = {"network": "lenet5.mnist", "layer": ("c3",), "octaves": 2, "steps": 3, "size": 64, "jitter": 3, **changes}
    return DreamConfig(**{"photo": folder / "a <b>photo.png", "out": folder / "out", **given})


def finish(config: DreamConfig, **options: Any) -> Done:
    *_, done = run(config, **options)
    assert isinstance(done, Done)
    return done


def after(count: int) -> Callable[[], bool]:
    """Says stop after so many steps."""
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= count


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_events_and_the_picture(tmp_path: Path) -> None:
    events = list(run(settings(tmp_path)))
    plan = next(event for event in events if isinstance(event, Plan))
    assert plan.seconds is not None
    assert "Dream of c3 of lenet5.mnist in a <b>photo.png: 64 × 48 pixels, 2 octaves, 3 steps each." in plan.text
    steps = [event for event in events if isinstance(event, Progress) and event.total]
    assert [event.done for event in steps] == [112, 225, 337, 558, 779, 1000]  # pixels, not steps, are what it costs
    done = events[-1]
    assert isinstance(done, Done)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dream.png"]
    kept = DreamPicture.load(done.files["picture"])
    assert kept.stopped == "steps"
    assert kept.parameters["sizes"] == [[34, 46], [48, 64]]
    np.testing.assert_array_equal(kept.pixels, done.result.pixels)


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_stopped_picture_goes_on_where_it_was(stop: int, tmp_path: Path) -> None:
    wanted = finish(settings(tmp_path, out=tmp_path / "whole.png")).result
    config = settings(tmp_path)
    cut = finish(config, should_stop=after(stop))
    assert cut.result.stopped == "interrupted"
    assert cut.files["picture"].is_file()
    events = list(run(config))
    assert any(isinstance(event, Plan) and f"going on after step {stop}" in event.text for event in events)
    assert events[-1].result.pixels.tolist() == wanted.pixels.tolist()
    assert events[-1].result.history == wanted.history
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dream.png"]


def test_other_settings_begin_again_and_damage_is_said(tmp_path: Path) -> None:
    finish(settings(tmp_path), should_stop=after(2))
    events = list(run(settings(tmp_path, strength=2.0)))
    assert not any(isinstance(event, Plan) and "going on" in event.text for event in events)
    finish(settings(tmp_path), should_stop=after(2))
    (kept,) = (tmp_path / "out").glob(".*.pt")
    kept.write_bytes(b"no")
    with pytest.raises(DataError, match="damaged"):
        finish(settings(tmp_path))


def test_previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.recipes.dream._PREVIEW_S", 0.0)
    for event in run(settings(tmp_path)):
        if isinstance(event, Progress) and event.total and event.done > 200:
            with Image.open(tmp_path / "out" / "dream-preview.jpg") as preview:
                assert preview.size == (64, 48)
            break


def test_a_film_is_stopped_and_made_longer(tmp_path: Path) -> None:
    film = {"frames": 4, "zoom": 1.1, "turn": 2.0, "video": "none", "octaves": 1, "steps": 2}
    finish(settings(tmp_path, **film, out=tmp_path / "whole"))
    cut = finish(settings(tmp_path, **film), should_stop=after(3))  # in the second frame
    assert [path.name for path in sorted((tmp_path / "out/frames").iterdir())] == ["frame-00001.png"]
    assert cut.files["picture"].is_file()
    events = list(run(settings(tmp_path, **{**film, "frames": 3})))
    assert any(isinstance(event, Plan) and "going on after frame 1" in event.text for event in events)
    finish(settings(tmp_path, **film))
    for number in range(1, 5):
        name = f"frames/frame-{number:05d}.png"
        np.testing.assert_array_equal(pixels(tmp_path / "out" / name), pixels(tmp_path / "whole" / name))
    assert not np.array_equal(pixels(tmp_path / "out/frames/frame-00001.png"), pixels(tmp_path / "out/dream.png"))
    with pytest.raises(ConfigError, match=r"another film \(strength differ"):
        finish(settings(tmp_path, **film, strength=3.0))
    assert finish(settings(tmp_path, **film), should_stop=after(1)).result.stopped == "steps"  # all is there


def test_a_film_stopped_in_its_first_frame_has_nothing(tmp_path: Path) -> None:
    done = finish(settings(tmp_path, frames=3, video="none"), should_stop=after(1))
    assert done.files == {}


@pytest.mark.parametrize("video", ["webp", "gif"])
def test_films_play(video: str, tmp_path: Path) -> None:
    done = finish(settings(tmp_path, frames=3, video=video, octaves=1, steps=1, fps=10))
    with Image.open(done.files["film"]) as film:
        assert film.n_frames == 3
        assert film.size == (64, 48)


def test_mp4_is_written_by_ffmpeg_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert film_file.pick_kind("auto") == "webp"
    with pytest.raises(ConfigError, match="needs the program ffmpeg"):
        film_file.pick_kind("mp4")
    monkeypatch.undo()
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/words"\nfor last; do :; done\necho film > "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    done = finish(settings(tmp_path, frames=2, octaves=1, steps=1))
    assert done.files["film"].name == "dream.mp4"
    assert done.files["film"].read_text() == "film\n"
    assert "frame-%05d.png" in (fake.parent / "words").read_text()
    fake.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    with pytest.raises(DataError, match=r"broken.*Choose webp or gif"):
        finish(settings(tmp_path, frames=2, octaves=1, steps=1))


def test_guides_and_refusals(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "g.png")
    done = finish(settings(tmp_path, guide=tmp_path / "g.png"))
    assert "after g.png" in done.result.sentence()
    with pytest.raises(UnknownNameError, match="'c33'"):
        finish(settings(tmp_path, layer=("c33",)))
    with pytest.raises(ConfigError, match="must be a folder"):
        finish(settings(tmp_path, frames=2, out=tmp_path / "a.png"))
    with pytest.raises(DataError, match="no such file"):
        finish(settings(tmp_path, guide=tmp_path / "missing.png"))
    (tmp_path / "out2").write_bytes(b"")
    with pytest.raises(DataError, match="Choose another folder"):
        finish(settings(tmp_path, out=tmp_path / "out2"))

"""`recipes.invert`: events in order, files that are read again, and a stop that keeps what is there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.data import Labels, Preprocessing
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.insight.inversion_sheet import InversionSheet
from striate.models import create_model
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.invert import InvertConfig, rebuild_page, run
from striate.weights import NativeMetadata, save_native


def settings(folder: Path, **changes: Any) -> InvertConfig:
    torch.manual_seed(2)
    net = create_model("squeezenet1_1", num_classes=6)
    labels = Labels(("ant", "bee", "cat", "dog", "egg", "fox"))
    about = Preprocessing(input_size=(48, 48), resize=48)
    metadata = NativeMetadata("squeezenet1_1", "as built", "trained", about, labels)
    network = save_native(folder / "small.safetensors", net.state_dict(), metadata=metadata)
    y, x = np.mgrid[:60, :70]
    pixels = np.stack([x * 3 % 256, y * 4 % 256, (x + y) % 256], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "a <b>photo.png")
    given = {"layers": ("features.1", "features.4"), "samples": 2, "steps": 3, **changes}
    return InvertConfig(photo=folder / "a <b>photo.png", network=str(network), out=folder / "out", **given)


def test_events_files_and_the_page(tmp_path: Path) -> None:
    config = settings(tmp_path)
    events = list(run(config))
    plan = next(event for event in events if isinstance(event, Plan))
    assert plan.seconds is not None
    assert plan.seconds > 0
    assert "from 2 layers" in plan.text
    steps = [event for event in events if isinstance(event, Progress) and event.total == 1000]
    assert [event.done for event in steps] == sorted(event.done for event in steps)
    assert steps[-1].done == 1000
    # The first picture of every layer comes before the second of any.
    assert list(dict.fromkeys(event.stage for event in steps)) == [
        "features.1, picture 1 of 2",
        "features.4, picture 1 of 2",
        "features.1, picture 2 of 2",
        "features.4, picture 2 of 2",
    ]
    done = events[-1]
    assert isinstance(done, Done)
    assert all(path.stat().st_size for path in done.files.values())
    assert not (tmp_path / "out" / "preview.png").exists()
    data = json.loads((tmp_path / "out" / "inversion.json").read_text())
    assert [row["layer"] for row in data["table"]] == ["features.1", "features.4"]
    assert data["provenance"]["command"].startswith("striate invert ")
    page = done.files["report"].read_text()
    assert "a <b>photo" not in page
    assert "a &lt;b&gt;photo" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert len(page) < 3_000_000
    before = page
    assert rebuild_page(tmp_path / "out").read_text() == before


def test_a_stop_keeps_what_is_there(tmp_path: Path) -> None:
    asked = iter([False, False, False, False, True])
    *_, done = run(settings(tmp_path), should_stop=lambda: next(asked))
    assert isinstance(done, Done)
    sheet = InversionSheet.load(tmp_path / "out")
    assert [row.stopped for row in sheet.rows] == [("steps",), ("interrupted",)]
    assert done.files["report"].exists()


def test_previews_show_the_newest_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.recipes.invert._PREVIEW_S", 0.0)
    for event in run(settings(tmp_path)):
        if isinstance(event, Progress) and event.total and event.stage.startswith("features.4"):
            with Image.open(tmp_path / "out" / "preview.png") as preview:
                assert preview.width >= 2 * 48
            break


def test_stages_are_the_default_and_a_weight_can_be_given(tmp_path: Path) -> None:
    *_, done = run(settings(tmp_path, layers=(), samples=1, steps=1, tv_weight=0.5))
    assert isinstance(done, Done)
    assert done.result.rows[-1].layer == "classifier"
    assert len(done.result.rows) > 3
    assert {row.parameters["tv_weight"] for row in done.result.rows} == {0.5}


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no layer 'features\.99'"):
        list(run(settings(tmp_path, layers=("features.99",))))
    with pytest.raises(UnknownNameError, match="no prior"):
        list(run(settings(tmp_path, prior="smooth")))
    with pytest.raises(ConfigError, match="steps in pixels"):
        list(run(settings(tmp_path, optimizer="reference")))
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(DataError, match="Choose another folder"):
        list(run(settings(tmp_path)))

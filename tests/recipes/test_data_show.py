"""The sheet of what a network will see shows what the loader and the augmentation give."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.opening import open_data
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.recipes.data_show import DataShowConfig, run
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.train_data import look_at
from striate.recipes.train_network import begin
from striate.recipes.train_plan import resolve


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "eel"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (40 + number, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    (tmp_path / "pets" / "cat" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    return tmp_path / "pets"


def shown(folder, **options):
    events = list(run(DataShowConfig(data=folder, out=folder.parent / "sheet.png", **options)))
    assert isinstance(events[0], Plan)
    assert [type(event) for event in events[1:-1]] == [Progress] * 6
    assert isinstance(events[-1], Done)
    return events


def test_rows_take_turns_among_the_classes_and_leave_out_what_cannot_be_read(folder):
    done = shown(folder, size=32, pictures=7)[-1]
    result = done.result
    assert [picture.label for picture in result.pictures] == ["dog", "eel", "cat", "dog", "eel", "cat", "dog"]
    assert [Path(problem.where).name for problem in result.problems] == ["0.png"]
    assert result.policy == "small"
    assert result.pictures[0].size[1] == 60
    with Image.open(done.files["sheet"]) as image:
        assert image.size[0] > 1000
        np.testing.assert_array_equal(np.asarray(image), result.sheet)


def test_the_same_seed_gives_the_same_sheet(folder):
    def sheet(**options):
        return shown(folder, size=32, pictures=4, **options)[-1].result.sheet

    first = sheet()
    np.testing.assert_array_equal(sheet(), first)
    for options in ({"seed": 1}, {"epoch": 6}, {"theme": "dark"}, {"augment": "none"}):
        other = sheet(**options)
        assert other.shape != first.shape or (other != first).any()
    shifted = sheet(epoch=1)
    assert (shifted != first).any()


def test_mixed_pictures_carry_both_labels_with_their_shares(folder):
    result = shown(folder, size=32, mixup=1.0, augment="none")[-1].result
    shares = [share for picture in result.pictures for share in picture.shares]
    assert all(len(picture.shares) == 6 for picture in result.pictures)
    assert all(abs(sum(value for _, value in share) - 1) < 0.01 for share in shares)
    assert any(len(share) == 2 for share in shares)
    document = result.to_dict()
    assert document["pictures"][0]["shares"][0]
    assert any("mixup" in step for step in document["steps"])


def test_a_networks_own_view_is_shown(folder):
    plan, *_, done = shown(folder, model="efficientnet_lite0", pictures=2)
    assert "efficientnet_lite0 sees them at 224 × 224" in plan.text
    assert done.result.preprocessing.interpolation == "bicubic"
    assert done.result.policy == "light"  # as in training: its weights are here
    plain = shown(folder, model="lenet5", pictures=2)[-1].result
    assert plain.policy == "digits"
    for model in ("squeezenet1_0", "resnet20"):
        small = shown(folder, model=model, size=64, pictures=1)[-1].result.preprocessing
        assert small.input_size == (64, 64)


@pytest.mark.parametrize("model", ["resnet20", "resnet18", "lenet5"])
@pytest.mark.parametrize("gray", [False, True])
def test_the_view_is_that_of_a_training(tmp_path, model, gray):
    data = tmp_path / "some.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 50, 50, 3), dtype=np.uint8)
    np.savez(data, images=pixels[..., 0] if gray else pixels, labels=np.arange(8) % 2)
    config, _ = resolve({"data": data, "model": model}, start="", pictures=8)
    look = look_at(open_data(data)["all"], max_megapixels=64)
    training = begin(config, look, start="", classes=("0", "1")).preprocessing
    assert shown(data, model=model, pictures=1)[-1].result.preprocessing == training
    assert training.channels == ("L" if gray else "RGB")


def test_refuses_what_there_is_not(folder):
    for options, error, what in (
        ({"model": "resnet51"}, UnknownNameError, "resnet51"),
        ({"augment": "mighty"}, UnknownNameError, "No augmentation named 'mighty'"),
        ({"part": "test"}, ConfigError, "has no part 'test'"),
        ({"max_megapixels": 1e-6}, DataError, "None of"),
    ):
        with pytest.raises(error, match=what):
            shown(folder, **options)
    (folder.parent / "file").write_text("")
    with pytest.raises(DataError, match="--out"):
        list(run(DataShowConfig(data=folder, size=32, out=folder.parent / "file" / "sheet.png")))

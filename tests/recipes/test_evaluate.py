"""What is evaluated on what: a run on its own held-out pictures, and nothing that it learned from unseen."""

import json
import shutil

import numpy as np
import pytest

from striate.errors import DataError, UnknownNameError
from striate.recipes.evaluate import EvaluateConfig, rebuild_page, run
from striate.recipes.events import Done, Plan, Progress
from striate.training.evaluation import Evaluation
from tests.training.scenes import CLASSES, class_folders, predictions, run_folder, shades


@pytest.fixture
def data(tmp_path):
    return class_folders(tmp_path / "shades")


@pytest.fixture
def trained(tmp_path, data):
    return run_folder(tmp_path / "runs" / "classify" / "r", data=data)


def finish(**settings):
    events = list(run(EvaluateConfig(workers=1, **settings)))
    assert isinstance(events[0], Plan)
    assert all(isinstance(event, Progress) for event in events[1:-1])
    assert isinstance(events[-1], Done)
    return events[0].text, events[-1]


def test_a_run_is_evaluated_on_the_pictures_that_it_held_out(trained):
    plan, done = finish(network=str(trained.path))
    assert "12 pictures (held out by the run)" in plan
    result = done.result
    assert len(result.predictions) == 12
    assert done.folder == trained.path / "evaluation"
    names = {"report", "json", "npz", "pictures", "confusion", "reliability"}
    assert set(done.files) == names
    assert all(path.is_file() for path in done.files.values())
    assert result.cost["parameters"] > 50_000
    assert result.cost["macs"] > 100_000
    assert result.cost["ms_per_picture"] > 0
    assert result.provenance["run"]["best_epoch"] == 3
    shown = {case.index for case in (*result.mistakes, *result.hardest)}
    assert shown == set(result.pictures)
    assert all(picture.shape == (32, 32, 3) for picture in result.pictures.values())
    assert Evaluation.load(done.folder).to_dict() == json.loads(json.dumps(result.to_dict()))


def test_the_page_can_be_drawn_again(trained):
    _, done = finish(network=str(trained.path))
    text = done.files["report"].read_text(encoding="utf-8")
    done.files["report"].unlink()
    assert rebuild_page(done.folder).read_text(encoding="utf-8") == text


def test_pictures_that_are_gone_are_named(trained, data):
    (data / "val" / "dark" / "000.png").unlink()
    plan, done = finish(network=str(trained.path))
    assert "1 of the 12 pictures that the run held out are gone." in plan
    assert done.result.predictions.facts["problems"][0]["where"] == "val/dark/000.png"
    assert len(done.result.predictions) == 11


def test_data_that_is_gone_leaves_the_answers_that_were_stored(trained, data):
    shutil.rmtree(data)
    with pytest.raises(DataError, match=r"The data of the run cannot be used: .*no such file or folder"):
        finish(network=str(trained.path))
    predictions().save(trained.predictions)
    plan, done = finish(network=str(trained.path))
    assert "the answers that the run stored" in plan
    assert done.result.top1.count == 40
    assert done.result.pictures == {}
    with pytest.raises(DataError, match="The view 'dense' needs the pictures"):
        finish(network=str(trained.path), view="dense")


def test_pictures_that_a_run_learned_from_are_no_evidence(trained):
    plan, done = finish(network=str(trained.path), split="train")
    assert "may have learned from 12 of these pictures" in plan
    assert done.result.provenance["notes"]
    assert done.folder.name == "evaluation-train"


def test_weights_are_evaluated_on_other_data(trained, tmp_path):
    images, labels = shades(9)
    np.savez(tmp_path / "more.npz", images=images, labels=labels, classes=np.array(CLASSES))
    plan, done = finish(network=str(trained.best), data=tmp_path / "more.npz", out=tmp_path / "out")
    assert "9 pictures (all)" in plan
    assert done.result.provenance["run"] == {}
    assert done.folder == tmp_path / "out"


@pytest.mark.parametrize("view", ["ten-crop", "dense"])
def test_other_views_go_to_folders_of_their_own(trained, view):
    _, done = finish(network=str(trained.path), view=view)  # of the run's own pictures
    assert done.folder.name == f"evaluation-{view}"
    assert done.result.predictions.facts["view"] == view


def test_another_label_space_is_refused_with_names(trained, tmp_path):
    images, labels = shades(9)
    np.savez(tmp_path / "other.npz", images=images, labels=labels, classes=np.array(["cat", "dog", "owl"]))
    with pytest.raises(DataError, match=r"3 of 3 classes .* 'cat', 'dog', 'owl'.* The network knows 'dark'"):
        finish(network=str(trained.path), data=tmp_path / "other.npz")


def test_refusals(trained, data, tmp_path):
    with pytest.raises(DataError, match="give the data, too: striate evaluate lenet5_relu DATA"):
        finish(network="lenet5_relu")
    with pytest.raises(DataError, match=r"config\.yaml is missing"):
        finish(network=str(data))
    with pytest.raises(UnknownNameError, match=r"no part 'test'; it has 'train' \(12\), 'val' \(12\)"):
        finish(network=str(trained.path), data=data, split="test")
    shutil.rmtree(data / "val")
    with pytest.raises(DataError, match="no such file or folder"):
        finish(network=str(trained.best), data=tmp_path / "nowhere")
    trained.best.unlink()
    with pytest.raises(DataError, match=r"best\.safetensors: no such file: the run has not kept any weights yet"):
        finish(network=str(trained.path))
    taken = tmp_path / "file"
    taken.touch()
    run_folder(tmp_path / "runs" / "classify" / "r", data=data, answers=predictions())
    with pytest.raises(DataError, match=r"cannot write to .*Choose another folder with --out"):
        finish(network=str(trained.path), out=taken)

"""People and networks on the same pictures: choices of a network, numbers of a study, and where there is none."""

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from striate.data import Labels, open_data
from striate.draw import encode_png
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.insight.error_consistency import error_consistency
from striate.insight.human_study_mapping import (
    answer_as_network,
    read_mapping,
    study_classes,
    study_outputs,
    unknown_labels,
)
from striate.insight.human_study_result import StudyResult
from striate.training.metrics import Rate
from tests.insight.study_scenes import answer_all, color_folders, color_network, make_study


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return color_folders(tmp_path_factory.mktemp("data") / "colors", count=20)


@pytest.fixture
def study(tmp_path, data):
    study = make_study(tmp_path / "study", data, conditions=("clean", "blur=2"), per_class=8)
    answer_all(study, "p1", wrong=set(range(0, 48, 4)))
    answer_all(study, "p2", wrong=set(range(0, 48, 6)), count=40)
    answer_all(study, "net", wrong=set(range(0, 48, 8)) | {1, 3}, kind="network")
    return study


def test_error_rates_confusion_and_times(study):
    found = StudyResult.of(study)
    assert found.observers == ("p1", "p2", "net")
    assert found.kinds == ("person", "person", "network")
    assert found.values.shape == (3, 48)
    assert found.errors(0) == Rate.of(12, 48)
    assert found.errors(1).count == 40
    total = sum(found.errors(0, c).hits for c in (0, 1))
    assert total == 12
    matrix = found.confusion([0, 2])
    assert matrix.sum() == 96
    assert np.trace(matrix) == 96 - 12 - 8
    assert found.times(0).median == pytest.approx(500 + 23.5)
    assert math.isnan(found.times(2).median)
    assert found.times(0, right=False).count == 12
    people = found.values[:2, :40]
    assert found.fleiss[1] == 40
    assert found.pairs[0].labels == pytest.approx(cohen_kappa_score(*people))


def test_kappa_is_averaged_over_conditions(study):
    found = StudyResult.of(study)
    pair = next(p for p in found.pairs if (p.a, p.b) == (0, 2))
    each = []
    for c in (0, 1):
        chosen = found.condition == c
        alone = error_consistency(found.correct[0][chosen], found.correct[2][chosen], seed=5)
        told = pair.conditions[c]
        assert told.kappa == alone.kappa
        assert told.low == pytest.approx(alone.low, abs=0.04)
        assert told.high == pytest.approx(alone.high, abs=0.04)
        each.append(alone.kappa)
    assert pair.kappa == pytest.approx(np.mean(each))
    assert pair.low < pair.kappa < pair.high
    group = found.group("mixed")
    assert group.pairs == 2
    assert group.kappa == pytest.approx(np.mean([p.kappa for p in found.pairs_of("mixed")]))
    contrast = found.contrast(found.pairs_of("people"), found.pairs_of("mixed"))
    assert contrast.kappa == pytest.approx(found.group("people").kappa - group.kappa)
    assert contrast.low < contrast.kappa < contrast.high


def test_a_condition_without_mistakes_is_left_out_of_the_mean(tmp_path, data):
    study = make_study(tmp_path / "s", data, conditions=("clean", "blur=2"), per_class=6)
    clean = {i for i, picture in enumerate(study.tested) if picture.condition == "clean"}
    hard = sorted(set(range(36)) - clean)
    answer_all(study, "p1", wrong=set(hard[::2]))
    answer_all(study, "net", wrong=set(hard[::3]) | {min(clean)}, kind="network")
    (pair,) = StudyResult.of(study).pairs
    assert pair.conditions[0].kappa == 0
    assert not pair.conditions[0].informative
    assert pair.kappa == pair.conditions[1].kappa


def test_everybody_always_right_has_no_kappa(tmp_path, data):
    study = make_study(tmp_path / "s", data, per_class=2)
    answer_all(study, "p1")
    answer_all(study, "net", kind="network")
    found = StudyResult.of(study)
    assert math.isnan(found.pairs[0].kappa)
    assert found.group("mixed").pairs == 0
    document = found.to_dict()
    assert document["pairs"][0]["kappa"] is None
    assert document["groups"]["mixed"]["kappa"] is None


def test_it_is_saved_loaded_and_drawn(study, tmp_path):
    found = StudyResult.of(study, seed=3)
    again = StudyResult.load(found.save(tmp_path / "study.npz"))
    assert again.to_dict() == found.to_dict()
    assert found.save(tmp_path / "study.json").stat().st_size > 1000
    assert found.save(tmp_path / "study.png").read_bytes() == encode_png(found.draw())
    assert found.draw(theme="dark", width=500).shape == (250, 500, 3)
    assert found._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(ConfigError, match=r"must end in .npz, .json or .png"):
        found.save(tmp_path / "study.txt")


def test_refusals_of_results(study, tmp_path, data):
    with pytest.raises(UnknownNameError, match="Nobody called 'p9'"):
        StudyResult.of(study, observers=["p9"])
    assert StudyResult.of(study, observers=["net"]).pairs == ()
    with pytest.raises(DataError, match="nobody has answered yet"):
        StudyResult.of(make_study(tmp_path / "empty", data))


def test_a_network_chooses_among_the_studys_classes(study):
    from striate.data import read_image

    network = color_network()
    outputs = study_outputs(network.labels, study.settings.classes)
    assert outputs == [[0], [1], [2]]
    pixels = [read_image(study.picture_file(picture.id)) for picture in study.tested]
    found = answer_as_network(network, pixels, outputs)
    np.testing.assert_array_equal(found.choices, [picture.label for picture in study.tested])
    assert found.scores.shape == (48, 3)
    assert "nothing cut off" in found.rule
    # the network's own view is the middle 16 of 20: what it answers here, it answers to the whole picture
    corner = np.zeros((32, 32, 3), np.uint8)
    corner[:3], corner[-3:], corner[:, :3], corner[:, -3:] = (255, 0, 0), (255, 0, 0), (255, 0, 0), (255, 0, 0)
    assert answer_as_network(network, [corner], outputs).choices.tolist() == [2]


@pytest.mark.parametrize(("combine", "choice"), [("mean", 1), ("sum", 0), ("max", 1)])
def test_outputs_of_a_choice_are_joined(combine, choice):
    """Two outputs of .3 against one of .35: the sum favors the choice with more outputs."""
    import torch
    from torch import nn

    from striate.data import Preprocessing
    from striate.models import Network

    class Fixed(nn.Module):
        def forward(self, x):
            return torch.log(torch.tensor([0.3, 0.3, 0.35, 0.05])).expand(len(x), 4)

    network = Network("fixed", Fixed(), Preprocessing(input_size=(8, 8), resize=8), Labels(("a1", "a2", "b", "c")))
    mapping = (("a1", "a"), ("a2", "a"))
    outputs = study_outputs(network.labels, ("a", "b"), mapping)
    assert outputs == [[0, 1], [2]]
    found = answer_as_network(network, [np.zeros((8, 8, 3), np.uint8)], outputs, combine=combine)
    assert found.choices.tolist() == [choice]
    expected = {"mean": [0.3, 0.35], "sum": [0.6, 0.35], "max": [0.3, 0.35]}[combine]
    np.testing.assert_allclose(found.scores[0], expected, rtol=1e-6)


def test_a_table_joins_the_datas_classes_and_the_networks(tmp_path, data):
    table = tmp_path / "m.csv"
    table.write_text("label,category\nred,warm\ngreen,cold\nblue,cold\ngray,cold\n")
    mapping = read_mapping(table)
    images = open_data(data)["all"]
    classes, labels = study_classes(images, mapping=mapping)
    assert classes == ("cold", "warm")
    assert np.bincount(labels).tolist() == [40, 20]
    assert study_outputs(color_network().labels, classes, mapping) == [[0, 1, 3], [2]]
    classes, labels = study_classes(images, mapping=(("red", "warm"),))
    assert (classes, int((labels == -1).sum())) == (("warm",), 40)
    chosen, _ = study_classes(images, wanted=["red", "blue"])
    assert chosen == ("red", "blue")


def test_refusals_of_mappings(tmp_path, data):
    table = tmp_path / "m.csv"
    for text, match in {
        "a,b\n": "line 1: needs a header with label and category",
        "label,category\nred,\n": "line 2: needs a label and a category",
        "label,category\nred,x\n\nred,y\n": "line 4: 'red' is 'y' here, but 'x' in line 2",
        "label,category\n": "no line below",
    }.items():
        table.write_text(text)
        with pytest.raises(DataError, match=match):
            read_mapping(table)
    with pytest.raises(DataError, match="cannot be read"):
        read_mapping(tmp_path / "none.csv")
    with pytest.raises(UnknownNameError, match=r"no pictures of a class 'rad'. Nearest: 'red'"):
        study_classes(open_data(data)["all"], wanted=["rad"])
    labels = color_network().labels
    with pytest.raises(DataError, match="n has no class for 'x'"):
        study_outputs(labels, ("x", "y"), (("red", "y"),), network="n")
    imagenet = Labels.load("imagenet1k")
    with pytest.raises(DataError, match="The mapping's label 'crane' names 2 classes"):
        study_outputs(imagenet, ("bird", "cup"), (("crane", "bird"), ("cup", "cup")))
    assert unknown_labels((("tabby cat", "cat"), ("tabbby", "cat"), ("red", "x")), ["red"], [imagenet]) == ["tabbby"]
    with pytest.raises(DataError, match="belongs to two choices: y and x"):
        study_outputs(labels, ("x", "y"), (("red", "y"), ("Red", "x"), ("blue", "x")))
    with pytest.raises(DataError, match="classes of the study are not among"):
        study_outputs(labels, ("purple", "red"))


def test_choices_that_a_network_lacks_say_that_a_table_joins_them() -> None:
    with pytest.raises(
        DataError, match=r"'sky'\. .*A table of label,category lines \(--mapping\) joins labels of n to"
    ) as c:
        study_outputs(Labels(("red", "blue")), ("red", "sky"), network="n")
    assert "Rename" not in str(c.value)

"""Classes meet by name, whatever their order, and never by place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import Labels
from striate.errors import DataError
from striate.training.class_matching import match_classes


@given(st.permutations(["cat", "dog", "hot dog", "10", "2", "é"]))
def test_names_decide_whatever_their_order(classes):
    labels = Labels(("10", "2", "cat", "dog", "hot dog", "é"))
    outputs, renamed = match_classes(classes, labels)
    assert [labels[i] for i in outputs.tolist()] == classes
    assert renamed == {}


def test_imagenet_is_found_by_its_ids_and_by_other_names():
    labels = Labels.load("imagenet1k")
    outputs, renamed = match_classes(["n07920052", "tabby_cat", "goldfish"], labels)
    assert outputs.tolist() == [967, 281, 1]
    assert renamed == {"n07920052": "espresso", "tabby_cat": "tabby"}


def test_a_class_without_pictures_needs_no_counterpart():
    outputs, _ = match_classes(["cat", "unicorn", "dog"], Labels(("dog", "cat")), needed=[0, 2])
    assert outputs.tolist() == [1, -1, 0]


def test_refusals_name_the_classes():
    with pytest.raises(DataError, match=r"2 of 3 classes of 'x' are not among the network's 2: 'owl', 'ape'\."):
        match_classes(["cat", "owl", "ape"], Labels(("cat", "dog")), what="'x'")
    with pytest.raises(DataError, match="'0', '1', '2'"):  # folders called by numbers are not places
        match_classes(["0", "1", "2"], Labels(("cat", "dog", "owl")))
    with pytest.raises(DataError, match="'#1'"):
        match_classes(["#1"], Labels(("cat", "dog")))
    with pytest.raises(DataError, match=r"'crane' \(which could be several\)"):
        match_classes(["crane"], Labels.load("imagenet1k"))
    with pytest.raises(DataError, match=r"'a' \(a name of 2 outputs\)"):
        match_classes(["a"], Labels(("a", "a")))
    with pytest.raises(DataError, match="'espresso' and 'n07920052', are the same class 'espresso'"):
        match_classes(["espresso", "n07920052"], Labels.load("imagenet1k"))
    with pytest.raises(DataError, match=r"12 of 12 .* and 7 more"):
        match_classes([f"c{i}" for i in range(12)], Labels(("a",)))

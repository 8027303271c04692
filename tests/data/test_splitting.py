"""Splits: in proportion, whole groups, the same on every machine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.image_set import ImageSet
from striate.data.splitting import split_set
from striate.data.stores import FileStore
from striate.errors import ConfigError, DataError

THREE = {"train": 0.8, "val": 0.1, "test": 0.1}


def image_set(counts: list[int], groups: list[int] | None = None) -> ImageSet:
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"{label}/{number}.png" for number, label in enumerate(labels))
    return ImageSet(
        tuple(map(str, range(len(counts)))),
        labels.astype(np.int64),
        FileStore(Path("photos"), names),
        Path("photos"),
        "folder",
        groups=None if groups is None else tuple(map(str, groups)),
    )


def names(images: ImageSet) -> set[str]:
    return {images.name(i) for i in range(len(images))}


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(lambda c: sum(c) >= 3),
    seed=st.integers(0, 5),
    groups=st.booleans(),
)
def test_parts_are_disjoint_complete_and_keep_groups_whole(counts: list[int], seed: int, groups: bool) -> None:
    draws = np.random.default_rng(seed).integers(0, sum(counts), sum(counts))
    images = image_set(counts, list(range(3)) + draws[3:].tolist() if groups else None)
    parts = split_set(images, THREE, seed=seed)
    assert list(parts) == ["train", "val", "test"]
    assert sum(map(len, parts.values())) == len(images)
    assert set().union(*map(names, parts.values())) == names(images)
    if groups:
        of = [set(part.groups or ()) for part in parts.values()]
        assert not (of[0] & of[1] | of[0] & of[2] | of[1] & of[2])
    elif sum(counts) >= 30:
        assert (parts["train"].counts()[np.array(counts) > 0] > 0).all()
        for name, share in THREE.items():  # stratified: every class within one picture of its share, and one owed
            assert (abs(parts[name].counts() - share * np.array(counts)) < 2).all()
            assert abs(len(parts[name]) - share * len(images)) <= len(counts)
    assert all(len(part) for part in parts.values())


def test_shares_are_exact_where_they_can_be() -> None:
    parts = split_set(image_set([100, 50, 10]), THREE)
    assert [parts[name].counts().tolist() for name in THREE] == [[80, 40, 8], [10, 5, 1], [10, 5, 1]]


def test_many_small_classes_give_validation_its_share() -> None:
    parts = split_set(image_set([3] * 1000), THREE)
    assert {name: len(part) for name, part in parts.items()} == {"train": 2400, "val": 300, "test": 300}
    assert parts["train"].counts().min() >= 1


def test_a_class_of_one_is_trained_on_and_the_rest_is_told() -> None:
    parts = split_set(image_set([1, 20]), {"train": 0.5, "val": 0.5})
    assert parts["train"].counts()[0] == 1
    (problem,) = parts["val"].problems
    assert (problem.kind, problem.text) == ("class-not-in-split", "val has no picture of '0', which has 1")


def test_order_of_listing_has_no_say_and_the_seed_has() -> None:
    images = image_set([30, 30])
    order = np.random.default_rng(1).permutation(60)
    shuffled = images.subset(order)
    assert names(split_set(images, THREE)["val"]) == names(split_set(shuffled, THREE)["val"])
    assert names(split_set(images, THREE)["val"]) != names(split_set(images, THREE, seed=1)["val"])
    # Written down, so that a new version of anything does not silently give other parts:
    assert sorted(names(split_set(image_set([10, 10]), THREE)["val"])) == ["0/5.png", "1/13.png"]


def test_large_groups_are_told() -> None:
    images = image_set([30], groups=[n // 10 for n in range(30)])
    parts = split_set(images, {"train": 0.9, "val": 0.1})
    assert len(parts["val"]) == 10
    assert [p.kind for p in parts["val"].problems] == ["split-size"]
    assert "33.3% of the pictures, not 10.0%: groups stay whole" in parts["val"].problems[0].text


def test_problems_of_the_set_stay_once() -> None:
    from striate.data.problem import Problem

    images = replace(image_set([10, 10]), problems=(Problem("nested", "x", "y"),))
    assert sum(len(part.problems) for part in split_set(images, THREE).values()) == 1


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"train": 0.5, "val": 0.6}, r"must be 1 together, got 0.5 \+ 0.6 = 1.1"),
        ({"train": 1.0, "val": 0.0}, "The share of val must be above 0"),
        ({"train": float("nan")}, "The share of train"),
        ({}, "must be 1 together, got nothing"),
    ],
)
def test_shares_that_are_refused(fractions: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_set(image_set([10]), fractions)


def test_too_few_are_refused() -> None:
    with pytest.raises(DataError, match="2 pictures cannot be divided into 3 parts"):
        split_set(image_set([2]), THREE)
    with pytest.raises(DataError, match="1 groups cannot be divided"):
        split_set(image_set([9], groups=[0] * 9), THREE)

"""Runs are paired by the names of their pictures; verdicts say what the numbers say, and no more."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from striate.errors import ConfigError
from striate.training.comparison import Contender, compare, match_pictures, say_p
from striate.training.predictions import Predictions
from tests.training.scenes import predictions


def contender(name, answers, **more):
    return Contender(name, f"runs/{name}", predictions=answers, **more)


def answers(right, *, names=None, classes=("x", "y")):
    """Predictions that are right exactly where `right` says so; every right class is x."""
    right = np.asarray(right)
    names = names or tuple(f"{i}.png" for i in range(len(right)))
    return Predictions(np.where(right[:, None], [3.0, 0.0], [0.0, 3.0]), np.zeros(len(right), int), names, classes)


def test_a_clear_difference_is_said_in_one_sentence():
    a = answers([True] * 800 + [False] * 200)
    b = answers([True] * 880 + [False] * 120)
    found = compare([contender("A", a), contender("B", b)])
    (pair,) = found.pairs
    assert pair.significant
    assert pair.count == 1000
    assert re.fullmatch(
        r"B is better than A by 8\.0 points \(95 % \d\.\d … \d\.\d; McNemar p < \.001, n = 1,000\)\.", pair.verdict
    )
    assert found.best == 1
    # The other way round the same run is better by the same.
    (turned,) = compare([contender("B", b), contender("A", a)]).pairs
    assert turned.verdict.startswith("B is better than A by 8.0 points")


def test_a_winner_is_better_than_every_other_beyond_chance():
    low, high = answers([True] * 500 + [False] * 500), answers([True] * 800 + [False] * 200)
    near = answers([True] * 799 + [False] * 201)
    assert compare([contender("A", low), contender("B", high)]).winner == 1
    assert compare([contender("A", high), contender("B", low), contender("C", low.subset(range(1000)))]).winner == 0
    found = compare([contender("A", low), contender("B", high), contender("C", near)])
    assert found.best == 1
    assert found.winner is None
    assert found.to_dict()["winner"] is None


def test_a_difference_that_may_be_luck_is_not_called_one():
    a, b = answers([True] * 48 + [False] * 2), answers([True] * 47 + [False] * 2 + [True])
    (pair,) = compare([contender("A", a), contender("B", b)]).pairs
    assert not pair.significant
    assert pair.verdict.startswith("No difference can be shown between A and B" if pair.test.difference == 0 else "No ")
    (same,) = compare([contender("A", a), contender("B", answers([True] * 48 + [False] * 2))]).pairs
    assert same.verdict == "A and B are right and wrong on the same 50 pictures."


def test_pictures_meet_by_name_whatever_their_order():
    a = predictions(60)
    order = np.random.default_rng(0).permutation(60)
    b = a.subset(order)
    rows_a, rows_b, notes = match_pictures(a, b)
    assert notes == ()
    assert [a.names[i] for i in rows_a.tolist()] == [b.names[i] for i in rows_b.tolist()]
    (pair,) = compare([contender("A", a), contender("B", b)]).pairs
    assert (pair.test.only_a, pair.test.only_b) == (0, 0)


def test_classes_meet_by_name_whatever_their_order():
    a = answers([True, True, False])
    b = Predictions([[0.0, 3.0]] * 3, [1, 1, 1], a.names, ("y", "x"))  # the same right class, other places
    (pair,) = compare([contender("A", a), contender("B", b)]).pairs
    assert (pair.count, pair.test.only_b) == (3, 1)


def test_validation_sets_that_differ_are_said_and_only_what_they_share_counts():
    a = answers([True] * 10)
    b = answers([False] * 5, names=tuple(f"{i}.png" for i in range(5, 10)))
    (pair,) = compare([contender("A", a), contender("B", b)]).pairs
    assert (pair.count, pair.test.only_a) == (5, 5)
    assert "The validation sets differ: 10 and 5 pictures, 5 in common." in pair.notes[0]
    (none,) = compare([contender("A", a), contender("B", answers([True], names=("other.png",)))]).pairs
    assert none.test is None
    assert none.verdict == "A and B cannot be tested: they have no picture in common."


def test_names_that_stand_twice_and_labels_that_disagree_are_left_out():
    a = answers([True] * 4, names=("a", "a", "b", "c"))
    b = replace(answers([True] * 4, names=("a", "a", "b", "c")), labels=np.array([0, 0, 0, 1]))
    rows, _, notes = match_pictures(a, b)
    assert rows.tolist() == [2]
    assert "Names that stand for several pictures are left out: 1." in notes[0]
    assert "Pictures whose right class differs are left out: 1." in notes[1]


def test_more_than_two_are_adjusted():
    rng = np.random.default_rng(0)
    runs = [contender(name, answers(rng.random(300) < share)) for name, share in (("A", 0.7), ("B", 0.78), ("C", 0.8))]
    found = compare(runs)
    assert len(found.pairs) == 3
    assert all(pair.p >= pair.test.p for pair in found.pairs)
    assert min(pair.p / pair.test.p for pair in found.pairs) < 3.001
    assert max(pair.p / pair.test.p for pair in found.pairs) == pytest.approx(3)
    assert all("after Holm" in pair.verdict for pair in found.pairs)


def test_a_run_without_predictions_is_compared_by_everything_else():
    found = compare([contender("A", answers([True])), Contender("B", "b", settings={"lr": 1})])
    (pair,) = found.pairs
    assert pair.verdict == "A and B cannot be tested: B has no predictions.npz."
    assert found.best == 0


def test_only_settings_that_differ_are_listed():
    a = Contender("A", "a", settings={"lr": 0.1, "seed": 0, "only": [1]})
    b = Contender("B", "b", settings={"lr": 0.2, "seed": 0})
    found = compare([a, b])
    assert found.differing == {"lr": (0.1, 0.2), "only": ([1], None)}
    assert found.shared == 1
    assert found.best is None


def test_json_has_no_infinities():
    found = compare([contender("A", answers([False])), contender("B", answers([True]))])
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["pairs"][0]["mcnemar"]["odds"] is None
    assert document["pairs"][0]["difference"]["difference"] == 1.0


def test_p_is_never_zero():
    assert [say_p(p) for p in (0.0, 0.00099, 0.001, 0.0499, 0.0999, 0.2, 1.0)] == [
        "< .001",
        "< .001",
        "= .001",
        "= .050",
        "= .100",
        "= .20",
        "= 1",
    ]


def test_refusals():
    with pytest.raises(ConfigError, match="at least 2 runs, got 1"):
        compare([contender("A", answers([True]))])
    with pytest.raises(ConfigError, match="different names"):
        compare([Contender("A", "a"), Contender("A", "b")])

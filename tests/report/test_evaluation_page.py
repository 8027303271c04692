"""The pages of evaluation and comparison: complete, closed, safe against names of strangers, and small."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from striate.data import Labels
from striate.report import build_comparison_page, build_evaluation_page
from striate.report.class_table import build_class_table
from striate.report.confusion_map import build_confusion, order_by_confusion
from striate.report.line_plot import Curve, build_line_plot
from striate.training.comparison import Contender, compare
from striate.training.evaluation import Evaluation
from striate.training.predictions import Predictions
from tests.report.samples import HOSTILE
from tests.report.test_page import Page


def predictions(count=60, classes=("cat", "dog", "owl"), *, seed=0, facts=None):
    rng = np.random.default_rng(seed)
    k = len(classes)
    labels = rng.integers(0, k, count)
    logits = rng.normal(size=(count, k))
    logits[np.arange(count), labels] += 2
    names = tuple(f"val/{i}.jpg" for i in range(count))
    return Predictions(logits, labels, names, tuple(classes), {"view": "center", "data": "pets", **(facts or {})})


def evaluation(answers=None, **more):
    answers = answers or predictions()
    rng = np.random.default_rng(0)
    pictures = {i: rng.integers(0, 256, (32, 32, 3), np.uint8) for i in range(len(answers))}
    return Evaluation.from_predictions(answers, pictures=pictures, **more)


@pytest.fixture(scope="module")
def page():
    return Page(build_evaluation_page(evaluation(provenance={"command": "striate evaluate run", "split": "val"})))


def test_the_page_is_closed_and_complete(page):
    assert page.faults == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections == ["answer", "confusion", "classes", "mistakes", "calibration", "provenance"]
    assert all("alt" in attributes for attributes in page.all("img"))
    for tag, attributes in page.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("data:", "#")), (tag, attributes)
    assert "striate evaluate run" in page.text


def test_the_numbers_are_those_of_the_evaluation(page):
    found = evaluation()
    assert f"{100 * found.top1.value:.1f} %" in page.text
    assert f"names {found.top1.hits} of 60 pictures of pets (val) right" in page.text
    assert (
        f"±{100 * found.top1.margin:.0f} points" in page.text or f"±{100 * found.top1.margin:.1f} points" in page.text
    )
    given, answered, count = found.pairs[0]
    names = found.predictions.classes
    assert f"{names[given]} taken for {names[answered]} {count}" in page.text
    cells = [attributes for _, attributes in page.elements if (attributes.get("class") or "").startswith("cell")]
    assert len(cells) == int((found.confusion > 0).sum())


@pytest.mark.parametrize(
    "answers",
    [
        predictions(1, ("cat", "dog")),
        predictions(50, ("cat",)),
        predictions(2000, tuple(f"class {i}" for i in range(41))),
        predictions(5000, tuple(Labels.load("imagenet1k"))),
        Predictions(np.zeros((9, 3)), np.arange(9) % 2, tuple("abcdefghi"), ("x", "y", "never")),
        Predictions(np.eye(2) * 50, [0, 1], ("a", "b"), ("x", "y")),
        predictions(3, tuple("ab" * 5)),
    ],
    ids=["one picture", "one class", "41 classes", "1000 classes", "all equal", "all right", "names twice"],
)
def test_any_number_of_classes_and_pictures(answers):
    html = build_evaluation_page(Evaluation.from_predictions(answers))
    assert Page(html).faults == []
    assert len(html.encode()) < 1_500_000
    assert "nan" not in Page(html).text.lower().split()


def test_large_pictures_stay_below_five_megabytes():
    answers = predictions(200)
    rng = np.random.default_rng(0)
    noise = {i: rng.integers(0, 256, (512, 512, 3), np.uint8) for i in range(200)}
    assert len(build_evaluation_page(Evaluation.from_predictions(answers, pictures=noise)).encode()) < 5_000_000


def test_words_of_strangers_stay_words():
    answers = predictions(
        30, (HOSTILE, "b", "c"), facts={"data": HOSTILE, "network": HOSTILE, "renamed": {HOSTILE: HOSTILE}}
    )
    problems = [{"kind": "unreadable", "where": HOSTILE, "text": HOSTILE}]
    answers = replace(answers, names=(HOSTILE,) * 30, facts={**answers.facts, "problems": problems})
    html = build_evaluation_page(
        evaluation(
            answers,
            provenance={
                "command": HOSTILE,
                "split": HOSTILE,
                "notes": [HOSTILE],
                "run": {"name": HOSTILE, "path": HOSTILE},
                "settings": {HOSTILE: HOSTILE},
                "versions": {HOSTILE: HOSTILE},
                "weights": {"name": HOSTILE},
            },
            cost={"parameters": 5, "macs": 7, "device": HOSTILE, "ms_per_picture": 1.0},
        )
    )
    other = [
        Contender(
            HOSTILE,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            settings={HOSTILE: HOSTILE},
            predictions=answers,
            notes=(HOSTILE,),
            rows=({"epoch": 1, "val_top1": 0.5, "val_loss": 1.0}, {"epoch": 2, "val_top1": 0.6, "val_loss": 0.9}),
        ),
        Contender("b", "b", settings={HOSTILE: 2}, predictions=predictions(30)),
    ]
    for text in (html, build_comparison_page(compare(other))):
        page = Page(text)
        assert page.faults == []
        assert not any("onerror" in attributes for _, attributes in page.elements)
        assert len(page.all("script")) == 2
        assert "{{ 49 }}" not in text
        assert " 49 " not in text.split("<title>")[1].split("</title>")[0]


def test_a_class_without_pictures_gets_a_dash():
    answers = Predictions(np.eye(3)[[0, 2]] * 5, [0, 0], ("a", "b"), ("x", "y", "z"))
    (first, *others) = build_class_table(Evaluation.from_predictions(answers)).lines
    assert (first.name, first.recall) == ("x", "50\u00a0%")
    assert [(line.recall, line.precision, line.f1) for line in others] == [("–", "–", "–")] * 2
    assert [line.order[1] for line in others] == [-1.0, -1.0]


def test_many_classes_show_the_pairs_that_are_confused_most():
    k = 200
    labels = np.repeat(np.arange(k), 5)
    answers = labels.copy()
    answers[labels == 7] = 150
    answers[labels == 9] = 160
    found = Evaluation.from_predictions(
        Predictions(np.eye(k)[answers], labels, tuple(map(str, range(len(labels)))), tuple(f"c{i}" for i in range(k)))
    )
    section = build_confusion(found)
    assert len(section.names) == 40
    assert abs(section.names.index("c7") - section.names.index("c150")) == 1
    assert abs(section.names.index("c9") - section.names.index("c160")) == 1
    assert "100 % of all mistakes" in section.words.replace("\u00a0", " ")
    assert [(pair.given, pair.answered) for pair in section.pairs] == [("c7", "c150"), ("c9", "c160")]


def test_an_order_holds_every_class_once():
    counts = np.random.default_rng(0).poisson(0.3, (30, 30))
    assert sorted(order_by_confusion(counts)) == list(range(30))
    assert order_by_confusion(np.zeros((3, 3), int)) == [0, 1, 2]


# The comparison.


def rows(best):
    return tuple(
        {
            "epoch": n,
            "lr": 0.1 / n,
            "train_loss": 1 / n,
            "val_loss": 1.2 / n,
            "val_top1": best * (1 - 0.5 / n),
            "seconds": 60.0 * n,
        }
        for n in range(1, 6)
    )


def comparison():
    runs = [
        Contender("first", "runs/first", "resnet20", "data/pets", "finished", rows(0.8), {"lr": 0.1}, predictions(400)),
        Contender(
            "second",
            "runs/second",
            "resnet20",
            "data/pets",
            "stopped",
            rows(0.9),
            {"lr": 0.2},
            predictions(400, seed=0),
        ),
        Contender(
            "third", "runs/third", "vgg11", "data/pets", "failed", (), {"lr": 0.2}, None, None, ("it has no answers",)
        ),
    ]
    return compare(runs)


def test_the_comparison_is_closed_and_complete():
    found = comparison()
    page = Page(build_comparison_page(found))
    assert page.faults == []
    assert [a["id"] for a in page.all("section")] == ["answer", "scores", "curves", "pairs", "settings"]
    for pair in found.pairs:
        assert pair.verdict in page.text
    assert "it has no answers" in page.text
    assert "stopped" in page.text
    assert len([a for a in page.all("svg") if a.get("class") == "curves"]) == 4


def test_runs_without_curves_and_settings_leave_no_hole():
    page = Page(build_comparison_page(compare([Contender("a", "a"), Contender("b", "b")])))
    assert page.faults == []
    assert [a["id"] for a in page.all("section")] == ["answer", "scores", "pairs"]
    assert "Nothing can be tested" in page.text


def test_curves_are_where_their_numbers_are():
    plot = build_line_plot(
        "Loss", "epoch", [Curve("a", 0, [1, 2, 3], [1.0, 0.5, 0.0]), Curve("b", 1, [1, 2], [1.0, float("nan")])]
    )
    points = [tuple(map(float, p.split())) for p in plot.lines[0].path[1:].split("L")]
    assert points == [(0.0, 0.0), (210.0, 120.0), (420.0, 240.0)]
    assert plot.lines[1].path == "M0.0 0.0"
    assert [tick.text for tick in plot.x_ticks] == ["1", "2", "3"]
    assert build_line_plot("Loss", "epoch", [Curve("a", 0, [1], [float("inf")])]) is None


def test_names_at_the_ends_of_many_curves_keep_apart():
    plot = build_line_plot("Top-1", "epoch", [Curve(str(i), i, [1, 2], [0, 0.9]) for i in range(12)], percent=True)
    heights = sorted(line.label_y for line in plot.lines)
    assert all(b - a >= 14.9 for a, b in itertools.pairwise(heights))
    assert heights[0] >= 0
    assert heights[-1] <= 240
    assert max(float(tick.text) for tick in plot.y_ticks) <= 100


def test_the_scripts_name_nothing_twice():
    for name in (build_evaluation_page(evaluation()), build_comparison_page(comparison())):
        script = name.split('<script type="module">')[1].split("</script>")[0]
        names = re.findall(r"^(?:const|let|function) (\w+)", script, re.MULTILINE)
        assert len(names) == len(set(names))

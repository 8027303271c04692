"""The first second: the answer, its rivals, and how far to trust it."""

from dataclasses import replace

from striate.report.answer import build_answer, count_classes
from striate.report.numbers import format_percent
from tests.report.samples import explain, network, photo, sample


def test_the_best_answer_leads():
    found = sample()
    section = build_answer(found)
    assert section.label == found.answers[0].label
    assert section.percent == format_percent(found.answers[0].probability)
    assert [bar.label for bar in section.bars] == [answer.label for answer in found.answers]
    assert [bar.first for bar in section.bars] == [True, False, False, False, False]
    assert section.bars[0].width == round(100 * found.answers[0].probability, 2)
    assert not section.explains_other


def test_a_target_outside_the_best_is_added_and_said():
    last = network().classify(photo(), top=10)[0][-1]
    section = build_answer(explain(network(), photo(), target=last.index))
    assert section.explains_other
    assert section.bars[-1].index == last.index
    assert section.bars[-1].explained
    assert len(section.bars) == 6


def test_trust_is_said_in_the_same_breath():
    found = sample()
    words = build_answer(found).trust
    assert "softmax over 10 classes" in words
    assert "74.9\u00a0%" in words
    assert "as published" in words
    assert words.startswith("No class has more than half")  # random weights
    sure = replace(found, answers=(replace(found.answers[0], probability=0.9), *found.answers[1:]))
    assert "guess" not in build_answer(sure).trust
    unknown = replace(found, weights={})
    assert "weights of unknown origin" in build_answer(unknown).sentence
    assert "%" not in build_answer(unknown).trust.replace("percentage", "")


def test_scores_measured_here_come_before_published_ones():
    found = sample()
    both = replace(found, weights={**found.weights, "measured": {"top1": 71.0}})
    assert "71.0\u00a0% of the time (measured with this project)" in build_answer(both).trust


def test_classes_are_counted():
    assert count_classes(sample()) == 10

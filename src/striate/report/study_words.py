"""What may be said after a human study, and what may not: sentences made of its numbers."""

import math

import numpy as np

from striate.insight.human_study_agreement import GroupKappa, Pair
from striate.insight.human_study_result import StudyResult
from striate.report.numbers import format_percent
from striate.training.metrics import Rate

__all__ = ["conclusions", "headline", "say_kappa", "say_number", "say_pooled"]

NBSP = "\u00a0"
FEW = 30
"""Fewer pictures than this under a condition are too few for κ of one pair."""


def headline(result: StudyResult) -> str:
    """The answer in one or two sentences."""
    parts = [f"people {say_pooled(result, result.people())}"] if result.people() else []
    parts += [f"{result.observers[i]} {say_pooled(result, [i])}" for i in result.networks()[:3]]
    text = f"Wrong answers: {', '.join(parts)}."
    mixed = result.group("mixed")
    if mixed.pairs:
        text += f" Error consistency of people and networks: {say_kappa(mixed)}."
    return text


def conclusions(result: StudyResult) -> list[str]:
    """What may be concluded, and how far, from so many pictures and people."""
    return [*_same_mistakes(result), *_too_few(result), *_degenerate(result), *_guessing(result), *_unfinished(result)]


def say_kappa(found: GroupKappa | Pair) -> str:
    """κ with its interval."""
    if not math.isfinite(found.kappa):
        return "no value"
    return f"κ{NBSP}={NBSP}{say_number(found.kappa)} ({say_number(found.low)} to {say_number(found.high)})"


def say_pooled(result: StudyResult, observers: list[int]) -> str:
    """The share of wrong answers of some observers together: the mean of their shares."""
    rates = [rate.value for rate in (result.errors(i) for i in observers) if rate.count]
    return format_percent(float(np.mean(rates))) if rates else "–"


def _same_mistakes(result: StudyResult) -> list[str]:
    people, mixed = result.pairs_of("people"), result.pairs_of("mixed")
    words = []
    for i in result.networks():
        pairs = [pair for pair in mixed if i in (pair.a, pair.b)]
        found = result.mean_of(pairs)
        if not found.pairs:
            continue
        name = result.observers[i]
        who = "people" if found.pairs > 1 else f"{result.observers[pairs[0].a]}"
        if found.low > 0:
            words.append(
                f"{name} and {who} err on the same pictures more often than luck would have it: {say_kappa(found)}."
            )
        elif found.high < 0:
            words.append(f"{name} errs where {who} do not, more often than luck would have it: {say_kappa(found)}.")
        else:
            words.append(
                f"Whether {name} and {who} err on the same pictures cannot be said: {say_kappa(found)}, and 0 is what "
                "independent observers would reach."
            )
        difference = result.contrast(people, pairs)
        if difference.pairs:
            more = say_number(difference.kappa)
            span = f"{say_number(difference.low)} to {say_number(difference.high)}"
            if difference.low > 0:
                words.append(f"People agree in their errors with each other more than with {name}: by {more} ({span}).")
            elif difference.high < 0:
                words.append(
                    f"{name} agrees in its errors with people more than they with each other: by {more} ({span})."
                )
            else:
                words.append(
                    f"People with each other against people with {name}: a difference of {more} ({span}), which could "
                    "be luck."
                )
    if len(result.people()) == 1:
        words.append("One person took part. Nothing here is about people in general.")
    elif result.people():
        words.append(
            f"{len(result.people())} people took part. Intervals are about other pictures of this kind, not about "
            "other people."
        )
    return words


def _too_few(result: StudyResult) -> list[str]:
    per = [int((result.condition == c).sum()) for c in range(len(result.conditions))]
    fewest = min(per)
    margin = 100 * Rate.of(round(0.25 * fewest), fewest).margin if fewest else 100.0
    known = f"With {fewest} pictures a condition, an error rate near 25{NBSP}% is known to ±{margin:.0f} points"
    words = [f"{known}; ±5 points need about 290 pictures."]
    if fewest < FEW and len(result.observers) > 1:
        words.append(
            f"κ of a single pair needs more than {fewest} pictures a condition: look at the means of several pairs, "
            "and at their intervals."
        )
    return words


def _degenerate(result: StudyResult) -> list[str]:
    words = []
    for c, name in enumerate(result.conditions):
        flawless, hopeless = [], []
        for i, observer in enumerate(result.observers):
            rate = result.errors(i, c)
            if rate.count and rate.hits == 0:
                flawless.append(observer)
            elif rate.count and rate.hits == rate.count:
                hopeless.append(observer)
        if flawless:
            words.append(
                f"Under “{name}” {_listed(flawless)} made no mistake: κ with {'them' if len(flawless) > 1 else 'it'} "
                "is 0 or has no value there, by construction, and is left out."
            )
        if hopeless:
            words.append(f"Under “{name}” {_listed(hopeless)} got nothing right; κ says nothing there, either.")
    return words


def _guessing(result: StudyResult) -> list[str]:
    chance = 1 - 1 / len(result.classes)
    words = []
    for c, name in enumerate(result.conditions):
        lost = [o for i, o in enumerate(result.observers) if (r := result.errors(i, c)).count and r.high >= chance]
        if lost:
            words.append(
                f"Under “{name}” {_listed(lost)} cannot be told from guessing ({format_percent(chance)} wrong with "
                f"{len(result.classes)} choices)."
            )
    return words


def _unfinished(result: StudyResult) -> list[str]:
    counts = result.answered.sum(axis=1).tolist()
    missing = [f"{o} ({n})" for o, n in zip(result.observers, counts, strict=True) if n < len(result.labels)]
    words = []
    if missing:
        words.append(f"Not all of the {len(result.labels)} pictures were answered by {_listed(missing)}.")
    broken = int((result.interrupted & result.answered).sum())
    if broken:
        words.append(
            f"{broken} time{'s were' if broken > 1 else ' was'} interrupted and left out of the reaction times."
        )
    return words


def say_number(value: float) -> str:
    """A number around 0 to two digits."""
    if not math.isfinite(value):
        return "–"
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # no negative zero


def _listed(names: list[str]) -> str:
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

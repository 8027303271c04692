"""The page of a human study: people and networks beside each other, drawn from a `StudyResult`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.insight.human_study_agreement import GroupKappa, Pair
from striate.insight.human_study_pictures import parse_condition
from striate.insight.human_study_result import StudyResult
from striate.report.embed import photo_uri
from striate.report.numbers import format_percent
from striate.report.provenance import Fact
from striate.report.study_matrix import Matrix, build_matrix
from striate.report.study_words import conclusions, headline, say_kappa, say_number, say_pooled
from striate.report.templates import render_page
from striate.training.comparison import say_p
from striate.training.metrics import Rate

__all__ = ["build_study_page", "shown_pictures"]

CARDS = 8
"""Pictures a row of the gallery."""
MOST_PAIRS = 60
MOST_MATRICES = 12


@dataclass(frozen=True)
class RateLine:
    """An observer's share of wrong answers: words, and places in percent of the track."""

    name: str
    network: bool
    value: str
    interval: str
    width: float
    low: float
    high: float


@dataclass(frozen=True)
class RateGroup:
    """One condition."""

    name: str
    words: str
    count: int
    lines: tuple[RateLine, ...]


@dataclass(frozen=True)
class KappaLine:
    """κ of a pair or of a mean: places in percent of a rail from −1 to 1."""

    first: str
    second: str
    mixed: bool
    at: float
    low: float
    high: float
    words: str
    conditions: tuple[str, ...]
    labels: str
    difference: str


@dataclass(frozen=True)
class TimeLine:
    """A person's times: the median under each condition, and of right and wrong answers."""

    name: str
    count: int
    cells: tuple[str, ...]
    right: str
    wrong: str


@dataclass(frozen=True)
class Card:
    """A picture with what everybody said."""

    picture: str
    pixels: bool
    right: str
    condition: str
    source: str
    people: str
    networks: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Gallery:
    """A row of pictures and what they have in common."""

    title: str
    words: str
    cards: tuple[Card, ...]


def build_study_page(result: StudyResult, pictures: Mapping[str, NDArray[np.uint8]] | None = None) -> str:
    """One self-contained HTML page.

    Args:
        result: What was found.
        pictures: Pixels of the pictures that `shown_pictures` names, by id; without them there is no gallery.

    Returns:
        The text of the file.
    """
    people, networks = result.people(), result.networks()
    mixed, among = result.pairs_of("mixed"), result.pairs_of("people")
    means = [_kappa(result, "people", "each other", result.mean_of(among))] if len(among) > 1 else []
    means += [
        _kappa(result, "people", result.observers[i], result.mean_of([p for p in mixed if i in (p.a, p.b)]))
        for i in networks
        if len(people) > 1
    ]
    order = sorted(result.pairs, key=lambda p: {"personnetwork": 0, "personperson": 1}.get(_kinds(result, p), 2))
    return render_page(
        "study.html.j2",
        styles=("report.css", "scores.css", "evaluation.css", "study.css"),
        scripts=("theme.js", "ready.js"),
        data={},
        title=str(result.parameters.get("title") or "A human study"),
        headline=headline(result),
        figures=_figures(result),
        conclusions=conclusions(result),
        groups=_groups(result),
        chance=round(100 * (1 - 1 / len(result.classes)), 2),
        chance_words=format_percent(1 - 1 / len(result.classes)),
        matrices=_matrices(result),
        more_matrices=max(0, len(people) - MOST_MATRICES),
        means=means,
        pairs=[_pair(result, pair) for pair in order[:MOST_PAIRS]],
        more_pairs=max(0, len(order) - MOST_PAIRS),
        conditions=result.conditions,
        fleiss=_fleiss(result),
        times=_times(result),
        galleries=_galleries(result, pictures or {}),
        facts=_facts(result),
        observers=_observers(result),
        count=len(result.labels),
    )


def shown_pictures(result: StudyResult) -> list[str]:
    """The ids of the pictures in the gallery."""
    return [result.pictures[i] for _, _, chosen in _chosen(result) for i in chosen]


def _figures(result: StudyResult) -> list[tuple[str, str, str]]:
    """The large numbers: what, how much, how sure."""
    people = result.people()
    found = []
    if people:
        who = "people" if len(people) > 1 else result.observers[people[0]]
        sure = "mean of their shares" if len(people) > 1 else _interval(result.errors(people[0]))
        found.append((f"{who}, wrong", say_pooled(result, people), sure))
    found += [
        (f"{result.observers[i]}, wrong", say_pooled(result, [i]), _interval(result.errors(i)))
        for i in result.networks()[:2]
    ]
    for name, words in (("mixed", "κ, people and networks"), ("people", "κ, people with each other")):
        group = result.group(name)
        if group.pairs:
            found.append((words, say_number(group.kappa), f"{say_number(group.low)} to {say_number(group.high)}"))
    return found


def _interval(rate: Rate) -> str:
    return f"{100 * rate.low:.0f} to {100 * rate.high:.0f}\u00a0%"


def _groups(result: StudyResult) -> list[RateGroup]:
    groups = []
    for c, name in enumerate(result.conditions):
        lines = []
        for i in (*result.people(), *result.networks()):
            rate = result.errors(i, c)
            if rate.count:
                lines.append(
                    RateLine(
                        name=result.observers[i],
                        network=result.kinds[i] == "network",
                        value=format_percent(rate.value),
                        interval=f"{rate.hits} of {rate.count} wrong, {_interval(rate)}",
                        width=round(100 * rate.value, 2),
                        low=round(100 * rate.low, 2),
                        high=round(100 * rate.high, 2),
                    )
                )
        words = parse_condition(name).describe()
        groups.append(RateGroup(name, words, int((result.condition == c).sum()), tuple(lines)))
    return groups


def _matrices(result: StudyResult) -> list[Matrix]:
    people = result.people()
    found = []
    if len(people) > 1:
        found.append(build_matrix(result.confusion(people), result.classes, f"{len(people)} people together"))
    alone = (*result.networks(), *people[:MOST_MATRICES])
    return [*found, *(build_matrix(result.confusion([i]), result.classes, result.observers[i]) for i in alone)]


def _kinds(result: StudyResult, pair: Pair) -> str:
    return "".join(sorted((result.kinds[pair.a], result.kinds[pair.b]), reverse=True))


def _kappa(result: StudyResult, first: str, second: str, found: GroupKappa | Pair) -> KappaLine:
    pair = found if isinstance(found, Pair) else None
    known = math.isfinite(found.kappa)
    cells, labels, difference = [], "", ""
    if pair is not None:
        cells = [
            "–" if one is None or not math.isfinite(one.kappa) else say_number(one.kappa) for one in pair.conditions
        ]
        labels = say_number(pair.labels)
        if pair.difference is not None and pair.test is not None:
            difference = f"{_points(pair.difference.difference)} ({_points(pair.difference.low)} to "
            difference += f"{_points(pair.difference.high)}), p {say_p(pair.test.p)}"
    return KappaLine(
        first=first,
        second=second,
        mixed=second in {result.observers[i] for i in result.networks()}
        and first not in {result.observers[i] for i in result.networks()},
        at=_place(found.kappa) if known else 50.0,
        low=_place(found.low) if known else 50.0,
        high=_place(found.high) if known else 50.0,
        words=say_kappa(found),
        conditions=tuple(cells),
        labels=labels,
        difference=difference,
    )


def _pair(result: StudyResult, pair: Pair) -> KappaLine:
    return _kappa(result, result.observers[pair.a], result.observers[pair.b], pair)


def _place(kappa: float) -> float:
    return round(50 + 50 * max(-1.0, min(1.0, kappa)), 2)


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")


def _fleiss(result: StudyResult) -> str:
    kappa, count = result.fleiss
    if not math.isfinite(kappa):
        return ""
    people = len(result.people())
    return (
        f"All {people} people, {count} pictures that all have answered: Fleiss’ κ of their labels {say_number(kappa)}."
    )


def _times(result: StudyResult) -> list[TimeLine]:
    lines = []
    for i in result.people():
        every = result.times(i)
        if every.count:
            each = [result.times(i, c) for c in range(len(result.conditions))]
            lines.append(
                TimeLine(
                    name=result.observers[i],
                    count=every.count,
                    cells=tuple(_quarters(t.median, t.low_quarter, t.high_quarter) for t in (every, *each)),
                    right=_milliseconds(result.times(i, right=True).median),
                    wrong=_milliseconds(result.times(i, right=False).median),
                )
            )
    return lines


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def _quarters(median: float, low: float, high: float) -> str:
    return f"{median:,.0f} ({low:,.0f} to {high:,.0f})" if math.isfinite(median) else "–"


def _chosen(result: StudyResult) -> list[tuple[str, str, list[int]]]:
    people, networks = result.people(), result.networks()
    if not people or not networks:
        return []
    correct, answered = result.correct, result.answered
    both = answered[people].any(axis=0) & answered[networks].any(axis=0)
    share_p = correct[people].sum(axis=0) / np.maximum(answered[people].sum(axis=0), 1)
    share_n = correct[networks].sum(axis=0) / np.maximum(answered[networks].sum(axis=0), 1)

    def first(score: NDArray[np.float64], chosen: NDArray[np.bool_]) -> list[int]:
        order = np.argsort(-score, kind="stable")
        return [int(i) for i in order if chosen[i]][:CARDS]

    gap = share_p - share_n
    found = [
        ("People right, networks wrong", "What people see and networks miss.", first(gap, both & (gap > 0))),
        ("Networks right, people wrong", "What networks see and people miss.", first(-gap, both & (gap < 0))),
        (
            "Wrong together",
            "Mistakes that count for κ: nearly nobody got these right.",
            first(-(share_p + share_n), both & (share_p < 0.5) & (share_n < 0.5)),
        ),
    ]
    return [part for part in found if part[2]]


def _galleries(result: StudyResult, pictures: Mapping[str, NDArray[np.uint8]]) -> list[Gallery]:
    galleries = []
    for title, words, chosen in _chosen(result):
        cards = tuple(_card(result, i, pictures[result.pictures[i]]) for i in chosen if result.pictures[i] in pictures)
        if cards:
            galleries.append(Gallery(title, words, cards))
    return galleries


def _card(result: StudyResult, i: int, pixels: NDArray[np.uint8]) -> Card:
    said: dict[str, int] = {}
    for person in result.people():
        if result.values[person, i] >= 0:
            name = result.classes[int(result.values[person, i])]
            said[name] = said.get(name, 0) + 1
    many = sum(said.values()) > 1
    ordered = sorted(said.items(), key=lambda pair: -pair[1])
    return Card(
        picture=photo_uri(pixels),
        pixels=pixels.shape[0] < 112,
        right=result.classes[int(result.labels[i])],
        condition=result.conditions[int(result.condition[i])],
        source=result.sources[i],
        people=", ".join(f"{name} {count}×" if many else name for name, count in ordered),
        networks=tuple(
            (result.observers[n], result.classes[int(result.values[n, i])], bool(result.correct[n, i]))
            for n in result.networks()[:3]
            if result.values[n, i] >= 0
        ),
    )


def _facts(result: StudyResult) -> list[Fact]:
    given = result.parameters
    exposure = given.get("exposure_ms")
    facts = [
        Fact("Data", str(given.get("data") or ""), code=True),
        Fact("Part", str(given.get("split") or "")),
        Fact("Choices", ", ".join(result.classes)),
        Fact("Pictures", f"{len(result.labels)}, at most {given.get('side')} px a side, each shown once"),
        Fact(
            "Shown for", f"{exposure} ms, then noise for {given.get('mask_ms')} ms" if exposure else "until the answer"
        ),
        Fact("Seed", f"{given.get('seed')} (pictures, noise, orders); {result.seed} (intervals)"),
        Fact("Made", str(given.get("made") or "")),
        Fact("Version", str(given.get("version") or "")),
    ]
    return [fact for fact in facts if fact.value]


def _observers(result: StudyResult) -> list[tuple[str, str]]:
    lines = []
    told = result.parameters.get("observers") or {}
    for i, name in enumerate(result.observers):
        facts = told.get(name) or {}
        screen = facts.get("screen") or {}
        words = [f"{int(result.answered[i].sum())} pictures"]
        if screen.get("width"):
            words.append(f"window {screen['width']:.0f} × {screen.get('height') or 0:.0f} px")
        if screen.get("picture"):
            words.append(f"picture {screen['picture']:.0f} px wide")
        words += [str(facts[key]) for key in ("rule", "preprocessing") if facts.get(key)]
        words += [f"imported from {facts['imported']}"] if facts.get("imported") else []
        lines.append((name, "; ".join(words)))
    return lines

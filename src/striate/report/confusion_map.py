"""The confusion matrix on the page: all of it for few classes, the most confused ones next to each other for many."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.report.numbers import format_share
from striate.training.evaluation import Evaluation

__all__ = ["ConfusionCell", "ConfusionSection", "PairLine", "build_confusion", "order_by_confusion"]

NATURAL = 20
"""Up to here classes stay in their own order, and every cell has its number."""
MOST_SHOWN = 40
MOST_PAIRS = 12


@dataclass(frozen=True)
class ConfusionCell:
    """One cell that is not empty."""

    row: int
    column: int
    count: int
    strength: float
    right: bool
    dark: bool
    title: str


@dataclass(frozen=True)
class PairLine:
    """A class that is taken for another."""

    given: str
    answered: str
    count: int
    share: str
    width: float


@dataclass(frozen=True)
class ConfusionSection:
    """Cells, names and words."""

    names: tuple[str, ...]
    cells: tuple[ConfusionCell, ...]
    pairs: tuple[PairLine, ...]
    numbered: bool
    cell: int
    margin: int
    side: int
    words: str
    wrong: int


def build_confusion(found: Evaluation) -> ConfusionSection:
    """Cells and words of the second section."""
    predictions, classes = found.predictions, found.predictions.classes
    shown, words = _choose(found)
    place = {int(c): i for i, c in enumerate(shown)}
    labels, answers = predictions.labels, predictions.answers
    support = found.classes.support
    pairs, counts = np.unique(np.stack([labels, answers], axis=1), axis=0, return_counts=True)
    cells = []
    for (given, answered), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        if given not in place or answered not in place:
            continue
        share = count / int(support[given])
        right = given == answered
        strength = 0.8 * share if right else min(1.0, 1.2 * share**0.6)
        title = (
            f"{classes[given]}: {count:,} of {int(support[given]):,} right ({format_share(count, int(support[given]))})"
            if right
            else f"{classes[given]} taken for {classes[answered]}: {count:,} of {int(support[given]):,} "
            f"({format_share(count, int(support[given]))})"
        )
        cells.append(
            ConfusionCell(
                row=place[given],
                column=place[answered],
                count=count,
                strength=round(strength, 3),
                right=right,
                dark=strength > 0.55,
                title=title,
            )
        )
    most = found.pairs[0][2] if found.pairs else 1
    k = len(shown)
    cell = 40 if k <= 6 else 34 if k <= 12 else 26 if k <= NATURAL else 18
    longest = max((len(classes[c]) for c in shown), default=1)
    margin = min(150, max(40, round(7.2 * min(longest, 20)) + 14))
    return ConfusionSection(
        names=tuple(_short(classes[c]) for c in shown),
        cells=tuple(cells),
        pairs=tuple(
            PairLine(
                given=classes[a],
                answered=classes[b],
                count=n,
                share=format_share(n, int(support[a])),
                width=round(100 * n / most, 1),
            )
            for a, b, n in found.pairs[:MOST_PAIRS]
        ),
        numbered=k <= NATURAL,
        cell=cell,
        margin=margin,
        side=margin + k * cell + 2,
        words=words,
        wrong=found.top1.count - found.top1.hits,
    )


def order_by_confusion(counts: NDArray[np.int64]) -> list[int]:
    """Classes in a row so that those that are confused stand side by side.

    From the pair that is confused most, the row grows at whichever end has the closer neighbor. Classes that are never
    confused with the row begin a new one behind it.

    Args:
        counts: A confusion matrix, `k k`.

    >>> order_by_confusion(np.array([[9, 0, 5, 0], [0, 9, 0, 1], [4, 0, 9, 1], [0, 2, 0, 9]]))
    [0, 2, 3, 1]
    """
    k = len(counts)
    close = (counts + counts.T).astype(np.float64)
    np.fill_diagonal(close, -1.0)
    left = set(range(k))
    rows: list[int] = []
    while left:
        open_ = sorted(left)
        block = close[np.ix_(open_, open_)]
        first, second = np.unravel_index(int(block.argmax()), block.shape)
        chain = [open_[int(first)], open_[int(second)]] if block.max() > 0 else [open_[0]]
        left -= set(chain)
        while left:
            open_ = sorted(left)
            ends = [(close[chain[0], open_].max(), 0), (close[chain[-1], open_].max(), -1)]
            best, end = max(ends, key=lambda e: (e[0], e[1]))
            if best <= 0:
                break
            nearest = open_[int(close[chain[end], open_].argmax())]
            chain = [nearest, *chain] if end == 0 else [*chain, nearest]
            left.remove(nearest)
        rows += chain
    return rows


def _choose(found: Evaluation) -> tuple[list[int], str]:
    """The classes to show, in their order, and what is said about it."""
    labels, answers = found.predictions.labels, found.predictions.answers
    k = len(found.predictions.classes)
    if k <= NATURAL:
        return list(range(k)), "Every class, in its own order."
    chosen_set: dict[int, None] = {}
    for a, b, _ in found.pairs:  # the most frequent confusion first, both of its classes
        if len(chosen_set.keys() | {a, b}) <= MOST_SHOWN:
            chosen_set |= dict.fromkeys((a, b))
    rest = (c for c in found.hardest_classes if c not in chosen_set)
    chosen_set |= dict.fromkeys(itertools.islice(rest, min(MOST_SHOWN, k) - len(chosen_set)))
    if k <= MOST_SHOWN:
        chosen_set = dict.fromkeys(range(k))
    chosen = np.sort(np.array(list(chosen_set), dtype=np.int64))
    inside = np.full(k, -1, dtype=np.int64)
    inside[chosen] = np.arange(len(chosen))
    both = (inside[labels] >= 0) & (inside[answers] >= 0)
    counts = np.bincount(
        inside[labels[both]] * len(chosen) + inside[answers[both]], minlength=len(chosen) ** 2
    ).reshape(len(chosen), len(chosen))
    order = [int(chosen[i]) for i in order_by_confusion(counts)]
    if k <= MOST_SHOWN:
        return order, "Every class; those that are confused stand side by side."
    wrong = int((labels != answers).sum())
    covered = int(((labels != answers) & both).sum())
    return order, (
        f"The {len(order)} of {k:,} classes that are confused most often; {format_share(covered, wrong)} of all "
        "mistakes are among them. Those that are confused stand side by side."
    )


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19].rstrip() + "…"

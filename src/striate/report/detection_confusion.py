"""The confusion matrix of boxes on the page: with a column for missed objects and rows for boxes without an object."""

import numpy as np

from striate.detection.detection_evaluation import BoxEvaluation
from striate.report.confusion_map import ConfusionCell, ConfusionSection, PairLine, order_by_confusion
from striate.report.numbers import format_share

__all__ = ["build_box_confusion"]

NATURAL = 20
MOST_SHOWN = 40
MOST_PAIRS = 12
ROWS = ("nothing there", "found before")
COLUMN = "missed"


def build_box_confusion(found: BoxEvaluation) -> ConfusionSection:
    """Cells and words of the fourth section."""
    counts, labels = found.confusion.counts, found.predictions.labels
    k = len(labels)
    shown, words = _choose(found)
    rows, columns = [*shown, k, k + 1], [*shown, k]
    objects = counts.sum(axis=1)
    cells = []
    for y, row in enumerate(rows):
        whole = int(objects[row])
        for x, column in enumerate(columns):
            count = int(counts[row, column])
            if not count:
                continue
            share = count / whole
            right = row == column and row < k
            strength = 0.8 * share if right else min(1.0, 1.2 * share**0.6)
            cells.append(
                ConfusionCell(
                    row=y,
                    column=x,
                    count=count,
                    strength=round(strength, 3),
                    right=right,
                    dark=strength > 0.55,
                    title=f"{_say(labels, row, column, k)}: {count:,} of {whole:,} ({format_share(count, whole)})",
                )
            )
    pairs = found.confusion.pairs()
    size = len(columns)
    cell = 40 if size <= 6 else 34 if size <= 12 else 26 if size <= NATURAL + 1 else 18
    longest = max(len(name) for name in (*(labels[c] for c in shown), *ROWS))
    margin = min(150, max(40, round(7.2 * min(longest, 20)) + 14))
    return ConfusionSection(
        names=tuple(_short(labels[c]) for c in shown),
        cells=tuple(cells),
        pairs=tuple(
            PairLine(labels[a], labels[b], n, format_share(n, int(objects[a])), round(100 * n / pairs[0][2], 1))
            for a, b, n in pairs[:MOST_PAIRS]
        ),
        numbered=size <= NATURAL + 1,
        cell=cell,
        margin=margin,
        side=margin + len(rows) * cell + 2,
        words=words,
        wrong=sum(n for *_, n in pairs),
    )


def _choose(found: BoxEvaluation) -> tuple[list[int], str]:
    labels = found.predictions.labels
    k = len(labels)
    if k <= NATURAL:
        return list(range(k)), "Every class, in its own order."
    inner = found.confusion.counts[:k, :k]
    wrong = inner + inner.T
    np.fill_diagonal(wrong, 0)
    chosen = sorted(np.argsort(-wrong.sum(axis=1), kind="stable")[:MOST_SHOWN].tolist())
    order = [chosen[i] for i in order_by_confusion(inner[np.ix_(chosen, chosen)])]
    if k <= MOST_SHOWN:
        return order, "Every class; those that are confused stand side by side."
    return order, f"The {len(order)} of {k:,} classes that are confused most; these stand side by side."


def _say(labels: tuple[str, ...], row: int, column: int, k: int) -> str:
    if row == k:
        return f"{labels[column]} where nothing is"
    if row == k + 1:
        return f"{labels[column]} on an object that was found before"
    if column == k:
        return f"{labels[row]} missed"
    return f"{labels[row]} found" if row == column else f"{labels[row]} taken for {labels[column]}"


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19].rstrip() + "…"

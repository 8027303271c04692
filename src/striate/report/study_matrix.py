"""A small confusion matrix, several of which stand side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.report.numbers import format_share

__all__ = ["Matrix", "MatrixCell", "build_matrix"]


@dataclass(frozen=True)
class MatrixCell:
    """A cell that is not empty."""

    row: int
    column: int
    count: int
    strength: float
    right: bool
    dark: bool
    title: str


@dataclass(frozen=True)
class Matrix:
    """Cells and names, in units of the drawing."""

    title: str
    words: str
    names: tuple[str, ...]
    cells: tuple[MatrixCell, ...]
    cell: int
    margin: int
    side: int
    numbered: bool


def build_matrix(counts: NDArray[np.int64], classes: Sequence[str], title: str) -> Matrix:
    """The drawing of a confusion matrix, `k k`: right classes are rows, answers columns."""
    totals = counts.sum(axis=1)
    cells = []
    for row, column in zip(*(axis.tolist() for axis in np.nonzero(counts)), strict=True):
        count, total = int(counts[row, column]), int(totals[row])
        right, share = row == column, count / total
        strength = 0.8 * share if right else min(1.0, 1.2 * share**0.6)
        said = "right" if right else f"taken for {classes[column]}"
        cells.append(
            MatrixCell(
                row=row,
                column=column,
                count=count,
                strength=round(strength, 3),
                right=right,
                dark=strength > 0.55,
                title=f"{classes[row]} {said}: {count} of {total} ({format_share(count, total)})",
            )
        )
    k = len(classes)
    cell = 34 if k <= 6 else 28 if k <= 12 else 22
    longest = max(len(name) for name in classes)
    margin = min(130, max(36, round(7.0 * min(longest, 18)) + 14))
    wrong, total = int(counts.sum() - np.trace(counts)), int(counts.sum())
    return Matrix(
        title=title,
        words=f"{wrong} of {total} wrong ({format_share(wrong, total)})",
        names=tuple(name if len(name) <= 18 else f"{name[:17].rstrip()}…" for name in classes),
        cells=tuple(cells),
        cell=cell,
        margin=margin,
        side=margin + k * cell + 2,
        numbered=k <= 20,
    )

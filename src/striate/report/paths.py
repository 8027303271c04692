"""Lines between boxes as SVG path data: along one lane, to another lane, into a join, or over what stands between."""

__all__ = ["across", "along", "inward", "over"]


def along(x0: float, y: float, x1: float) -> str:
    """Straight on.

    >>> along(0, 5, 20)
    'M0.0 5.0H20.0'
    """
    return f"M{x0:.1f} {y:.1f}H{x1:.1f}"


def across(start: tuple[float, float], end: tuple[float, float], *, bend: float) -> str:
    """To another lane at once, then along it: the first line of a branch."""
    (x0, y0), (x1, y1) = start, end
    down = bend if y1 > y0 else -bend
    turn = x0 + bend + 2
    return (
        f"M{x0:.1f} {y0:.1f}h2Q{turn:.1f} {y0:.1f} {turn:.1f} {y0 + down:.1f}V{y1 - down:.1f}"
        f"Q{turn:.1f} {y1:.1f} {turn + bend:.1f} {y1:.1f}H{x1:.1f}"
    )


def inward(start: tuple[float, float], end: tuple[float, float], *, bend: float) -> str:
    """Along the branch, then into the join that stands in another lane: the last line of a branch."""
    (x0, y0), (x1, y1) = start, end
    down = bend if y1 > y0 else -bend
    return f"M{x0:.1f} {y0:.1f}H{x1 - bend:.1f}Q{x1:.1f} {y0:.1f} {x1:.1f} {y0 + down:.1f}V{y1:.1f}"


def over(start: tuple[float, float], end: tuple[float, float], *, top: float, bend: float) -> str:
    """Up, along at height `top`, and down into the end from above."""
    (x0, y0), (x1, y1) = start, end
    turn = x0 + bend
    return (
        f"M{x0:.1f} {y0:.1f}Q{turn:.1f} {y0:.1f} {turn:.1f} {y0 - bend:.1f}V{top + bend:.1f}"
        f"Q{turn:.1f} {top:.1f} {turn + bend:.1f} {top:.1f}H{x1 - bend:.1f}"
        f"Q{x1:.1f} {top:.1f} {x1:.1f} {top + bend:.1f}V{y1:.1f}"
    )

"""Detectors as rows of a table: what each is worth, costs and needs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from striate.cli.console import print_table

if TYPE_CHECKING:
    from striate.detection.detector_facts import DetectorFacts

__all__ = ["print_detectors", "ratio_scale"]

TITLES = [
    "run",
    "network",
    "mAP@.5",
    "95 %",
    "pictures",
    "trained in",
    "a picture",
    "+ proposals",
    "N",
    "canvas",
    "disk",
]
UNKNOWN = "–"


def print_detectors(rows: "Sequence[tuple[str, DetectorFacts | None]]", *, answer: int | None = None) -> None:
    """The table of the course notes with numbers: worth, training, time of one picture, proposals, size, disk.

    Args:
        rows: Names, and what is known of each.
        answer: The row to set in the color of the answer.
    """
    print_table(TITLES, [_row(name, facts) for name, facts in rows], align="llrlrrrrrrr", answer=answer)


def ratio_scale(facts: "DetectorFacts") -> str:
    """What a ratio of speeds holds for: the number of proposals N, and the size of the canvas."""
    known = facts.proposals_per_picture
    regions = "no proposals" if facts.proposals == "none" else f"N = {_count(known)}" if known else "N unknown"
    size = "size unknown" if facts.image_size is None else f"{'×'.join(str(side) for side in facts.image_size)} px"
    return f"{regions}, {size}"


def _row(name: str, facts: "DetectorFacts | None") -> list[str]:
    if facts is None:
        return [name, *[UNKNOWN] * (len(TITLES) - 1)]
    low, high = facts.mean_ap_low, facts.mean_ap_high
    disk = [size for size in (facts.weights_bytes, facts.cache_bytes) if size is not None]
    return [
        name,
        facts.model,
        UNKNOWN if facts.mean_ap is None else f"{facts.mean_ap:.3f}",
        "" if low is None or high is None else f"{low:.3f} … {high:.3f}",
        UNKNOWN if facts.evaluated_pictures is None else f"{facts.evaluated_pictures:,}",
        UNKNOWN if facts.training_seconds is None else _duration(facts.training_seconds),
        UNKNOWN if facts.test_seconds is None else _time(facts.test_seconds),
        _proposals(facts),
        "none" if facts.proposals == "none" else _count(facts.proposals_per_picture),
        UNKNOWN if facts.image_size is None else "×".join(str(side) for side in facts.image_size),
        f"{sum(disk) / 1e6:,.0f} MB" if disk else UNKNOWN,
    ]


def _proposals(facts: "DetectorFacts") -> str:
    if facts.proposals_per_picture is not None and facts.proposal_seconds is not None:
        return _time(facts.proposal_seconds)
    return {"network": "inside", "none": "none"}.get(facts.proposals or "", UNKNOWN)


def _count(number: float | None) -> str:
    return UNKNOWN if number is None else f"{number:,.0f}"


def _time(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds < 1 else f"{seconds:,.2f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.1f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )

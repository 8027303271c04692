"""The reliability diagram on the page: bars of how often, dots of how sure, whiskers of how certain that is."""

from dataclasses import dataclass

from striate.report.numbers import format_percent
from striate.training.calibration import Reliability
from striate.training.evaluation import Evaluation
from striate.training.metrics import Rate

__all__ = ["CalibrationBin", "CalibrationSection", "build_calibration", "calibration_bins"]

SIDE = 320.0
COUNTS = 56.0


@dataclass(frozen=True)
class CalibrationBin:
    """One bin; places in units of the drawing, whose side is 320."""

    x: float
    width: float
    y: float
    height: float
    dot_x: float
    dot_y: float
    low_y: float
    high_y: float
    ideal_y: float
    count_height: float
    title: str


@dataclass(frozen=True)
class CalibrationSection:
    """Bins and words."""

    bins: tuple[CalibrationBin, ...]
    verdict: str
    note: str


def build_calibration(found: Evaluation) -> CalibrationSection:
    """Places and words of the fifth section."""
    width = found.calibration
    return CalibrationSection(calibration_bins(width), _verdict(width), _note(found))


def calibration_bins(found: Reliability, *, what: str = "answer") -> tuple[CalibrationBin, ...]:
    """The bins as places in the drawing; `what` names what is counted, in the singular."""
    most = int(found.counts.max())
    rows = zip(found.low, found.high, found.confidence, found.accuracy, found.counts, strict=True)
    return tuple(_bin(*(float(v) for v in row), most=most, what=what) for row in rows)


def _bin(low: float, high: float, sure: float, share: float, count: float, *, most: int, what: str) -> CalibrationBin:
    rate = Rate.of(round(share * count), int(count))
    return CalibrationBin(
        x=_at(low),
        width=_at(high - low),
        y=_at(1 - share),
        height=_at(share),
        dot_x=_at(sure),
        dot_y=_at(1 - share),
        low_y=_at(1 - rate.low),
        high_y=_at(1 - rate.high),
        ideal_y=_at(1 - sure),
        count_height=round(COUNTS * count / most, 2),
        title=(
            f"{_many(int(count), what)} from {format_percent(low)} to {format_percent(high)}: "
            f"on average {format_percent(sure)} sure, {format_percent(share)} right"
        ),
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "es" if what.endswith("x") else "s")


def _at(value: float) -> float:
    return round(SIDE * value, 2)


def _verdict(found: Reliability) -> str:
    bias = 100 * found.bias
    size = f"{abs(bias):.1f} points"
    if abs(bias) < 1.0:
        lean = "On the whole the network is about as often right as it says."
    elif bias > 0:
        lean = f"The network is too sure: its probabilities are on average {size} above how often it is right."
    else:
        lean = f"The network is not sure enough: it is right {size} more often than it says."
    errors = f"{100 * found.ece:.1f}\u00a0%, largest gap of a bin {100 * found.mce:.1f}\u00a0%"
    return f"{lean} Expected calibration error {errors}."


def _note(found: Evaluation) -> str:
    equal = 100 * found.calibration_mass.ece
    return (
        f"15 bins of equal width; in bins of equal counts the error is {equal:.1f}\u00a0%. Gray: how often answers are "
        "right. Ochre: the gap to the mean probability of the bin. Whiskers: 95\u00a0% intervals. Below: how many "
        "answers a bin has."
    )

"""How far a detector's scores can be trusted, on its page: how often boxes of a score are hits."""

from striate.detection.detection_evaluation import BoxEvaluation
from striate.report.calibration_plot import CalibrationSection, calibration_bins

__all__ = ["build_box_calibration"]


def build_box_calibration(found: BoxEvaluation) -> CalibrationSection | None:
    """Places and words, or None where scores are no probabilities."""
    width = found.calibration
    if width is None:
        return None
    points = 100 * abs(width.bias)
    if points < 1:
        lean = "On the whole boxes are hits about as often as their scores say."
    elif width.bias > 0:
        lean = f"Scores promise too much: on average {points:.1f} points more than boxes are hits."
    else:
        lean = f"Scores promise too little: boxes are hits {points:.1f} points more often than they say."
    verdict = f"{lean} Expected calibration error {100 * width.ece:.1f}\u00a0%."
    note = (
        "All boxes that count, whatever their score, in 15 bins of equal width. Gray: how often boxes are hits. Ochre: "
        "the gap to the mean score of the bin. Whiskers: 95\u00a0% intervals. Below: how many boxes a bin has. "
        "Detectors are not trained to be calibrated; where to set a threshold can be read here."
    )
    return CalibrationSection(calibration_bins(width, what="box"), verdict, note)

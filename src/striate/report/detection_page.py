"""The page of a detector's evaluation: one HTML file with everything inside, drawn from a `BoxEvaluation` alone."""

from striate.detection.detection_evaluation import BoxEvaluation
from striate.draw.boxes import score_words
from striate.report.detection_answer import build_detection_answer
from striate.report.detection_calibration import build_box_calibration
from striate.report.detection_classes import build_box_classes
from striate.report.detection_confusion import build_box_confusion
from striate.report.detection_curves import build_curves
from striate.report.detection_errors import build_errors, build_sizes
from striate.report.detection_facts import build_detection_facts
from striate.report.detection_mistakes import build_box_mistakes
from striate.report.templates import render_page

__all__ = ["build_detection_page"]


def build_detection_page(evaluation: BoxEvaluation) -> str:
    """One self-contained HTML page.

    Args:
        evaluation: What was found; a fresh one or `BoxEvaluation.load(folder)`.

    Returns:
        The text of the file.
    """
    return render_page(
        "detection.html.j2",
        styles=("report.css", "scores.css", "evaluation.css", "detection.css"),
        scripts=("theme.js", "sort.js", "evaluation.js"),
        data={},
        answer=build_detection_answer(evaluation),
        curves=build_curves(evaluation),
        errors=build_errors(evaluation),
        sizes=build_sizes(evaluation),
        confusion=build_box_confusion(evaluation),
        table=build_box_classes(evaluation),
        mistakes=build_box_mistakes(evaluation),
        calibration=build_box_calibration(evaluation),
        facts=build_detection_facts(evaluation),
        iou=score_words(evaluation.iou),
    )

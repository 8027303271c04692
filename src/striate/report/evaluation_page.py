"""The page of an evaluation: one HTML file with everything inside, drawn from an `Evaluation` and nothing else."""

from striate.report.calibration_plot import build_calibration
from striate.report.class_table import build_class_table
from striate.report.confusion_map import build_confusion
from striate.report.evaluation_answer import build_evaluation_answer
from striate.report.evaluation_facts import build_facts
from striate.report.mistakes import build_mistakes
from striate.report.templates import render_page
from striate.training.evaluation import Evaluation

__all__ = ["build_evaluation_page"]


def build_evaluation_page(evaluation: Evaluation) -> str:
    """One self-contained HTML page.

    Args:
        evaluation: What was found; a fresh one or `Evaluation.load(folder)`.

    Returns:
        The text of the file.
    """
    return render_page(
        "evaluation.html.j2",
        styles=("report.css", "scores.css", "evaluation.css"),
        scripts=("theme.js", "sort.js", "evaluation.js"),
        data={},
        answer=build_evaluation_answer(evaluation),
        confusion=build_confusion(evaluation),
        table=build_class_table(evaluation),
        mistakes=build_mistakes(evaluation),
        calibration=build_calibration(evaluation),
        facts=build_facts(evaluation),
    )

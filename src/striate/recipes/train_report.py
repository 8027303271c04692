"""The page that a finished run leaves in its folder: what its best weights answered to the pictures set aside.

Nothing is computed again. The answers were stored when the weights were kept; only the pictures of the gallery are read
once more. `striate evaluate RUN` answers anew, in other views or on other data.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from striate.data.box_set import BoxSet
from striate.data.files import write_whole
from striate.data.image_set import ImageSet
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detection_evaluation import evaluate_boxes
from striate.detection.detector_facts import FACTS_FILE
from striate.models import load
from striate.recipes.evaluate import gallery_pictures, network_cost, run_facts, versions
from striate.recipes.evaluate_boxes import mistake_crops, record_scores
from striate.recipes.train_times import timed_alone
from striate.report import build_evaluation_page
from striate.report.detection_page import build_detection_page
from striate.training.evaluation import Evaluation
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder

__all__ = ["write_box_report", "write_run_report"]


def write_run_report(folder: RunFolder, images: ImageSet) -> Path:
    """Draw `report.html` of a run from its stored answers.

    Args:
        folder: Of a run that has kept weights and answers.
        images: The pictures that it set aside.

    Raises:
        StriateError: What the run stored is damaged.
        OSError: The disk does not take the page.
    """
    began = perf_counter()
    predictions = Predictions.load(folder.predictions)
    network = load(folder.best)
    draft = Evaluation.from_predictions(predictions)
    facts = _provenance(folder, began, {"view": "center", "network": folder.name})
    result = replace(
        draft,
        pictures=gallery_pictures(network, images, draft),
        cost=network_cost(network, predictions),
        provenance=facts,
    )
    write_whole(folder.report, build_evaluation_page(result).encode())
    return folder.report


def write_box_report(folder: RunFolder, pictures: BoxSet) -> Path:
    """Draw `report.html` of a detector's run from its stored answers.

    Args:
        folder: Of a run that has kept weights and answers.
        pictures: The pictures that it set aside.

    Raises:
        StriateError: What the run stored is damaged.
        OSError: The disk does not take the page.
    """
    began = perf_counter()
    answers, network = BoxPredictions.load(folder.predictions), load(folder.best)
    if "epoch" in answers.facts:  # of the loop, which asks for many pictures at once
        answers = timed_alone(answers, network, pictures)
    draft = evaluate_boxes(answers)
    crops = mistake_crops(draft, pictures)
    cost = {"parameters": sum(weight.numel() for weight in network.module.parameters())}
    provenance = _provenance(folder, began, {"network": folder.name})
    result = replace(draft, crops=crops, cost=cost, provenance=provenance)
    if (folder.path / FACTS_FILE).is_file():
        record_scores(folder.path, result)
    write_whole(folder.report, build_detection_page(result).encode())
    return folder.report


def _provenance(folder: RunFolder, began: float, settings: dict[str, Any]) -> dict[str, Any]:
    environment = folder.environment()
    return {
        "split": "held out by the run",
        "notes": ["The best weights were chosen by these same pictures: expect slightly less of new ones."],
        "command": environment.get("command", ""),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(perf_counter() - began, 3),
        "device": environment.get("device", ""),
        "versions": versions(),
        "settings": settings,
        "run": run_facts(folder),
        "weights": {},
    }

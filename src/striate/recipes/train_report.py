"""The page that a finished run leaves in its folder: what its best weights answered to the pictures set aside.

Nothing is computed again. The answers were stored when the weights were kept; only the pictures of the gallery are read
once more. `striate evaluate RUN` answers anew, in other views or on other data.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from striate.data.files import write_whole
from striate.data.image_set import ImageSet
from striate.models import load
from striate.recipes.evaluate import gallery_pictures, network_cost, run_facts, versions
from striate.report import build_evaluation_page
from striate.training.evaluation import Evaluation
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder

__all__ = ["write_run_report"]


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
    environment = folder.environment()
    facts = {
        "split": "held out by the run",
        "notes": ["The best weights were chosen by these same pictures: expect slightly less of new ones."],
        "command": environment.get("command", ""),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(perf_counter() - began, 3),
        "device": environment.get("device", ""),
        "versions": versions(),
        "settings": {"view": "center", "network": folder.name},
        "run": run_facts(folder),
        "weights": {},
    }
    result = replace(
        draft,
        pictures=gallery_pictures(network, images, draft),
        cost=network_cost(network, predictions),
        provenance=facts,
    )
    write_whole(folder.report, build_evaluation_page(result).encode())
    return folder.report

"""How good is a detector on pictures that it never learned from? One page, every number as JSON, every box as npz.

Who finds the boxes is given: a generator that yields what is being done, how much of it is done and how much there is,
and returns `BoxPredictions` with what could not be read.
"""

import itertools
import math
import platform
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from striate.data.box_set import BoxSet
from striate.data.files import write_whole
from striate.data.problem import Problem
from striate.detection.box_mistakes import MistakeCrop, crop_mistake
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detection_evaluation import BoxEvaluation, evaluate_boxes
from striate.detection.detector_facts import FACTS_FILE, update_detector_facts
from striate.errors import StriateError
from striate.recipes.evaluate import versions
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report import build_detection_page

__all__ = ["EvaluateBoxesConfig", "Finder", "mistake_crops", "rebuild_detection_page", "record_scores", "run"]

Found = tuple[BoxPredictions, tuple[Problem, ...]]
Finder = Callable[[], Generator[tuple[str, int, int], None, Found]]


class EvaluateBoxesConfig(BaseModel):
    """How the boxes are judged, and where the page goes.

    Attributes:
        out: Folder for page and data.
        iou: The least IoU of a hit.
        threshold: Of the score, for precision, recall, confusion and counts; by default the one with the best F1.
        gallery: False alarms to show, at most; half as many missed objects.
        run: Folder of the run whose `detection.json` gets the scores, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    iou: float = Field(default=0.5, gt=0.1, le=1)
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    gallery: int = Field(default=24, ge=0, le=200)
    run: Path | None = None


def run(
    config: EvaluateBoxesConfig,
    find: Finder,
    boxes: BoxSet | None,
    *,
    subject: str = "a detector",
    cost: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
) -> Iterator[Event]:
    """Evaluate one detector: yields a `Plan`, then `Progress`, then `Done` with the `BoxEvaluation`.

    Args:
        config: How to judge.
        find: Finds the boxes; yields `(what, done, in all)`, returns answers and problems.
        boxes: The pictures, for the gallery; without them it has words only.
        subject: What is evaluated on what, for the plan: `runs/detect/x on 500 pictures (test)`.
        cost: Of the detector.
        provenance: Of the evaluation, such as `command`, `run`, `notes`; what is not in it is filled in.

    Raises:
        DataError: The folder cannot be written.
        StriateError: What finding raises.
    """
    began = perf_counter()
    require_writable(config.out)
    yield Plan(f"Evaluate {subject}: a hit needs IoU {config.iou:g}.")
    predictions, problems = yield from _found(find)
    facts = {"problems": [problem.to_dict() for problem in problems], "skipped": len(problems)} if problems else {}
    predictions = replace(predictions, facts={**predictions.facts, **facts})
    yield Progress("counting", 0, None)
    draft = evaluate_boxes(
        predictions,
        iou=config.iou,
        threshold=config.threshold,
        gallery=(config.gallery, config.gallery // 2),
        cost=cost,
        provenance={
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": platform.machine(),
            "versions": versions(),
            "settings": config.model_dump(mode="json"),
            **(provenance or {}),
            "seconds": round(perf_counter() - began, 3),
        },
    )
    result = draft if boxes is None else replace(draft, crops=mistake_crops(draft, boxes))
    yield Progress("writing the page", 0, None)
    files = _write(result, config.out)
    if config.run is not None and (config.run / FACTS_FILE).is_file():
        record_scores(config.run, result)
    yield Done(result, config.out, files)


def mistake_crops(evaluation: BoxEvaluation, boxes: BoxSet) -> dict[int, MistakeCrop]:
    """The parts of pictures that an evaluation's page shows; pictures that are gone since are left out."""
    places = {boxes.name(i): i for i in range(len(boxes))}
    crops: dict[int, MistakeCrop] = {}
    by_picture = sorted(enumerate(evaluation.gallery), key=lambda one: one[1].picture)  # each is read once
    for name, mistakes in itertools.groupby(by_picture, key=lambda one: one[1].name):
        if name in places:
            try:
                pixels = boxes.pixels(places[name])
            except StriateError:  # gone since it was answered; its words stay
                continue
            crops |= {place: crop_mistake(evaluation.predictions, mistake, pixels) for place, mistake in mistakes}
    return crops


def record_scores(folder: Path, evaluation: BoxEvaluation) -> None:
    """Write the scores and times of an evaluation into the run's `detection.json`."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    mean = evaluation.mean_ap
    timed = int(np.isfinite(evaluation.predictions.seconds).sum())
    regions = evaluation.predictions.facts.get("proposals")
    update_detector_facts(
        folder,
        mean_ap=known(mean.value),
        mean_ap_low=known(mean.low),
        mean_ap_high=known(mean.high),
        coco_ap=known(evaluation.coco.ap),
        evaluated_pictures=len(evaluation.predictions),
        test_seconds=known(evaluation.seconds),
        proposal_seconds=known(evaluation.proposal_seconds),
        proposals_per_picture=float(regions) if isinstance(regions, int | float) else None,
        test_pictures=timed or None,
    )


def rebuild_detection_page(folder: Path) -> Path:
    """Draw the page again from the data that an earlier evaluation saved in `folder`."""
    page = folder / "report.html"
    write_whole(page, build_detection_page(BoxEvaluation.load(folder)).encode())
    return page


def _found(find: Finder) -> Generator[Progress, None, Found]:
    work = find()
    while True:
        try:
            what, done, total = next(work)
            yield Progress(what, done, total)
        except StopIteration as finished:
            answered: Found = finished.value
            return answered


def _write(result: BoxEvaluation, folder: Path) -> dict[str, Path]:
    try:
        files = result.save(folder)
        report = folder / "report.html"
        write_whole(report, build_detection_page(result).encode())
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    return {"report": report, **files}

"""Detectors side by side: the table of the course notes with numbers, and whether one finds better than another."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate.data.files import printable, write_whole
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detection_evaluation import ANSWERS, NUMBERS, BoxEvaluation
from striate.detection.detector_comparison import Contestant, DetectorComparison, compare_detectors
from striate.detection.detector_facts import FACTS_FILE, DetectorFacts
from striate.errors import DataError
from striate.recipes.compare_runs import tell_apart
from striate.recipes.events import Done, Event, Plan, Progress
from striate.report import build_detectors_page

__all__ = ["CompareDetectorsConfig", "holds_detector", "read_contestants", "run"]


class CompareDetectorsConfig(BaseModel):
    """What to compare.

    Attributes:
        runs: Run folders of detectors, or folders that `striate evaluate` wrote for detectors; at least two.
        out: Where the page goes; its numbers lie beside it as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[Path, ...] = Field(min_length=2, max_length=12)
    out: Path = Path("striate-out/compare.html")


def run(config: CompareDetectorsConfig) -> Iterator[Event]:
    """Compare detectors: yields a `Plan`, then `Progress`, then `Done` with the `DetectorComparison`.

    Raises:
        DataError: A folder holds no detector, or the page cannot be written.
    """
    yield Plan(f"Compare the detectors {', '.join(printable(path) for path in config.runs)}.")
    yield Progress("reading the runs", 0, len(config.runs))
    contestants = read_contestants(config.runs)
    yield Progress("drawing pictures again", 0, None)
    result: DetectorComparison = compare_detectors(contestants)
    yield Progress("writing the page", 0, None)
    numbers = config.out.with_suffix(".json")
    try:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(config.out, build_detectors_page(result).encode())
        write_whole(numbers, json.dumps(result.to_dict(), indent=1, allow_nan=False).encode("ascii"))
    except OSError as error:
        raise DataError(
            f"cannot write '{config.out}': {error.strerror or error}. Choose another with --out."
        ) from error
    yield Done(result, config.out.parent, {"report": config.out, "json": numbers})


def holds_detector(folder: Path) -> bool:
    """Whether a folder is the run, or the evaluation, of a detector."""
    if (folder / FACTS_FILE).is_file():
        return True
    try:
        return bool(json.loads((folder / NUMBERS).read_text(encoding="utf-8")).get("task") == "detect")
    except (OSError, ValueError, AttributeError):
        return False


def read_contestants(paths: Sequence[Path]) -> list[Contestant]:
    """What each folder holds, under names that tell them apart.

    Raises:
        DataError: A folder holds no detector, or one is given twice.
    """
    resolved = [path.resolve() for path in paths]
    for place, path in enumerate(resolved):
        if path in resolved[:place]:
            raise DataError(f"{paths[place]}: given twice; a detector is not compared with itself.")
    return [_read(path, name) for path, name in zip(paths, tell_apart(resolved), strict=True)]


def _read(path: Path, name: str) -> Contestant:
    if not holds_detector(path):
        raise DataError(
            f"{printable(path)}: neither the run of a detector ({FACTS_FILE}) nor the evaluation of one ({NUMBERS}). "
            "`striate runs` lists the runs."
        )
    notes: tuple[str, ...] = ()
    predictions = None
    # Answers to a test set count more than those of validation, with which the weights were chosen.
    answers = next((p for p in (path / "evaluation" / ANSWERS, path / ANSWERS) if p.is_file()), None)
    if answers is None:
        notes = (f"{printable(path / ANSWERS)}: no such file, so nothing can be tested.",)
    else:
        try:
            predictions = BoxPredictions.load(answers)
        except DataError as error:
            notes = (str(error),)
    facts = DetectorFacts.load(path) if (path / FACTS_FILE).is_file() else _from_evaluation(BoxEvaluation.load(path))
    return Contestant(name, str(path), facts, predictions, notes)


def _from_evaluation(found: BoxEvaluation) -> DetectorFacts:
    """What an evaluation alone knows of its detector."""
    facts, mean = found.predictions.facts, found.mean_ap

    def known(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    size, proposals = facts.get("image_size"), facts.get("proposals")
    return DetectorFacts(
        model=str(facts.get("model") or "a detector"),
        family=str(facts.get("family") or "other"),
        backbone=facts.get("backbone"),
        data=facts.get("data"),
        classes=len(found.predictions.labels),
        parameters=found.cost.get("parameters"),
        image_size=None if not size else (int(size[0]), int(size[1])),
        proposals=proposals if isinstance(proposals, str) else None,
        proposals_per_picture=float(proposals) if isinstance(proposals, int | float) else None,
        test_seconds=known(found.seconds),
        proposal_seconds=known(found.proposal_seconds),
        device=found.cost.get("device"),
        threads=found.cost.get("threads"),
        mean_ap=known(mean.value),
        mean_ap_low=known(mean.low),
        mean_ap_high=known(mean.high),
        coco_ap=known(found.coco.ap),
        evaluated_pictures=len(found.predictions),
    )

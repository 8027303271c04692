"""Detectors side by side: the table of the course notes with numbers, and whether one finds better than another."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from striate.data.files import printable, write_whole
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detection_evaluation import ANSWERS, NUMBERS, BoxEvaluation, evaluate_boxes
from striate.detection.detector_comparison import Contestant, DetectorComparison, compare_detectors
from striate.detection.detector_facts import FACTS_FILE, DetectorFacts
from striate.detection.voc_ap import mean_average_precision
from striate.errors import ConfigError, DataError, StriateError
from striate.models.catalogue import list_models
from striate.recipes.compare_runs import tell_apart
from striate.recipes.events import Done, Event, Plan, Progress
from striate.report import build_detectors_page
from striate.training.run_folder import RunFolder

__all__ = ["CompareDetectorsConfig", "are_detectors", "holds_detector", "read_contestants", "run"]


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


def are_detectors(paths: Sequence[Path]) -> bool:
    """Whether all of these folders are of detectors; False where none is.

    Raises:
        ConfigError: Some are and some are not.
    """
    kinds = {path: holds_detector(path) for path in paths}
    finds = [path for path, is_one in kinds.items() if is_one]
    names = [path for path, is_one in kinds.items() if not is_one]
    if finds and names and all(path.is_dir() for path in names):
        raise ConfigError(
            f"{printable(names[0])} names whole pictures and {printable(finds[0])} finds boxes; their scores are not "
            "of one kind. Compare each kind by itself."
        )
    return bool(finds)


def holds_detector(folder: Path) -> bool:
    """Whether a folder is the run, or the evaluation, of a detector."""
    if (folder / FACTS_FILE).is_file():
        return True
    with suppress(StriateError, OSError):
        if RunFolder(folder).exists():
            return str(RunFolder(folder).config().get("model", "")).partition(".")[0] in list_models("detect")
    try:
        return bool(json.loads((folder / NUMBERS).read_text(encoding="utf-8")).get("task") == "detect")
    except (OSError, ValueError, AttributeError):
        return False


def read_contestants(paths: Sequence[Path]) -> list[Contestant]:
    """What each folder holds, under names that tell them apart.

    A run has answers to the pictures that it set aside, and, if `striate evaluate` was asked, to others; those are
    taken that all of them have answered.

    Raises:
        DataError: A folder holds no detector, one that has not ended, or one is given twice.
    """
    resolved = [path.resolve() for path in paths]
    for place, path in enumerate(resolved):
        if path in resolved[:place]:
            raise DataError(f"{paths[place]}: given twice; a detector is not compared with itself.")
    for path in paths:
        _require_detector(path)
    answers = _common_answers(paths)
    names = tell_apart(resolved)
    return [_read(path, name, found) for path, name, found in zip(paths, names, answers, strict=True)]


def _require_detector(path: Path) -> None:
    if not holds_detector(path):
        raise DataError(
            f"{printable(path)}: neither the run of a detector ({FACTS_FILE}) nor the evaluation of one ({NUMBERS}). "
            "`striate runs` lists the runs."
        )
    if not (path / FACTS_FILE).is_file() and not (path / NUMBERS).is_file():
        raise DataError(
            f"{printable(path)}: this detector has not finished, so nothing is known of it yet. Go on with it: striate "
            f"train --resume {printable(path)}."
        )


@dataclass(frozen=True, eq=False)
class _Answers:
    """A set of answers, or why there is none."""

    predictions: BoxPredictions | None
    notes: tuple[str, ...] = ()

    def shares(self, other: "_Answers") -> bool:
        """Whether a picture of this name was answered by both."""
        if self.predictions is None or other.predictions is None:
            return False
        return not set(self.predictions.names).isdisjoint(other.predictions.names)


def _common_answers(paths: Sequence[Path]) -> list[_Answers]:
    """Of each folder the answers to a test set, or those to the pictures set aside, if only these were answered by all.

    A test set counts more: with the others the weights were chosen. Of several, the newest counts.
    """
    choices = [_choices(path) for path in paths]
    for first in choices[0]:
        partners = [first, *(next(filter(first.shares, others), None) for others in choices[1:])]
        if all(partners):
            return [one for one in partners if one is not None]
    return [next(iter(found), _none(path)) for found, path in zip(choices, paths, strict=True)]


def _choices(path: Path) -> list[_Answers]:
    """What a folder holds of answers, the preferred first."""
    tested = sorted(path.glob(f"evaluation*/{ANSWERS}"), key=lambda one: -one.stat().st_mtime)
    return [_load(one) for one in (*tested, path / ANSWERS) if one.is_file()]


def _load(path: Path) -> _Answers:
    try:
        return _Answers(BoxPredictions.load(path))
    except DataError as error:
        return _Answers(None, (str(error),))


def _none(path: Path) -> _Answers:
    way = f"Make some with: striate evaluate {printable(path)} DATA; then compare the folder that it writes."
    return _Answers(None, (f"{printable(path / ANSWERS)}: no such file, so nothing can be tested. {way}",))


def _read(path: Path, name: str, answers: _Answers) -> Contestant:
    facts = DetectorFacts.load(path) if (path / FACTS_FILE).is_file() else _from_evaluation(BoxEvaluation.load(path))
    predictions = answers.predictions
    if predictions is not None and not _is_of(facts, predictions):  # of other pictures than those of the comparison
        facts = replace(facts, **_scores(evaluate_boxes(predictions, gallery=(0, 0))))
    return Contestant(name, str(path), facts, predictions, answers.notes)


def _is_of(facts: DetectorFacts, predictions: BoxPredictions) -> bool:
    if facts.mean_ap is None or facts.evaluated_pictures != len(predictions):
        return False
    return math.isclose(facts.mean_ap, mean_average_precision(predictions, iou=0.5), abs_tol=1e-9)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _scores(found: BoxEvaluation) -> dict[str, Any]:
    mean = found.mean_ap
    return {
        "mean_ap": _known(mean.value),
        "mean_ap_low": _known(mean.low),
        "mean_ap_high": _known(mean.high),
        "coco_ap": _known(found.coco.ap),
        "evaluated_pictures": len(found.predictions),
    }


def _from_evaluation(found: BoxEvaluation) -> DetectorFacts:
    """What an evaluation knows of its detector: what its run knows, if that is there, and what was measured."""
    run = Path(str((found.provenance.get("run") or {}).get("path", "")))
    if (run / FACTS_FILE).is_file():
        seconds, searched = _known(found.seconds), _known(found.proposal_seconds)
        timed = int(np.isfinite(found.predictions.seconds).sum()) or None
        known = DetectorFacts.load(run)
        return replace(known, **_scores(found), test_seconds=seconds, proposal_seconds=searched, test_pictures=timed)
    facts = found.predictions.facts
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
        test_seconds=_known(found.seconds),
        proposal_seconds=_known(found.proposal_seconds),
        device=found.cost.get("device"),
        threads=found.cost.get("threads"),
        **_scores(found),
    )

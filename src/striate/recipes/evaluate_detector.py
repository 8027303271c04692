"""`striate evaluate` for detectors: which pictures, and who finds the boxes on them."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.data.files import printable
from striate.detection.answering import Answering, answer_set
from striate.detection.finding import as_detector
from striate.errors import ConfigError, DataError, UnknownNameError, nearest
from striate.models import Network, load
from striate.models.catalogue import list_models
from striate.recipes.evaluate import EvaluateConfig, evaluation_command, run_facts
from striate.recipes.evaluate_boxes import EvaluateBoxesConfig
from striate.recipes.evaluate_boxes import run as judge
from striate.recipes.evaluate_subject import checked_run, held_out_pictures
from striate.recipes.events import Event
from striate.recipes.train_proposals import proposal_cache
from striate.training.run_folder import RunFolder

__all__ = ["finds_boxes", "is_of_boxes", "run"]

_PREFERRED = ("val", "test", "all")


def finds_boxes(network: str) -> bool:
    """Whether a run, a weights file or a name is that of a detector.

    Raises:
        StriateError: If a weights file cannot be read.
    """
    detectors = list_models("detect")
    path = Path(network)
    if path.is_dir():
        folder = RunFolder(path)
        return folder.exists() and str(folder.config().get("model", "")).partition(".")[0] in detectors
    if path.is_file():
        return load(path).name in detectors
    return network.partition(".")[0] in detectors


def is_of_boxes(folder: Path) -> bool:
    """Whether a saved evaluation is that of a detector; what is no evaluation at all is not."""
    try:
        saved = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(saved, dict) and saved.get("task") == "detect"


def run(config: EvaluateConfig, *, iou: float = 0.5, threshold: float | None = None) -> Iterator[Event]:
    """Evaluate one detector: yields a `Plan`, then `Progress`, then `Done` with a `BoxEvaluation`.

    Args:
        config: What to evaluate, on what; `view` must be `center`: a detector sees the whole photo.
        iou: The least IoU of a hit.
        threshold: Of the score, for counts; by default the one with the best F1.

    Raises:
        ConfigError: If another view is asked for.
        DataError: The run, the data or the folder for the page cannot be used, or classes do not match.
        StriateError: The detector or its weights cannot be had.
    """
    if config.view != "center":
        raise ConfigError(f"view '{config.view}' is for networks that name pictures; a detector sees the whole photo.")
    folder = checked_run(config.network, config.data)
    network = load(config.network if folder is None else folder.best).to(config.device)
    as_detector(network)
    boxes, split, notes = _pictures(config, folder)
    boxes = with_labels(boxes, tuple(network.labels))

    def find() -> Answering:
        return answer_set(
            network,
            boxes,
            cache=proposal_cache(),
            workers=config.workers or max((os.cpu_count() or 2) - 1, 1),
            max_megapixels=config.max_megapixels,
        )

    settings = EvaluateBoxesConfig(
        out=config.folder,
        iou=iou,
        threshold=threshold,
        gallery=config.gallery,
        run=None if folder is None else folder.path,
    )
    yield from judge(
        settings,
        find,
        boxes,
        subject=f"{printable(config.network)} on {len(boxes):,} pictures ({split})",
        cost=_cost(network, folder),
        provenance={
            "split": split,
            "notes": list(notes),
            "command": evaluation_command(config),
            "run": run_facts(folder),
            "settings": {**config.model_dump(mode="json"), "iou": iou},
        },
    )


def with_labels(boxes: BoxSet, labels: Sequence[str]) -> BoxSet:
    """The same pictures with the classes of a detector, matched by name.

    Raises:
        DataError: If the pictures have boxes of a class that the detector does not know.
    """
    wanted = tuple(labels)
    if boxes.classes == wanted:
        return boxes
    places = {name: number for number, name in enumerate(wanted)}
    counts = boxes.counts()
    unknown = [name for name, count in zip(boxes.classes, counts, strict=True) if count and name not in places]
    if unknown:
        raise DataError(
            f"{printable(boxes.source)}: class '{unknown[0]}' is none of the detector's. {nearest(unknown[0], wanted)}"
        )
    to = np.array([places.get(name, 0) for name in boxes.classes], dtype=np.int64)
    truth = tuple(replace(one, classes=to[one.classes], labels=wanted) for one in boxes.truth)
    return replace(boxes, classes=wanted, truth=truth)


def _pictures(config: EvaluateConfig, folder: RunFolder | None) -> tuple[BoxSet, str, tuple[str, ...]]:
    if config.data is not None or folder is None:
        if config.data is None:
            raise DataError("There is no data to evaluate on.")
        boxes, split = _part(config.data, config.split)
        return boxes, split, ()
    source = Path(str(folder.config().get("data", "")))
    names = set(held_out_pictures(folder))
    if config.split is not None or not names:
        boxes, split = _part(source, config.split)
        learned = sum(boxes.name(index) not in names for index in range(len(boxes))) if config.split == "train" else 0
        notes = (f"{learned:,} of these pictures were learned from.",) if learned else ()
        return boxes, split, notes
    for part in open_boxes(source).values():
        rows = [index for index in range(len(part)) if part.name(index) in names]
        if rows:
            note = "The best weights were chosen by these same pictures: expect slightly less of new ones."
            return part.subset(rows), "held out by the run", (note,)
    raise DataError(f"{printable(source)}: the pictures that the run held out are not there any more; give DATA.")


def _part(data: Path, split: str | None) -> tuple[BoxSet, str]:
    sets = open_boxes(data)
    if split is None:
        split = next((name for name in _PREFERRED if name in sets), None)
        if split is None:
            raise DataError(
                f"{printable(data)}: has only {', '.join(map(repr, sets))}; a detector is not evaluated on what it may "
                f"have learned from. If that is what you want, say --split {next(iter(sets))}."
            )
    if split not in sets:
        raise UnknownNameError(f"{printable(data)} has no part '{split}'. {nearest(split, list(sets))}")
    return sets[split], split


def _cost(network: Network, folder: RunFolder | None) -> dict[str, int]:
    facts = {"parameters": sum(weight.numel() for weight in network.module.parameters())}
    if folder is not None and folder.best.is_file():
        facts["weights_bytes"] = folder.best.stat().st_size
    return facts

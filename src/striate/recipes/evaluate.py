"""How good is a network on pictures that it never learned from? One page, and every number as JSON and npz.

A run is evaluated on its own held-out pictures, which its `data.json` names; anything else on the data that is given.
"""

import platform
import re
import shlex
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from striate import __version__, draw
from striate.data.files import printable, write_whole
from striate.data.image_set import ImageSet
from striate.errors import DataError, StriateError
from striate.models import Network, load
from striate.recipes.evaluate_subject import checked_run, find_subject
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report import build_evaluation_page
from striate.training.evaluation import Evaluation
from striate.training.predicting import predict_set
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder

__all__ = [
    "EvaluateConfig",
    "evaluation_command",
    "gallery_pictures",
    "network_cost",
    "rebuild_page",
    "run",
    "run_facts",
    "versions",
]


class EvaluateConfig(BaseModel):
    """What to evaluate, on what, and how.

    Attributes:
        network: A run folder, a weights file, or a name of `striate models`.
        data: Labeled pictures in any layout that `open_data` knows; a run has its own.
        split: Which part: `val`, `test`, `train`, or `all` of data without parts. By default a run's own held-out
            pictures, else the first of `val`, `test` and `all` that there is.
        view: How each picture is seen: `center`, `ten-crop` or `dense`.
        out: Folder for page and data; inside the run, or `striate-out/evaluate-NETWORK-DATA`, by default.
        gallery: Mistakes to show, at most.
        batch_size: Pictures at once; by default what suits the processor.
        workers: Threads that read pictures; by default one less than there are cores.
        max_megapixels: Larger pictures are left out, and named.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    data: Path | None = None
    split: str | None = None
    view: Literal["center", "ten-crop", "dense"] = "center"
    out: Path | None = None
    gallery: int = Field(default=24, ge=0, le=200)
    batch_size: int | None = Field(default=None, ge=1)
    workers: int | None = Field(default=None, ge=0)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def run_folder(self) -> RunFolder | None:
        """The run that is meant, if it is one."""
        return RunFolder(Path(self.network)) if Path(self.network).is_dir() else None

    @property
    def folder(self) -> Path:
        """Where the page goes."""
        if self.out is not None:
            return self.out
        parts = [self.split or "", "" if self.view == "center" else self.view]
        run_folder = self.run_folder
        if run_folder is not None and self.data is None:
            return run_folder.path / "-".join(["evaluation", *filter(None, parts)])
        words = (Path(self.network).name, Path(self.data or "").resolve().stem, *filter(None, parts))
        return Path("striate-out") / "-".join(["evaluate", *(re.sub(r"[^\w.]+", "_", word) for word in words)])


def run(config: EvaluateConfig) -> Iterator[Event]:
    """Evaluate one network: yields a `Plan`, then `Progress`, then `Done` with the `Evaluation`.

    Raises:
        DataError: The run, the data or the folder for the page cannot be used, or classes do not match.
        StriateError: The network or its weights cannot be had.
    """
    began = perf_counter()
    run_folder = checked_run(config.network, config.data)
    subject = find_subject(config.data, config.split, run_folder, view=config.view)
    require_writable(config.folder)
    count = len(subject.images or subject.predictions or ())
    yield Plan(
        f"Evaluate {printable(config.network)} on {count:,} pictures ({subject.split}), view {config.view}."
        + "".join(f" {note}" for note in subject.notes)
    )
    yield Progress("loading the network", 0, None)
    network = load(config.network if run_folder is None else run_folder.best).to(config.device)
    if subject.images is None or not len(subject.images):
        predictions = _required(subject.predictions)
        pictures: dict[int, NDArray[np.uint8]] = {}
        draft = Evaluation.from_predictions(predictions, gallery=config.gallery)
    else:
        predictions = yield from _predict(network, subject.images, config)
        draft = Evaluation.from_predictions(predictions, gallery=config.gallery)
        pictures = gallery_pictures(network, subject.images, draft)
    facts = {
        "split": subject.split,
        "notes": [*subject.notes],
        "command": evaluation_command(config),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(perf_counter() - began, 3),
        "device": torch.cuda.get_device_name(network.device) if network.device.type == "cuda" else platform.machine(),
        "versions": versions(),
        "settings": config.model_dump(mode="json"),
        "run": run_facts(run_folder),
        "weights": _weight_facts(network),
    }
    result = replace(draft, pictures=pictures, cost=network_cost(network, predictions), provenance=facts)
    yield Progress("writing the page", 0, None)
    files = _write(result, config.folder)
    yield Done(result, config.folder, files)


def rebuild_page(folder: Path) -> Path:
    """Draw the page again from the data that an earlier evaluation saved in `folder`."""
    page = folder / "report.html"
    write_whole(page, build_evaluation_page(Evaluation.load(folder)).encode())
    return page


def _write(result: Evaluation, folder: Path) -> dict[str, Path]:
    try:
        files = result.save(folder)
        report = folder / "report.html"
        write_whole(report, build_evaluation_page(result).encode())
        for name, picture in _plots(result).items():
            files[name] = folder / f"{name}.png"
            write_whole(files[name], draw.encode_png(picture))
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    return {"report": report, **files}


def _plots(result: Evaluation) -> dict[str, NDArray[np.uint8]]:
    found = result.calibration
    plots = {
        "reliability": draw.draw_reliability(found.low, found.high, found.accuracy, found.confidence, found.counts)
    }
    if len(result.predictions.classes) <= 60:
        plots["confusion"] = draw.draw_confusion(result.confusion, result.predictions.classes)
    return plots


def _predict(network: Network, images: ImageSet, config: EvaluateConfig) -> Generator[Progress, None, Predictions]:
    work = predict_set(
        network,
        images,
        view=config.view,
        batch_size=config.batch_size,
        workers=config.workers,
        max_megapixels=config.max_megapixels,
    )
    while True:
        try:
            done, total = next(work)
            yield Progress("answering", done, total)
        except StopIteration as finished:
            answered: Predictions = finished.value
            return answered


def gallery_pictures(network: Network, images: ImageSet, draft: Evaluation) -> dict[int, NDArray[np.uint8]]:
    """What the network saw of the pictures that an evaluation's page shows, by place among the predictions."""
    places = {images.name(i): i for i in range(len(images))}
    shown = {}
    for case in (*draft.mistakes, *draft.hardest):
        if case.index not in shown:
            try:
                photo = images.pixels(places[case.name])
            except StriateError:  # gone since it was answered; its row stays
                continue
            shown[case.index] = network.preprocessing.view(photo).pixels
    return shown


def _required(predictions: Predictions | None) -> Predictions:
    if predictions is None:
        raise DataError("There are neither pictures nor stored answers to evaluate.")
    return predictions


def network_cost(network: Network, predictions: Predictions) -> dict[str, Any]:
    """What the network costs, and what it took to answer these pictures."""
    summary = network.summary()
    return {
        "parameters": summary.parameters,
        "macs": summary.macs,
        "input": list(summary.input_size[1:]),
        "ms_per_picture": predictions.facts.get("network_ms"),
        "batch_size": predictions.facts.get("batch_size"),
        "threads": predictions.facts.get("threads"),
        "device": predictions.facts.get("device"),
    }


def _weight_facts(network: Network) -> dict[str, Any]:
    record = network.weights
    if record is None:
        return {}
    return {
        "name": record.name,
        "license": record.license,
        "published": dict(record.published),
        "measured": dict(record.measured),
    }


def versions() -> dict[str, str]:
    """What answered."""
    return {"striate": __version__, "torch": torch.__version__, "python": platform.python_version()}


def run_facts(run_folder: RunFolder | None) -> dict[str, Any]:
    """How far the run is, whose weights answered."""
    if run_folder is None:
        return {}
    try:
        status = run_folder.status()
    except DataError:
        status = {}
    kept = {name: status.get(name) for name in ("state", "epoch", "epochs", "best_epoch", "best_score")}
    return {"name": run_folder.name, "path": str(run_folder.path), **kept}


def evaluation_command(config: EvaluateConfig) -> str:
    """The command that makes this evaluation again."""
    words = ["striate", "evaluate", config.network, *([] if config.data is None else [str(config.data)])]
    for name, field in EvaluateConfig.model_fields.items():
        value = getattr(config, name)
        if name not in ("network", "data", "out") and value != field.default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)

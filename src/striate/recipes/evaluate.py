"""How good is a network on pictures that it never learned from? One page, and every number as JSON and npz.

A run is evaluated on its own held-out pictures, which its `data.json` names; anything else on the data that is given.
"""

import os
import platform
import re
import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
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
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.errors import DataError, StriateError, UnknownNameError
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.report import build_evaluation_page
from striate.training.evaluation import Evaluation
from striate.training.predicting import predict_set
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder

__all__ = ["EvaluateConfig", "rebuild_page", "run"]

_PREFERRED = ("val", "test", "all")


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


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is evaluated: pictures, or only what a run once answered to them."""

    images: ImageSet | None
    predictions: Predictions | None
    split: str
    notes: tuple[str, ...]


def run(config: EvaluateConfig) -> Iterator[Event]:
    """Evaluate one network: yields a `Plan`, then `Progress`, then `Done` with the `Evaluation`.

    Raises:
        DataError: The run, the data or the folder for the page cannot be used, or classes do not match.
        StriateError: The network or its weights cannot be had.
    """
    began = perf_counter()
    run_folder = _checked_run(config)
    subject = _find_subject(config, run_folder)
    _require_writable(config.folder)
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
        pictures = _gallery(network, subject.images, draft)
    facts = {
        "split": subject.split,
        "notes": [*subject.notes],
        "command": _command(config),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(perf_counter() - began, 3),
        "device": torch.cuda.get_device_name(network.device) if network.device.type == "cuda" else platform.machine(),
        "versions": {"striate": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "settings": config.model_dump(mode="json"),
        "run": _run_facts(run_folder),
        "weights": _weight_facts(network),
    }
    result = replace(draft, pictures=pictures, cost=_cost(network, predictions), provenance=facts)
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
        raise _not_writable(folder, error.strerror or str(error)) from error
    return {"report": report, **files}


def _plots(result: Evaluation) -> dict[str, NDArray[np.uint8]]:
    found = result.calibration
    plots = {
        "reliability": draw.draw_reliability(found.low, found.high, found.accuracy, found.confidence, found.counts)
    }
    if len(result.predictions.classes) <= 60:
        plots["confusion"] = draw.draw_confusion(result.confusion, result.predictions.classes)
    return plots


def _checked_run(config: EvaluateConfig) -> RunFolder | None:
    found = config.run_folder
    if found is None:
        if config.data is None:
            raise DataError(
                f"'{config.network}' is not the folder of a run, which would know its data: give the data, too: "
                f"striate evaluate {shlex.quote(config.network)} DATA."
            )
        return None
    if not found.exists():
        raise DataError(f"{found.path}: not the folder of a run (config.yaml is missing). `striate runs` lists them.")
    if not found.best.is_file():
        raise DataError(
            f"{found.best}: no such file: the run has not kept any weights yet. `striate runs` says how far it is."
        )
    return found


def _find_subject(config: EvaluateConfig, run_folder: RunFolder | None) -> _Subject:
    """The pictures: those given, or those that the run held out."""
    if config.data is not None:
        return _part(config.data, config.split, notes=())
    if run_folder is None:
        raise DataError("There is no data to evaluate on.")
    source = Path(str(run_folder.config().get("data", "")))
    held_out = set(_held_out(run_folder))
    try:
        if config.split is not None or not held_out:
            subject = _part(source, config.split, notes=())
            return replace(subject, notes=_learned(subject, held_out))
        return _own_pictures(source, held_out)
    except DataError as error:
        if config.split is not None or not run_folder.predictions.is_file():
            raise DataError(
                f"The data of the run cannot be used: {error} Give it: striate evaluate RUN DATA."
            ) from error
        note = f"The pictures cannot be had ({str(error).rstrip('.')}): these are the answers that the run stored."
        if config.view != "center":
            raise DataError(f"The view '{config.view}' needs the pictures: {error}") from error
        return _Subject(None, Predictions.load(run_folder.predictions), "held out by the run", (note,))


def _part(source: Path, split: str | None, *, notes: tuple[str, ...]) -> _Subject:
    found = open_data(source)
    if split is None:
        split = next((name for name in _PREFERRED if name in found), None)
        if split is None:
            raise DataError(
                f"{printable(source)}: has only {', '.join(map(repr, found))}; a network is not evaluated on what it "
                "may have learned from. If that is what you want, say --split train."
            )
    if split not in found:
        known = ", ".join(f"'{name}' ({len(images):,})" for name, images in found.items())
        raise UnknownNameError(f"{printable(source)} has no part '{split}'; it has {known}.")
    if not len(found[split]):
        raise DataError(f"{printable(source)}: the part '{split}' has no pictures.")
    return _Subject(found[split], None, split, notes)


def _own_pictures(source: Path, held_out: set[str]) -> _Subject:
    """The pictures of the names that the run held out, wherever its data has them now."""
    found = open_data(source)
    for part in ("val", "all", "train", "test"):
        images = found.get(part)
        if images is None:
            continue
        places = [i for i in range(len(images)) if images.name(i) in held_out]
        if places:
            own = images.subset(places)
            gone = sorted(held_out - {own.name(i) for i in range(len(own))})
            lost = tuple(
                Problem("missing", name, "held out by the run, but not in the data any more.") for name in gone
            )
            notes = (
                (f"{len(gone):,} of the {len(held_out):,} pictures that the run held out are gone.",) if gone else ()
            )
            return _Subject(replace(own, problems=lost), None, "held out by the run", notes)
    raise DataError(f"{printable(source)}: none of the {len(held_out):,} pictures that the run held out is there.")


def _held_out(run_folder: RunFolder) -> list[str]:
    names = run_folder.data().get("validation_pictures") or []
    return [str(name) for name in names] if isinstance(names, list) else []


def _learned(subject: _Subject, held_out: set[str]) -> tuple[str, ...]:
    if subject.images is None or subject.split == "test":
        return ()
    learned = sum(subject.images.name(i) not in held_out for i in range(len(subject.images)))
    return (
        (f"The run may have learned from {learned:,} of these pictures: no evidence for new ones.",) if learned else ()
    )


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


def _gallery(network: Network, images: ImageSet, draft: Evaluation) -> dict[int, NDArray[np.uint8]]:
    """What the network saw of the pictures that the page shows."""
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


def _cost(network: Network, predictions: Predictions) -> dict[str, Any]:
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


def _run_facts(run_folder: RunFolder | None) -> dict[str, Any]:
    if run_folder is None:
        return {}
    try:
        status = run_folder.status()
    except DataError:
        status = {}
    kept = {name: status.get(name) for name in ("state", "epoch", "epochs", "best_epoch", "best_top1")}
    return {"name": run_folder.name, "path": str(run_folder.path), **kept}


def _command(config: EvaluateConfig) -> str:
    words = ["striate", "evaluate", config.network, *([] if config.data is None else [str(config.data)])]
    for name, field in EvaluateConfig.model_fields.items():
        value = getattr(config, name)
        if name not in ("network", "data", "out") and value != field.default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _require_writable(folder: Path) -> None:
    """Say now, not after the work, that nothing can be written there."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise _not_writable(folder, f"'{place}' is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _not_writable(folder, f"'{place}' may not be written")


def _not_writable(folder: Path, reason: str) -> DataError:
    return DataError(f"cannot write to '{folder}': {reason}. Choose another folder with --out.")

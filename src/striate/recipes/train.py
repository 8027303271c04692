"""From a folder of pictures to a network that every other verb takes.

The plan is said first; then the loop of `striate.training` runs, and its events are passed on; at the end there are
weights, curves and an honest report of what they answer to pictures that they did not learn from.
"""

import json
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate import __version__
from striate.data import Labels
from striate.data.box_opening import find_box_layout
from striate.data.box_set import BoxSet
from striate.detection.learning import DetectionTask
from striate.detection.proposals import ProposalProgress
from striate.detection.rcnn import RCNN
from striate.detection.rcnn_settings import RCNNEvent
from striate.draw import encode_png
from striate.errors import ConfigError, DataError, StriateError
from striate.models.catalogue import find_entry
from striate.recipes.train_box_plan import plan_box_training
from striate.recipes.train_config import TrainConfig, asked_for
from striate.recipes.train_data import counts_by_class
from striate.recipes.train_facts import StageTimes, note_detector
from striate.recipes.train_plan import TrainPlan, plan_training
from striate.recipes.train_proposals import with_proposals
from striate.recipes.train_rcnn import train_by_stages
from striate.recipes.train_report import write_box_report, write_run_report
from striate.training.events import EpochDone, ReportWritten, Resumed, Stopped, TrainEvent, TrainingDone
from striate.training.launch import begun_run, failing_together, remember_run
from striate.training.loop import Trainer
from striate.training.run_folder import RunFolder
from striate.training.world import World, join_world, leave_world
from striate.weights import NativeMetadata, save_native

__all__ = ["is_finished", "run", "same_run"]


def run(
    given: Mapping[str, Any],
    *,
    resume: bool = False,
    folder: RunFolder | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainPlan | ProposalProgress | RCNNEvent | TrainEvent]:
    """Train: yields the `TrainPlan`, then the events of the loop.

    The last ones are `TrainingDone` and `ReportWritten`, or `Stopped`.

    Args:
        given: Settings by name (see `TrainConfig`); `data` is among them.
        resume: Go on with the run, if there is one.
        folder: Of the run that goes on; by default the settings name it.
        should_stop: Asked after every step.

    Raises:
        StriateError: The data, the network or the settings do not work, or the loss is no number any more.
    """
    world, device = join_world(str(given.get("device", "auto")))
    try:
        with failing_together(size=world.size):
            yield from _run(given, world, device, resume=resume, folder=folder, should_stop=should_stop)
    finally:
        leave_world()


def _run(
    given: Mapping[str, Any],
    world: World,
    device: torch.device,
    *,
    resume: bool,
    folder: RunFolder | None,
    should_stop: Callable[[], bool],
) -> Iterator[TrainPlan | ProposalProgress | RCNNEvent | TrainEvent]:
    if folder is None and (begun := world.agree(begun_run(given) or "")):
        folder, resume = RunFolder(Path(begun)), True  # torchrun has started this process again
    plan = plan_any(given, world=world, device=device, folder=folder)
    yield plan
    with _claimed(plan) if world.is_main else nullcontext():
        if world.is_main:
            _write_facts(plan, asked=asked_for(given), resume=resume)
            remember_run(given, str(plan.folder.path.resolve()))
        world.wait()
        done = False
        times = StageTimes()
        for event in _trained(plan, world, device, resume=resume, should_stop=should_stop):
            times.take(event)
            yield event
            done = isinstance(event, TrainingDone)
        if world.is_main:
            _draw(plan.folder)
            if done and isinstance(plan.task, DetectionTask):
                with suppress(OSError):
                    note_detector(plan, times)
            if done and plan.data.validation is not None:
                yield _report(plan)


def _trained(
    plan: TrainPlan, world: World, device: torch.device, *, resume: bool, should_stop: Callable[[], bool]
) -> Iterator[ProposalProgress | RCNNEvent | TrainEvent]:
    def save_weights(path: Path, state: dict[str, Tensor]) -> None:
        save_native(path, state, metadata=_metadata(plan))

    task = plan.task
    if isinstance(task, DetectionTask) and isinstance(task.module, RCNN):
        if world.size > 1:
            raise ConfigError("R-CNN is trained by one process; leave torchrun out.")
        yield from train_by_stages(plan, save_weights=save_weights, device=device, should_stop=should_stop)
        return
    if isinstance(task, DetectionTask) and task.module.takes_proposals:
        task = yield from with_proposals(task, workers=plan.config.reading_threads)
    trainer = Trainer(task, plan.config.settings(), plan.folder, save_weights=save_weights, device=device, world=world)
    for event in trainer.run(resume=resume, should_stop=should_stop):
        if world.is_main:
            _note(plan, trainer, event)
        yield event


def plan_any(
    given: Mapping[str, Any], *, world: World, device: torch.device, folder: RunFolder | None = None
) -> TrainPlan:
    """The plan of a training, be it of names or of boxes: `plan_training` or `plan_box_training`.

    Raises:
        StriateError: As they do; if the data is of the other kind.
    """
    asked = TrainConfig(**given)
    model, layout = asked.model, find_box_layout(asked.data)
    if find_entry(model.partition(".")[0]).task == "detect":
        return plan_box_training(given, world=world, device=device, folder=folder)
    if layout is not None:
        raise ConfigError(
            f"{given['data']} holds boxes ({layout}), and '{model}' names whole pictures; give --model faster_rcnn, or "
            "another of `striate models --task detect`."
        )
    return plan_training(given, world=world, device=device, folder=folder)


def _report(plan: TrainPlan) -> ReportWritten:
    held_out = plan.data.validation
    try:
        if isinstance(held_out, BoxSet):
            return ReportWritten(write_box_report(plan.folder, held_out))
        if held_out is None:
            return ReportWritten(None, "There is no page: no pictures were set aside.")
        return ReportWritten(write_run_report(plan.folder, held_out))
    except (OSError, StriateError) as error:
        return ReportWritten(None, f"The page about the run cannot be made: {str(error).rstrip('.')}.")


def same_run(folder: RunFolder) -> dict[str, Any]:
    """The settings of an earlier run, to go on with it.

    Raises:
        DataError: If it is not the folder of a run.
    """
    config = folder.config()
    config.pop("striate", None)
    if unknown := sorted(set(config) - set(TrainConfig.model_fields), key=str):
        raise DataError(
            f"{folder.path / 'config.yaml'}: unknown setting '{unknown[0]}'; was it written by a later version?"
        )
    return config


def is_finished(folder: RunFolder) -> bool:
    """Whether a run has done all that it was asked for.

    Raises:
        DataError: If its status is damaged.
    """
    return folder.exists() and (folder.path / "status.json").exists() and folder.status().get("state") == "finished"


@contextmanager
def _claimed(plan: TrainPlan) -> Iterator[None]:
    """The folder of the run for this process alone; one that never became a run does not stay behind.

    Raises:
        ConfigError: If another process is training in it.
        DataError: If it cannot be written.
    """
    folder = plan.folder
    made = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    try:
        with ExitStack() as held:
            try:
                held.enter_context(folder.claimed())
            except OSError as error:
                raise DataError(
                    f"cannot write to '{folder.path}': {error.strerror or error}. Choose another --root."
                ) from error
            yield
    finally:
        if not folder.exists():
            if folder.path in made:
                shutil.rmtree(folder.path, ignore_errors=True)
            with suppress(OSError):
                for path in made[1:]:
                    path.rmdir()


def _write_facts(plan: TrainPlan, *, asked: Mapping[str, Any], resume: bool) -> None:
    """Say in the folder what will be done; what an earlier sitting of the run said there stays.

    Raises:
        ConfigError: If there is a run of this name and nobody asked to resume it.
        DataError: If the folder cannot be written.
    """
    folder, config = plan.folder, plan.config
    if folder.exists() and not resume:  # it was made while this one was being planned
        raise ConfigError(f"'{folder.path}' is a run already; choose another --name.")
    try:
        if not (folder.path / "environment.json").exists():
            folder.write_environment({**_environment(plan), "asked": asked, "resumed": []})
        if not (folder.path / "data.json").exists():
            folder.write_data(_data_facts(plan))
        if not folder.exists():  # last: with it the folder is a run
            folder.write_config({"striate": __version__, **json.loads(config.model_dump_json())})
    except OSError as error:
        raise DataError(
            f"cannot write to '{folder.path}': {error.strerror or error}. Choose another --root."
        ) from error


def _note(plan: TrainPlan, trainer: Trainer, event: TrainEvent) -> None:
    """Keep what the folder says about the run up to date; a full disk is told of where it costs something."""
    folder = plan.folder
    with suppress(OSError):
        if isinstance(event, Resumed):
            facts = folder.environment()
            folder.write_environment({**facts, "resumed": [*facts.get("resumed", []), _environment(plan)]})
        skipped = trainer.progress.skipped
        if isinstance(event, EpochDone | Stopped) and len(skipped) != len(folder.data().get("skipped", [])):
            folder.write_data({**folder.data(), "skipped": skipped})


def _environment(plan: TrainPlan) -> dict[str, Any]:
    return {
        "command": shlex.join(["striate", *sys.argv[1:]]),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else "cpu",
        "machine": f"{platform.system()} {platform.machine()}",
        "processes": plan.processes,
        "threads": torch.get_num_threads(),
        "versions": {
            "striate": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _data_facts(plan: TrainPlan) -> dict[str, Any]:
    data = plan.data
    validation = data.validation
    return {
        "source": str(plan.config.data),
        "kind": data.train.kind,
        "classes": list(data.train.classes),
        "train": counts_by_class(data.train),
        "validation": None if validation is None else counts_by_class(validation),
        "held_out": data.held_out,
        "validation_pictures": [] if validation is None else [validation.name(i) for i in range(len(validation))],
        "problems": [[problem.kind, problem.where, problem.text] for problem in data.problems],
        "skipped": [],
        "preprocessing": plan.beginning.preprocessing.to_dict(),
        "augmentation": plan.augmentation.describe(),
    }


def _metadata(plan: TrainPlan) -> NativeMetadata:
    begun = plan.beginning
    return NativeMetadata(
        architecture=begun.entry.name,
        variant=begun.entry.variant,
        evidence="trained",
        preprocessing=begun.preprocessing,
        labels=Labels(plan.data.train.classes),
        provenance={
            "run": plan.folder.name,
            "data": plan.config.data.name,
            "pictures": str(len(plan.data.train)),
            "start": begun.start or "fresh weights",
            "seed": str(plan.config.seed),
        },
    )


def _draw(folder: RunFolder) -> None:
    from striate.draw import draw_training_curves

    rows = folder.metrics()
    if rows:
        folder.plots.mkdir(parents=True, exist_ok=True)
        (folder.plots / "curves.png").write_bytes(encode_png(draw_training_curves(rows)))

"""R-CNN in a run folder like any other: its stages, its weights, and what they answer to the pictures set aside."""

import math
from collections.abc import Callable, Generator
from contextlib import suppress
from time import perf_counter
from typing import Any

import torch

from striate.data import Labels
from striate.detection.answering import answer_set
from striate.detection.learning import DetectionTask
from striate.detection.rcnn import RCNN
from striate.detection.rcnn_settings import RCNNEvent, RCNNSettings, RCNNStopped, RCNNTrained
from striate.detection.rcnn_training import train_rcnn
from striate.detection.voc_ap import mean_average_precision
from striate.errors import ConfigError
from striate.models import Network
from striate.recipes.train_config import TrainConfig
from striate.recipes.train_plan import TrainPlan
from striate.recipes.train_proposals import proposal_cache
from striate.training.estimate import Estimate
from striate.training.events import EpochDone, PicturesSkipped, Stopped, TrainEvent, TrainingDone, Validating
from striate.training.keeper import SaveWeights

__all__ = ["estimate_rcnn", "rcnn_settings", "rcnn_words", "train_by_stages"]

_TRIAL_CROPS = 32


def rcnn_settings(config: TrainConfig) -> RCNNSettings:
    """The settings of R-CNN's stages that follow from those of a run."""
    usual = RCNNSettings()
    return RCNNSettings(
        batch=config.batch_size,
        rate=usual.rate if config.lr is None else config.lr,
        seed=config.seed,
        workers=max(config.reading_threads, 1),
        checkpoint_minutes=config.checkpoint_minutes,
    )


def rcnn_words(settings: RCNNSettings) -> str:
    """One sentence for the plan of a run."""
    return (
        f"Learning: proposals, then {settings.steps:,} steps of {settings.batch} crops, then features of "
        f"{settings.regions:,} regions on {settings.pictures:,} pictures, then one machine and four regressors a class."
    )


def estimate_rcnn(task: DetectionTask, settings: RCNNSettings) -> Estimate:
    """Describe a few crops, and count: proposals, of which nobody knows the time before, are left out."""
    module = task.module
    if not isinstance(module, RCNN):
        raise ConfigError("estimate_rcnn is for R-CNN.")
    parameters = sum(weight.numel() for weight in module.parameters())
    side = 320
    boxes = torch.tensor([[10.0, 10.0, 200.0, 150.0]]).repeat(_TRIAL_CROPS, 1)
    times = []
    for _ in range(2):  # the first call is slower than all others
        began = perf_counter()
        with torch.inference_mode():
            module.eval()(torch.zeros(1, 3, side, side), [(side, side)], proposals=[boxes])
        times.append(perf_counter() - began)
    crop = times[-1] / _TRIAL_CROPS
    pictures = min(settings.pictures, len(task.train))
    crops = pictures * settings.regions + 3 * settings.steps * settings.batch
    return Estimate(parameters=parameters, macs=0, seconds=crop * crops, memory_bytes=parameters * 16)


def train_by_stages(
    plan: TrainPlan,
    *,
    save_weights: SaveWeights,
    device: torch.device,
    should_stop: Callable[[], bool],
) -> Generator[RCNNEvent | TrainEvent, None, None]:
    """Every stage, the weights, and the answers to the validation pictures.

    Args:
        plan: Of a run with R-CNN; its folder is claimed.
        save_weights: Called with a path and a state.
        device: Where the network computes.
        should_stop: Asked after every picture and every step.

    Raises:
        StriateError: As `train_rcnn`.
    """
    task, folder = plan.task, plan.folder
    if not isinstance(task, DetectionTask) or not isinstance(task.module, RCNN):
        raise ConfigError("train_by_stages is for R-CNN.")

    def say(state: str, message: str = "", **more: Any) -> None:
        with suppress(OSError):
            facts = {"epoch": 0, "epochs": 1, "best_epoch": 0, "best_score": None, "score": "map50"}
            folder.write_status(state=state, message=message, **{**facts, **more})

    say("running")
    trained: RCNNTrained | None = None
    try:
        for event in train_rcnn(
            task.module,
            task.train,
            task.preprocessing,
            rcnn_settings(plan.config),
            folder=folder,
            cache=proposal_cache(),
            device=device,
            max_megapixels=task.max_megapixels,
            should_stop=should_stop,
        ):
            yield event
            if isinstance(event, RCNNStopped):
                say("stopped")
                yield Stopped(0, 0, True)
                return
            if isinstance(event, RCNNTrained):
                trained = event
        state = dict(task.module.state_dict())
        save_weights(folder.best, state)
        save_weights(folder.last, state)
        seconds = sum(trained.seconds.values()) if trained is not None else 0.0
        row: dict[str, Any] = {"epoch": 1, "step": 0, "seconds": round(seconds, 3)}
        best = None
        if task.validation is not None:
            best = yield from _validate(plan, task, row)
        folder.write_metrics([row])
        yield EpochDone(row, True)
    except (GeneratorExit, KeyboardInterrupt):
        say("stopped", "Interrupted at once; the stages that were done are kept.")
        raise
    except Exception as error:
        say("failed", str(error))
        raise
    say("finished", epoch=1, best_epoch=1, best_score=best, seconds=round(seconds, 3))
    yield TrainingDone(1, 1, best, "map50", False, seconds)


def _validate(plan: TrainPlan, task: DetectionTask, row: dict[str, Any]) -> Generator[TrainEvent, None, float | None]:
    if task.validation is None:
        return None
    network = Network(plan.beginning.entry.name, task.module, task.preprocessing, Labels(task.validation.classes))
    answering = answer_set(
        network,
        task.validation,
        proposals=rcnn_settings(plan.config).proposals,
        cache=proposal_cache(),
        workers=max(plan.config.reading_threads, 1),
        max_megapixels=task.max_megapixels,
    )
    while True:
        try:
            _, done, total = next(answering)
        except StopIteration as end:
            answers, problems = end.value
            break
        yield Validating(1, done, total)
    if problems:
        yield PicturesSkipped(problems)
    answers.save(plan.folder.predictions)
    precision = mean_average_precision(answers, iou=0.5)
    row["val_map50"] = precision if math.isfinite(precision) else 0.0
    return float(row["val_map50"])

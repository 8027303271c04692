"""The plan of a training that finds boxes: data, detector, what its trunk starts from, what it will cost."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from striate.data import Labels, Preprocessing
from striate.data.augment.box_policies import BoxAugmentation, build_box_augmentation
from striate.data.box_set import BoxSet
from striate.detection.detector import Detector
from striate.detection.finding import FITS
from striate.detection.learning import DetectionTask
from striate.detection.proposals import Proposals, ProposalSettings
from striate.detection.rcnn import RCNN
from striate.detection.sliding_windows import sliding_windows
from striate.errors import ConfigError, UnknownNameError, WeightsWarning
from striate.models import load
from striate.models.build import build
from striate.models.catalogue import CatalogueEntry, find_entry
from striate.recipes.train_config import TrainConfig, find_preset
from striate.recipes.train_data import LearningData, Look, find_box_learning_data, look_at
from striate.recipes.train_network import Beginning
from striate.recipes.train_plan import TrainPlan, absolute_start, run_name
from striate.recipes.train_rcnn import estimate_rcnn, rcnn_settings, rcnn_words
from striate.training.estimate import estimate_training
from striate.training.parameter_groups import stages_of
from striate.training.run_folder import RunFolder
from striate.training.world import World
from striate.weights import find_record, fit_state, load_file, locate

__all__ = ["box_task", "find_box_start", "plan_box_training"]

# Settings that have a meaning only where pictures have labels.
_LABELS_ONLY = ("channels", "mixup", "cutmix", "erasing", "loss", "temperature", "label_smoothing", "class_weights")


def plan_box_training(
    given: Mapping[str, Any], *, world: World, device: torch.device, folder: RunFolder | None = None
) -> TrainPlan:
    """Open the data, build the detector, decide what is open, and say what it will cost; nothing is written.

    Args:
        given: Settings by name; `data` and `model` are among them.
        world: The processes that share the work.
        device: Where it will run.
        folder: Of the run that goes on; by default that of a new one, by its name.

    Raises:
        StriateError: If settings do not fit together, the data cannot be learned from, or the name is taken.
    """
    asked = TrainConfig(**given)
    usual = TrainConfig(data=asked.data)
    for name in _LABELS_ONLY:
        if getattr(asked, name) != getattr(usual, name):
            raise ConfigError(f"{name} is for networks that name pictures; '{asked.model}' finds boxes.")
    entry = find_entry(asked.model.partition(".")[0])
    start = find_box_start(entry, asked.weights)
    if folder is None:
        folder = RunFolder(asked.root / "detect" / world.agree(run_name(asked, "detect") if world.is_main else ""))
    data = find_box_learning_data(asked.data, val=asked.val, seed=asked.split_seed)
    recipe, values = find_preset(
        asked.recipe, model=entry.name, fine_tuning=bool(start), pictures=len(data.train), task="detect"
    )
    config = TrainConfig(**{**values, **given})
    torch.manual_seed(config.seed)
    look = look_at(data.train.pictures, max_megapixels=config.max_megapixels)
    begun = begin_detector(config, look, entry, start=start, classes=data.train.classes)
    policy = config.augment if config.augment != "auto" else "yolo" if entry.name.startswith("yolo") else "flip"
    changes = {} if config.flip is None else {"flip": 0.5 if config.flip else 0.0}
    augmentation = build_box_augmentation(
        policy,
        begun.preprocessing.input_size,
        fit=FITS[begun.preprocessing.fit],
        truth=data.train.truth,
        settings=changes,
        interpolation=begun.preprocessing.interpolation,
    )
    task = box_task(config, data, begun, augmentation)
    if isinstance(task.module, RCNN):
        stages = rcnn_settings(config)
        estimate, learning = estimate_rcnn(task, stages), rcnn_words(stages)
        decided = {"data": config.data.resolve(), "weights": absolute_start(start), "recipe": recipe, "augment": "none"}
        config = config.model_copy(update={**decided, "name": folder.name})
        return TrainPlan(
            config, recipe, data, begun, augmentation, task, estimate, folder, device, world.size, learning
        )
    trial = task
    if task.module.takes_proposals:  # real ones take minutes; for a trial step any boxes do
        trial = replace(task, train_proposals=_stand_in(data.train), validation_proposals=None)
    estimate = estimate_training(trial, config.settings(), device=device, processes=world.size)
    decided = {"data": config.data.resolve(), "weights": absolute_start(start), "augment": policy, "recipe": recipe}
    config = config.model_copy(update={**decided, "name": folder.name})
    return TrainPlan(config, recipe, data, begun, augmentation, task, estimate, folder, device, world.size)


def box_task(
    config: TrainConfig, data: LearningData[BoxSet], begun: Beginning, augmentation: BoxAugmentation
) -> DetectionTask:
    """What is to be learned, for the loop; proposals are found later.

    Raises:
        ConfigError: If the network is no detector.
    """
    if not isinstance(begun.module, Detector):
        raise ConfigError(f"'{begun.entry.name}' is no detector; see `striate models --task detect`.")
    return DetectionTask(
        module=begun.module,
        preprocessing=begun.preprocessing,
        labels=Labels(data.train.classes),
        train=data.train,
        validation=data.validation,
        augmentation=augmentation,
        classifier=heads_of(begun.module),
        fine_tuning=bool(begun.start),
        max_megapixels=config.max_megapixels,
    )


def heads_of(module: nn.Module) -> tuple[str, ...]:
    """The stages of a detector that are not its trunk: what learns anew, and what is left when the trunk is frozen."""
    stages = stages_of(module, classifier=())
    return tuple(stage.name for stage in stages if not {"trunk", "body"} & set(stage.name.split(".")))


def find_box_start(entry: CatalogueEntry, weights: str) -> str:
    """What a detector starts from: a run or weights file, the record of its trunk's weights, or empty for fresh ones.

    Args:
        entry: Of the detector.
        weights: `auto` (the trunk's trained weights, if they are here), `none`, a tag of the trunk, a file or a run.

    Raises:
        UnknownNameError: If the trunk has no weights of this tag.
        ConfigError: If a tag is given and the detector has no trunk of the catalogue.
    """
    backbone = entry.options.get("backbone")
    if weights == "none":
        return ""
    if weights != "auto":
        if Path(weights).exists() or "/" in weights:
            return weights
        if backbone is None:
            raise ConfigError(f"'{entry.name}' has no trunk with trained weights; give weights 'none' or a run.")
        return find_record(weights if weights.startswith(f"{backbone}.") else f"{backbone}.{weights}").name
    if backbone is None:
        return ""
    try:
        record = find_record(backbone)
    except UnknownNameError:
        return ""
    return record.name if locate(record) is not None else ""


def begin_detector(
    config: TrainConfig, look: Look, entry: CatalogueEntry, *, start: str, classes: tuple[str, ...]
) -> Beginning:
    """Build the detector: fresh, on a trained trunk, or from an earlier run.

    Raises:
        ConfigError: If the size is too small.
        WeightsError: If the weights cannot be read, or are another detector's.
    """
    is_file = bool(start) and Path(start).exists()
    record = find_record(start) if start and not is_file else None
    before = load(Path(start)) if is_file else None
    if before is not None and before.name != entry.name:
        raise ConfigError(f"weights '{start}' are of '{before.name}', but the model is '{entry.name}'. Give its own.")
    preprocessing = _preprocessing(config, look, entry, like=record.preprocessing if record is not None else None)
    if before is not None:
        preprocessing = before.preprocessing
        if config.size is not None:
            preprocessing = replace(preprocessing, input_size=(config.size, config.size))
    side = min(preprocessing.input_size)
    if side < entry.min_size or (entry.name.startswith("yolo") and side % 32):
        rule = f"at least {entry.min_size} pixels" + (", a multiple of 32" if entry.name.startswith("yolo") else "")
        raise ConfigError(f"'{entry.name}' needs a size of {rule}, got {side}.")
    more: dict[str, Any] = {}
    if "image_size" in entry.options:
        more["image_size"] = side
    if "backbone" in entry.options:
        more["weights"] = record.name.partition(".")[2] if record is not None else None
        if record is None and before is None and not entry.name.startswith("rcnn"):  # whose network learns as a whole
            more |= {"frozen": 0, "freeze_norm": False}  # nothing in a fresh trunk is worth keeping as it is
    module = build(entry, num_classes=len(classes), options=more)
    notes: list[str] = []
    if before is not None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", WeightsWarning)
            state = load_file(Path(start) / "best.safetensors" if Path(start).is_dir() else Path(start)).state
            fit_state(module, state, classifier=entry.classifier, allow_adapt=True, name=entry.name)
        notes = [str(warning.message) for warning in caught if issubclass(warning.category, WeightsWarning)]
        if tuple(before.labels) != classes:
            notes.append(f"{entry.name}: learns other classes than {start}.")
    return Beginning(module, preprocessing, entry, start, tuple(notes))


def _preprocessing(
    config: TrainConfig, look: Look, entry: CatalogueEntry, *, like: Preprocessing | None
) -> Preprocessing:
    size = entry.input_size[1:] if config.size is None else (config.size, config.size)
    if config.size is not None and entry.fit == "shorter":
        size = (config.size, round(config.size * entry.input_size[2] / entry.input_size[1]))
    if like is None:
        return Preprocessing(input_size=size, resize=None, fit=entry.fit, mean=look.mean, std=look.std)
    return replace(like, input_size=size, resize=None, fit=entry.fit, interpolation="bilinear")


def _stand_in(pictures: BoxSet) -> Proposals:
    size = next((boxes.size for boxes in pictures.truth if boxes.size is not None), (320, 320))
    boxes = sliding_windows(size, max_boxes=2000)
    return Proposals(tuple(np.asarray(boxes) for _ in range(len(pictures))), ProposalSettings("sliding_windows"))

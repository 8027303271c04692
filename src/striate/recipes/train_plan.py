"""The plan of a training run: every "auto" decided, and what it will cost, before anything is written."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from striate.data import Labels
from striate.data.augment.recipes import Augmentation, build_augmentation
from striate.data.box_set import BoxSet
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.errors import ConfigError
from striate.recipes.train_config import TrainConfig, find_preset, usual_policy
from striate.recipes.train_data import LearningData, find_learning_data, look_at, say_many
from striate.recipes.train_network import Beginning, begin, find_start
from striate.training.classification import ClassificationTask
from striate.training.estimate import Estimate, estimate_training
from striate.training.run_folder import RunFolder
from striate.training.task import Pipeline, Task
from striate.training.world import World

__all__ = [
    "TrainPlan",
    "absolute_start",
    "check_name",
    "first_problems",
    "plan_training",
    "resolve",
    "run_name",
    "say_seconds",
    "usual_name",
]


@dataclass(frozen=True, eq=False)
class TrainPlan:
    """Everything that is decided before the first step.

    Attributes:
        config: All settings, none of them "auto".
        recipe: The table that they started from.
        data: The pictures.
        beginning: The network.
        augmentation: What is done to the pictures.
        task: What is to be learned, for the loop.
        estimate: What it will cost.
        folder: Where it goes.
        device: Where it runs.
        processes: How many share the work.
        learning: A sentence about how is learned, where it is not by epochs.
    """

    config: TrainConfig
    recipe: str
    data: LearningData[ImageSet] | LearningData[BoxSet]
    beginning: Beginning
    augmentation: Pipeline
    task: Task
    estimate: Estimate
    folder: RunFolder
    device: torch.device
    processes: int
    learning: str = ""

    def sentences(self) -> list[str]:
        """The plan for people, a line each."""
        data, begun = self.data, self.beginning
        start = f"weights of {begun.start}" if begun.start else "fresh weights"
        memory = self.estimate.memory_bytes / 2**20
        macs = f"{self.estimate.macs / 1e6:,.1f} million multiply-adds a picture; " if self.estimate.macs else ""
        lines = [
            f"Train {begun.entry.name} ({start}) on {data.describe()}.",
            f"Pictures: {begun.preprocessing.describe()}",
            f"Augmentation: {'; '.join(self.augmentation.describe())}.",
            self.learning or self._by_epochs(),
            (
                f"Cost: {self.estimate.parameters:,} parameters; {macs}about {say_seconds(self.estimate.seconds)} and "
                f"{memory:,.0f} MB."
            ),
        ]
        counts = data.train.counts()
        if not counts.all():
            empty = [name for name, count in zip(data.train.classes, counts, strict=True) if not count]
            lines.append(f"Nothing to learn {', '.join(empty[:5])}{' …' if len(empty) > 5 else ''} from.")
        return [*lines, *begun.notes]

    def _by_epochs(self) -> str:
        config = self.config
        together = f", {self.processes} processes" if self.processes > 1 else ""
        return (
            f"Learning: recipe '{self.recipe}', {say_many(config.epochs, 'epoch')} of "
            f"{say_many(config.batch_size, 'picture')} a step, {config.optimizer}, {config.schedule} schedule, "
            f"{config.precision} on {self.device}{together}."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        validation = self.data.validation
        return {
            "config": json.loads(self.config.model_dump_json()),
            "recipe": self.recipe,
            "folder": str(self.folder.path),
            "classes": list(self.data.train.classes),
            "train": len(self.data.train),
            "validation": 0 if validation is None else len(validation),
            "held_out": self.data.held_out,
            "start": self.beginning.start or None,
            "preprocessing": self.beginning.preprocessing.to_dict(),
            "augmentation": self.augmentation.describe(),
            "estimate": asdict(self.estimate),
            "device": str(self.device),
            "processes": self.processes,
            "problems": [asdict(problem) for problem in self.data.problems],
        }


def say_seconds(seconds: float) -> str:
    """A duration as people say it.

    >>> say_seconds(42), say_seconds(600), say_seconds(7500)
    ('42 s', '10 min', '2.1 h')
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def resolve(given: Mapping[str, Any], *, start: str, pictures: int) -> tuple[TrainConfig, str]:
    """Every setting: those given, else those of the recipe that suits.

    Args:
        given: Settings by name; `data` is among them.
        start: Where the weights start, empty for fresh ones.
        pictures: To learn from.

    Returns:
        The settings, and the recipe's name.

    Raises:
        ConfigError: If settings do not fit together.
        UnknownNameError: If a network, weights or a recipe do not exist.
        pydantic.ValidationError: If a value is outside its rule.
    """
    first = TrainConfig(**given)
    model = first.model.partition(".")[0]
    recipe, values = find_preset(first.recipe, model=model, fine_tuning=bool(start), pictures=pictures)
    return TrainConfig(**{**values, **given}), recipe


def plan_training(
    given: Mapping[str, Any], *, world: World, device: torch.device, folder: RunFolder | None = None
) -> TrainPlan:
    """Open the data, build the network, decide what is open, and say what it will cost; nothing is written.

    Args:
        given: Settings by name; `data` is among them.
        world: The processes that share the work.
        device: Where it will run.
        folder: Of the run that goes on; by default that of a new one, by its name.

    Raises:
        StriateError: As `resolve`, if the data cannot be learned from, or the name is taken.
    """
    asked = TrainConfig(**given)
    start = find_start(asked.model, asked.weights)
    if folder is None:
        folder = RunFolder(asked.root / "classify" / world.agree(run_name(asked, "classify") if world.is_main else ""))
    data = find_learning_data(asked.data, val=asked.val, seed=asked.split_seed)
    config, recipe = resolve(given, start=start, pictures=len(data.train))
    torch.manual_seed(config.seed)
    look = look_at(data.train, max_megapixels=config.max_megapixels)
    begun = begin(config, look, start=start, classes=data.train.classes)
    side = min(begun.preprocessing.input_size)
    policy = config.augment
    if policy == "auto":
        policy = usual_policy(side=side, fine_tuning=bool(start))
    changes = {name: value for name in ("mixup", "cutmix") if (value := getattr(config, name))}
    if config.erasing is not None:
        changes["erasing"] = config.erasing
    if config.flip is not None:
        changes["flip"] = 0.5 if config.flip else 0.0
    augmentation = build_augmentation(policy, begun.preprocessing, settings=changes)
    settings = config.settings()
    task = _task(config, data, begun, augmentation)
    estimate = estimate_training(task, settings, device=device, processes=world.size)
    # Size and channels stay "auto": what they became is in data.json, and depends on how the pictures look.
    decided = {"data": config.data.resolve(), "weights": absolute_start(start), "augment": policy, "recipe": recipe}
    config = config.model_copy(update={**decided, "name": folder.name})
    return TrainPlan(config, recipe, data, begun, augmentation, task, estimate, folder, device, world.size)


def _task(
    config: TrainConfig, data: LearningData[ImageSet], begun: Beginning, augmentation: Augmentation
) -> ClassificationTask:
    return ClassificationTask(
        module=begun.module,
        preprocessing=begun.preprocessing,
        labels=Labels(data.train.classes),
        train=data.train,
        validation=data.validation,
        augmentation=augmentation,
        classifier=begun.entry.classifier,
        fine_tuning=bool(begun.start),
        max_megapixels=config.max_megapixels,
    )


def usual_name(config: TrainConfig) -> str:
    """What a run is called that nobody named: network and data."""
    stem = re.sub(r"[^\w.+-]+", "-", config.data.resolve().stem).strip("-.") or "data"
    return f"{config.model.partition('.')[0]}-{stem}"


def check_name(config: TrainConfig) -> None:
    """Refuse names that are no plain name of a folder.

    Raises:
        ConfigError: With the name.
    """
    if config.name is not None and not re.fullmatch(r"[\w][\w.+-]*", config.name):
        raise ConfigError(
            f"name '{config.name}' must be letters, digits, '.', '_', '+' and '-' (a folder under {config.root})."
        )


def run_name(config: TrainConfig, task: str) -> str:
    """The name that was given, or one of model and data that is not taken."""
    if config.name is not None:
        check_name(config)
        path = config.root / task / config.name
        if RunFolder(path).exists():
            raise ConfigError(
                f"'{path}' is a run already. Go on with it: striate train --resume {path}. Or choose another --name."
            )
        return config.name
    base = usual_name(config)
    names = [base, *(f"{base}-{number}" for number in range(2, 10_000))]
    return next(name for name in names if not (config.root / task / name).exists())


def absolute_start(start: str) -> str:
    """The weights to start from, by a name that holds in any folder."""
    return str(Path(start).resolve()) if Path(start).exists() and start else start or "none"


def first_problems(problems: tuple[Problem, ...], *, most: int = 5) -> list[str]:
    """The first problems of a set, a line each, and how many more there are."""
    lines = [f"{problem.where}: {problem.text}" for problem in problems[:most]]
    more = len(problems) - most
    return [*lines, f"… and {more:,} more; `striate data check` lists all."] if more > 0 else lines

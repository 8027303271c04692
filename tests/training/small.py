"""Small things to learn: drawn pictures of two or three classes, networks of some hundred weights, whole tasks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment import build_augmentation
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore
from striate.training.classification import ClassificationTask
from striate.training.events import TrainEvent
from striate.training.loop import Trainer
from striate.training.run_folder import RunFolder
from striate.training.settings import TrainSettings

VIEW = Preprocessing(input_size=(8, 8), resize=8, channels="L", mean=(0.5,), std=(0.25,))


def bars(count: int, *, classes: int = 2, side: int = 8, seed: int = 0, label: str = "bars.npz") -> ImageSet:
    """Bright stripes in noise: horizontal, vertical, diagonal; as many of each class as can be."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % classes
    y, x = np.mgrid[:side, :side]
    lines = np.stack([y, x, (x + y)])[:classes]
    phase = rng.integers(0, 4, count)
    stripes = (lines[labels] + phase[:, None, None]) % 4 < 2
    pixels = stripes * 150 + rng.integers(0, 100, (count, side, side))
    store = ArrayStore(pixels.astype(np.uint8), label)
    return ImageSet(tuple(f"class {k}" for k in range(classes)), labels, store, Path(label), "npz")


def small_net(classes: int = 2, *, norm: bool = True, dropout: float = 0.0, seed: int = 0) -> nn.Sequential:
    """Two convolutions and a classifier called `head`."""
    torch.manual_seed(seed)
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(1, 4, 3, padding=1, bias=not norm))
    net.add_module("norm1", nn.BatchNorm2d(4) if norm else nn.Identity())
    net.add_module("relu1", nn.ReLU())
    net.add_module("conv2", nn.Conv2d(4, 6, 3, stride=2, padding=1))
    net.add_module("norm2", nn.BatchNorm2d(6) if norm else nn.Identity())
    net.add_module("relu2", nn.ReLU())
    net.add_module("flat", nn.Flatten())
    net.add_module("drop", nn.Dropout(dropout))
    net.add_module("head", nn.Linear(6 * 16, classes))
    return net


def small_task(
    net: nn.Module | None = None,
    *,
    train: ImageSet | None = None,
    validation: ImageSet | str | None = "some",
    policy: str = "none",
    **changes: Any,
) -> ClassificationTask:
    """Forty pictures to learn from, sixteen to be measured on."""
    train = bars(40) if train is None else train
    some = bars(16, classes=len(train.classes), seed=1, label="validation.npz")
    return ClassificationTask(
        module=small_net(len(train.classes)) if net is None else net,
        preprocessing=VIEW,
        labels=Labels(train.classes),
        train=train,
        validation=some if isinstance(validation, str) else validation,
        augmentation=build_augmentation(policy, VIEW, settings=changes),
        classifier=("head",),
    )


def settings(**changes: Any) -> TrainSettings:
    """Three epochs of five steps in this thread."""
    return TrainSettings(**{"epochs": 3, "batch_size": 8, "lr": 0.05, "workers": 0, "warmup_epochs": 0.5, **changes})


def write_plain(path: Path, state: dict[str, Tensor]) -> None:
    """Weights as they are."""
    save_file({name: value.detach().clone().contiguous() for name, value in state.items()}, path)


def trainer(path: Path, task: ClassificationTask | None = None, **changes: Any) -> Trainer:
    """A run in a folder."""
    path.mkdir(parents=True, exist_ok=True)
    return Trainer(task or small_task(), settings(**changes), RunFolder(path), save_weights=write_plain)


def weights_of(run: Trainer) -> dict[str, Tensor]:
    """What the run would keep."""
    return {name: value.clone() for name, value in run.learner.kept_state().items()}


def only(events: Iterator[TrainEvent], kind: type) -> list[Any]:
    """All events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def with_module(task: ClassificationTask, module: nn.Module) -> ClassificationTask:
    """The same with another network."""
    return replace(task, module=module)

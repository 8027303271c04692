"""Every classifier of the catalogue learns sixteen pictures by heart: the loss falls within a few steps.

Sizes are the smallest that a network takes, so that a battery of forty is minutes and not hours; what needs more than
ten seconds is marked slow.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data import Labels, Preprocessing
from striate.data.augment import build_augmentation
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore
from striate.models import create_model, find_entry, list_models
from striate.models.catalogue import CatalogueEntry
from striate.training.classification import ClassificationTask
from striate.training.learner import Learner
from striate.training.settings import TrainSettings
from striate.training.world import ALONE
from tests.training.test_learner import batch_of

CLASSIFIERS = [name for name in list_models("classify") if find_entry(name).classifier]
LARGE = 30e6  # parameters from which a network is slow to train, at any size
DEEP = {"resnet101", "resnet101_v1", "resnet110"}
PAPER_SIZE = {"googlenet_2014", "alexnet_2012"}  # their heads fit the paper's size alone
RATES = {"alexnet_2012": 2e-5}  # its biases begin at 1, and its answers far apart


def side_of(entry: CatalogueEntry) -> int:
    """Small, but so large that the last maps have more than one unit where they are normalized."""
    if entry.name in PAPER_SIZE:
        return entry.input_size[1]
    return min(max(entry.min_size, 64), entry.input_size[1])


def sixteen(side: int) -> ImageSet:
    """Two pictures of each of eight colors, with stripes."""
    rng = np.random.default_rng(0)
    colors = rng.integers(30, 226, (8, 3))
    labels = np.arange(16) % 8
    pixels = np.clip(colors[labels][:, None, None] + rng.integers(-30, 30, (16, side, side, 1)), 0, 255)
    names = tuple(f"color {k}" for k in range(8))
    return ImageSet(
        names, labels.astype(np.int64), ArrayStore(pixels.astype(np.uint8), "colors"), Path("colors"), "npz"
    )


def learner_of(name: str, **given: object) -> Learner:
    entry = find_entry(name)
    side = side_of(entry)
    channels = "L" if entry.input_size[0] == 1 else "RGB"
    count = entry.input_size[0]
    view = Preprocessing((side, side), side, channels=channels, mean=(0.5,) * count, std=(0.25,) * count)
    torch.manual_seed(0)
    train = sixteen(side)
    task = ClassificationTask(
        module=create_model(name, num_classes=8),
        preprocessing=view,
        labels=Labels(train.classes),
        train=train,
        validation=None,
        augmentation=build_augmentation("none", view),
        classifier=entry.classifier,
    )
    settings = TrainSettings(**{"batch_size": 16, "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, **given})  # type: ignore[arg-type]
    assert settings.reading_threads >= 1
    return Learner(task, settings, device=torch.device("cpu"), world=ALONE)


def losses_of(learner: Learner, steps: int, rate: float) -> list[float]:
    learner.begin_epoch()
    batch = batch_of(learner.task, range(16))
    losses = []
    for step in range(steps):
        told = learner.learn(batch, step=step, epoch=0, count=16, rate=rate)
        losses.append(float(told["loss"]) / 16)
    return losses


def is_slow(name: str) -> bool:
    entry = find_entry(name)
    side = side_of(entry)
    work = entry.macs * (side / entry.input_size[1]) ** 2
    return entry.parameters > LARGE or work > 1.5e8 or name in DEEP


CASES = [pytest.param(name, marks=[pytest.mark.slow] if is_slow(name) else []) for name in CLASSIFIERS]


@pytest.mark.parametrize("name", CASES)
def test_the_loss_falls(name: str) -> None:
    learner = learner_of(name)
    before = {key: value.clone() for key, value in learner.module.named_parameters()}
    losses = losses_of(learner, 8, RATES.get(name, 3e-4))
    assert np.isfinite(losses).all()
    assert min(losses[-2:]) < 0.95 * losses[0], losses
    still = [key for key, value in learner.module.named_parameters() if torch.equal(value, before[key])]
    assert still == [], "weights that do not learn"
    assert learner.is_finite()


@pytest.mark.parametrize("name", ["googlenet", pytest.param("googlenet_2014", marks=pytest.mark.slow)])
def test_googlenet_learns_through_three_heads(name: str) -> None:
    with_heads = learner_of(name, auxiliary_weight=0.3)
    without = learner_of(name, auxiliary_weight=0.0)
    heads = ("aux1.fc2.weight", "aux2.fc2.weight")
    before = {head: with_heads.module.get_parameter(head).detach().clone() for head in heads}
    losses_of(with_heads, 1, 1e-3)
    losses_of(without, 1, 1e-3)
    for head in heads:
        assert not torch.equal(with_heads.module.get_parameter(head), before[head])
        assert torch.equal(without.module.get_parameter(head), before[head])


def test_mixed_precision_and_the_paper_loss() -> None:
    assert losses_of(learner_of("resnet20", precision="bfloat16"), 6, 1e-3)[-1] < 1.6
    losses = losses_of(learner_of("lenet5", loss="map"), 12, 3e-3)
    assert losses[-1] < 0.9 * losses[0]


def test_the_battery_is_the_catalogue() -> None:
    assert len(CASES) == len(CLASSIFIERS) >= 40
    quick = [case.values[0] for case in CASES if not case.marks]
    assert {"alexnet", "efficientnet_lite0", "googlenet", "lenet5", "resnet18", "squeezenet1_1"} & set(quick)
    assert dataclasses.is_dataclass(find_entry("resnet18"))

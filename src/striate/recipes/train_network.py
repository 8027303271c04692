"""The network of a training run: where its weights start, and what its pictures are turned into."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import nn

from striate.data import Preprocessing
from striate.errors import ConfigError, UnknownNameError, WeightsWarning
from striate.models import Network, create_model, load
from striate.models.catalogue import CatalogueEntry, find_entry
from striate.recipes.train_config import TrainConfig
from striate.recipes.train_data import Look
from striate.weights import find_record, locate

__all__ = ["Beginning", "begin", "find_start", "fresh_preprocessing"]


@dataclass(frozen=True, eq=False)
class Beginning:
    """A network before its first step.

    Attributes:
        module: With fresh or trained weights and the wanted number of classes.
        preprocessing: What its pictures are turned into.
        entry: Its facts.
        start: Where its weights come from: a record's name, a file, or empty for fresh ones.
        notes: What was left out or adapted.
    """

    module: nn.Module
    preprocessing: Preprocessing
    entry: CatalogueEntry
    start: str
    notes: tuple[str, ...]


def find_start(model: str, weights: str) -> str:
    """The weights to start from: a record's name, a path, or empty for fresh ones.

    Args:
        model: A network of the catalogue, with or without a tag.
        weights: `auto`, `none`, a tag, a file or the folder of a run.

    Raises:
        ConfigError: If the model's name and `weights` ask for two things.
        UnknownNameError: If there is no such network or tag.
    """
    architecture, _, tag = model.partition(".")
    entry = find_entry(architecture)
    if not entry.classifier:
        raise ConfigError(f"'{architecture}' ends at its features and cannot learn classes; see `striate models`.")
    if weights.startswith(f"{architecture}."):  # a record's whole name, as in a run's config.yaml
        weights = weights.partition(".")[2]
    if tag and weights not in {"auto", tag}:
        raise ConfigError(f"model '{model}' asks for weights already; got weights '{weights}' as well. Give one.")
    if weights == "none":
        return ""
    if tag or weights != "auto":
        wanted = tag or weights
        if Path(wanted).exists() or "/" in wanted:
            return wanted
        return find_record(f"{architecture}.{wanted}").name
    try:
        record = find_record(architecture)
    except UnknownNameError:
        return ""
    # Weights that look for ink on paper are no start for pictures of anything: only those who ask for them get them.
    return record.name if locate(record) is not None and "locate" not in record.settings else ""


def begin(config: TrainConfig, look: Look, *, start: str, classes: Sequence[str]) -> Beginning:
    """Build the network.

    Args:
        config: Model, size and channels.
        look: What the training pictures look like.
        start: Of `find_start`.
        classes: Of the data.

    Raises:
        ConfigError: If the weights are of another network, or the size is too small for it.
        WeightsError: If the weights cannot be read.
    """
    entry = find_entry(config.model.partition(".")[0])
    before = load(Path(start) if Path(start).exists() else start) if start else None
    preprocessing = (
        fresh_preprocessing(entry, look, size=config.size, channels=config.channels, augment=config.augment)
        if before is None
        else _their_preprocessing(config, start, before)
    )
    if min(preprocessing.input_size) < entry.min_size:
        raise ConfigError(
            f"'{entry.name}' needs pictures of at least {entry.min_size} pixels a side, got "
            f"{min(preprocessing.input_size)}; give a larger --size, or another --model."
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", WeightsWarning)
        module = create_model(
            entry.name,
            weights=_as_weights(start),
            num_classes=len(classes),
            in_channels=len(preprocessing.channels),
        )
    notes = [str(warning.message) for warning in caught if issubclass(warning.category, WeightsWarning)]
    if before is not None and tuple(before.labels) != tuple(classes):
        _forget(module, entry.classifier)
        notes = [f"{entry.name}: the classifier starts from zero for other classes than those of {start}."]
    return Beginning(module, preprocessing, entry, start, tuple(notes))


def _forget(module: nn.Module, classifier: Sequence[str]) -> None:
    """Let the last layer start from zero: all classes alike, and no random logits that the trunk would have to undo.

    Papers draw these weights for a thousand classes and from nothing; for five they are ten times too large, and a
    training of few steps ended with them still in the way (five classes of five pictures: .78 right answers, not .95).
    """
    for name in classifier:
        for part in module.get_submodule(name).modules():
            if isinstance(part, nn.Linear | nn.Conv2d):
                nn.init.zeros_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)


def _as_weights(start: str) -> str | Path | None:
    if not start:
        return None
    return Path(start) if Path(start).exists() else start.partition(".")[2]


def _their_preprocessing(config: TrainConfig, start: str, before: Network) -> Preprocessing:
    """What the weights were trained with, at another size if one is asked for."""
    model = config.model.partition(".")[0]
    if before.name != model:
        raise ConfigError(f"weights '{start}' are of '{before.name}', but the model is '{model}'. Give its own.")
    theirs = before.preprocessing
    if config.channels != "auto" and (config.channels == "L") != (theirs.channels == "L"):
        raise ConfigError(f"weights '{start}' take {theirs.channels}, not {config.channels}; leave channels out.")
    if config.size is None or theirs.resize is None:
        return theirs
    scaled = max(round(theirs.resize * config.size / min(theirs.input_size)), config.size)
    return replace(theirs, input_size=(config.size, config.size), resize=scaled)


def fresh_preprocessing(
    entry: CatalogueEntry, look: Look, *, size: int | None, channels: Literal["auto", "RGB", "L"], augment: str
) -> Preprocessing:
    """What pictures are turned into for weights that start afresh.

    The network's own size, or a smaller one where the pictures are small; mean and deviation of the pictures.

    Args:
        entry: The network.
        look: What the pictures look like.
        size: Side that is asked for, or None.
        channels: `RGB`, `L`, or `auto`: gray where all pictures are.
        augment: Digits are looked for on the paper where they are augmented as `digits`.
    """
    if channels == "auto":
        channels = "L" if look.gray else "RGB"
    if entry.name.startswith("lenet5") and size is None:
        # LeCun et al. 1998: 28 × 28 in the middle of 32 × 32, background −0.1, ink 1.175.
        count = len(channels) if channels == "RGB" else 1
        return Preprocessing(
            input_size=(32, 32),
            resize=28,
            channels=channels,
            mean=(20 / 255,) * count,
            std=(200 / 255,) * count,
            locate="ink" if augment == "digits" and channels == "L" else None,
        )
    native = min(entry.input_size[1:])
    side = size or (native if look.shorter_px >= native / 2 else max(entry.min_size, look.shorter_px))
    resize = round(side * 256 / 224) if side >= 96 else min(side, max(look.shorter_px, 1)) if not size else side
    gray = (sum(w * m for w, m in zip((0.299, 0.587, 0.114), look.mean, strict=True)),)
    spread = (sum(w * s for w, s in zip((0.299, 0.587, 0.114), look.std, strict=True)),)
    return Preprocessing(
        input_size=(side, side),
        resize=resize,
        channels=channels,
        mean=tuple(round(m, 4) for m in gray) if channels == "L" else look.mean,
        std=tuple(round(s, 4) for s in spread) if channels == "L" else look.std,
    )

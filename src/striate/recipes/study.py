"""Make a human study: choose pictures, change them, ask the networks, write it all into one folder.

What people will see and what networks are given are the same stored pixels. Networks can be asked later, too.
"""

import os
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from striate import __version__
from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.draw import encode_png
from striate.errors import ConfigError, DataError, UnknownNameError, nearest
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_design import design_pictures
from striate.insight.human_study_mapping import (
    Combine,
    answer_as_network,
    read_mapping,
    study_classes,
    study_outputs,
    unknown_labels,
)
from striate.insight.human_study_order import draw_key
from striate.insight.human_study_pictures import CLEAN, Condition, parse_condition
from striate.insight.human_study_records import MOST_CLASSES, StudyAnswer, StudySettings
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress

__all__ = ["NewStudy", "StudyConfig", "ask_network", "run"]


class StudyConfig(BaseModel):
    """What to show to whom.

    Attributes:
        data: Labeled pictures in any layout that `open_data` knows.
        split: Which part of it; the first of `val`, `test`, `all` and `train` that there is, by default.
        networks: Asked at once; others can be asked at the report.
        classes: The choices, by name; all classes with pictures by default.
        choices: So many of them, drawn at random.
        mapping: A CSV table that joins labels to coarser choices.
        combine: How a network's outputs of one choice are joined.
        images_per_class: Pictures of each class under each condition.
        degrade: Conditions beside `clean`, words of `parse_condition`.
        practice: Pictures for practice.
        exposure_ms: How long a picture is shown; 0: until the answer.
        mask_ms: How long the noise after it; 0: none.
        side: Most pixels of a picture's side.
        consent: A text file that is shown before everything else.
        title: What the study is called.
        seed: Another one gives other pictures, other noise and other orders.
        out: The folder to write; `studies/DATA` by default.
        max_megapixels: Larger pictures are left out.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    split: str | None = None
    networks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    choices: int | None = Field(default=None, ge=2, le=MOST_CLASSES)
    mapping: Path | None = None
    combine: Combine = "mean"
    images_per_class: int = Field(default=10, ge=1, le=10_000)
    degrade: tuple[str, ...] = ()
    practice: int = Field(default=6, ge=0, le=1000)
    exposure_ms: int = Field(default=200, ge=0, le=60_000)
    mask_ms: int = Field(default=200, ge=0, le=60_000)
    side: int = Field(default=224, ge=16, le=1024)
    consent: Path | None = None
    title: str | None = None
    seed: int = Field(default=0, ge=0)
    out: Path | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the study goes."""
        name = self.data.resolve().name.removesuffix(self.data.suffix) or "study"
        return self.out or Path("studies") / re.sub(r"[^\w.]+", "_", name)


@dataclass(frozen=True)
class NewStudy:
    """A study that was made.

    Attributes:
        study: It.
        problems: Pictures that could not be read; others took their place.
        minutes: About how long a person needs.
    """

    study: HumanStudy
    problems: tuple[Problem, ...]
    minutes: int


def run(config: StudyConfig) -> Iterator[Event]:
    """Make a study: yields a `Plan`, then `Progress`, then `Done` with a `NewStudy`.

    Raises:
        ConfigError: A condition, or a number of choices, that cannot be.
        DataError: Too few pictures, classes that do not match, or a folder that exists or cannot be written.
        StriateError: A network cannot be had.
    """
    folder = config.folder
    if folder.exists():
        raise DataError(f"{printable(folder)} exists; choose another folder for the study with --out.")
    conditions = _conditions(config.degrade)
    consent = _read_text(config.consent)
    mapping = read_mapping(config.mapping) if config.mapping is not None else ()
    images, split = _part(config)
    classes, labels = _choices(images, config, mapping)
    settings = StudySettings(
        title=config.title or "What is in the picture?",
        classes=classes,
        conditions=tuple(condition.name for condition in conditions),
        seed=config.seed,
        exposure_ms=config.exposure_ms,
        mask_ms=config.mask_ms,
        side=config.side,
        mapping=mapping,
        facts={
            "data": str(config.data),
            "split": split,
            "consent": consent,
            "combine": config.combine,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
        },
    )
    count = config.images_per_class * len(conditions) * len(classes)
    minutes = max(1, round((count + config.practice) * (2.0 + config.exposure_ms / 1000) / 60))
    yield Plan(
        f"A study of {count:,} pictures: {len(classes)} choices × {len(conditions)} condition"
        f"{'' if len(conditions) == 1 else 's'} × {config.images_per_class}, about {minutes} min a person."
    )
    networks = []
    for name in config.networks:
        yield Progress(f"loading {Path(name).name}", 0, None)
        network = load(name).to(config.device)
        study_outputs(
            network.labels, classes, mapping, network=name
        )  # what does not match is found before anything is made
        networks.append((name, network))
    pictures, problems = [], [*images.problems]
    if networks:
        for label in unknown_labels(mapping, images.classes, [network.labels for _, network in networks]):
            text = f"'{label}' is no class of the data and no label of a network; passed over"
            problems.append(Problem("unknown-label", printable(config.mapping or ""), text))
    for made in design_pictures(
        images,
        labels,
        classes=classes,
        conditions=conditions,
        per_class=config.images_per_class,
        practice=config.practice,
        side=config.side,
        seed=config.seed,
        max_megapixels=config.max_megapixels,
    ):
        if made.problem is not None:
            problems.append(made.problem)
        if made.picture is not None and made.pixels is not None:
            pictures.append((made.picture, encode_png(made.pixels)))
        yield Progress("pictures", len(pictures), count + config.practice)
    _make_parent(folder)
    study = HumanStudy.create(folder, settings, pictures)
    for name, network in networks:
        yield from ask_network(study, network, _network_name(name, network))
    yield Done(NewStudy(study, tuple(problems), minutes), folder, {"study": folder / "study.sqlite"})


def ask_network(study: HumanStudy, network: Network, name: str) -> Generator[Progress, None, None]:
    """Let a network answer every picture of a study, as the people's equal.

    Raises:
        DataError: If it has no class for a choice, or has answered otherwise before.
    """
    settings = study.settings
    outputs = study_outputs(network.labels, settings.classes, settings.mapping, network=name)
    combine: Combine = settings.facts.get("combine", "mean")
    tested = study.tested
    answers: list[StudyAnswer] = []
    rule = ""
    for start in range(0, len(tested), 32):
        part = tested[start : start + 32]
        yield Progress(f"asking {name}", start, len(tested))
        pixels = [_pixels(study.picture_file(picture.id)) for picture in part]
        found = answer_as_network(network, pixels, outputs, combine=combine)
        rule = found.rule
        answers += [
            StudyAnswer(name, picture.id, int(choice), scores=tuple(float(s) for s in scores))
            for picture, choice, scores in zip(part, found.choices, found.scores, strict=True)
        ]
    before = {one.picture: one.choice for one in study.answers() if one.participant == name}
    changed = [one for one in answers if before.get(one.picture, one.choice) != one.choice]
    if changed:
        raise DataError(
            f"'{name}' answered {len(changed)} of {len(before)} pictures otherwise before: it is not the same network "
            "any more. Make a new study for it, with the same --seed."
        )
    record = network.weights
    facts: dict[str, Any] = {
        "rule": rule,
        "weights": None if record is None else record.name,
        "preprocessing": network.preprocessing.describe(),
        "outputs": {name: len(each) for name, each in zip(settings.classes, outputs, strict=True)},
    }
    study.add(name, answers, kind="network", facts=facts)


def load_networks(study: HumanStudy, names: Sequence[str], *, device: str = "auto") -> Generator[Progress, None, None]:
    """Load networks by name and let each answer the study's pictures."""
    for name in names:
        yield Progress(f"loading {Path(name).name}", 0, None)
        network = load(name).to(device)
        yield from ask_network(study, network, _network_name(name, network))


def _network_name(given: str, network: Network) -> str:
    path = Path(given)
    if path.exists():  # a run, or a file of weights
        return (path.resolve().name if path.is_dir() else path.stem)[:64]
    return (given if network.weights is None else network.weights.name)[:64]


def _pixels(path: Path) -> Any:
    from striate.data.decode import read_image

    return read_image(path)


def _conditions(words: Sequence[str]) -> list[Condition]:
    found = [CLEAN]
    for word in (part for given in words for part in given.split(",") if part.strip()):
        condition = parse_condition(word)
        if condition not in found:
            found.append(condition)
    return found


def _part(config: StudyConfig) -> tuple[ImageSet, str]:
    sets = open_data(config.data)
    if config.split is not None:
        if config.split not in sets:
            raise UnknownNameError(
                f"{printable(config.data)} has no part '{config.split}'. {nearest(config.split, list(sets))}"
            )
        return sets[config.split], config.split
    split = next(name for name in ("val", "test", "all", "train") if name in sets)
    return sets[split], split


def _choices(
    images: ImageSet, config: StudyConfig, mapping: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], np.ndarray[Any, np.dtype[np.int64]]]:
    every, labels = study_classes(images, wanted=_wanted(config.classes, images, mapping), mapping=mapping)
    if config.choices is None or config.choices == len(every):
        return every, labels
    if config.choices > len(every):
        raise ConfigError(f"--choices must be at most {len(every)}, the classes that there are; got {config.choices}.")
    drawn = sorted(every, key=lambda name: draw_key(config.seed, "class", name))[: config.choices]
    return study_classes(images, wanted=[name for name in every if name in drawn], mapping=mapping)


def _wanted(given: Sequence[str], images: ImageSet, mapping: Sequence[tuple[str, str]]) -> list[str]:
    """Names may have commas in them: what is a name as a whole is not taken apart."""
    known = {*images.classes, *(category for _, category in mapping)}
    wanted = []
    for text in given:
        wanted += [text] if text in known else [part.strip() for part in text.split(",") if part.strip()]
    return wanted


def _read_text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        raise DataError(f"{printable(path)}: not a text file in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({(error.strerror or str(error)).lower()}).") from error


def _make_parent(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(folder.parent, os.W_OK):
            raise PermissionError(None, "permission denied")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(
            f"{printable(folder)}: cannot be written ({reason}); choose another place with --out."
        ) from error

"""What the network will see: pictures as they are, as evaluation shows them, and as training does, on one sheet."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch.nn.functional import one_hot

from striate.data.augment import POLICIES, Augmentation, Draws, FixedView, build_augmentation
from striate.data.augment.box_policies import Fit
from striate.data.box_opening import find_box_layout
from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.loader import load_batches
from striate.data.opening import open_data
from striate.data.preprocessing import Preprocessing
from striate.data.problem import Problem
from striate.draw.encode import encode_png
from striate.draw.row_sheet import Shown, draw_row_sheet
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.models.catalogue import find_entry
from striate.models.create import load
from striate.recipes.data_show_boxes import run_boxes, write_sheet
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.train_config import find_preset, usual_policy
from striate.recipes.train_data import look_at
from striate.recipes.train_network import find_start, fresh_preprocessing
from striate.weights.records import find_record

__all__ = ["DataShowConfig", "ShownPicture", "ShownSet", "chosen_view", "run"]

_VERSIONS = 6
_TILE_PX, _SMALL_PX = 168, 96


class DataShowConfig(BaseModel):
    """Which data, for which network, with which augmentation.

    Attributes:
        data: What `open_data` or `open_boxes` takes.
        part: `train`, `val` or `test` where the data has them; by default what training would take.
        model: A network's name, weights' name or file: its preprocessing is taken. None for `size`.
        size: Side of the square that the network takes, in pixels; by default the network's, or 224, or less for small
            pictures.
        augment: A name of `POLICIES` (of boxes: `BOX_POLICIES`), or `auto`: what `striate train` would take.
        fit: Of boxes: how a photo gets onto the canvas, see `build_box_augmentation`; the network's by default.
        mixup: α of mixup; by default the policy's.
        cutmix: α of CutMix; likewise.
        seed: Of the run.
        epoch: The first of the six epochs shown.
        pictures: How many, evenly over the classes.
        theme: `light` or `dark`.
        max_megapixels: Larger pictures are refused before they are decoded.
        out: The file to write; `striate-out/DATA-show.png` by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    part: str | None = None
    model: str | None = None
    size: int | None = Field(default=None, ge=8, le=4096)
    augment: str = "auto"
    fit: Fit | None = None
    mixup: float | None = Field(default=None, ge=0)
    cutmix: float | None = Field(default=None, ge=0)
    seed: int = Field(default=0, ge=0)
    epoch: int = Field(default=0, ge=0)
    pictures: int = Field(default=8, ge=1, le=64)
    theme: Literal["light", "dark"] = "light"
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    out: Path | None = None

    @property
    def file(self) -> Path:
        """Where the sheet goes."""
        name = self.data.name if self.data.is_dir() else self.data.stem
        return self.out or Path("striate-out") / (re.sub(r"[^\w.-]+", "_", name or "data") + "-show.png")


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One row of the sheet.

    Attributes:
        name: Of the picture.
        label: Its class.
        size: `(h, w)` of the photo.
        shares: For each version the classes that its target holds, with their shares.
    """

    name: str
    label: str
    size: tuple[int, int]
    shares: tuple[tuple[tuple[str, float], ...], ...]


@dataclass(frozen=True, eq=False)
class ShownSet:
    """What the sheet shows.

    Attributes:
        pictures: The rows.
        policy: The augmentation's name.
        steps: What it does, in phrases.
        preprocessing: What evaluation does.
        problems: Pictures that could not be read; others took their places.
        sheet: uint8 `H W 3`.
    """

    pictures: tuple[ShownPicture, ...]
    policy: str
    steps: tuple[str, ...]
    preprocessing: Preprocessing
    problems: tuple[Problem, ...]
    sheet: NDArray[np.uint8]

    def to_dict(self) -> dict[str, Any]:
        """All but the pixels, as JSON values."""
        return {
            "policy": self.policy,
            "steps": list(self.steps),
            "preprocessing": self.preprocessing.to_dict(),
            "pictures": [
                {"name": p.name, "label": p.label, "size": list(p.size), "shares": [dict(one) for one in p.shares]}
                for p in self.pictures
            ],
            "problems": [problem.to_dict() for problem in self.problems],
        }


def run(config: DataShowConfig) -> Iterator[Event]:
    """Draw the sheet: yields a `Plan`, `Progress` for each epoch, then `Done` with a `ShownSet`, or a `ShownBoxes`.

    Raises:
        DataError: The data cannot be opened, none of its pictures can be read, or the sheet cannot be written.
        UnknownNameError: A network or a policy that there is not.
        ConfigError: Settings that do not fit together.
    """
    if find_box_layout(config.data) is not None:
        yield from run_boxes(config)
        return
    images = _part(config)
    shown, pixels, problems = _readable(images, config)
    preprocessing, network = chosen_view(config, images, [picture.shape for picture in pixels])
    policy = _policy(config, network, min(preprocessing.input_size))
    changes = {name: value for name in ("mixup", "cutmix") if (value := getattr(config, name)) is not None}
    augmentation = build_augmentation(policy, preprocessing, settings=changes)
    h, w = preprocessing.input_size
    yield Plan(
        f"Show {len(shown)} of {len(images):,} pictures of {printable(config.data)} as "
        f"{network or 'a network'} sees them at {h} × {w}, augmentation '{policy}', seed {config.seed}."
    )
    versions: list[list[Shown]] = [[] for _ in pixels]
    shares: list[list[tuple[tuple[str, float], ...]]] = [[] for _ in pixels]
    for number in range(_VERSIONS):
        yield Progress("augmenting", number, _VERSIONS)
        drawn, targets = _version(shown, augmentation, preprocessing, config, config.epoch + number)
        for row, (picture, target) in enumerate(zip(drawn, targets, strict=True)):
            classes = _shares(target, shown.classes)
            shares[row].append(classes)
            versions[row].append(_captioned(picture, classes))
    steps = tuple(augmentation.describe())
    rows = [
        [
            Shown(photo, printable(Path(shown.name(i)).name), f"{photo.shape[1]} × {photo.shape[0]}"),
            Shown(preprocessing.view(photo).pixels, shown.label(i), f"{w} × {h}"),
            *versions[i],
        ]
        for i, photo in enumerate(pixels)
    ]
    longest = max(h, w, *(max(photo.shape) for photo in pixels if max(photo.shape) <= _SMALL_PX))
    enlarged = max(round(_TILE_PX / longest), 1) if longest <= _SMALL_PX else 1
    sheet = draw_row_sheet(
        rows,
        title=f"{printable(config.data.name)} as {network or 'a network'} sees it",
        notes=(
            f"Evaluation: {preprocessing.describe()}",
            f"Training, augmentation “{policy}”: {'; '.join(steps)}.",
            f"Six epochs from number {config.epoch} on, seed {config.seed}: the same seed gives the same pictures."
            + (f" Pixels are shown {enlarged} × {enlarged}, without smoothing." if enlarged > 1 else ""),
        ),
        columns=("photo", "in evaluation", *(f"training, epoch {config.epoch + n}" for n in range(_VERSIONS))),
        apart=2,
        tile=longest * enlarged if enlarged > 1 else _TILE_PX,
        theme=config.theme,
    )
    write_sheet(config.file, encode_png(sheet))
    pictures = tuple(
        ShownPicture(shown.name(i), shown.label(i), (p.shape[0], p.shape[1]), tuple(shares[i]))
        for i, p in enumerate(pixels)
    )
    result = ShownSet(pictures, policy, steps, preprocessing, problems, sheet)
    yield Done(result, config.file.parent, {"sheet": config.file})


def chosen_view(config: DataShowConfig, images: ImageSet, shapes: list[tuple[int, ...]]) -> tuple[Preprocessing, str]:
    """What evaluation shows of a network that `striate train` would train, and its name ("" for none).

    Args:
        config: The settings.
        images: The set: weights that start afresh take mean, deviation and, where it is small, size from it.
        shapes: Of the pictures, `(h, w, 3)`: small ones stay small where no size is given.

    Raises:
        UnknownNameError: If there is no such network.
        WeightsError: If a file holds no weights that can be read.
    """
    if config.model is None:
        shorter = int(np.median([min(shape[:2]) for shape in shapes]))
        side = config.size or (224 if shorter > 96 else max(shorter, 8))
        return _square(side, shorter), ""
    if Path(config.model).exists():
        network = load(Path(config.model))
        return _resized(network.preprocessing, config.size), network.name
    entry = find_entry(config.model.partition(".")[0])
    start = find_start(config.model, "auto") if entry.classifier else config.model
    if not start:
        augment = "digits" if config.augment == "auto" else config.augment  # of the networks that look for ink
        look = look_at(images, max_megapixels=config.max_megapixels)
        return fresh_preprocessing(entry, look, size=config.size, channels="auto", augment=augment), entry.name
    try:
        record = find_record(start)
    except UnknownNameError:  # one that ends at its features, without weights
        side = config.size or min(entry.input_size[1:])
        return _square(side, side), entry.name
    return _resized(record.preprocessing, config.size), record.architecture


def _resized(theirs: Preprocessing, side: int | None) -> Preprocessing:
    """The preprocessing of trained weights at another size, the margin around the crop in proportion."""
    if side is None or theirs.resize is None:
        return theirs
    resize = max(round(theirs.resize * side / min(theirs.input_size)), side)
    return replace(theirs, input_size=(side, side), resize=resize)


def _square(side: int, shorter: int) -> Preprocessing:
    resize = round(side * 256 / 224) if side >= 96 else side if shorter >= side else max(shorter, 1)
    return Preprocessing(input_size=(side, side), resize=resize)


def _policy(config: DataShowConfig, network: str, side: int) -> str:
    if config.augment == "auto":
        start = find_start(network, "auto") if network else ""
        _, values = find_preset("auto", model=network.partition(".")[0], fine_tuning=bool(start), pictures=0)
        return str(values.get("augment", usual_policy(side=side, fine_tuning=bool(start))))
    if config.augment not in POLICIES:
        build_augmentation(config.augment, Preprocessing())  # refuses, and knows the nearest
    return config.augment


def _part(config: DataShowConfig) -> ImageSet:
    found = open_data(config.data)
    if config.part is not None and config.part not in found:
        raise ConfigError(f"{printable(config.data)} has no part '{config.part}'; it has {', '.join(found)}.")
    images = found[config.part] if config.part else found.get("train") or next(iter(found.values()))
    if not len(images):
        raise DataError(f"{printable(config.data)}: there are no pictures to show.")
    return images


def _readable(
    images: ImageSet, config: DataShowConfig
) -> tuple[ImageSet, list[NDArray[np.uint8]], tuple[Problem, ...]]:
    """The first pictures of each class in turn that can be read, with their pixels, and what could not be read."""
    chosen, pixels, problems = [], [], []
    for index in _in_turn(images.labels):
        try:
            pixels.append(images.pixels(index, max_megapixels=config.max_megapixels))
            chosen.append(index)
        except DataError as error:
            problems.append(Problem("unreadable", images.where(index), str(error)))
        if len(chosen) == config.pictures or len(problems) > 100:
            break
    if not chosen:
        raise DataError(f"None of {len(problems)} pictures looked at can be read. The first: {problems[0].text}")
    return images.subset(chosen), pixels, tuple(problems)


def _in_turn(labels: NDArray[np.int64]) -> list[int]:
    """Positions: the first of every class, then the second of every class, and so on."""
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    turn = np.concatenate([np.arange(end - start) for start, end in zip(starts, ends, strict=True)])
    return [int(index) for index in order[np.argsort(turn, kind="stable")]]


def _version(
    shown: ImageSet, augmentation: Augmentation, preprocessing: Preprocessing, config: DataShowConfig, epoch: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """All pictures as one epoch shows them, uint8 `n h w 3`, and their targets `n k`."""
    geometry = augmentation.geometry
    alone = isinstance(geometry, FixedView) and geometry.result_size() is None  # photos keep their own sizes
    everything = np.arange(len(shown), dtype=np.int64)
    if alone:
        raise ConfigError(
            "This preprocessing keeps every photo at its own size; give size, to see photos side by side."
        )
    loaded = load_batches(
        shown,
        [everything],
        geometry,
        seed=config.seed,
        epoch=epoch,
        workers=0,
        decode="fast",
        max_megapixels=config.max_megapixels,
    )
    batch = next(iter(loaded))
    draws = Draws(config.seed, epoch, batch.indices)
    x = augmentation.augment(batch.float_images(), draws)
    x, targets = augmentation.mix(x, one_hot(batch.labels, len(shown.classes)).double(), draws)
    seen = preprocessing.denormalize(preprocessing.normalize(x)).clamp(0, 1)  # gray where the network takes one channel
    pixels: NDArray[np.uint8] = seen.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels, targets.numpy()


def _shares(target: NDArray[np.float64], classes: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-target, kind="stable")[:2].tolist()
    return tuple((classes[k], round(float(target[k]), 4)) for k in order if target[k] >= 0.005)


def _captioned(picture: NDArray[np.uint8], shares: tuple[tuple[str, float], ...]) -> Shown:
    if len(shares) == 1:
        return Shown(picture, shares[0][0])
    words = [f"{100 * share:.0f} % {name}" for name, share in shares]
    return Shown(picture, words[0], words[1])

"""What a detector will see: photos with their boxes, as they are, as evaluation shows them, and as training does."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.data.augment.box_cut import cut_detections
from striate.data.augment.box_policies import BOX_POLICIES, BoxAugmentation, Fit, build_box_augmentation
from striate.data.augment.draws import Draws
from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.files import printable, write_whole
from striate.data.loader import load_batches
from striate.data.problem import Problem
from striate.detection.finding import FITS
from striate.draw.boxes import draw_boxes
from striate.draw.encode import encode_png
from striate.draw.row_sheet import Shown, draw_row_sheet
from striate.errors import ConfigError, DataError
from striate.models.catalogue import find_entry
from striate.models.create import load
from striate.recipes.events import Done, Event, Plan, Progress

if TYPE_CHECKING:
    from striate.recipes.data_show import DataShowConfig

__all__ = ["ShownBoxes", "run_boxes", "write_sheet"]

_VERSIONS = 4
_TILE_PX = 252
_SIDE_PX = 320


@dataclass(frozen=True, eq=False)
class ShownBoxes:
    """What the sheet shows.

    Attributes:
        pictures: Names of the rows.
        truth: What is marked on each photo.
        versions: What training is to learn from each photo, one `Detections` an epoch, in pixels of the canvas.
        policy: The augmentation's name.
        steps: What it does, in phrases.
        problems: Pictures that could not be read; others took their places.
        sheet: uint8 `H W 3`.
    """

    pictures: tuple[str, ...]
    truth: tuple[Detections, ...]
    versions: tuple[tuple[Detections, ...], ...]
    policy: str
    steps: tuple[str, ...]
    problems: tuple[Problem, ...]
    sheet: NDArray[np.uint8]

    def to_dict(self) -> dict[str, Any]:
        """All but the pixels, as JSON values."""
        return {
            "policy": self.policy,
            "steps": list(self.steps),
            "pictures": [
                {
                    "name": name,
                    "objects": [truth.label(i) for i in range(len(truth))],
                    "seen": [len(version) for version in versions],
                    "difficult": [int(version.difficult.sum()) for version in versions],
                }
                for name, truth, versions in zip(self.pictures, self.truth, self.versions, strict=True)
            ],
            "problems": [problem.to_dict() for problem in self.problems],
        }


def run_boxes(config: "DataShowConfig") -> Iterator[Event]:
    """Draw the sheet: yields a `Plan`, `Progress` for each epoch, then `Done` with a `ShownBoxes`.

    Raises:
        DataError: The data cannot be opened, none of its pictures can be read, or the sheet cannot be written.
        UnknownNameError: A network or a policy that there is not.
        ConfigError: Settings that are not for boxes.
    """
    if config.mixup is not None or config.cutmix is not None:
        raise ConfigError("mixup and cutmix mix labels; pictures with boxes are not mixed. Leave them out.")
    boxes = _part(config)
    canvas, fit, network = _canvas(config)
    policy = config.augment
    if policy == "auto":  # as `striate train` takes it
        policy = "yolo" if network.startswith("yolo") else "flip"
    build_box_augmentation(policy, canvas, fit=fit, truth=boxes.truth)  # refuses before anything is read
    shown, problems = _readable(boxes, config)
    augmentation = build_box_augmentation(policy, canvas, fit=fit, truth=shown.truth)
    plain = build_box_augmentation("none", canvas, fit=fit)
    seer = network or "a detector"
    yield Plan(
        f"Show {len(shown)} of {len(boxes):,} pictures of {printable(config.data)} as {seer} sees them at "
        f"{canvas[0]} × {canvas[1]}, augmentation '{policy}', seed {config.seed}."
    )
    columns = [_version(shown, plain, config, config.epoch)]
    for number in range(_VERSIONS):
        yield Progress("augmenting", number, _VERSIONS)
        columns.append(_version(shown, augmentation, config, config.epoch + number))
    rows = [
        [_photo(shown, index, config), *(_captioned(*column[index]) for column in columns)]
        for index in range(len(shown))
    ]
    steps = tuple(augmentation.describe())
    names = ", ".join(name for name, known in BOX_POLICIES.items() if known == augmentation.policy) or policy
    sheet = draw_row_sheet(
        rows,
        title=f"{printable(config.data.name)} as {seer} sees it",
        notes=(
            f"Evaluation: {plain.describe()[0]}.",
            f"Training, augmentation “{names}”: {'; '.join(steps)}.",
            f"Dashed: need not be found, for less than {100 * augmentation.policy.min_visible:g} % of it shows.",
            f"Epochs from number {config.epoch} on, seed {config.seed}: the same seed gives the same pictures.",
        ),
        columns=("photo", "in evaluation", *(f"training, epoch {config.epoch + n}" for n in range(_VERSIONS))),
        apart=2,
        tile=_TILE_PX,
        theme=config.theme,
    )
    write_sheet(config.file, encode_png(sheet))
    result = ShownBoxes(
        pictures=tuple(shown.name(i) for i in range(len(shown))),
        truth=shown.truth,
        versions=tuple(tuple(column[i][1] for column in columns[1:]) for i in range(len(shown))),
        policy=policy,
        steps=steps,
        problems=problems,
        sheet=sheet,
    )
    yield Done(result, config.file.parent, {"sheet": config.file})


def _canvas(config: "DataShowConfig") -> tuple[tuple[int, int], Fit, str]:
    """The size that is taken, how a photo gets there, and the network's name ("" for none)."""
    side = config.size
    if config.model is None:
        return (side or _SIDE_PX, side or _SIDE_PX), config.fit or "fit", ""
    if Path(config.model).exists():
        network = load(Path(config.model))
        name, (h, w), usual = network.name, network.preprocessing.input_size, network.preprocessing.fit
    else:
        entry = find_entry(config.model.partition(".")[0])
        name, (h, w), usual = entry.name, entry.input_size[1:], entry.fit
    if usual not in FITS:
        raise ConfigError(f"{name} names whole pictures, and these have boxes; give a detector with --model.")
    fit = config.fit or FITS[usual]
    if side is not None:
        h, w = side, round(side * w / h) if fit == "shorter" else side
    return (h, w), fit, name


def _part(config: "DataShowConfig") -> BoxSet:
    found = open_boxes(config.data)
    if config.part is not None and config.part not in found:
        raise ConfigError(f"{printable(config.data)} has no part '{config.part}'; it has {', '.join(found)}.")
    return found[config.part] if config.part else found.get("train") or next(iter(found.values()))


def _readable(boxes: BoxSet, config: "DataShowConfig") -> tuple[BoxSet, tuple[Problem, ...]]:
    """Pictures that can be read and together show as many classes as may be, and what could not be read."""
    chosen: list[int] = []
    problems: list[Problem] = []
    for index in _by_classes(boxes, 4 * config.pictures + 100):
        try:
            boxes.pixels(index, max_megapixels=config.max_megapixels)
            chosen.append(index)
        except DataError as error:
            problems.append(Problem("unreadable", boxes.where(index), str(error)))
        if len(chosen) == config.pictures:
            break
    if not chosen:
        first = f" The first: {problems[0].text}" if problems else ""
        raise DataError(f"{printable(config.data)}: none of its pictures can be read.{first}")
    return replace(boxes.subset(chosen), problems=()), tuple(problems)


def _by_classes(boxes: BoxSet, count: int) -> list[int]:
    """Positions: each picture shows a class that those before it show least; without objects last."""
    seen = np.zeros(len(boxes.classes))
    waiting: list[list[int]] = [[] for _ in boxes.classes]
    empty = []
    for index, truth in enumerate(boxes.truth):
        for label in np.unique(truth.classes).tolist():
            waiting[label].append(index)
        if not len(truth):
            empty.append(index)
    used: dict[int, None] = {}
    while len(used) < count and any(waiting):
        label = min((k for k in range(len(waiting)) if waiting[k]), key=lambda k: seen[k])
        index = waiting[label].pop(0)
        if index not in used:
            used[index] = None
            seen += np.bincount(boxes.truth[index].classes, minlength=len(seen)) > 0
    return [*used, *empty]


def _version(
    shown: BoxSet, augmentation: BoxAugmentation, config: "DataShowConfig", epoch: int
) -> list[tuple[NDArray[np.uint8], Detections]]:
    """All pictures as one epoch shows them, without the padding of a batch, and what is to be learned from each."""
    loaded = load_batches(
        shown.pictures,
        [np.array([index]) for index in range(len(shown))],
        augmentation.geometry,
        seed=config.seed,
        epoch=epoch,
        workers=0,
        decode="fast",
        max_megapixels=config.max_megapixels,
    )
    found = []
    for batch in loaded:
        draws = Draws(config.seed, epoch, batch.indices)
        x = augmentation.augment(batch.float_images(), draws)
        pixels: NDArray[np.uint8] = x[0].mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        h, w = batch.sizes[0].tolist()
        truth = shown.truth[int(batch.indices[0])]
        cut = augmentation.geometry.cut((h, w), draws, 0)
        seen = cut_detections(truth, cut, min_visible=augmentation.policy.min_visible)
        found.append((pixels[: cut.size[0], : cut.size[1]], seen))
    return found


def _photo(shown: BoxSet, index: int, config: "DataShowConfig") -> Shown:
    pixels = shown.pixels(index, max_megapixels=config.max_megapixels)
    name = printable(Path(shown.name(index)).name)
    size = f"{pixels.shape[1]} × {pixels.shape[0]}"
    return replace(_captioned(pixels, shown.truth[index]), words=name, quiet=size)


def _captioned(pixels: NDArray[np.uint8], seen: Detections) -> Shown:
    """A picture with its boxes, drawn at the size of a tile so that lines and names can be read."""
    scale = _TILE_PX / max(pixels.shape[:2])
    h, w = (max(round(side * scale), 1) for side in pixels.shape[:2])
    small = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((w, h), Image.Resampling.LANCZOS))
    factor = np.array([w / pixels.shape[1], h / pixels.shape[0]] * 2)
    drawn = draw_boxes(
        small, seen.boxes * factor, seen.classes, seen.labels, dashed=seen.difficult | seen.crowd, theme="dark"
    )
    count, dashed = len(seen), int((seen.difficult | seen.crowd).sum())
    words = f"{count} object{'' if count == 1 else 's'}" if count else "no object"
    return Shown(drawn, words, f"{dashed} need not be found" if dashed else f"{pixels.shape[1]} × {pixels.shape[0]}")


def write_sheet(file: Path, content: bytes) -> None:
    """Write a file whole, and the folder that it lies in.

    Raises:
        DataError: It cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
    except OSError as error:
        raise DataError(
            f"{printable(file)}: the sheet cannot be written ({(error.strerror or str(error)).lower()}); "
            "choose another file with --out."
        ) from error

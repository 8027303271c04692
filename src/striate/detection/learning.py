"""The task of finding boxes: a detector's losses in training, mean average precision in validation.

The photo gets onto the detector's canvas by a cut, and its boxes, its proposals and the boxes found go through the same
cut. What shows too little of itself to be learned is marked, and no detector learns that it is background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment import Draws
from striate.data.augment.box_cut import filled_size
from striate.data.augment.box_policies import BoxAugmentation
from striate.data.augment.cut import Cut
from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.image_set import ImageSet
from striate.data.loader import Batch, load_batches
from striate.data.problem import Problem
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detector import BoxTargets, Detector
from striate.detection.finding import empty_beyond, found_on_photo, on_canvas, plain_augmentation
from striate.detection.proposals import Proposals
from striate.detection.voc_ap import mean_average_precision
from striate.errors import ConfigError, DataError
from striate.training.events import Validating
from striate.training.exchange import every_problem
from striate.training.identity import digest
from striate.training.order import count_batches
from striate.training.settings import TrainSettings
from striate.training.task import Pipeline, StepLosses, Task, Validation

if TYPE_CHECKING:
    from striate.training.learner import Learner

__all__ = ["BoxInputs", "DetectionTask"]

LOWEST_SCORE = 0.01  # of validation: average precision wants the whole curve, and what is below adds next to nothing


@dataclass(frozen=True, eq=False, slots=True)
class BoxInputs:
    """Canvases and what is to be found on them.

    Attributes:
        x: Normalized, zero where nothing of the photo is, `n 3 h w`.
        sizes: `(height, width)` of the part of each that the photo fills.
        targets: One a picture.
        proposals: One `r 4` a picture, or None where the detector makes its own.
        counts: Whether these pictures count; a process without a picture learns from an empty canvas that does not.
    """

    x: Float[Tensor, "n 3 h w"]
    sizes: tuple[tuple[int, int], ...]
    targets: tuple[BoxTargets, ...]
    proposals: tuple[Tensor, ...] | None
    counts: bool = True

    def split(self, parts: int) -> "Sequence[BoxInputs]":
        """The same in so many parts, those without a picture as an empty canvas that does not count."""
        pieces = []
        for rows in np.array_split(np.arange(len(self.x)), parts):
            if len(rows):
                first, last = int(rows[0]), int(rows[-1]) + 1
                proposals = None if self.proposals is None else self.proposals[first:last]
                piece = (self.x[first:last], self.sizes[first:last], self.targets[first:last], proposals, self.counts)
                pieces.append(BoxInputs(*piece))
            else:
                pieces.append(_nothing(self.x, takes_proposals=self.proposals is not None))
        return pieces


@dataclass(frozen=True, eq=False)
class DetectionTask(Task):
    """Which boxes a detector learns to find.

    Attributes:
        module: The detector; it is trained in place.
        preprocessing: From a photo to its canvas; `fit` is not `crop`.
        labels: Its classes, without background.
        train: Pictures with boxes to learn from.
        validation: Pictures with boxes to be measured on, or None.
        augmentation: What is done to the pictures in training.
        train_proposals: Where objects may be, for a detector that takes proposals.
        validation_proposals: Likewise.
        classifier: Paths of the last layers, whose size follows the number of classes.
        fine_tuning: Whether the detector was trained before: gentler rates.
        max_megapixels: Larger pictures are left out.
    """

    module: Detector
    preprocessing: Preprocessing
    labels: Labels
    train: BoxSet
    validation: BoxSet | None
    augmentation: BoxAugmentation
    train_proposals: Proposals | None = None
    validation_proposals: Proposals | None = None
    classifier: tuple[str, ...] = ()
    fine_tuning: bool = False
    max_megapixels: float = 64.0

    @property
    def pictures(self) -> ImageSet:
        """The pictures to learn from."""
        return self.train.pictures

    @property
    def validation_pictures(self) -> ImageSet | None:
        """The pictures to be measured on, or None."""
        return None if self.validation is None else self.validation.pictures

    @property
    def pipeline(self) -> Pipeline:
        """What is done to the pictures in training."""
        return self.augmentation

    @property
    def headline(self) -> str:
        """The score that people ask for first: VOC's mean average precision at an IoU of .5."""
        return "map50"

    def check(self, settings: TrainSettings) -> None:
        """Refuse what has no meaning for boxes.

        Raises:
            ConfigError: If a setting is for labeled pictures, or proposals are missing.
        """
        usual = TrainSettings()
        for name in ("loss", "temperature", "label_smoothing", "class_weights"):
            if getattr(settings, name) != getattr(usual, name):
                raise ConfigError(f"{name} is for networks that name pictures; a detector has losses of its own.")
        if settings.strategy == "fsdp":
            raise ConfigError("strategy 'fsdp' is for very large classifiers; detectors are trained with 'ddp'.")
        needed = (self.train_proposals is not None) and (self.validation is None or self.validation_proposals)
        if self.module.takes_proposals and not needed:
            raise ConfigError("This detector answers about proposals; find them first (detection.proposals_for).")

    def identity(self) -> dict[str, Any]:
        """Classes, pictures with their boxes, and what is done to them."""
        return {
            "classes": list(self.labels),
            "training pictures": _digest(self.train),
            "validation pictures": None if self.validation is None else _digest(self.validation),
            "preprocessing": self.preprocessing.to_dict(),
            "augmentation": self.augmentation.describe(),
            "proposals": None if self.train_proposals is None else self.train_proposals.settings.fingerprint,
        }

    def with_module(self, module: nn.Module) -> "DetectionTask":
        """The same task for another copy of the detector.

        Raises:
            ConfigError: If it is no detector.
        """
        if not isinstance(module, Detector):
            raise ConfigError(f"A task of finding boxes needs a Detector, got {type(module).__name__}.")
        return replace(self, module=module)

    def inputs(
        self,
        batch: Batch,
        draws: Draws,
        *,
        device: torch.device,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> BoxInputs:
        """The augmented, normalized canvases of a batch, and what is to be found on them."""
        x = batch.float_images(device).to(dtype)  # n 3 h w
        takes_proposals = self.train_proposals is not None
        if not len(batch):
            height, width = self.preprocessing.input_size
            return _nothing(x.new_zeros(1, 3, height, width), takes_proposals=takes_proposals)
        seen: list[Detections] = []
        cuts: list[Cut] = []
        for row, index in enumerate(batch.indices.tolist()):
            truth, cut = self.augmentation.seen(self.train.truth[index], _size(batch, row), draws, row)
            seen.append(truth)
            cuts.append(cut)
        sizes = tuple(filled_size(cut, _size(batch, row)) for row, cut in enumerate(cuts))
        x = self.preprocessing.normalize(self.augmentation.augment(x, draws))
        proposals = None
        if self.train_proposals is not None:
            rows = zip(batch.indices.tolist(), cuts, strict=True)
            proposals = tuple(on_canvas(self.train_proposals[i], cut, like=x) for i, cut in rows)
        return BoxInputs(
            empty_beyond(x, sizes).contiguous(memory_format=memory_format),
            sizes,
            tuple(_targets(truth, like=x) for truth in seen),
            proposals,
        )

    def losses(self, module: nn.Module, inputs: BoxInputs, settings: TrainSettings) -> StepLosses:
        """The sum of the detector's losses, picture by picture."""
        del settings
        parts = module(inputs.x, inputs.sizes, targets=inputs.targets, proposals=inputs.proposals)
        whole = _sum_of(parts)
        if not inputs.counts:
            return StepLosses(whole * 0, {name: values[:0] for name, values in {"loss": whole, **parts}.items()})
        return StepLosses(whole, {"loss": whole, **parts})

    def validate(self, learner: "Learner", *, epoch: int) -> Validation:
        """Find boxes on every validation picture; the answers are `BoxPredictions`, with `loss` among their facts."""
        pictures = self.validation
        if pictures is None:
            raise ConfigError("There are no validation pictures.")
        world = learner.world
        mine = np.arange(world.rank, len(pictures), world.size)
        size = max(min(learner.settings.batch_size, 8) // world.size, 1)
        most = -(-len(pictures) // world.size)  # as many batches on every process, a last one may be empty
        batches = np.array_split(mine, max(count_batches(most, size), 1))
        plain = plain_augmentation(self.preprocessing)
        loaded = load_batches(
            pictures.pictures,
            batches,
            plain.geometry,
            seed=0,
            epoch=0,
            workers=learner.settings.reading_threads,
            max_megapixels=self.max_megapixels,
        )
        rows: list[Tensor] = [torch.zeros(0, 7, dtype=torch.float64)]  # picture, box, score, class
        answered: list[Tensor] = [torch.zeros(0, 3, dtype=torch.float64)]  # picture, seconds, loss
        problems: tuple[Problem, ...] = ()
        done = 0
        try:
            with learner.answering() as module:
                for batch in loaded:
                    problems += batch.problems
                    done += len(batch) + len(batch.problems)
                    if len(batch):
                        found, told = self._answer(module, batch, plain, learner)
                        rows.append(found)
                        answered.append(told)
                    yield Validating(epoch, min(done * world.size, len(pictures)), len(pictures))
        finally:
            loaded.close()
        if every_one := every_problem(problems, world=world):
            yield every_one
        return self._gathered(world.gather(torch.cat(rows)), world.gather(torch.cat(answered)), pictures, epoch)

    def scores(self, answered: BoxPredictions, settings: TrainSettings) -> dict[str, float]:
        """Mean loss, and VOC's mean average precision at an IoU of .5; 0 where nothing is there to be found."""
        del settings
        precision = mean_average_precision(answered, iou=0.5)
        return {"val_loss": float(answered.facts["loss"]), "val_map50": precision if np.isfinite(precision) else 0.0}

    def judged(self, row: Mapping[str, Any], settings: TrainSettings) -> list[float]:
        """Mean average precision; of equal ones, the lower loss. Without validation, the loss of training."""
        if "val_map50" not in row:
            return [-row["train_loss"]]
        return [row["val_map50"], -row["val_loss"]] if settings.keep_best == "top1" else [-row["val_loss"]]

    def _answer(
        self, module: nn.Module, batch: Batch, plain: BoxAugmentation, learner: "Learner"
    ) -> tuple[Tensor, Tensor]:
        if self.validation is None:
            raise ConfigError("There are no validation pictures.")
        draws = Draws(0, 0, batch.indices)
        pairs = [
            plain.seen(self.validation.truth[i], _size(batch, row), draws, row)
            for row, i in enumerate(batch.indices.tolist())
        ]
        sizes = tuple(filled_size(cut, _size(batch, row)) for row, (_, cut) in enumerate(pairs))
        x = empty_beyond(learner.inputs_for_evaluation(batch), sizes)
        targets = tuple(_targets(truth, like=x) for truth, _ in pairs)
        proposals = None
        if self.validation_proposals is not None:
            places = zip(batch.indices.tolist(), pairs, strict=True)
            proposals = tuple(on_canvas(self.validation_proposals[i], cut, like=x) for i, (_, cut) in places)
        began = perf_counter()
        with torch.inference_mode():
            found = module(x, sizes, proposals=proposals, score_threshold=LOWEST_SCORE)
            seconds = (perf_counter() - began) / len(batch)
            torch.manual_seed(int(draws.seeds("validation")[0]))  # regions are drawn: the same ones in every epoch
            parts = module(x, sizes, targets=targets, proposals=proposals)
        loss = _sum_of(parts).double().cpu()
        rows = [torch.zeros(0, 7, dtype=torch.float64)]
        for row, (boxes, (_, cut)) in enumerate(zip(found, pairs, strict=True)):
            on_photo = found_on_photo(boxes, cut, self.labels, _size(batch, row))
            picture = np.full((len(on_photo), 1), batch.indices[row])
            scores = on_photo.scores if on_photo.scores is not None else np.zeros(len(on_photo))
            columns = (picture, on_photo.boxes, scores[:, None], on_photo.classes[:, None])
            rows.append(torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float64)))
        pictures = torch.from_numpy(batch.indices).double()
        return torch.cat(rows), torch.stack([pictures, torch.full_like(pictures, seconds), loss], dim=1)

    def _gathered(self, rows: Tensor, answered: Tensor, pictures: BoxSet, epoch: int) -> BoxPredictions:
        if not len(answered):
            raise DataError("None of the validation pictures can be read; `striate data check` says why.")
        answered = answered[answered[:, 0].argsort()]
        table = rows.numpy()
        chosen = answered[:, 0].long().tolist()
        found = [self._of_picture(table[table[:, 0] == index]) for index in chosen]
        return BoxPredictions.of(
            found,
            [pictures.truth[index] for index in chosen],
            [pictures.name(index) for index in chosen],
            seconds=answered[:, 1].numpy(),
            facts={"epoch": epoch, "loss": float(answered[:, 2].mean()), "score_threshold": LOWEST_SCORE},
        )

    def _of_picture(self, rows: NDArray[np.float64]) -> Detections:
        return Detections.of(rows[:, 1:5], rows[:, 6].astype(np.int64), tuple(self.labels), scores=rows[:, 5])


def _size(batch: Batch, row: int) -> tuple[int, int]:
    height, width = batch.sizes[row].tolist()
    return height, width


def _targets(truth: Detections, *, like: Tensor) -> BoxTargets:
    boxes = torch.from_numpy(truth.boxes).to(like.device, torch.float32)
    classes = torch.from_numpy(truth.classes).to(like.device)
    return BoxTargets(boxes, classes, torch.from_numpy(truth.difficult | truth.crowd).to(like.device))


def _sum_of(parts: Mapping[str, Tensor]) -> Tensor:
    """The sum of the losses of each picture, at least in single precision."""
    wide = [values if values.dtype == torch.float64 else values.float() for values in parts.values()]
    return torch.stack(wide).sum(0)


def _nothing(like: Tensor, *, takes_proposals: bool) -> BoxInputs:
    """An empty canvas that does not count: all processes must take every step together.

    Differs: batch normalizations that still learn see it among the other processes' pictures, at that step alone.
    """
    blank = torch.zeros_like(like[:1])
    empty = BoxTargets(
        torch.zeros(0, 4, device=like.device),
        torch.zeros(0, dtype=torch.int64, device=like.device),
        torch.zeros(0, dtype=torch.bool, device=like.device),
    )
    proposals = (torch.zeros(0, 4, device=like.device),) if takes_proposals else None
    return BoxInputs(blank, ((blank.shape[2], blank.shape[3]),), (empty,), proposals, counts=False)


def _digest(boxes: BoxSet) -> str:
    """A number for the names of the pictures, in their order, and their boxes."""
    truth = boxes.truth
    columns = (
        np.concatenate([np.zeros((0, 4), np.float32), *(one.boxes for one in truth)]).astype("<f4").tobytes(),
        np.concatenate([np.zeros(0, np.int64), *(one.classes for one in truth)]).astype("<i8").tobytes(),
        np.array([len(one) for one in truth], dtype="<i8").tobytes(),
        np.concatenate([np.zeros(0, np.bool_), *(one.difficult | one.crowd for one in truth)]).tobytes(),
    )
    return digest(boxes.pictures, *columns)

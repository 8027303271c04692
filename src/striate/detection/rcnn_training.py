"""Training R-CNN, stage by stage: proposals, fine-tuning, features, machines, regressors.

Each stage needs the one before as a whole, and leaves something on the disk: that is what makes R-CNN slow to train and
large. A run that is killed goes on at the picture, the step or the stage where it was. What every stage took, in time
and room, is kept and told.

    RUN/state/stages.json          what was done, for which settings and pictures, in how much time and room
    RUN/state/fine-tuning/         the newest checkpoints
    RUN/state/features/, placed/   one file a picture; removed at the end
    RUN/state/machines/, regressors/
"""

import hashlib
import shutil
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data import Preprocessing
from striate.data.box_set import BoxSet
from striate.data.pixel_cache import PixelCache
from striate.data.problem import Problem
from striate.detection.feature_cache import FeatureCache
from striate.detection.proposal_cache import ProposalCache
from striate.detection.proposals import Proposals, find_proposals
from striate.detection.rcnn import RCNN
from striate.detection.rcnn_fine_tuning import fine_tune
from striate.detection.rcnn_fitting import RegionPairs, fit_machines, fit_regressors
from striate.detection.rcnn_ledger import Ledger
from striate.detection.rcnn_regions import RegionPictures
from striate.detection.rcnn_settings import (
    FeaturesKept,
    RCNNEvent,
    RCNNSettings,
    RCNNStopped,
    RCNNTrained,
    StageDone,
    StageStarted,
)
from striate.detection.region_svm import RegionLabels
from striate.errors import ConfigError, DataError
from striate.training.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from striate.training.events import PicturesSkipped
from striate.training.identity import digest
from striate.training.run_folder import RunFolder

__all__ = ["train_rcnn"]

_FREE = {"workers", "checkpoint_minutes", "max_disk_bytes"}
Rows = NDArray[np.int64]


def train_rcnn(
    detector: RCNN,
    pictures: BoxSet,
    preprocessing: Preprocessing,
    settings: RCNNSettings,
    *,
    folder: RunFolder,
    proposals: Proposals | None = None,
    cache: ProposalCache | None = None,
    device: torch.device | str = "cpu",
    max_megapixels: float = 64.0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[RCNNEvent | PicturesSkipped, None, None]:
    """Train R-CNN, and tell what happens. A folder in which this very run was begun is gone on with.

    Args:
        detector: As it was at the beginning, its network trained on other pictures; what is learned is put into it.
            It is in evaluation mode at the end.
        pictures: To learn from.
        preprocessing: How a photo gets onto the canvas; `fit` is not `crop`.
        settings: How to learn.
        folder: Its `state` holds what going on needs.
        proposals: Of all these pictures, where they were found before.
        cache: Where proposals lie and go.
        device: Where the network computes.
        max_megapixels: Larger pictures are left out.
        should_stop: Asked after every picture and every step.

    Raises:
        ConfigError: If the folder holds a run of other settings or pictures, the features need more room than allowed
            (said before any is computed), or the classes differ.
        DataError: If no picture can be read or none has an object, a loss is not finite, or the disk is full.
    """
    run = _Run(
        detector,
        pictures,
        preprocessing,
        settings,
        folder=folder,
        device=torch.device(device),
        max_megapixels=max_megapixels,
        should_stop=should_stop,
    )
    yield from run.stages(proposals, cache)


@dataclass(frozen=True, eq=False)
class _Planned:
    """The features of the chosen pictures, and what their regions are."""

    whole: FeatureCache
    placed: FeatureCache
    labels: list[RegionLabels]
    pairs: list[RegionPairs]


class _Run:
    """One run, whose stages share much."""

    def __init__(
        self,
        detector: RCNN,
        pictures: BoxSet,
        preprocessing: Preprocessing,
        settings: RCNNSettings,
        *,
        folder: RunFolder,
        device: torch.device,
        max_megapixels: float,
        should_stop: Callable[[], bool],
    ) -> None:
        if detector.num_classes != len(pictures.classes):
            raise ConfigError(
                f"The detector knows {detector.num_classes} classes, but {pictures.source} has "
                f"{len(pictures.classes)}; build it with num_classes={len(pictures.classes)}."
            )
        if not len(pictures):
            raise ConfigError(f"{pictures.source}: there are no pictures to learn from.")
        self.pool = np.arange(len(pictures))
        if len(pictures) > settings.pool:
            chosen = np.random.default_rng([settings.seed, 4]).choice(len(pictures), settings.pool, replace=False)
            self.pool = np.sort(chosen)
        self.given = len(pictures)
        pictures = pictures.subset(self.pool)
        self.detector, self.pictures, self.preprocessing, self.settings = detector, pictures, preprocessing, settings
        self.state, self.device, self.max_megapixels, self.should_stop = (
            folder.state,
            device,
            max_megapixels,
            should_stop,
        )
        self.ledger = Ledger(self.state / "stages.json", self._identity())

    def stages(
        self, proposals: Proposals | None, cache: ProposalCache | None
    ) -> Generator[RCNNEvent | PicturesSkipped, None, None]:
        """All of them, each told."""
        proposals = yield from self._proposals(proposals, cache)
        if proposals is None:
            yield RCNNStopped("proposals")
            return
        source = RegionPictures(
            self.pictures, proposals, self.preprocessing, PixelCache(self.pictures.pictures), self.max_megapixels
        )
        readable, problems = self._readable(source, proposals)
        if problems:
            yield PicturesSkipped(problems)
        done = yield from self._fine_tuning(source, readable)
        if not done:
            yield RCNNStopped("fine-tuning")
            return
        self.detector.to(self.device).eval()
        wanted = ["regressors"] if self.detector.scoring == "softmax" else ["machines", "regressors"]
        kept = {stage: self._kept(stage) for stage in wanted}
        if any(state is None for state in kept.values()):
            planned = yield from self._features(source, readable)
            if planned is None:
                yield RCNNStopped("features")
                return
            for stage in wanted:
                if kept[stage] is None:
                    yield from self._fitted(stage, planned)
                    kept[stage] = self._kept(stage)
        for stage, state in kept.items():
            if state is None:
                raise DataError(f"'{self.state / stage}' was written, but cannot be read again; look at the disk.")
            self.detector.load_state_dict(state, strict=False)
        shutil.rmtree(self.state / "features", ignore_errors=True)
        shutil.rmtree(self.state / "placed", ignore_errors=True)
        yield RCNNTrained(self.ledger.seconds(), self.ledger.disk_bytes())

    def _proposals(
        self, proposals: Proposals | None, cache: ProposalCache | None
    ) -> Generator[RCNNEvent, None, Proposals | None]:
        if proposals is not None:
            if len(proposals) != self.given or proposals.settings != self.settings.proposals:
                raise ConfigError("proposals must be those of these pictures, found with settings.proposals.")
            proposals = proposals.subset(self.pool)
            self.ledger.note("proposals", proposals.seconds, sum(boxes.nbytes for boxes in proposals.boxes))
            return proposals
        was_done = self.ledger.is_done("proposals")
        kept = ProposalCache(self.state / "proposals") if cache is None else cache
        yield StageStarted("proposals", 0, len(self.pictures))
        if not was_done:
            self.ledger.begin("proposals")
        work = find_proposals(
            self.pictures,
            self.settings.proposals,
            cache=kept,
            workers=self.settings.workers,
            max_megapixels=self.max_megapixels,
        )
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                found: Proposals = end.value
                break
            if not was_done:
                self.ledger.tick("proposals")
            yield event
            if self.should_stop() and event.done < event.total:
                work.close()
                return None
        if not was_done:
            self.ledger.finish("proposals", sum(boxes.nbytes for boxes in found.boxes))
        yield self._told("proposals", kept=was_done)
        return found

    def _readable(self, source: RegionPictures, proposals: Proposals) -> tuple[Rows, tuple[Problem, ...]]:
        unreadable = {problem.where for problem in proposals.problems}
        rows = [i for i in range(len(self.pictures)) if self.pictures.where(i) not in unreadable]
        if not rows:
            raise DataError("None of the pictures can be read; `striate data check` says why.")
        if not any(len(source.pictures.truth[i]) for i in rows):
            raise DataError(f"{self.pictures.source}: no picture that can be read has an object to learn from.")
        return np.array(rows, dtype=np.int64), proposals.problems

    def _fine_tuning(self, source: RegionPictures, readable: Rows) -> Generator[RCNNEvent, None, bool]:
        steps = self.settings.steps
        if not steps:
            if self.detector.scoring == "softmax":
                raise ConfigError("scoring 'softmax' is learned in fine-tuning; settings.steps must be above 0.")
            return True
        folder = self.state / "fine-tuning"
        before, _ = newest_checkpoint(folder)
        begun = 0 if before is None else int(before.facts["step"])
        del before
        was_done = self.ledger.is_done("fine-tuning") and begun == steps
        yield StageStarted("fine-tuning", begun, steps)
        if not was_done:
            self.ledger.begin("fine-tuning")
        work = fine_tune(
            self.detector, source, readable, self.settings, folder, device=self.device, should_stop=self.should_stop
        )
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                finished: bool = end.value
                break
            self.ledger.tick("fine-tuning")
            yield event
        if finished and not was_done:
            self.ledger.finish("fine-tuning", sum(path.stat().st_size for path in folder.glob("*.safetensors")))
        if finished:
            yield self._told("fine-tuning", kept=was_done)
        else:
            self.ledger.tick("fine-tuning", at_once=True)
        return finished

    def _features(self, source: RegionPictures, readable: Rows) -> Generator[RCNNEvent, None, _Planned | None]:
        settings, network = self.settings, self.detector.network
        chosen = np.random.default_rng([settings.seed, 3]).permutation(readable)[: settings.pictures]
        labels, pairs = [], []
        for index in chosen.tolist():
            regions = source.regions(index, limit=settings.regions)
            labels.append(regions.labels)
            rows = regions.pairs(settings.regression_above)
            pairs.append(RegionPairs(rows, regions.classes[regions.best[rows]], regions.deltas(rows)))
        whole = FeatureCache(
            self.state / "features",
            [len(one.positives) for one in labels],
            network.features,
            precision=settings.precision,
            max_bytes=settings.max_disk_bytes,
        )
        placed = FeatureCache(
            self.state / "placed",
            [len(one.rows) for one in pairs],
            network.placed,
            precision=settings.precision,
            max_bytes=settings.max_disk_bytes - whole.bytes_needed,
        )
        whole.take_stock()
        placed.take_stock()
        todo = [number for number in range(len(chosen)) if number not in whole or number not in placed]
        was_done = self.ledger.is_done("features") and not todo
        yield StageStarted("features", len(chosen) - len(todo), len(chosen))
        if not was_done:
            self.ledger.begin("features")
        for count, number in enumerate(todo, start=len(chosen) - len(todo) + 1):
            regions = source.regions(int(chosen[number]), limit=settings.regions)
            wanted = torch.from_numpy(pairs[number].rows)
            every, some, start = [], [], 0
            with torch.inference_mode():
                for found in self.detector.describe(regions.image.to(self.device), regions.size, regions.boxes):
                    here = wanted[(wanted >= start) & (wanted < start + len(found.whole))] - start
                    every.append(found.whole.float().cpu())
                    some.append(found.placed[here.to(self.device)].float().cpu())
                    start += len(found.whole)
            placed.write(number, torch.cat(some).numpy() if some else np.zeros((0, network.placed), np.float32))
            whole.write(number, torch.cat(every).numpy() if every else np.zeros((0, network.features), np.float32))
            self.ledger.tick("features")
            yield FeaturesKept(count, len(chosen), len(regions))
            if self.should_stop() and count < len(chosen):
                self.ledger.tick("features", at_once=True)
                return None
        if not was_done:
            self.ledger.finish("features", whole.bytes_used() + placed.bytes_used())
        yield self._told("features", kept=was_done)
        return _Planned(whole, placed, labels, pairs)

    def _fitted(self, stage: str, planned: _Planned) -> Generator[RCNNEvent, None, None]:
        """Machines or regressors, from the features on the disk."""
        classes, settings = self.detector.num_classes, self.settings
        is_machines = stage == "machines"
        yield StageStarted(stage, 0, len(planned.labels) if is_machines else classes)
        self.ledger.begin(stage)
        work: Generator[RCNNEvent, None, dict[str, Tensor]] = (
            fit_machines(planned.whole, planned.labels, classes, settings)
            if is_machines
            else fit_regressors(planned.placed, planned.pairs, classes, settings)
        )
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                tensors: dict[str, Tensor] = end.value
                break
            self.ledger.tick(stage)
            yield event
        path = write_checkpoint(self.state / stage, Checkpoint(tensors, {}), step=1)
        self.ledger.finish(stage, path.stat().st_size)
        yield self._told(stage, kept=False)

    def _kept(self, stage: str) -> dict[str, Tensor] | None:
        found, _ = newest_checkpoint(self.state / stage)
        return dict(found.tensors) if found is not None and self.ledger.is_done(stage) else None

    def _told(self, stage: str, *, kept: bool) -> StageDone:
        facts = self.ledger.stages[stage]
        return StageDone(stage, float(facts["seconds"]), int(facts["disk_bytes"]), kept)

    def _identity(self) -> dict[str, Any]:
        truth = self.pictures.truth
        columns = (
            np.concatenate([np.zeros((0, 4), np.float32), *(one.boxes for one in truth)]).astype("<f4").tobytes(),
            np.concatenate([np.zeros(0, np.int64), *(one.classes for one in truth)]).astype("<i8").tobytes(),
            np.concatenate([np.zeros(0, np.bool_), *(one.difficult | one.crowd for one in truth)]).tobytes(),
        )
        learned = {name: value for name, value in asdict(self.settings).items() if name not in _FREE}
        weights = hashlib.sha256()
        for name, value in self.detector.network.state_dict().items():
            weights.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return {
            "settings": learned,
            "pictures": digest(self.pictures.pictures, *columns),
            "classes": list(self.pictures.classes),
            "preprocessing": self.preprocessing.to_dict(),
            "first weights": weights.hexdigest()[:16],
            "detector": [self.detector.crop_px, self.detector.context_px, self.detector.scoring],
        }

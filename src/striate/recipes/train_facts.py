"""What the training of a detector took, in time and room: `detection.json` of its run, for comparisons."""

from pathlib import Path

import torch

from striate.detection.detector_facts import TrainingStage, update_detector_facts
from striate.detection.faster_rcnn import FasterRCNN
from striate.detection.learning import DetectionTask
from striate.detection.proposals import ProposalProgress
from striate.detection.rcnn_settings import RCNNTrained
from striate.recipes.train_plan import TrainPlan
from striate.training.events import TrainingDone

__all__ = ["StageTimes", "note_detector"]

_FAMILIES = {"rcnn": "rcnn", "fast_rcnn": "fast_rcnn", "faster_rcnn": "faster_rcnn", "fasterrcnn": "faster_rcnn"}


class StageTimes:
    """The seconds of each stage of a training, and the room of what it left, picked out of its events."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cache_bytes = 0
        self.from_cache = 0  # pictures whose proposals were found before, and cost this training nothing
        self._searched = 0.0  # of the set before, whose last event has gone by
        self._kept = 0
        self._total = 0

    def take(self, event: object) -> None:
        """One event; most say nothing about time."""
        if isinstance(event, ProposalProgress):
            if event.total != self._total:
                self._total, self._searched = event.total, self.seconds.get("proposals", 0.0)
                self._kept = self.from_cache
            self.seconds["proposals"] = self._searched + event.seconds
            self.from_cache = self._kept + event.from_cache
        elif isinstance(event, RCNNTrained):
            self.seconds = dict(event.seconds)
            self.cache_bytes = sum(event.disk_bytes.values())
        elif isinstance(event, TrainingDone) and not self.cache_bytes:
            self.seconds["network"] = event.seconds


def note_detector(plan: TrainPlan, times: StageTimes) -> Path:
    """Write `detection.json` into the folder of the run.

    Raises:
        ConfigError: If the plan is not that of a detector.
        OSError: If the disk does not take it.
    """
    entry, folder = plan.beginning.entry, plan.folder
    task = plan.task
    takes = isinstance(task, DetectionTask) and task.module.takes_proposals
    stem = entry.name.partition("_resnet50_fpn")[0]
    before = (
        f"The proposals of {times.from_cache:,} pictures were found before; the time of its training is without them."
    )
    family = next((kind for name, kind in _FAMILIES.items() if stem == name or stem.startswith(f"{name}_")), "other")
    update_detector_facts(
        folder.path,
        model=entry.name,
        family="yolo" if entry.name.startswith("yolo") else family,
        backbone=entry.options.get("backbone"),
        data=str(plan.config.data),
        classes=len(plan.data.train.classes),
        parameters=plan.estimate.parameters,
        image_size=plan.beginning.preprocessing.input_size,
        proposals="selective search" if takes else "none" if entry.name.startswith("yolo") else "network",
        proposals_per_picture=_own_proposals(task),
        notes=(before,) if times.from_cache else None,
        stages=tuple(TrainingStage(name, round(seconds, 3)) for name, seconds in times.seconds.items()),
        training_pictures=len(plan.data.train),
        weights_bytes=folder.best.stat().st_size if folder.best.is_file() else None,
        cache_bytes=times.cache_bytes or None,
        device=torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
    )
    return folder.path


def _own_proposals(task: object) -> float | None:
    """How many boxes the heads judge where the network proposes them itself."""
    module = task.module if isinstance(task, DetectionTask) else None
    return float(module.rpn.settings.after[1]) if isinstance(module, FasterRCNN) else None

"""A learning rate for these pictures and this network, with the curve that it was read off."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.files import write_whole
from striate.detection.learning import DetectionTask
from striate.detection.proposals import ProposalProgress
from striate.detection.rcnn import RCNN
from striate.draw import draw_lr_finder, encode_png
from striate.errors import ConfigError, DataError
from striate.recipes.train import plan_any
from striate.recipes.train_plan import TrainPlan
from striate.recipes.train_proposals import with_proposals
from striate.training.rate_finder import FoundRate, RateTried, find_rate
from striate.training.world import join_world, leave_world

__all__ = ["run"]


def run(given: Mapping[str, Any]) -> Generator[TrainPlan | ProposalProgress | RateTried, None, tuple[FoundRate, Path]]:
    """Plan a training, and try rates on a copy of its network.

    Args:
        given: Settings by name, as for a training; `data` is among them.

    Yields:
        The `TrainPlan`, then every step.

    Returns:
        What was found, and the PNG with the curve: `find-lr/NAME.png` in the folder of all runs.

    Raises:
        StriateError: As a training would, or the picture cannot be written.
    """
    world, device = join_world(str(given.get("device", "auto")))
    try:
        if world.size > 1:
            raise ConfigError(
                f"The learning rate is found by one process, not by {world.size}; start it without torchrun."
            )
        plan = plan_any(given, world=world, device=device)
        yield plan
        task = plan.task
        if isinstance(task, DetectionTask) and isinstance(task.module, RCNN):
            raise ConfigError("R-CNN learns in stages, not by one rate; leave --find-lr out.")
        if isinstance(task, DetectionTask) and task.module.takes_proposals:
            task = yield from with_proposals(task, workers=plan.config.reading_threads)
        found = yield from find_rate(task, plan.config.settings(), device=device)
    finally:
        leave_world()
    if len(found.rates) < 2:
        raise DataError("The loss is no number from the first step on; look at the pictures, or at the weights.")
    path = plan.config.root / "find-lr" / f"{plan.folder.name}.png"
    pixels = draw_lr_finder(found.rates, np.asarray(found.smoothed), found.suggestion)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, encode_png(pixels))
    except OSError as error:
        raise DataError(f"cannot write '{path}': {error.strerror or error}. Choose another --root.") from error
    return found, path

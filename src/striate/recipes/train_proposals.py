"""Where objects may be, for detectors that are told: found before the training, by all processes from one cache."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import platformdirs

from striate.data.box_set import BoxSet
from striate.detection.learning import DetectionTask
from striate.detection.proposal_cache import ProposalCache
from striate.detection.proposals import ProposalProgress, Proposals, ProposalSettings, find_proposals

__all__ = ["proposal_cache", "with_proposals"]


def proposal_cache() -> ProposalCache:
    """Where proposals are kept between runs: they depend on the picture and nothing that is learned."""
    return ProposalCache(Path(platformdirs.user_cache_dir("striate")) / "proposals")


def with_proposals(task: DetectionTask, *, workers: int) -> Generator[ProposalProgress, None, DetectionTask]:
    """The same task, with the proposals of its pictures.

    Args:
        task: Of a detector that takes proposals.
        workers: Threads; one searches where none is given.

    Yields:
        How far it is.

    Raises:
        ConfigError: If OpenCV, which searches, is not installed.
    """
    cache = proposal_cache()

    def find(pictures: BoxSet) -> Generator[ProposalProgress, None, Proposals]:
        return (
            yield from find_proposals(
                pictures, ProposalSettings(), cache=cache, workers=max(workers, 1), max_megapixels=task.max_megapixels
            )
        )

    train = yield from find(task.train)
    validation = None if task.validation is None else (yield from find(task.validation))
    return replace(task, train_proposals=train, validation_proposals=validation)

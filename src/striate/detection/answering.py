"""A detector's answers to a whole set of pictures, with the time that each took."""

from collections.abc import Generator
from time import perf_counter

import numpy as np

from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.problem import Problem
from striate.detection.box_predictions import BoxPredictions
from striate.detection.finding import as_detector, detect
from striate.detection.proposal_cache import ProposalCache
from striate.detection.proposals import ProposalSettings, find_proposals
from striate.errors import DataError
from striate.models import Network

__all__ = ["Answering", "answer_set"]

LOWEST_SCORE = 0.01  # average precision wants the whole curve, and what is below adds next to nothing

Answering = Generator[tuple[str, int, int], None, tuple[BoxPredictions, tuple[Problem, ...]]]


def answer_set(
    network: Network,
    pictures: BoxSet,
    *,
    lowest_score: float = LOWEST_SCORE,
    proposals: ProposalSettings | None = None,
    cache: ProposalCache | None = None,
    workers: int = 1,
    max_megapixels: float = 64.0,
) -> Answering:
    """Find boxes on every picture, one picture at a time, as a person would.

    Args:
        network: With a detector as its module.
        pictures: What to look at, with what is there.
        lowest_score: Boxes below it are left out.
        proposals: For detectors that take proposals: how they are found.
        cache: Where proposals lie and go.
        workers: Threads that search for proposals.
        max_megapixels: Larger pictures are left out.

    Yields:
        What is being done, how much of it is done, and how much there is.

    Returns:
        The answers to all pictures that can be read, and what could not be.

    Raises:
        ConfigError: If the network is no detector.
        DataError: If none of the pictures can be read, or the classes of detector and pictures differ.
    """
    module = as_detector(network)
    if tuple(network.labels) != pictures.classes:
        raise DataError(
            f"{pictures.source}: its classes ({', '.join(pictures.classes[:4])} …) are not those of '{network.name}' "
            f"({', '.join(tuple(network.labels)[:4])} …); evaluate it on pictures of the classes that it knows."
        )
    regions = None
    if module.takes_proposals:
        settings = proposals or ProposalSettings()
        search = find_proposals(pictures, settings, cache=cache, workers=workers, max_megapixels=max_megapixels)
        while regions is None:
            try:
                event = next(search)
            except StopIteration as end:
                regions = end.value
            else:
                yield "searching for proposals", event.done, event.total
    found: list[Detections] = []
    kept: list[int] = []
    seconds: list[float] = []
    problems: list[Problem] = []
    for index in range(len(pictures)):
        yield "finding", index, len(pictures)
        try:
            pixels = pictures.pixels(index, max_megapixels=max_megapixels)
        except DataError as error:
            where = pictures.where(index)
            problems.append(Problem("unreadable", where, f"{str(error).removeprefix(f'{where}: ')} It was left out."))
            continue
        given = None if regions is None else [regions[index]]
        began = perf_counter()
        [boxes] = detect(network, pixels, score=lowest_score, proposals=given)
        seconds.append(perf_counter() - began)
        found.append(boxes)
        kept.append(index)
    if not kept:
        raise DataError("None of the pictures can be read; `striate data check` says why.")
    facts = {"model": network.name, "score_threshold": lowest_score}
    if regions is not None:
        facts["proposals"] = float(np.mean([len(regions[i]) for i in kept]))
    answers = BoxPredictions.of(
        found,
        [pictures.truth[i] for i in kept],
        [pictures.name(i) for i in kept],
        seconds=np.array(seconds),
        proposal_seconds=None if regions is None else np.array(regions.times)[kept],
        facts=facts,
    )
    return answers, tuple(problems)

"""What one picture takes a detector by itself: validation asks for many at a time, a person for one."""

import math
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import numpy as np

from striate.data.box_set import BoxSet
from striate.detection.answering import LOWEST_SCORE
from striate.detection.box_predictions import BoxPredictions
from striate.detection.finding import as_detector, detect
from striate.detection.proposals import ProposalSettings, find_proposals
from striate.errors import DataError
from striate.models import Network
from striate.recipes.train_proposals import proposal_cache

__all__ = ["timed_alone"]


def timed_alone(answers: BoxPredictions, network: Network, pictures: BoxSet, *, most: int = 20) -> BoxPredictions:
    """The same answers, with the seconds that pictures take one by one, from pixels to boxes, proposals left out.

    Args:
        answers: To `pictures`, or to some of them.
        network: That gave them.
        pictures: What it looked at.
        most: Pictures to take the time of, spread over all; the seconds of the others are NaN.

    Returns:
        Answers whose facts have the mean number of `proposals`, where the detector takes some; with the seconds that
        each picture's proposals took, where they are known.
    """
    places = {pictures.name(index): index for index in range(len(pictures))}
    rows = np.unique(np.linspace(0, len(answers) - 1, min(most, len(answers))).round().astype(int))
    chosen = [(int(row), places[answers.names[row]]) for row in rows if answers.names[row] in places]
    if not chosen:
        return answers
    regions = None
    if as_detector(network).takes_proposals:
        search = find_proposals(
            pictures.subset([index for _, index in chosen]), ProposalSettings(), cache=proposal_cache()
        )
        while regions is None:
            try:
                next(search)
            except StopIteration as end:
                regions = end.value
    seconds = np.full(len(answers), math.nan)
    searched = np.full(len(answers), math.nan)
    for number, (row, index) in enumerate(chosen):
        with suppress(DataError):  # it was answered before; whoever took the file away since costs one time
            pixels = pictures.pixels(index)
            given = None if regions is None else [regions[number]]
            if not number:
                detect(network, pixels, score=LOWEST_SCORE, proposals=given)  # what is made once is no picture's time
            began = perf_counter()
            detect(network, pixels, score=LOWEST_SCORE, proposals=given)
            seconds[row] = perf_counter() - began
            if regions is not None:
                searched[row] = regions.times[number]
    facts = dict(answers.facts)
    if regions is not None:
        facts["proposals"] = float(np.mean([len(boxes) for boxes in regions.boxes]))
    return replace(answers, seconds=seconds, proposal_seconds=searched, facts=facts)

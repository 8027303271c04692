"""Mistakes of a detector to look at, with the boxes drawn: what was found, and what is there."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from striate.detection.box_mistakes import BoxMistake
from striate.detection.detection_evaluation import BoxEvaluation
from striate.draw.boxes import draw_boxes, score_words
from striate.report.embed import jpeg_uri

__all__ = ["BoxCard", "BoxMistakeSection", "build_box_mistakes"]

SIDE_PX = 240
MOST_BYTES = 40_000


@dataclass(frozen=True)
class BoxCard:
    """One part of a picture and what went wrong there."""

    name: str
    short: str
    picture: str
    said: str
    score: str
    width: float
    why: str
    kind: str


@dataclass(frozen=True)
class BoxMistakeSection:
    """Cards of false alarms and of missed objects, and how many there are in all."""

    cards: tuple[BoxCard, ...]
    missed: tuple[BoxCard, ...]
    false: int
    not_found: int


def build_box_mistakes(found: BoxEvaluation) -> BoxMistakeSection:
    """Cards of both galleries."""
    cards = tuple(_card(found, one, place) for place, one in enumerate(found.gallery))
    first = len(found.mistakes)
    false = sum(kind.count for kind in found.errors.kinds if kind.name != "missed")
    return BoxMistakeSection(cards[:first], cards[first:], false, int(found.errors.missed.sum()))


def _card(found: BoxEvaluation, one: BoxMistake, place: int) -> BoxCard:
    score = 0.0 if math.isnan(one.score) else min(max(one.score, 0.0), 1.0)
    return BoxCard(
        name=one.name,
        short=one.name if len(one.name) <= 24 else "…" + one.name[-23:],
        picture=_picture(found, one, place),
        said=one.said or one.there,
        score="" if math.isnan(one.score) else score_words(one.score),
        width=round(100 * score, 1),
        why=one.why,
        kind=one.kind,
    )


def _picture(found: BoxEvaluation, one: BoxMistake, place: int) -> str:
    crop = found.crops.get(place)
    if crop is None:
        return ""
    height, width = crop.pixels.shape[:2]
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.asarray(Image.fromarray(crop.pixels).resize(size, Image.Resampling.LANCZOS))
    corner = np.array([crop.left, crop.top, crop.left, crop.top])
    answers = found.predictions
    row = [one.found] if one.found >= 0 else []
    true = [one.truth] if one.truth >= 0 else []
    drawn = draw_boxes(
        pixels,
        (answers.boxes[row] - corner) * scale,
        answers.classes[row],
        answers.labels,
        truth=(answers.truth_boxes[true] - corner) * scale,
        plates=False,
    )
    return jpeg_uri(drawn, most_bytes=MOST_BYTES)

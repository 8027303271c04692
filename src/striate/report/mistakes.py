"""The wrong answers that the network was surest of: wrong labels, classes that overlap, and what it misreads."""

from dataclasses import dataclass

from striate.report.embed import jpeg_uri, png_uri, smaller
from striate.report.numbers import format_percent
from striate.training.evaluation import Case, Evaluation

__all__ = ["MistakeCard", "MistakeSection", "build_mistakes"]

LARGEST_PX = 224
MOST_BYTES = 24_000


@dataclass(frozen=True)
class MistakeCard:
    """One picture, what it is said to be, and what was answered."""

    name: str
    short: str
    picture: str
    pixels: bool
    given: str
    answered: str
    p_given: str
    p_answered: str
    width_given: float
    width_answered: float


@dataclass(frozen=True)
class MistakeSection:
    """Cards, and how many mistakes there are in all."""

    cards: tuple[MistakeCard, ...]
    count: int
    columns: int


def build_mistakes(found: Evaluation) -> MistakeSection:
    """Cards of the fourth section."""
    cards = tuple(_card(found, case) for case in found.mistakes)
    sizes = [max(found.pictures[c.index].shape[:2]) for c in found.mistakes if c.index in found.pictures]
    return MistakeSection(cards, found.top1.count - found.top1.hits, 8 if sizes and max(sizes) <= 64 else 6)


def _card(found: Evaluation, case: Case) -> MistakeCard:
    classes = found.predictions.classes
    image = found.pictures.get(case.index)
    picture, pixels = "", False
    if image is not None:
        pixels = max(image.shape[:2]) <= 96
        shown = image if pixels else smaller(image, LARGEST_PX)
        picture = png_uri(shown) if pixels else jpeg_uri(shown, most_bytes=MOST_BYTES)
    return MistakeCard(
        name=case.name,
        short=case.name if len(case.name) <= 24 else "…" + case.name[-23:],
        picture=picture,
        pixels=pixels,
        given=classes[case.given],
        answered=classes[case.answered],
        p_given=format_percent(case.p_given),
        p_answered=format_percent(case.p_answered),
        width_given=round(100 * case.p_given, 1),
        width_answered=round(100 * case.p_answered, 1),
    )

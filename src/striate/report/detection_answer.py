"""The answer of a detector's evaluation in one second: mAP, how sure that number is, and what it hides."""

import math

import numpy as np

from striate.detection.detection_evaluation import BoxEvaluation
from striate.draw.boxes import score_words
from striate.report.evaluation_answer import EvaluationAnswer, ScoreLine
from striate.report.numbers import format_seconds

__all__ = ["build_detection_answer", "say_ap"]

NBSP = "\u00a0"


def say_ap(value: float, *, digits: int = 1) -> str:
    r"""Average precision in percent; never rounded to all or to none.

    >>> [say_ap(v) for v in (0.8312, 1.0, 0.99996, 0.0001, float("nan"))]
    ['83.1\xa0%', '100.0\xa0%', '>\xa099.9\xa0%', '<\xa00.1\xa0%', '–']
    """
    if math.isnan(value):
        return "–"
    least = 10.0**-digits
    if 0 < value < 1 and f"{100 * value:.{digits}f}" in (f"{100:.{digits}f}", f"{0:.{digits}f}"):
        return f">{NBSP}{100 - least:.{digits}f}{NBSP}%" if value > 0.5 else f"<{NBSP}{least:.{digits}f}{NBSP}%"
    return f"{100 * value:.{digits}f}{NBSP}%"


def build_detection_answer(found: BoxEvaluation) -> EvaluationAnswer:
    """Words and numbers of the first section."""
    answers, facts = found.predictions, found.predictions.facts
    run = found.provenance.get("run") or {}
    model = str(run.get("name") or facts.get("model") or "the detector")
    data = str(facts.get("data") or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    split = found.provenance.get("split") or facts.get("split")
    mean, point = found.mean_ap, found.point
    objects = int(found.objects.sum())
    where = f"{f' of {data}' if data else ''}{f' ({split})' if split else ''}"
    if math.isnan(mean.value):
        sentence = f"Nothing is to be found on these {len(answers):,} pictures{where}: no score can be given."
    elif point.kept:
        sentence = (
            f"Of {objects:,} objects on {_many(len(answers), 'picture')}{where}, {model} finds {point.hits:,} with "
            f"{point.kept - point.hits:,} false alarms, when boxes with a score of at least {_score(point.threshold)} "
            f"are kept{', the best balance here (F1)' if found.chosen else ''}."
        )
    else:
        sentence = f"{model} finds none of {objects:,} objects on {_many(len(answers), 'picture')}{where}."
    return EvaluationAnswer(
        percent=say_ap(mean.value),
        interval="" if math.isnan(mean.low) else f"{100 * mean.low:.1f} to {100 * mean.high:.1f}{NBSP}%",
        sentence=sentence,
        trust=_trust(found),
        notes=tuple(str(note) for note in found.provenance.get("notes") or ()),
        lines=_lines(found),
        count=len(answers),
        network=model,
        data=data,
    )


def _lines(found: BoxEvaluation) -> tuple[ScoreLine, ...]:
    mean, coco, point = found.mean_ap, found.coco, found.point
    iou = score_words(found.iou)
    interval = "" if math.isnan(mean.low) else f"{100 * mean.low:.1f} … {100 * mean.high:.1f}"
    at = f"of the boxes with a score of at least {_score(point.threshold)}, the share that is right"
    kept = f"the share of the objects that these boxes find; F1 {say_ap(point.f1)}"
    lines = [
        _line(f"mAP@{iou}", mean.value, f"area by all points, mean of {_known(found)} classes", interval=interval),
        _line("AP", coco.ap, "COCO's first number: the mean over IoU .50, .55 … .95"),
        _line("AP@.75", coco.ap75, "only boxes that fit closely count"),
        _line("11 points", found.mean_ap11, f"mAP@{iou} as VOC 2007 computed it"),
        _line("Precision", point.precision, at),
        _line("Recall", point.recall, kept),
    ]
    return tuple(line for line in lines if line is not None)


def _line(name: str, value: float, what: str, *, interval: str = "") -> ScoreLine | None:
    if math.isnan(value):
        return None
    low, high = (float(end) for end in interval.split(" … ")) if interval else (100 * value, 100 * value)
    return ScoreLine(name, say_ap(value), interval, what, 100 * value, low, high, first=bool(interval))


def _trust(found: BoxEvaluation) -> str:
    answers, mean = found.predictions, found.mean_ap
    words = []
    if not math.isnan(mean.low):
        half = 100 * (mean.high - mean.low) / 2
        words.append(
            f"With {_many(len(answers), 'picture')}, chance alone moves mAP by about ±{half:.1f} points (95{NBSP}%, "
            "pictures drawn again)."
        )
    empty = int((found.objects == 0).sum())
    if empty:
        words.append(
            f"{empty:,} of {len(found.objects):,} classes have no objects here: they are left out of the mean, and "
            "their false alarms with them."
        )
    few = int(((found.objects > 0) & (found.objects < 10)).sum())
    if few:
        words.append(f"{few:,} class{'es have' if few > 1 else ' has'} fewer than 10 objects.")
    ignored = int(answers.truth_ignored.sum())
    if ignored:
        words.append(f"{_many(ignored, 'object')} marked as difficult or crowd count neither way.")
    if not math.isnan(found.seconds):
        time = format_seconds(found.seconds)
        own = "" if math.isnan(found.proposal_seconds) else f", and {format_seconds(found.proposal_seconds)} to propose"
        words.append(f"A picture takes {time}{own} (median).")
    return " ".join(words)


def _known(found: BoxEvaluation) -> int:
    return int(np.count_nonzero(found.objects))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _score(value: float) -> str:
    return score_words(value) if math.isfinite(value) else "–"

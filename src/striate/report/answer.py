"""The answer in one second: what the network says, how sure it is, and how far to trust that."""

from dataclasses import dataclass

from striate.insight import Explanation
from striate.report.embed import jpeg_uri
from striate.report.numbers import format_count, format_percent

__all__ = ["AnswerBar", "AnswerSection", "build_answer", "count_classes"]


@dataclass(frozen=True)
class AnswerBar:
    """One of the top answers."""

    label: str
    index: int
    percent: str
    width: float
    logit: float
    first: bool
    explained: bool


@dataclass(frozen=True)
class AnswerSection:
    """What the first screen shows."""

    label: str
    percent: str
    photo: str
    photo_name: str
    photo_size: tuple[int, int]
    bars: tuple[AnswerBar, ...]
    sentence: str
    trust: str
    target: AnswerBar
    explains_other: bool


def build_answer(explanation: Explanation) -> AnswerSection:
    """Words and numbers of the first section."""
    best, target = explanation.answers[0], explanation.target

    def bar(label: str, index: int, probability: float, logit: float) -> AnswerBar:
        return AnswerBar(
            label=label,
            index=index,
            percent=format_percent(probability),
            width=round(100.0 * probability, 2),
            logit=logit,
            first=index == best.index,
            explained=index == target.index,
        )

    shown = [*explanation.answers]
    if all(answer.index != target.index for answer in shown):
        shown.append(target)
    return AnswerSection(
        label=best.label,
        percent=format_percent(best.probability),
        photo=jpeg_uri(explanation.photo),
        photo_name=explanation.photo_name,
        photo_size=explanation.photo_size,
        bars=tuple(bar(a.label, a.index, a.probability, a.logit) for a in shown),
        sentence=_who_answers(explanation),
        trust=_trust(explanation),
        target=bar(target.label, target.index, target.probability, target.logit),
        explains_other=target.index != best.index,
    )


def count_classes(explanation: Explanation) -> int:
    """How many classes the network chooses from: the channels of its last output."""
    shape = explanation.summary.rows[-1].output_shape if explanation.summary.rows else ()
    return shape[1] if len(shape) > 1 else len(explanation.answers)


def _who_answers(explanation: Explanation) -> str:
    weights = explanation.weights
    named = f"with the weights {weights['name']}" if weights.get("name") else "with weights of unknown origin"
    return (
        f"Answered by {explanation.network} {named}: {format_count(explanation.summary.parameters)} parameters, "
        f"{format_count(explanation.summary.macs)} MACs a picture."
    )


def _trust(explanation: Explanation) -> str:
    """How often such an answer is right, and what the percentage is not."""
    classes = count_classes(explanation)
    words = [
        (
            f"The percentage is the softmax over {classes:,} classes: how strongly the network prefers this one to the "
            "others, not how likely it is to be right. It cannot answer “none of these”."
        )
    ]
    for key, how in (("measured", "measured with this project"), ("published", "as published")):
        scores = explanation.weights.get(key) or {}
        top1 = next((scores[name] for name in ("top1", "imagenet1k_top1", "accuracy") if name in scores), None)
        if top1 is not None:
            kind = (
                "ImageNet's validation photos"
                if "in1k" in str(explanation.weights.get("name"))
                else "its test pictures"
            )
            share = float(top1) / 100.0 if float(top1) > 1.0 else float(top1)
            words.insert(0, f"On {kind} its first answer is right {100 * share:.1f}\u00a0% of the time ({how}).")
            break
    if explanation.answers[0].probability < 0.5:
        words.insert(0, "No class has more than half of the probability: read the answer as a guess.")
    return " ".join(words)

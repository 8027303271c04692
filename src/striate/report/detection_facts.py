"""What the evaluation of a detector cost, where it comes from, and what was left out."""

import math
from typing import Any

from striate.detection.detection_evaluation import BoxEvaluation
from striate.report.evaluation_facts import FactsSection, facts_section, say_parameters
from striate.report.numbers import format_bytes, format_seconds
from striate.report.provenance import Fact

__all__ = ["build_detection_facts"]


def build_detection_facts(found: BoxEvaluation) -> FactsSection:
    """Words of the last section."""
    answers, facts, provenance, cost = found.predictions, found.predictions.facts, found.provenance, found.cost
    skipped = int(facts.get("skipped") or 0)
    pictures = f"{len(answers):,}" + (f"; {skipped:,} could not be read and were left out" if skipped else "")
    weights = cost.get("weights_bytes")
    return facts_section(
        facts,
        provenance,
        cost=(
            Fact("Parameters", say_parameters(cost.get("parameters"))),
            Fact("Weights", "" if weights is None else format_bytes(int(weights))),
            Fact("Time", _time(found)),
            Fact("Proposals", _proposals(found)),
        ),
        data=(
            Fact("Data", str(facts.get("data") or ""), code=True),
            Fact("Part", str(provenance.get("split") or facts.get("split") or "")),
            Fact("Pictures", pictures),
            Fact("Objects", f"{int(found.objects.sum()):,}; {int(answers.truth_ignored.sum()):,} count neither way"),
            Fact("Boxes found", f"{len(answers.boxes):,}" + _least(facts)),
            Fact("Canvas", _size(facts.get("image_size"))),
        ),
        network=(
            Fact("Detector", str(facts.get("model") or ""), code=True),
            Fact("Backbone", str(facts.get("backbone") or ""), code=True),
        ),
    )


def _time(found: BoxEvaluation) -> str:
    if math.isnan(found.seconds):
        return ""
    words = [f"{found.cost[name]} {name}" for name in ("threads",) if found.cost.get(name)]
    words += [str(found.cost["device"])] if found.cost.get("device") else []
    return f"{format_seconds(found.seconds)} a picture, the median" + (f" ({', '.join(words)})" if words else "")


def _proposals(found: BoxEvaluation) -> str:
    value = found.predictions.facts.get("proposals")
    words = [] if not value else [f"{value:,.0f} a picture" if isinstance(value, int | float) else str(value)]
    if not math.isnan(found.proposal_seconds):
        words.append(f"{format_seconds(found.proposal_seconds)} a picture")
    return ", ".join(words)


def _least(facts: dict[str, Any]) -> str:
    least = facts.get("score_threshold")
    return "" if least is None else f", score at least {float(least):g}"


def _size(value: Any) -> str:
    return "" if not value else "\u00a0×\u00a0".join(str(side) for side in value) + " px"

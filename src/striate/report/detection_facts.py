"""What the evaluation of a detector cost, where it comes from, and what was left out."""

import math
from typing import Any

from striate.detection.detection_evaluation import BoxEvaluation
from striate.report.evaluation_facts import MOST_PROBLEMS, FactsSection
from striate.report.numbers import format_bytes, format_count, format_seconds
from striate.report.provenance import Fact

__all__ = ["build_detection_facts"]


def build_detection_facts(found: BoxEvaluation) -> FactsSection:
    """Words of the last section."""
    answers, facts, provenance, cost = found.predictions, found.predictions.facts, found.provenance, found.cost
    problems = [f"{p.get('where')}: {p.get('text')}" for p in facts.get("problems") or () if isinstance(p, dict)]
    run, versions = provenance.get("run") or {}, provenance.get("versions") or {}
    skipped = int(facts.get("skipped") or 0)
    pictures = f"{len(answers):,}" + (f"; {skipped:,} could not be read and were left out" if skipped else "")
    parameters, weights = cost.get("parameters"), cost.get("weights_bytes")
    return FactsSection(
        cost=_kept(
            Fact("Parameters", "" if parameters is None else f"{format_count(int(parameters))} ({int(parameters):,})"),
            Fact("Weights", "" if weights is None else format_bytes(int(weights))),
            Fact("Time", _time(found)),
            Fact("Proposals", _proposals(found)),
        ),
        data=_kept(
            Fact("Data", str(facts.get("data") or ""), code=True),
            Fact("Part", str(provenance.get("split") or facts.get("split") or "")),
            Fact("Pictures", pictures),
            Fact("Objects", f"{int(found.objects.sum()):,}; {int(answers.truth_ignored.sum()):,} count neither way"),
            Fact("Boxes found", f"{len(answers.boxes):,}" + _least(facts)),
            Fact("Canvas", _size(facts.get("image_size"))),
        ),
        made=_kept(
            Fact("Detector", str(facts.get("model") or ""), code=True),
            Fact("Backbone", str(facts.get("backbone") or ""), code=True),
            Fact("Run", str(run.get("path") or ""), code=True),
            Fact("Epoch", f"{run['best_epoch']} of {run['epochs']}, the best" if run.get("best_epoch") else ""),
            Fact("Made", str(provenance.get("made") or "")),
            Fact("Took", format_seconds(float(provenance["seconds"])) if provenance.get("seconds") else ""),
            Fact("Device", str(provenance.get("device") or "")),
            Fact("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ),
        settings=tuple(
            Fact(str(name).replace("_", " "), str(value), code=True)
            for name, value in (provenance.get("settings") or {}).items()
            if value is not None
        ),
        command=str(provenance.get("command") or ""),
        problems=tuple(problems[:MOST_PROBLEMS]),
        more_problems=max(0, len(problems) - MOST_PROBLEMS),
        renamed=tuple((str(a), str(b)) for a, b in (facts.get("renamed") or {}).items()),
    )


def _kept(*facts: Fact) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact.value)


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

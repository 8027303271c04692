"""What an evaluation cost, where it comes from, and what was left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from striate.report.numbers import format_count, format_seconds, format_shape
from striate.report.provenance import Fact
from striate.training.evaluation import Evaluation

__all__ = ["FactsSection", "build_facts", "facts_section", "say_parameters"]

MOST_PROBLEMS = 30


@dataclass(frozen=True)
class FactsSection:
    """Facts in groups, the command, and the pictures that were left out."""

    cost: tuple[Fact, ...]
    data: tuple[Fact, ...]
    made: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    command: str
    problems: tuple[str, ...]
    more_problems: int
    renamed: tuple[tuple[str, str], ...]


def build_facts(found: Evaluation) -> FactsSection:
    """Words of the last section."""
    facts, provenance, cost = found.predictions.facts, found.provenance, found.cost
    weights = provenance.get("weights") or {}
    return facts_section(
        facts,
        provenance,
        cost=(
            Fact("Parameters", say_parameters(cost.get("parameters"))),
            Fact("MACs", _macs(cost)),
            Fact("Time", _time(cost)),
        ),
        data=(
            Fact("Data", str(facts.get("data") or ""), code=True),
            Fact("Part", str(provenance.get("split") or "")),
            Fact("Pictures", _pictures(found)),
            Fact("View", str(facts.get("geometry") or facts.get("view") or "")),
            Fact("Preprocessing", str(facts.get("preprocessing") or "")),
        ),
        network=(
            Fact("Network", str(facts.get("network") or ""), code=True),
            Fact("Weights", str(weights.get("name") or ""), code=True),
            Fact("License", str(weights.get("license") or "")),
            Fact("Published", _scores(weights.get("published"))),
        ),
    )


def facts_section(
    facts: Mapping[str, Any],
    provenance: Mapping[str, Any],
    *,
    cost: tuple[Fact, ...],
    data: tuple[Fact, ...],
    network: tuple[Fact, ...],
) -> FactsSection:
    """The section with what every evaluation says about how it was made; facts without a value are left out.

    Args:
        facts: Of the predictions.
        provenance: Of the evaluation.
        cost: What it cost.
        data: What it was made on.
        network: What was evaluated.
    """
    problems = [f"{p.get('where')}: {p.get('text')}" for p in facts.get("problems") or () if isinstance(p, dict)]
    run, versions = provenance.get("run") or {}, provenance.get("versions") or {}
    made = (
        *network,
        Fact("Run", str(run.get("path") or ""), code=True),
        Fact("Epoch", f"{run['best_epoch']} of {run['epochs']}, the best" if run.get("best_epoch") else ""),
        Fact("Made", str(provenance.get("made") or "")),
        Fact("Took", format_seconds(float(provenance["seconds"])) if provenance.get("seconds") else ""),
        Fact("Device", str(provenance.get("device") or "")),
        Fact("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    )
    return FactsSection(
        cost=_kept(cost),
        data=_kept(data),
        made=_kept(made),
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


def _kept(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact.value)


def say_parameters(value: Any) -> str:
    """A number of weights, short and in full; nothing where nobody knows."""
    return "" if value is None else f"{format_count(int(value))} ({int(value):,})"


def _macs(cost: dict[str, Any]) -> str:
    if cost.get("macs") is None:
        return ""
    shape = f" for one view of {format_shape(cost['input'])}" if cost.get("input") else ""
    return f"{format_count(int(cost['macs']))}{shape}"


def _time(cost: dict[str, Any]) -> str:
    if not cost.get("ms_per_picture"):
        return ""
    words = [f"batch {cost['batch_size']}"] if cost.get("batch_size") else []
    words += [f"{cost['threads']} threads"] if cost.get("threads") and cost.get("device") == "cpu" else []
    words += [str(cost["device"])] if cost.get("device") else []
    value = float(cost["ms_per_picture"])
    return f"{value:.3g}\u00a0ms a picture, the network alone ({', '.join(words)})"


def _pictures(found: Evaluation) -> str:
    skipped = int(found.predictions.facts.get("skipped") or 0)
    return f"{len(found.predictions):,}" + (f"; {skipped:,} could not be read and were left out" if skipped else "")


def _scores(scores: Any) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in (scores or {}).items())

"""Where everything on the page comes from, and how to make it again."""

from dataclasses import dataclass
from typing import Any

from striate.insight import Explanation
from striate.report.numbers import format_seconds

__all__ = ["Fact", "ProvenanceSection", "Timing", "build_provenance"]


@dataclass(frozen=True)
class Fact:
    """A named value; `code` sets it in the mono face."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Timing:
    """Seconds of one part, and its share of all for the bar."""

    name: str
    seconds: str
    width: float


@dataclass(frozen=True)
class ProvenanceSection:
    """Facts in groups, times and the command."""

    weights: tuple[Fact, ...]
    run: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    timings: tuple[Timing, ...]
    total: str
    command: str
    made: str


def build_provenance(explanation: Explanation) -> ProvenanceSection:
    """Words of the last section."""
    provenance = explanation.provenance
    seconds = {str(name): float(value) for name, value in (provenance.get("seconds") or {}).items()}
    total = seconds.pop("in all", sum(seconds.values()))
    rest = total - sum(seconds.values())
    if rest > 0.01 and seconds:
        seconds["the rest"] = rest
    weights = explanation.weights
    facts = [
        Fact("Weights", str(weights.get("name") or "of unknown origin"), code=bool(weights.get("name"))),
        Fact("Variant", _plain(weights.get("variant"))),
        Fact("License", _plain(weights.get("license"))),
        Fact("Documented in", _plain(weights.get("source"))),
        Fact("SHA-256", _plain(weights.get("sha256")), code=True),
        *(
            Fact(f"Scores {how}", _scores(weights[key]))
            for key, how in (("published", "as published"), ("measured", "measured again"))
            if weights.get(key)
        ),
    ]
    versions = provenance.get("versions") or {}
    run = [
        Fact("Photo", f"{explanation.photo_name}, {explanation.photo_size[1]} × {explanation.photo_size[0]} px"),
        Fact("Made", _plain(provenance.get("made"))),
        Fact("Device", _device(provenance)),
        Fact("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return ProvenanceSection(
        weights=tuple(fact for fact in facts if fact.value),
        run=tuple(fact for fact in run if fact.value),
        settings=tuple(
            Fact(str(name).replace("_", " "), _plain(value), code=True)
            for name, value in (provenance.get("settings") or {}).items()
            if value is not None
        ),
        timings=tuple(
            Timing(name, format_seconds(value), round(100.0 * value / total, 1) if total else 0.0)
            for name, value in seconds.items()
        ),
        total=format_seconds(total) if total else "",
        command=str(provenance.get("command") or ""),
        made=_plain(provenance.get("made")),
    )


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _device(provenance: dict[str, Any]) -> str:
    words = [
        _plain(provenance.get("device")),
        f"{provenance['threads']} threads" if provenance.get("threads") else "",
        _plain(provenance.get("precision")),
    ]
    return ", ".join(word for word in words if word)


def _scores(scores: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ').replace('top', 'top-')} {float(value):g}\u00a0%" for name, value in scores.items()
    )

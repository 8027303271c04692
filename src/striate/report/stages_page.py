"""The page of one photo's way through a detector: one HTML file with everything inside."""

import math
from dataclasses import dataclass

from striate.draw import UNSIGNED
from striate.draw.boxes import score_words
from striate.report.embed import jpeg_uri, png_uri
from striate.report.provenance import Fact
from striate.report.scale import Scale, build_scale
from striate.report.stage_parts import Remaining, Stage, StagePicture
from striate.report.stages_of import StageReport
from striate.report.templates import render_page

__all__ = ["build_stages_page"]

MOST_BYTES = 170_000


@dataclass(frozen=True)
class _Bar:
    """A bar with its number; `width` in percent."""

    name: str
    number: str
    width: float
    what: str = ""
    first: bool = False


@dataclass(frozen=True)
class _Picture:
    """A drawing on the page."""

    uri: str
    caption: str
    width: int
    height: int
    bars: tuple[_Bar, ...] = ()


@dataclass(frozen=True)
class _Section:
    """One stage on the page."""

    key: str
    number: int
    title: str
    sentence: str
    pictures: tuple[_Picture, ...]
    regions: tuple[_Picture, ...]
    scale: Scale | None
    columns: int


def build_stages_page(report: StageReport) -> str:
    """One self-contained HTML page.

    Args:
        report: Of `build_stages`.

    Returns:
        The text of the file.
    """
    answer = _picture(StagePicture("answer", "", report.answer))
    return render_page(
        "stages.html.j2",
        styles=("report.css", "scores.css", "stages.css"),
        scripts=("theme.js", "ready.js"),
        data={},
        report=report,
        answer=answer,
        ratio=round(answer.width / answer.height, 3),
        remaining=_remaining(report.counts),
        sections=tuple(_section(stage, number) for number, stage in enumerate(report.stages, start=1)),
        facts=_facts(report),
        command=str(report.provenance.get("command") or ""),
    )


def _section(stage: Stage, number: int) -> _Section:
    regions = tuple(
        _picture(
            StagePicture("", one.caption, one.pixels),
            tuple(
                _Bar(bar.name, score_words(bar.score), round(100 * min(max(bar.score, 0), 1), 1), first=bar.first)
                for bar in one.bars
            ),
        )
        for one in stage.regions
    )
    count = len(stage.pictures)
    scale = None if stage.limits is None else build_scale(UNSIGNED, stage.limits, unit=stage.unit)
    columns = 2 if count in (2, 4) else min(count, 3)
    pictures = tuple(_picture(one) for one in stage.pictures)
    return _Section(stage.key, number, stage.title, stage.sentence, pictures, regions, scale, columns)


def _picture(one: StagePicture, bars: tuple[_Bar, ...] = ()) -> _Picture:
    height, width = one.pixels.shape[:2]
    small = height * width <= 160_000
    uri = png_uri(one.pixels) if small and bars else jpeg_uri(one.pixels, most_bytes=MOST_BYTES)
    return _Picture(uri, one.caption, width, height, bars)


def _remaining(counts: tuple[Remaining, ...]) -> tuple[_Bar, ...]:
    """Bars by the logarithm: from ten thousand to five."""
    most = max((one.count for one in counts), default=0)
    return tuple(
        _Bar(
            one.name,
            f"{one.count:,}",
            round(100 * math.log1p(one.count) / math.log1p(most), 1) if most else 0.0,
            one.why,
            first=one is counts[-1],
        )
        for one in counts
    )


def _facts(report: StageReport) -> tuple[Fact, ...]:
    made = report.provenance
    versions = made.get("versions") or {}
    facts = [
        Fact("Photo", f"{report.photo_name}, {report.photo_size[1]} × {report.photo_size[0]} px"),
        Fact("Detector", report.network, code=True),
        Fact("Run", str(made.get("network") or ""), code=True),
        Fact("Truth", str(made.get("truth") or ""), code=True),
        Fact("Least score", score_words(report.score)),
        Fact("Made", str(made.get("made") or "")),
        Fact("Device", str(made.get("device") or "")),
        Fact("Versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
    ]
    return tuple(fact for fact in facts if fact.value)

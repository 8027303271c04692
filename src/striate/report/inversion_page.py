"""The page of a sheet over depth: one HTML file with everything inside, drawn from an `InversionSheet` alone."""

import math
from dataclasses import dataclass

from striate.draw import UNSIGNED, colormap_table
from striate.draw.scalebar import format_tick
from striate.insight.inversion_sheet import LOST_LIMIT, InversionSheet
from striate.insight.reconstruction import Reconstruction, say_share, say_similarity
from striate.report.embed import photo_uri, png_uri
from striate.report.line_plot import Curve, LinePlot, build_line_plot
from striate.report.numbers import format_seconds, format_value
from striate.report.provenance import Fact
from striate.report.templates import render_page

__all__ = ["LayerLine", "build_inversion_page"]

_MEASURES = (
    ("representation_error", "Representation error", "‖Φ(x) − Φ₀‖ / ‖Φ₀‖, in percent: how well the search ended"),
    ("ssim", "Structure kept", "SSIM of the lightness; 1 is the photo"),
    ("color_error", "Color error", "mean distance in OKLab, lightness left out; 0.02 is hardly seen"),
    ("disagreement", "Samples differ by", "root mean square between samples, in percent of the range"),
)


@dataclass(frozen=True)
class SamplePicture:
    """One picture with its numbers."""

    key: str
    picture: str
    seed: int
    error: str
    likeness: str
    ended: str


@dataclass(frozen=True)
class LayerLine:
    """One layer: its words, its samples, its map of what is lost, and how its searches went."""

    number: int
    layer: str
    facts: tuple[tuple[str, str], ...]
    samples: tuple[SamplePicture, ...]
    lost: str
    curves: LinePlot | None
    setting: str
    seconds: str


def build_inversion_page(sheet: InversionSheet) -> str:
    """One self-contained HTML page.

    Args:
        sheet: What was found; a fresh one or `InversionSheet.load(folder)`.

    Returns:
        The text of the file.
    """
    lines = tuple(_line(sheet, number) for number in range(len(sheet.rows)))
    height, width = sheet.photo().shape[:2]
    shown = _first_shown(sheet)
    return render_page(
        "inversion.html.j2",
        styles=("report.css", "inversion.css"),
        scripts=("theme.js", "inversion.js"),
        data={},
        network=sheet.network,
        photo_name=sheet.photo_name,
        photo=photo_uri(sheet.photo()),
        width=width,
        height=height,
        lines=lines,
        shown=lines[shown],
        sentence=_sentence(sheet),
        notes=sheet.notes(),
        depth=tuple(plot for plot in (_depth_plot(sheet, *measure) for measure in _MEASURES) if plot is not None),
        scale=png_uri(colormap_table(UNSIGNED)[None]),
        ticks=tuple(format_tick(value, LOST_LIMIT / 2) for value in (0.0, LOST_LIMIT / 2, LOST_LIMIT)),
        facts=_facts(sheet),
        command=str(sheet.provenance.get("command") or ""),
    )


def _line(sheet: InversionSheet, number: int) -> LayerLine:
    row = sheet.rows[number]
    ended = {"plateau": "gained no more", "steps": "all steps done", "interrupted": "interrupted"}
    samples = tuple(
        SamplePicture(
            key=f"{number}-{sample}",
            picture=photo_uri(picture),
            seed=row.seeds[sample],
            error=say_share(row.errors[sample]),
            likeness=_likeness(row, sample),
            ended=f"{_steps(row, sample)} steps, {ended.get(row.stopped[sample], row.stopped[sample])}",
        )
        for sample, picture in enumerate(row.pictures())
    )
    made = row.parameters
    scales = ", ".join(f"1/{scale}" if scale > 1 else "full size" for scale in made.get("scales", ()))
    return LayerLine(
        number=number,
        layer=row.layer,
        facts=tuple(sheet.facts(number)),
        samples=samples,
        lost=png_uri(sheet.lost_map(number)),
        curves=_curves(row),
        setting=f"λ_V {format_value(float(made.get('tv_weight', 0.0)))}; painted at {scales}" if scales else "",
        seconds=format_seconds(row.seconds),
    )


def _steps(row: Reconstruction, sample: int) -> int:
    return sum(map(math.isfinite, row.curves[sample].tolist()))


def _likeness(row: Reconstruction, sample: int) -> str:
    ssim = row.ssim[sample]
    words = [f"SSIM {say_similarity(ssim)}"] if math.isfinite(ssim) else []
    return ", ".join([*words, f"{row.psnr[sample]:.1f} dB"])


def _first_shown(sheet: InversionSheet) -> int:
    """The layer that is large at first: the deepest in which most of the structure is still there."""
    kept = [number for number, row in enumerate(sheet.rows) if row.numbers()["ssim"] >= 0.5]
    return kept[-1] if kept else 0


def _sentence(sheet: InversionSheet) -> str:
    """The sheet in one sentence: how far down the photo comes back."""
    found = [(row.layer, row.numbers()["ssim"]) for row in sheet.rows]
    kept = [layer for layer, ssim in found if ssim >= 0.9]
    if len(found) < 2 or any(math.isnan(ssim) for _, ssim in found):
        return f"{len(found)} layer{'s' if len(found) > 1 else ''}, painted again from what it answered."
    first = f"Nearly the whole photo comes back down to {kept[-1]}" if kept else "No layer gives the whole photo back"
    (top, start), (bottom, end) = ((layer, say_similarity(ssim)) for layer, ssim in (found[0], found[-1]))
    return f"{first}; of its structure (SSIM), {start} is left at {top} and {end} at {bottom}."


def _depth_plot(sheet: InversionSheet, key: str, title: str, words: str) -> tuple[LinePlot, str] | None:
    values = [row.numbers()[key] for row in sheet.rows]
    factor = 100.0 if key in ("representation_error", "disagreement") else 1.0
    points = [(number + 1, factor * value) for number, value in enumerate(values) if math.isfinite(value)]
    if len(points) < 2:
        return None
    curve = Curve("", 0, [x for x, _ in points], [0.0 if y < 0 else y for _, y in points])
    plot = build_line_plot(title, "epoch", [curve, Curve("", 4, [1, len(values)], [0.0, 0.0], solid=False)])
    return None if plot is None else (plot, words)


def _curves(row: Reconstruction) -> LinePlot | None:
    """log₁₀ of the objective against the step, a line a sample."""
    curves = []
    for number, values in enumerate(row.curves.tolist()):
        kept = [(step, math.log10(value)) for step, value in enumerate(values) if math.isfinite(value) and value > 0]
        curves.append(Curve(f"seed {row.seeds[number]}", number, [x for x, _ in kept], [y for _, y in kept]))
    return build_line_plot("log₁₀ of the objective", "step", curves)


def _facts(sheet: InversionSheet) -> tuple[Fact, ...]:
    made = sheet.provenance
    settings = sheet.rows[0].parameters
    facts = [
        Fact("Photo", f"{sheet.photo_name}, painted at {sheet.photo().shape[1]} × {sheet.photo().shape[0]} px"),
        Fact("Network", sheet.network),
        Fact("Weights", str(made.get("weights") or ""), code=True),
        Fact("License", str(made.get("license") or "")),
        Fact("Prior", str(settings.get("prior", "")), code=True),
        Fact("Optimizer", str(settings.get("optimizer", "")), code=True),
        Fact("Steps at most", str(settings.get("steps", ""))),
        Fact("Seeds", ", ".join(str(seed) for seed in max((row.seeds for row in sheet.rows), key=len))),
        Fact("Time", format_seconds(sheet.seconds)),
        Fact("Made", str(made.get("made") or "")),
        Fact("Device", f"{made['device']}, {made.get('threads', '')} threads" if made.get("device") else ""),
        Fact("Versions", ", ".join(f"{name} {value}" for name, value in (made.get("versions") or {}).items())),
    ]
    return tuple(fact for fact in facts if fact.value)

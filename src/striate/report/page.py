"""The page: one HTML file with everything inside, drawn from an `Explanation` and nothing else."""

from striate.draw import SIGNED, UNSIGNED, colormap_table
from striate.draw.overlay import LIGHTNESS, SHARE
from striate.insight import Explanation
from striate.report.answer import build_answer
from striate.report.embed import block_of, jpeg_uri, smaller
from striate.report.evidence import MOST_PIXELS, build_evidence
from striate.report.kernel_tiles import build_kernels
from striate.report.layers import build_network
from striate.report.provenance import build_provenance
from striate.report.templates import render_page
from striate.report.units import build_units
from striate.report.view import build_view
from striate.report.ways import build_ways

__all__ = ["build_report"]

SCRIPTS = ("theme.js", "decode.js", "evidence.js", "ways.js", "units.js", "page.js")


def build_report(explanation: Explanation) -> str:
    """One self-contained HTML page.

    Args:
        explanation: What was found; a fresh one or `Explanation.load(folder)`.

    Returns:
        The text of the file.
    """
    evidence, ways, view = build_evidence(explanation), build_ways(explanation), build_view(explanation)
    stages = build_units(explanation)
    data = {
        "view": {
            "height": view.height,
            "width": view.width,
            "block": block_of(view.height, view.width, MOST_PIXELS),
        },
        "evidence": None if evidence is None else evidence.data,
        "ways": None if ways is None else ways.data,
        "stages": [stage.data for stage in stages],
        "colormaps": {name: colormap_table(name).ravel().tolist() for name in (UNSIGNED, SIGNED)},
        "overlay": {"lightness": list(LIGHTNESS), "share": SHARE},
    }
    return render_page(
        "report.html.j2",
        styles=("report.css",),
        scripts=SCRIPTS,
        data=data,
        network=explanation.network,
        answer=build_answer(explanation),
        evidence=evidence,
        ways=ways,
        view=view,
        kernels=build_kernels(explanation),
        stages=stages,
        layers=build_network(explanation),
        provenance=build_provenance(explanation),
        thumbnail=jpeg_uri(smaller(explanation.seen, 264)),
    )

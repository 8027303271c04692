"""The page of a trace: one steps and scrubs through every place of every layer.

The page draws numbers that Python gave; the only arithmetic in the browser is the product of a number under the window
with the weight beside it.
"""

from markupsafe import Markup

from striate import __version__
from striate.arithmetic import NetworkTrace
from striate.report.templates import embed_json, environment, web

__all__ = ["build_trace_page"]

SCRIPTS = ("theme.js", "trace_grid.js", "trace_view.js", "trace.js")


def build_trace_page(trace: NetworkTrace, *, title: str = "Step by step") -> str:
    """One self-contained HTML page.

    Args:
        trace: What happened, from `trace_network`.
        title: The heading; any text.

    Returns:
        The text of the file.
    """
    return (
        environment()
        .get_template("trace.html.j2")
        .render(
            version=__version__,
            title=title,
            style=Markup(web("report.css") + "\n" + web("trace.css")),  # noqa: S704 - the package's own files
            script=Markup("\n".join(web(name) for name in SCRIPTS)),  # noqa: S704 - the package's own files
            data=embed_json(trace.to_dict()),
        )
    )

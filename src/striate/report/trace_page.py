"""The page of a trace: one steps and scrubs through every place of every layer.

The page draws numbers that Python gave; the only arithmetic in the browser is the product of a number under the window
with the weight beside it.
"""

from striate.arithmetic import NetworkTrace
from striate.errors import ConfigError
from striate.report.templates import render_page

__all__ = ["build_trace_page"]

SCRIPTS = ("theme.js", "trace_grid.js", "trace_view.js", "trace.js")


def build_trace_page(trace: NetworkTrace, *, title: str = "Step by step") -> str:
    """One self-contained HTML page.

    Args:
        trace: What happened, from `trace_network`.
        title: The heading; any text.

    Returns:
        The text of the file.

    Raises:
        ConfigError: No layers.
    """
    if not trace.layers:
        raise ConfigError("trace must hold at least one layer to step through, got none.")
    return render_page(
        "trace.html.j2", styles=("report.css", "trace.css"), scripts=SCRIPTS, data=trace.to_dict(), title=title
    )

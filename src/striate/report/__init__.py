"""Single-file HTML pages, drawn from saved result objects."""

from striate.report.page import build_report
from striate.report.trace_page import build_trace_page

__all__ = ["build_report", "build_trace_page"]

"""Single-file HTML pages, drawn from saved result objects."""

from striate.report.page import build_report

__all__ = ["build_report"]

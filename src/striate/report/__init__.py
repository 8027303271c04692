"""Single-file HTML pages, drawn from saved result objects."""

from striate.report.activation_sheet import build_activation_sheet
from striate.report.comparison_page import build_comparison_page
from striate.report.detection_page import build_detection_page
from striate.report.detectors_page import build_detectors_page
from striate.report.evaluation_page import build_evaluation_page
from striate.report.page import build_report
from striate.report.study_page import build_study_page
from striate.report.trace_page import build_trace_page
from striate.report.unit_page import build_unit_page

__all__ = [
    "build_activation_sheet",
    "build_comparison_page",
    "build_detection_page",
    "build_detectors_page",
    "build_evaluation_page",
    "build_report",
    "build_study_page",
    "build_trace_page",
    "build_unit_page",
]

"""Look at what happens inside any module: addresses, captured activations, the layer table.

Imported eagerly: `capture` and `summary` are functions that have the names of files here, and a lazy name would lose
against the file as soon as that is imported.
"""

from striate.probe.address import UnitAddress
from striate.probe.capture import capture, require_layer, visit_layers
from striate.probe.network_comparison import ConvolutionRow, ConvolutionTotal, NetworkComparison, compare_layers
from striate.probe.running import evaluating, is_compiled
from striate.probe.summary import LayerRow, Stage, Summary
from striate.probe.watch import summary

__all__ = [
    "ConvolutionRow",
    "ConvolutionTotal",
    "LayerRow",
    "NetworkComparison",
    "Stage",
    "Summary",
    "UnitAddress",
    "capture",
    "compare_layers",
    "evaluating",
    "is_compiled",
    "require_layer",
    "summary",
    "visit_layers",
]

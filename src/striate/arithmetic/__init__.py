"""Exact whole-number facts about networks: no tensors, no torch."""

from striate.arithmetic.receptive_field import (
    Field,
    merge_fields,
    read_field,
    span_field,
    upsample_field,
    window_field,
)

__all__ = ["Field", "merge_fields", "read_field", "span_field", "upsample_field", "window_field"]

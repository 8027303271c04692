"""Tests of the report; `samples` makes explanations of small real networks."""

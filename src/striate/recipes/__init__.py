"""Whole pipelines: a frozen config and `run(config)`, which yields events while it works.

The command line draws the events as a progress bar, the studio streams the same ones.
"""

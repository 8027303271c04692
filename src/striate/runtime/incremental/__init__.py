"""Exact incremental inference: recompute only what a patch can have changed."""

from striate.runtime.incremental.sweep import IncrementalNetwork, Places, follow

__all__ = ["IncrementalNetwork", "Places", "follow"]

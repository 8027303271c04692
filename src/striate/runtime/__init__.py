"""Running networks fast: copies of a module for inference that answer the same, and how to feed them."""

from striate.runtime.batching import best_batch_size
from striate.runtime.folding import fold
from striate.runtime.incremental import IncrementalNetwork, Places, follow
from striate.runtime.memory import reuse_freed_memory
from striate.runtime.patched import patched_answers, visible_places

__all__ = [
    "IncrementalNetwork",
    "Places",
    "best_batch_size",
    "fold",
    "follow",
    "patched_answers",
    "reuse_freed_memory",
    "visible_places",
]

"""Running networks fast: copies of a module for inference that answer the same, and how to feed them."""

from striate.runtime.batching import best_batch_size
from striate.runtime.folding import fold
from striate.runtime.memory import reuse_freed_memory

__all__ = ["best_batch_size", "fold", "reuse_freed_memory"]

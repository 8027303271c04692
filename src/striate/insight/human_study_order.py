"""In which order one person sees the pictures: at random, another order for everybody, the same one every time.

The order is drawn from the study's seed and the participant's name alone. Conditions and classes are mixed, so that
nothing about a picture can be guessed from its place.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

__all__ = ["draw_key", "trial_order"]


def draw_key(*words: object) -> int:
    """A seed of 64 bits that only these words decide."""
    text = "\0".join(map(str, words)).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def trial_order(pictures: Sequence[str], participant: str, *, seed: int) -> list[str]:
    """The pictures in this participant's order.

    Args:
        pictures: Their ids, in any order: it does not matter.
        participant: The name; another one gives another order.
        seed: The study's.

    >>> trial_order(["a", "b", "c"], "p1", seed=0) == trial_order(["c", "b", "a"], "p1", seed=0)
    True
    """
    known = sorted(pictures)
    order = np.random.default_rng(draw_key(seed, "order", participant)).permutation(len(known))
    return [known[i] for i in order.tolist()]

"""Draw the animations of the lessons "step by step" and "pooling".

Run: `python docs/images/lessons/render_steps.py` (rewrites the files beside this one).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from striate.arithmetic import trace_convolution, trace_pooling
from striate.draw import encode_gif, trace_frames

FOLDER = Path(__file__).parent


def convolution() -> bytes:
    pixels = np.random.default_rng(3).integers(0, 10, (5, 5))
    trace = trace_convolution(pixels, [[1, 0, -1], [1, 0, -1], [1, 0, -1]], padding=1)
    return encode_gif(trace_frames(trace), duration_ms=600)


def pooling() -> bytes:
    pixels = np.random.default_rng(4).integers(0, 10, (6, 6))
    return encode_gif(trace_frames(trace_pooling(pixels, 2)), duration_ms=800)


PICTURES: dict[str, Callable[[], bytes]] = {"convolution.gif": convolution, "pooling.gif": pooling}


def main() -> None:
    for name, draw in PICTURES.items():
        (FOLDER / name).write_bytes(draw())
        print(name, (FOLDER / name).stat().st_size)


if __name__ == "__main__":
    main()

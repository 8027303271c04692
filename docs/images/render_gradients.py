"""Draw `gradients.jpg`: gradients of two classes with respect to one photo, plain and guided.

Run: `python docs/images/render_gradients.py docs/images/still-life.jpg docs/images/gradients.jpg`
"""

import sys
from pathlib import Path

import numpy as np

import striate
from striate import draw
from striate.data import read_image
from striate.insight import guided_backprop, input_gradient

CLASSES = ["coffee mug", "lemon"]


def main(photo: str, out: str) -> None:
    network = striate.load("efficientnet_lite0")
    seen = np.asarray(network.preprocessing.view(read_image(photo)).pixels)
    plain, guided = (method(network, photo, target=CLASSES) for method in (input_gradient, guided_backprop))
    rows = [[seen, a, b] for a, b in zip(plain.draw(percentile=99.5), guided.draw(percentile=99.5), strict=True)]
    sheet = draw.grid([picture for row in rows for picture in row], columns=3, gap=8)
    Path(out).write_bytes(draw.encode_jpeg(sheet, quality=88))


if __name__ == "__main__":
    main(*sys.argv[1:])

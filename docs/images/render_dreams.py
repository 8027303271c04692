"""Renders the pictures of the guide's page about DeepDream, all from our own still life.

python docs/images/render_dreams.py
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import striate
from striate.draw import encode_jpeg, grid
from striate.dreams import Dreamer, deep_dream
from striate.dreams.dream_photo import photo_tensor
from striate.dreams.film import closer, frame_pixels, frame_tensor

HERE = Path(__file__).parent
PHOTO = HERE / "still-life.jpg"
RICH = {"size": 640, "octaves": 6, "steps": 20}


def chelsea() -> NDArray[np.uint8]:
    """The cat of scikit-image (CC0)."""
    from skimage import data

    return np.asarray(data.chelsea())


def flower() -> NDArray[np.uint8]:
    """The flower of scikit-learn (CC BY 2.0, flickr.com/photos/vultilion)."""
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image("flower.jpg"))


def smaller(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    height = round(pixels.shape[0] * width / pixels.shape[1])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def film(network: striate.Network, *, frames: int, kept: tuple[int, ...]) -> list[NDArray[np.uint8]]:
    dreamer = Dreamer(network, octaves=3, steps=4)
    picture = start = photo_tensor(dreamer.whole, PHOTO, size=384)
    shown = []
    for number in range(frames):
        painting = dreamer.paint(picture, frame=number)
        for _ in painting.run():
            pass
        pixels = frame_pixels(painting.picture())
        shown += [pixels] if number + 1 in kept else []
        picture = closer(frame_tensor(pixels, like=start), zoom=1.04, turn=1)
    return shown


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    network, small = striate.load("efficientnet_lite0"), striate.load("squeezenet1_1")
    first = deep_dream(network, PHOTO, **RICH).pixels
    (HERE / "dream.jpg").write_bytes(encode_jpeg(smaller(first, 640), quality=86))
    pictures = [
        deep_dream(network, PHOTO, size=640, target="blocks.2").pixels,
        deep_dream(network, PHOTO, target="blocks.5", **RICH).pixels,
        deep_dream(network, PHOTO, guide=chelsea(), **RICH).pixels,
        deep_dream(small, PHOTO, guide=flower(), size=640).pixels,
    ]
    (HERE / "dreams.jpg").write_bytes(encode_jpeg(grid([smaller(p, 480) for p in pictures], columns=2, gap=6)))
    frames = film(network, frames=30, kept=(1, 6, 12, 18, 24, 30))
    (HERE / "dream-film.jpg").write_bytes(encode_jpeg(grid([smaller(p, 320) for p in frames], columns=3, gap=6)))


if __name__ == "__main__":
    with torch.inference_mode(False):
        main()

"""The 1/f model of photos that phase pictures start from: fitted to the photos inside scikit-image and scikit-learn.

    python benchmarks/photo_spectrum.py

Prints one pair (amplitude, slope) for each uncorrelated color, as `striate.dreams.spectrum.PHOTO_SPECTRUM` has them.
"""

import numpy as np
import torch
from sklearn.datasets import load_sample_images

import striate.dreams as dreams
from striate.dreams.spectrum import frequencies

SIDE = 256
SCIKIT_IMAGE = ("astronaut", "chelsea", "coffee", "rocket")


def photos() -> torch.Tensor:
    """Squares out of the middle and the ends of every photo, `n 3 SIDE SIDE`, windowed against the border's cross."""
    from skimage import data

    pixels = [getattr(data, name)() for name in SCIKIT_IMAGE] + load_sample_images().images
    squares = []
    for photo in pixels:
        x = torch.from_numpy(np.array(photo[..., :3])).permute(2, 0, 1).double()[None] / 255
        side = min(x.shape[2:])
        for top, left in {(0, 0), (x.shape[2] - side, x.shape[3] - side)}:
            square = x[:, :, top : top + side, left : left + side]
            square = torch.nn.functional.interpolate(square, (SIDE, SIDE), mode="bilinear", antialias=True)
            squares += [square, square.flip(2)]
    x = torch.cat(squares)
    mean = x.mean((2, 3), keepdim=True)
    hann = torch.hann_window(SIDE, dtype=torch.float64)
    window = hann[:, None] * hann
    return (x - mean) * window / window.square().mean().sqrt() + mean


def main() -> None:
    spectrum = dreams.magnitude_spectrum(photos(), (SIDE, SIDE)) / SIDE  # by the root of the number of pixels
    f = frequencies(SIDE, SIDE)
    band = (f > 4 / SIDE) & (f < 0.35)
    for plane in spectrum:
        slope, level = np.polyfit(np.log(f[band].numpy()), np.log(plane[band].numpy()), 1)
        print(f"amplitude {np.exp(level):.4f}  slope {-slope:.2f}")


if __name__ == "__main__":
    main()

"""How much of each spatial frequency there is in a picture.

In photos the size of a Fourier coefficient falls about as 1/f. Coefficients that are divided by f before an optimizer
sees them all have the same say, and a step changes large shapes as readily as fine grain.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.dreams.color import color_matrix, decorrelate_colors
from striate.errors import ShapeError

__all__ = ["PHOTO_SPECTRUM", "frequencies", "magnitude_spectrum", "photo_spectrum"]

# |rfft2| of photos with values in [0, 1], in uncorrelated colors, divided by the square root of the number of
# pixels: amplitude · f^-slope, f in cycles a pixel; one pair for each uncorrelated color. Fitted by
# `benchmarks/photo_spectrum.py` to the photos that scikit-image and scikit-learn carry.
PHOTO_SPECTRUM = ((0.0091, 1.53), (0.0089, 1.61), (0.0149, 1.29))


def frequencies(height: int, width: int) -> Float[Tensor, "height half"]:
    """|f| in cycles a pixel of every coefficient of `rfft2`, float64.

    >>> frequencies(2, 4)
    tensor([[0.0000, 0.2500, 0.5000],
            [0.5000, 0.5590, 0.7071]], dtype=torch.float64)
    """
    y = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    x = torch.fft.rfftfreq(width, dtype=torch.float64)[None]
    squares: Tensor = x.square() + y.square()
    return squares.sqrt()


def photo_spectrum(height: int, width: int) -> Float[Tensor, "3 height half"]:
    """The mean magnitude of photos' Fourier coefficients at any size, from a 1/f model, in uncorrelated colors.

    Returns:
        float64; the constant coefficient gets the value of the lowest frequency.

    Source: Field 1987, "Relations between the statistics of natural images and the response properties of cortical
        cells" (the 1/f law).
    """
    f = frequencies(height, width).clamp(min=1 / max(height, width))
    pixels = (height * width) ** 0.5
    return torch.stack([amplitude * f**-slope * pixels for amplitude, slope in PHOTO_SPECTRUM])


def magnitude_spectrum(
    images: Float[Tensor, "n 3 h w"], size: tuple[int, int], *, colors: Float[Tensor, "3 3"] | None = None
) -> Float[Tensor, "3 height half"]:
    """The mean magnitude of the Fourier coefficients of your own pictures, in uncorrelated colors.

    Args:
        images: RGB in [0, 1].
        size: `(height, width)` that they are resized to first.
        colors: The matrix of `color_matrix`; that of photos by default.

    Returns:
        float64.

    Raises:
        ShapeError: `images` are not `n 3 h w`.

    Source:
        Fel et al. 2023, "Unlocking feature visualization for deeper networks with magnitude constrained optimization"
        (MaCo), arXiv:2306.06805, section 3.
    """
    if images.dim() != 4 or images.shape[1] != 3 or not images.numel():
        raise ShapeError(f"images must be RGB, 'n 3 h w'; got {tuple(images.shape)}.")
    resized = F.interpolate(images.detach().double(), size, mode="bilinear", align_corners=False, antialias=True)
    z = decorrelate_colors(resized, color_matrix() if colors is None else colors)
    spectra: Tensor = torch.fft.rfft2(z)
    return spectra.abs().mean(0)

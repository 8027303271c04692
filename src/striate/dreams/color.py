"""Colors without correlation: three numbers of a pixel that vary independently in photos.

Red, green and blue of a photo rise and fall together, so that a step along one of them is a rare color, and gradient
ascent paints neon. With S, a square root of the covariance of photos' colors, rgb = S·z makes z uncorrelated: the
first number is lightness, the others blue against yellow and green against magenta.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ShapeError

__all__ = ["PHOTO_COLORS", "color_matrix", "correlate_colors", "decorrelate_colors"]

# The square root of the color covariance of ImageNet's photos, as lucid gives it (`lucid/optvis/param/color.py`).
PHOTO_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def color_matrix(images: Float[Tensor, "n 3 h w"] | None = None) -> Float[Tensor, "3 3"]:
    """S of rgb = S·z, divided by the norm of its longest column, so that the lightness has about the size of rgb.

    Args:
        images: Pictures to take the covariance from, RGB; ImageNet's photos by default.

    Returns:
        float64 `3 3`.

    Raises:
        ShapeError: `images` are not `n 3 h w` with two pixels at least.

    Source:
        Olah, Mordvintsev, Schubert 2017, "Feature visualization", Distill; lucid's `color_correlation_normalized`.

    >>> round(color_matrix().square().sum(0).amax().sqrt().item(), 6)
    1.0
    """
    if images is None:
        root = torch.tensor(PHOTO_COLORS, dtype=torch.float64)
    else:
        if images.dim() != 4 or images.shape[1] != 3 or images.numel() < 6:
            raise ShapeError(f"images must be RGB, 'n 3 h w', of two pixels or more; got {tuple(images.shape)}.")
        pixels = images.detach().double().movedim(1, 0).flatten(1)  # 3 pixels
        vectors, values, _ = torch.linalg.svd(torch.cov(pixels))
        root = vectors * (values + 1e-10).sqrt()  # columns: principal directions of color
        root = root * torch.where(root.sum(0) < 0, -1.0, 1.0)  # the first is lightness, not darkness
    return root / root.square().sum(0).amax().sqrt()


def correlate_colors(z: Float[Tensor, "n 3 h w"], matrix: Float[Tensor, "3 3"]) -> Float[Tensor, "n 3 h w"]:
    """From uncorrelated to real colors: rgb = S·z at every pixel."""
    return torch.einsum("ij,njhw->nihw", matrix.to(z), z)


def decorrelate_colors(rgb: Float[Tensor, "n 3 h w"], matrix: Float[Tensor, "3 3"]) -> Float[Tensor, "n 3 h w"]:
    """From real to uncorrelated colors: z = S⁻¹·rgb at every pixel."""
    return torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix.double()).to(rgb), rgb)

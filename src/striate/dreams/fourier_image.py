"""A picture written down as Fourier coefficients, scaled as in photos, in colors without correlation.

    z = irfft2(coefficients · scale) / 4,   scale(f) = √(h·w) / max(f, 1 / max(h, w))^decay
    image = sigmoid(S · z)

The picture is the same as with pixels; the path of gradient ascent through pictures is not: in these coordinates all
frequencies and colors take equal steps, and the noise that pixels collect (a checkerboard of convolution strides) has
no head start.

Source: Olah, Mordvintsev, Schubert 2017, "Feature visualization", Distill, section "Preconditioning and
parameterization"; lucid's `param/spatial.py` and `param/color.py`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.dreams.color import color_matrix, correlate_colors, decorrelate_colors
from striate.dreams.parametrization import Parametrization, check_count, check_picture, check_size, new_leaf, ordinary
from striate.dreams.spectrum import frequencies

__all__ = ["FourierImage"]

_BRIGHTEST = 1 - 1e-3  # of a start picture: white itself would need an infinite coefficient


class FourierImage(Parametrization):
    """Scaled Fourier coefficients are the parameters.

    Args:
        coefficients: `n c height width//2+1 2`, real and imaginary parts, copied.
        width: Width of the picture in pixels; the coefficients do not tell even from odd.
        decay: Power of the frequency by which coefficients are scaled down; 1 as in photos.
        colors: S of `color_matrix` for pictures of three channels; others have no colors to decorrelate.

    >>> picture = FourierImage.noise(1, (32, 48), generator=torch.Generator().manual_seed(0))
    >>> picture.image().shape
    torch.Size([1, 3, 32, 48])
    """

    def __init__(
        self,
        coefficients: Float[Tensor, "n c h half 2"],
        *,
        width: int,
        decay: float = 1.0,
        colors: Float[Tensor, "3 3"] | None = None,
    ) -> None:
        self.coefficients = new_leaf(coefficients)
        self.width, self.decay = width, decay
        self.colors = ordinary(color_matrix() if colors is None else colors)
        self._scale = ordinary(_scale(coefficients.shape[2], width, decay).to(coefficients))  # it never changes

    @classmethod
    def noise(
        cls,
        count: int,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        channels: int = 3,
        spread: float = 0.01,
        decay: float = 1.0,
        colors: Float[Tensor, "3 3"] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "FourierImage":
        """Coefficients of standard deviation `spread`: a nearly even gray. Drawn on the CPU, for all devices alike."""
        check_count(count)
        check_size(*size)
        shape = (count, channels, size[0], size[1] // 2 + 1, 2)
        drawn = spread * torch.randn(shape, generator=generator, dtype=torch.float64)
        return cls(drawn.to(dtype=dtype, device=device), width=size[1], decay=decay, colors=colors)

    @classmethod
    def from_image(
        cls, picture: Float[Tensor, "n c h w"], *, decay: float = 1.0, colors: Float[Tensor, "3 3"] | None = None
    ) -> "FourierImage":
        """The coefficients that give a picture in [0, 1]; black and white themselves are out of a sigmoid's reach."""
        values = check_picture(picture).detach().clamp(1 - _BRIGHTEST, _BRIGHTEST).logit()
        matrix = color_matrix() if colors is None else colors
        if values.shape[1] == 3:
            values = decorrelate_colors(values, matrix)
        return cls._from_plane(values, decay=decay, colors=matrix)

    @classmethod
    def _from_plane(cls, plane: Tensor, *, decay: float, colors: Tensor) -> "FourierImage":
        height, width = plane.shape[2:]
        spectrum = torch.fft.rfft2(4 * plane) / _scale(height, width, decay).to(plane)
        return cls(torch.view_as_real(spectrum), width=width, decay=decay, colors=colors)

    def parameters(self) -> list[Tensor]:
        """The scaled coefficients."""
        return [self.coefficients]

    def image(self) -> Float[Tensor, "n c h w"]:
        """Pictures in (0, 1)."""
        plane = self._plane()
        return (correlate_colors(plane, self.colors) if plane.shape[1] == 3 else plane).sigmoid()

    def resize(self, height: int, width: int) -> "FourierImage":
        """Resampled before the sigmoid, with bicubic interpolation."""
        check_size(height, width)
        plane = self._plane().detach()
        resized = F.interpolate(plane, (height, width), mode="bicubic", align_corners=False, antialias=True)
        return self._from_plane(resized, decay=self.decay, colors=self.colors)

    def _plane(self) -> Tensor:
        spectrum = torch.view_as_complex(self.coefficients) * self._scale
        plane: Tensor = torch.fft.irfft2(spectrum, s=(self.coefficients.shape[2], self.width))
        return plane / 4


def _scale(height: int, width: int, decay: float) -> Tensor:
    lowest = 1 / max(height, width)
    return float((height * width) ** 0.5) / frequencies(height, width).clamp(min=lowest) ** decay

"""A picture of which only the phases of the Fourier coefficients may change: MaCo.

How much there is of each frequency is fixed to the mean of photos, so that no step can pile up fine noise; where edges
and shapes are is in the phases (Oppenheim, Lim 1981), and those are what the optimizer moves.

    φ' = (φ − mean φ) / std φ,   z = irfft2(magnitude · exp(iφ')),   z' = (z − mean z) / std z
    image = sigmoid(S · z')

Source: Fel et al. 2023, "Unlocking feature visualization for deeper networks with magnitude constrained optimization",
arXiv:2306.06805, section 3; their code in xplique, `features_visualizations/preconditioning.py`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.dreams.color import color_matrix, correlate_colors, decorrelate_colors
from striate.dreams.parametrization import Parametrization, check_count, check_picture, check_size, new_leaf, ordinary
from striate.dreams.spectrum import photo_spectrum
from striate.errors import ShapeError

__all__ = ["PhaseImage"]

_EPSILON = 1e-5  # xplique's: keeps a constant from dividing by zero


class PhaseImage(Parametrization):
    """Phases are the parameters, magnitudes are fixed.

    Args:
        phases: `n c height width//2+1`, radians, copied.
        width: Width of the picture in pixels.
        magnitudes: `c height width//2+1` (`magnitude_spectrum` of your pictures); `photo_spectrum` by default.
        colors: S of `color_matrix` for pictures of three channels.

    Raises:
        ShapeError: `magnitudes` do not have the shape of one picture's phases.
    """

    def __init__(
        self,
        phases: Float[Tensor, "n c h half"],
        *,
        width: int,
        magnitudes: Float[Tensor, "c h half"] | None = None,
        colors: Float[Tensor, "3 3"] | None = None,
    ) -> None:
        channels, height = phases.shape[1:3]
        if magnitudes is None:
            photos = photo_spectrum(height, width)
            magnitudes = photos if channels == 3 else photos[:1].expand(channels, -1, -1)  # gray has lightness only
        if magnitudes.shape != phases.shape[1:]:
            raise ShapeError(
                f"magnitudes must be {tuple(phases.shape[1:])}, one for each phase of a picture; got "
                f"{tuple(magnitudes.shape)}. `magnitude_spectrum(images, (height, width))` gives them."
            )
        self.phases = new_leaf(phases)
        self.width = width
        self.magnitudes = ordinary(magnitudes.to(phases))
        self.colors = ordinary(color_matrix() if colors is None else colors)

    @classmethod
    def noise(
        cls,
        count: int,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        channels: int = 3,
        magnitudes: Float[Tensor, "c h half"] | None = None,
        colors: Float[Tensor, "3 3"] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "PhaseImage":
        """Normal phases of standard deviation 1 radian; drawn on the CPU, for all devices alike."""
        check_count(count)
        check_size(*size)
        drawn = torch.randn(count, channels, size[0], size[1] // 2 + 1, generator=generator, dtype=torch.float64)
        return cls(drawn.to(dtype=dtype, device=device), width=size[1], magnitudes=magnitudes, colors=colors)

    @classmethod
    def from_image(
        cls,
        picture: Float[Tensor, "n c h w"],
        *,
        magnitudes: Float[Tensor, "c h half"] | None = None,
        colors: Float[Tensor, "3 3"] | None = None,
    ) -> "PhaseImage":
        """The phases of a picture in [0, 1]; its magnitudes are replaced, so that it looks a little different."""
        plane = check_picture(picture).detach().clamp(1e-3, 1 - 1e-3).logit()
        matrix = color_matrix() if colors is None else colors
        plane = decorrelate_colors(plane, matrix) if plane.shape[1] == 3 else plane
        return cls(torch.fft.rfft2(plane).angle(), width=plane.shape[3], magnitudes=magnitudes, colors=matrix)

    def parameters(self) -> list[Tensor]:
        """The phases."""
        return [self.phases]

    def image(self) -> Float[Tensor, "n c h w"]:
        """Pictures in (0, 1)."""
        phases = _standardized(self.phases)
        spectrum = torch.polar(self.magnitudes.expand_as(phases), phases)
        plane = _standardized(torch.fft.irfft2(spectrum, s=(phases.shape[2], self.width)))
        return (correlate_colors(plane, self.colors) if plane.shape[1] == 3 else plane).sigmoid()

    def resize(self, height: int, width: int) -> "PhaseImage":
        """The phases of the resampled picture; the magnitudes at the same frequencies in cycles a pixel."""
        check_size(height, width)
        picture = self.image().detach()
        resized = F.interpolate(picture, (height, width), mode="bicubic", align_corners=False, antialias=True)
        # Rows of a spectrum wrap around: zero in the middle makes neighbors of frequencies that are neighbors.
        plane = torch.fft.fftshift(self.magnitudes, dim=1)[None]
        plane = F.interpolate(plane, (height, width // 2 + 1), mode="bilinear", align_corners=False)[0]
        magnitudes = torch.fft.ifftshift(plane, dim=1)
        return PhaseImage.from_image(resized.clamp(0, 1), magnitudes=magnitudes, colors=self.colors)


def _standardized(x: Tensor) -> Tensor:
    """Mean 0 and deviation 1 within each picture."""
    axes = (1, 2, 3)
    return (x - x.mean(axes, keepdim=True)) / (x.std(axes, correction=0, keepdim=True) + _EPSILON)

"""A picture written down as its pixels: the plainest parametrization, and the notes' own."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.dreams.parametrization import Parametrization, check_count, check_picture, check_size, new_leaf
from striate.errors import ConfigError

__all__ = ["PixelImage"]


class PixelImage(Parametrization):
    """Pixels are the parameters.

    Args:
        pixels: Start, `n c h w`, copied.
        limits: Every step ends with a clamp to these values; None leaves the pixels free.

    Raises:
        ShapeError: `pixels` are not floating point `n c h w`.
        ConfigError: They are not finite, or `limits` are not two rising numbers.

    >>> PixelImage(torch.full((1, 3, 4, 4), 0.5)).resize(8, 8).image().shape
    torch.Size([1, 3, 8, 8])
    """

    def __init__(self, pixels: Float[Tensor, "n c h w"], *, limits: tuple[float, float] | None = (0.0, 1.0)) -> None:
        if limits is not None and not limits[0] < limits[1]:
            raise ConfigError(f"limits must be (low, high) with low < high, or None; got {limits}.")
        self.pixels = new_leaf(check_picture(pixels))
        self.limits = limits
        self.project()

    @classmethod
    def noise(
        cls,
        count: int,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        color: tuple[float, ...] = (0.5, 0.5, 0.5),
        spread: float = 10 / 255,
        limits: tuple[float, float] | None = (0.0, 1.0),
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "PixelImage":
        """Normal noise of standard deviation `spread` around one color; drawn on the CPU, the same on every device."""
        check_count(count)
        check_size(*size)
        noise = torch.randn(count, len(color), *size, generator=generator, dtype=torch.float64)
        pixels = torch.tensor(color, dtype=torch.float64).view(1, -1, 1, 1) + spread * noise
        return cls(pixels.to(dtype=dtype, device=device), limits=limits)

    def parameters(self) -> list[Tensor]:
        """The pixels."""
        return [self.pixels]

    def image(self) -> Float[Tensor, "n c h w"]:
        """The pixels."""
        return self.pixels

    def resize(self, height: int, width: int) -> "PixelImage":
        """Resampled with bicubic interpolation (and antialias, where it becomes smaller)."""
        check_size(height, width)
        pixels = self.pixels.detach()
        resized = F.interpolate(pixels, (height, width), mode="bicubic", align_corners=False, antialias=True)
        return PixelImage(resized, limits=self.limits)

    def project(self) -> None:
        """Clamp to the limits."""
        if self.limits is not None:
            with torch.inference_mode(False), torch.no_grad():
                self.pixels.clamp_(*self.limits)

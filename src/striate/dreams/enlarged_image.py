"""A picture that is written down smaller than it is seen: what is finer than its pixels cannot be painted.

The network sees it enlarged. Painting large shapes first, and letting finer ones in scale by scale, finds the shapes
that a layer asks for; at full resolution from the start, fine noise answers it just as well, and is found sooner.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.dreams.parametrization import Parametrization, check_size

__all__ = ["EnlargedImage"]


class EnlargedImage(Parametrization):
    """Another parametrization, enlarged with bicubic interpolation.

    Args:
        small: What is optimized.
        size: `(h, w)` of the pictures as they are seen.

    >>> import torch
    >>> from striate.dreams import PixelImage
    >>> EnlargedImage(PixelImage(torch.full((1, 3, 4, 4), 0.5)), (9, 8)).image().shape
    torch.Size([1, 3, 9, 8])
    """

    def __init__(self, small: Parametrization, size: tuple[int, int]) -> None:
        check_size(*size)
        self.small, self.size = small, size

    def parameters(self) -> list[Tensor]:
        """Those of the small picture."""
        return self.small.parameters()

    def image(self) -> Float[Tensor, "n c h w"]:
        """The pictures, enlarged; bicubic interpolation may leave [0, 1] by a little."""
        image = self.small.image()
        if tuple(image.shape[2:]) == self.size:
            return image
        return F.interpolate(image, self.size, mode="bicubic", align_corners=False)

    def resize(self, height: int, width: int) -> "EnlargedImage":
        """The same numbers, seen at another size."""
        return EnlargedImage(self.small, (height, width))

    def refine(self, height: int, width: int) -> "EnlargedImage":
        """The same pictures, written down at another size."""
        return EnlargedImage(self.small.resize(height, width), self.size)

    def project(self) -> None:
        """As the small picture does."""
        self.small.project()

"""What every way of writing down a picture has in common.

The optimizer changes `parameters()`; the network sees `image()`. Which numbers stand for a picture decides which
pictures are near to each other, and so what gradient ascent finds: pixels give fine noise, Fourier coefficients scaled
like a photo's give shapes.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError, ShapeError

__all__ = ["Parametrization"]


class Parametrization(ABC):
    """A batch of pictures, and the numbers that an optimizer may change.

    Pictures of one batch are independent: the first axis of every parameter is that of the pictures.
    """

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """The leaves to optimize; each with the pictures along its first axis."""

    @abstractmethod
    def image(self) -> Float[Tensor, "n c h w"]:
        """The pictures that the parameters stand for, differentiable; for photos RGB in [0, 1]."""

    @abstractmethod
    def resize(self, height: int, width: int) -> "Parametrization":
        """The same pictures at another size, in new parameters: one scale of a coarse-to-fine run to the next."""

    def project(self) -> None:
        """Bring parameters that a step has taken out of the valid range back into it; called after each step."""
        return

    @property
    def count(self) -> int:
        """Number of pictures."""
        return len(self.parameters()[0])


def new_leaf(values: Tensor) -> Tensor:
    """A leaf of its own, also under the caller's `inference_mode` and `no_grad`."""
    with torch.inference_mode(False):
        return values.detach().clone().requires_grad_(True)


def ordinary(values: Tensor) -> Tensor:
    """The same numbers as a tensor that gradients may be computed with, wherever it was made."""
    with torch.inference_mode(False):
        return values.detach().clone() if values.is_inference() else values.detach()


def check_size(height: int, width: int) -> None:
    """Refuse pictures that have no pixels."""
    if height < 1 or width < 1:
        raise ShapeError(f"a picture needs at least one pixel a side; got height {height} and width {width}.")


def check_count(count: int) -> None:
    """Refuse an empty batch."""
    if count < 1:
        raise ConfigError(f"count must be at least 1 picture; got {count}.")


def check_picture(picture: Tensor, *, channels: int | None = None) -> Tensor:
    """A start picture as it must be: floating `n c h w`, finite.

    Raises:
        ShapeError: Not such a tensor, or not of `channels` channels.
        ConfigError: NaN or infinity in it.
    """
    if picture.dim() != 4 or not picture.is_floating_point() or not picture.numel():
        raise ShapeError(
            f"a start picture must be a floating point tensor 'n c h w' of at least one pixel; got {picture.dtype} "
            f"{tuple(picture.shape)}."
        )
    if channels is not None and picture.shape[1] != channels:
        raise ShapeError(f"a start picture must have {channels} channels here; got {picture.shape[1]}.")
    if not bool(picture.isfinite().all()):
        raise ConfigError("a start picture must be finite; it holds NaN or infinity.")
    return picture

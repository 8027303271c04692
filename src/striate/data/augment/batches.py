"""What the augmentations of whole batches share: their interface, and how numbers of NumPy meet tensors."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment.draws import Draws
from striate.errors import ConfigError, ShapeError

__all__ = ["BatchTransform", "MixingTransform", "as_tensor", "check_batch", "check_range", "each", "one_channel"]


@runtime_checkable
class BatchTransform(Protocol):
    """Changes pictures: RGB in [0, 1], `n c h w`, on any device, each by its own row of `draws`."""

    def __call__(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """New pictures; the ones given stay as they are."""
        ...

    def describe(self) -> str:
        """One phrase, for people."""
        ...


@runtime_checkable
class MixingTransform(Protocol):
    """Blends pictures with each other, and their targets (probabilities, `n k`) likewise."""

    def __call__(
        self, images: Float[Tensor, "n c h w"], targets: Float[Tensor, "n k"], draws: Draws
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n k"]]:
        """New pictures and targets."""
        ...

    def describe(self) -> str:
        """One phrase, for people."""
        ...


def check_batch(images: Tensor, draws: Draws) -> None:
    """Refuse what is no batch of pictures, or not the one that `draws` is for.

    Raises:
        ShapeError: If `images` is not floating point `n c h w`, or `n` is not the number of rows of `draws`.
    """
    if images.ndim != 4 or not images.is_floating_point() or len(images) != len(draws):
        kind = str(images.dtype).removeprefix("torch.")
        shape = " ".join(map(str, images.shape))
        raise ShapeError(
            f"images must be floating point n c h w with n = {len(draws)} as in draws, got {kind} {shape}."
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside of [low, high], and what is not a number.

    Raises:
        ConfigError: If it is.
    """
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low:g} to {high:g}, got {value}.")


def as_tensor(numbers: NDArray[np.float64] | NDArray[np.float32], like: Tensor) -> Tensor:
    """Numbers as a tensor of the type and on the device of `like`."""
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)


def each(numbers: NDArray[np.float64], like: Tensor) -> Tensor:
    """One number a picture, `n 1` or `n`, as `n 1 1 1`."""
    return as_tensor(numbers.reshape(-1, 1, 1, 1), like)


def one_channel(images: Tensor) -> Tensor:
    """The first channel alone, `n 1 h w`, where all channels are one and the same memory; else `images`."""
    return images[:, :1] if images.shape[1] > 1 and images.stride(1) == 0 else images

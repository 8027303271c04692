"""Somebody else's augmentation as one of ours: kornia's pipelines, torchvision's v2, or a function of yours.

Such code draws from the global generators of torch, NumPy and Python. Here they are set to a seed out of the picture's
own random numbers before the call and put back after it, so that runs repeat and nobody else's numbers change.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from striate.data.augment.batches import check_batch
from striate.data.augment.draws import Draws
from striate.errors import ShapeError

__all__ = ["UserTransform"]


@dataclass(frozen=True)
class UserTransform:
    """A callable on tensors as a step of the augmentation.

    Attributes:
        function: From RGB in [0, 1] `n 3 h w` to the same shape, such as
            `kornia.augmentation.AugmentationSequential(…)`.
        per_picture: Call it with one picture at a time (`1 3 h w`), each with its own seed: then a picture does not
            depend on which others are in its batch, as with all our own steps.

    >>> half = UserTransform(lambda images: images / 2)
    >>> half(torch.ones(1, 3, 2, 2), Draws(0, 0, [0])).max().item()
    0.5
    """

    function: Callable[[Tensor], object]
    per_picture: bool = False

    def __call__(self, images: Float[Tensor, "n c h w"], draws: Draws) -> Float[Tensor, "n c h w"]:
        """What the function gives for these pictures.

        Raises:
            ShapeError: If it gives anything but finite numbers in the shape and type and on the device of the pictures.
        """
        check_batch(images, draws)
        if not len(images):
            return images
        images = images.contiguous()  # somebody else's code may write into it
        if not self.per_picture:
            return self._called(images.clone(), draws.batch_seed(self.name))
        seeds = draws.seeds(self.name).tolist()
        return torch.cat([self._called(images[i : i + 1].clone(), seed) for i, seed in enumerate(seeds)])

    @property
    def name(self) -> str:
        """What the callable is called."""
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    def _called(self, images: Tensor, seed: int) -> Tensor:
        with _seeded(seed, images.device):
            result = self.function(images)
        if isinstance(result, Tensor):
            got = f"{result.dtype} {tuple(result.shape)} on {result.device}"
            same = (result.shape, result.dtype, result.device) == (images.shape, images.dtype, images.device)
            if same and bool(result.isfinite().all()):
                return result.detach()
            got += ", not all of it finite" if same else ""
        else:
            got = type(result).__name__
        raise ShapeError(
            f"The transform {self.name} must give finite {images.dtype} {tuple(images.shape)} on {images.device}, "
            f"as it got, and gave {got}."
        )

    def describe(self) -> str:
        """One phrase, for people."""
        return f"your {self.name}"


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one is what others draw from
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002

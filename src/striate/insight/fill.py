"""The color of "nothing": what a picture is blanked with, and where integrated gradients begin."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.models import Network

__all__ = ["Fill", "describe_fill", "fill_color"]

Fill = float | tuple[float, ...] | None


def fill_color(network: Network | nn.Module, x: Tensor, fill: Fill, *, name: str = "fill") -> Float[Tensor, "c 1 1"]:
    """A color as the module's input has it.

    Args:
        network: A `Network` takes RGB in [0, 1], or None for its mean color (zero after normalization, since the mean
            of the training pictures is what it calls "nothing"). A plain module takes a number or one for each
            channel, in input space, or None for 0.
        x: The input, for channels, type and device.
        fill: The color.
        name: The argument's name, for messages.

    Raises:
        ConfigError: A color of the wrong length, that is not finite, or outside [0, 1] for a `Network`.

    >>> fill_color(nn.Identity(), torch.zeros(1, 3, 4, 4), 0.5).shape
    torch.Size([1, 1, 1])
    """
    channels = x.shape[1]
    numbers = _numbers(fill)
    if isinstance(network, Network):
        if fill is None:
            return torch.zeros(channels, 1, 1, device=x.device, dtype=x.dtype)
        color = numbers * 3 if isinstance(fill, int | float) else numbers
        if len(color) != 3 or not all(0 <= part <= 1 for part in color):
            raise ConfigError(f"{name} must be one number or an RGB color with parts from 0 to 1; got {fill}.")
        picture = torch.tensor(color, device=x.device, dtype=torch.float64).view(1, 3, 1, 1)
        return network.preprocessing.normalize(picture)[0].to(x.dtype)
    if len(numbers) not in (1, channels):
        raise ConfigError(
            f"{name} must be one number or one for each of the {channels} channels, and finite; got {fill}."
        )
    return torch.tensor(numbers, device=x.device, dtype=x.dtype).view(-1, 1, 1)


def _numbers(fill: object) -> tuple[float, ...]:
    """The numbers of a color; none for what is no color."""
    parts = (0.0,) if fill is None else tuple(fill) if isinstance(fill, tuple | list) else (fill,)
    good = all(isinstance(part, int | float) and math.isfinite(part) for part in parts)
    return tuple(float(part) for part in parts) if good else ()


def describe_fill(network: Network | nn.Module, fill: Fill) -> str | float | list[float]:
    """A color for the record of a result."""
    if fill is None:
        return "mean color" if isinstance(network, Network) else 0.0
    return float(fill) if isinstance(fill, int | float) else [float(part) for part in fill]

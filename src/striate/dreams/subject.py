"""The network that pictures are painted for: how a picture becomes its input, and what its layers answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.dreams.objectives import OUTPUT
from striate.errors import ConfigError, ShapeError
from striate.models import Network
from striate.probe import capture, evaluating, require_layer

__all__ = ["Subject", "build_subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A module, and the way from a picture to what it takes.

    Attributes:
        module: Run as it is, in evaluation mode; left as it was.
        prepare: From a picture `n c h w` to the module's input, differentiable.
        channels: Of a picture: 3, or 1 for networks that see gray.
        neutral: The color that becomes zero in the module's input, one number for each channel of a picture.
        name: For people.
        input_size: `(h, w)` that the network was trained at, where that is known.
    """

    module: nn.Module
    prepare: Callable[[Tensor], Tensor]
    channels: int
    neutral: tuple[float, ...]
    name: str = ""
    input_size: tuple[int, int] | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        parameter = next((p for p in self.module.parameters() if p.is_floating_point()), None)
        return torch.float32 if parameter is None else parameter.dtype

    def in_full(self) -> "Subject":
        """The same for pictures of 32 bits at least: 16-bit weights get their own kind in the module's input."""
        inner, kind = self.prepare, self.dtype
        if kind in (torch.float32, torch.float64):
            return self
        return replace(self, prepare=lambda view: inner(view).to(kind))

    @property
    def picture_dtype(self) -> torch.dtype:
        """Of pictures that are optimized: the weights' kind, but 32 bits at least."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    def read(self, view: Float[Tensor, "n c h w"], layers: Iterable[str]) -> dict[str, Tensor]:
        """What `layers` answer to pictures, from one pass that stops at the deepest; none without a layer.

        Raises:
            UnknownNameError: A layer does not exist or is not called.
            ShapeError: A layer does not answer a tensor, or the module refuses pictures of this size.
        """
        wanted = list(dict.fromkeys(layers))
        if not wanted:
            return {}
        x = self.prepare(view).contiguous(memory_format=torch.channels_last)
        with evaluating(self.module):
            try:
                if OUTPUT not in wanted:
                    return capture(self.module, x, wanted)
                # As a child of something, the module itself is a layer that can be captured.
                for layer in wanted:
                    if layer:  # the message about a wrong name should speak of the module's own names
                        require_layer(self.module, layer.partition("#")[0])
                whole = _Whole(self.module)
                found = capture(whole, x, [f"module.{layer}" if layer else "module" for layer in wanted])
            except RuntimeError as error:  # torch's own words about a size that does not fit
                reason = str(error).strip().partition("\n")[0]
                size = f"{view.shape[2]} × {view.shape[3]}"
                hint = f" It was made for {self.input_size[0]} × {self.input_size[1]}." if self.input_size else ""
                raise ShapeError(f"{self.name} refuses pictures of {size} pixels: {reason}.{hint}") from error
        return {layer: found[f"module.{layer}" if layer else "module"] for layer in wanted}


class _Whole(nn.Module):
    """A parent for a module, so that what it answers can be captured like a layer's."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.training = False
        self.module = module

    def forward(self, x: Tensor) -> object:
        return self.module(x)


def build_subject(
    network: Network | nn.Module, *, channels: int | None = None, limits: tuple[float, float] = (0.0, 1.0)
) -> Subject:
    """What is painted for: a `Network` takes pictures in RGB, [0, 1]; a plain module takes them as they are.

    Args:
        network: A `Network`, or any module of one input `n c h w`.
        channels: Of a plain module's pictures; by default those of its first convolution, or 3.
        limits: Lowest and highest value of a plain module's input. A module that normalizes its input itself takes
            (0, 1); one that was trained on normalized tensors takes about (-2, 2).

    Raises:
        ConfigError: `channels` below 1, or `limits` that do not rise.

    >>> build_subject(nn.Conv2d(1, 4, 3)).channels
    1
    """
    if isinstance(network, Network):
        recipe = network.preprocessing
        mean = tuple(value / recipe.scale for value in recipe.mean)
        if recipe.channels == "L":
            return Subject(
                network.module,
                lambda x: recipe.normalize(x.expand(-1, 3, -1, -1)),
                1,
                mean,
                name=network.name,
                input_size=recipe.input_size,
            )
        neutral = mean[::-1] if recipe.channels == "BGR" else mean
        return Subject(network.module, recipe.normalize, 3, neutral, name=network.name, input_size=recipe.input_size)
    if channels is None:
        first = next((part for part in network.modules() if isinstance(part, nn.Conv2d)), None)
        channels = 3 if first is None else first.in_channels
    if channels < 1 or not limits[0] < limits[1]:
        raise ConfigError(f"channels must be 1 or more and limits (low, high) rise; got {channels} and {limits}.")
    low, high = limits
    zero = (min(max(0.0, low), high) - low) / (high - low)
    # Pictures are in [0, 1] for every parametrization; the module's own range is a linear change away.
    prepare: Callable[[Tensor], Tensor] = (lambda x: x) if limits == (0.0, 1.0) else lambda x: low + (high - low) * x
    return Subject(network, prepare, channels, (zero,) * channels, name=type(network).__name__)

"""Build a network of the catalogue with fresh weights."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from striate.errors import ConfigError
from striate.models.catalogue import CatalogueEntry

__all__ = ["build"]


def build(
    entry: CatalogueEntry,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    blank: bool = False,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The module of `entry`, initialized as its paper (or torchvision) does.

    Args:
        entry: What to build.
        num_classes: Classes; the published number by default.
        in_channels: Channels of the picture; the published number by default.
        options: What shall differ from the entry's own options.
        blank: Leave random weights out, because all of them will be overwritten: a VGG-16 takes over a second to draw.

    Raises:
        ConfigError: A number below 1, or classes for a network that ends at its features.
    """
    classes = entry.num_classes if num_classes is None else num_classes
    channels = entry.input_size[0] if in_channels is None else in_channels
    if num_classes is not None and entry.task == "features":
        raise ConfigError(f"'{entry.name}' ends at its features and has no classes; got num_classes {num_classes}.")
    if channels < 1 or (classes < 1 and entry.task != "features"):
        raise ConfigError(
            f"num_classes and in_channels must be at least 1; got {classes} and {channels} for '{entry.name}'."
        )
    path, _, function = entry.builder.partition(":")
    builder: Any = getattr(import_module(path), function)
    with _Undrawn() if blank else nullcontext():
        module: nn.Module = builder(num_classes=classes, in_channels=channels, **{**entry.options, **(options or {})})
    return module


class _Undrawn(TorchFunctionMode):
    """The random fills that torch's layers start with do nothing; constants (ones, zeros, codes) are still set."""

    # Whole functions are left out, not the draws inside them: some draw again until the numbers are good.
    _draws = frozenset({nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_})

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self._draws:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))

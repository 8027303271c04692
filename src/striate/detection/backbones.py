"""The convolutions of a classification network as the eyes of a detector: any network of the catalogue.

A classifier throws away where things are: it averages its last maps. Cut off before that, the same layers give maps on
which every cell stands for one place of the picture. `Trunk` keeps the layers up to the last one that is asked for,
under their own names, so that trained weights load into it, and gives the maps of those layers.

Where the cells lie follows from the paddings on the way. A cell of VGG-16's `features.29` looks at the middle of its
16 pixels; the first cell of a ResNet at half a pixel from the corner, half a stride off; that of EfficientNet-Lite at
15.5 of 16 pixels. `MapPlace.center` says so, and anchors and regions are laid accordingly.

The first layers find edges and need not learn again; their maps are the largest, so that leaving them as they are also
saves most of the memory.

Source: Girshick 2015, Fast R-CNN, section 4.5 (VGG-16 learns from conv3_1 up); He et al. 2015, arXiv:1512.03385,
appendix A (batch normalization is fixed).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.errors import ConfigError, UnknownNameError, nearest
from striate.layers.frozen_batch_norm import freeze_batch_norm
from striate.models import create_model
from striate.models.catalogue import find_entry
from striate.probe import LayerRow, summary

__all__ = ["MapPlace", "Trunk", "build_trunk", "find_maps"]

_LOOK_AT_PX = 256  # a size that every stride divides, at which the layers are looked through
# Where the last layer of a stride is not the one to use: EfficientNet-Lite widens to 1280 maps for its classifier.
_BETTER = {("EfficientNetLite", 32): "blocks.6"}


@dataclass(frozen=True, slots=True)
class MapPlace:
    """One layer whose maps a detector uses.

    Attributes:
        layer: Its path, such as `features.29`.
        stride: Pixels of the canvas from one cell to the next.
        center: Where the center of the first cell lies, in pixels, down and across.
        channels: Of its maps.
    """

    layer: str
    stride: int
    center: float
    channels: int


class Trunk(nn.Module):
    """The layers of a network up to the last map that is asked for, by the names that they have there.

    Args:
        network: Whose layers; they are taken, not copied.
        places: The maps to give, the finest first.
        frozen: The last layer that does not learn, or None where all do.

    Raises:
        ConfigError: If the layers do not follow one another in the order in which they are listed.
    """

    holds_stages = True  # for rates and freezing its parts count as those of a network do

    def __init__(self, network: nn.Module, places: Sequence[MapPlace], *, frozen: str | None = None) -> None:
        super().__init__()
        self.places = tuple(places)
        _take(network, self, "", [place.layer for place in places])
        stops = [*(place.layer for place in places), *([frozen] if frozen else [])]
        paths = [path for path, _ in _links(self, "", stops)]
        self._paths = tuple(paths)  # not the layers themselves: somebody may put others in their place
        wanted = [place.layer for place in places]
        if any(layer not in paths for layer in wanted) or (frozen is not None and frozen not in paths):
            raise ConfigError(f"Trunk: {wanted} (frozen until {frozen}) do not follow one another; known are {paths}.")
        self._frozen_links = paths.index(frozen) + 1 if frozen is not None else 0
        for _, module in self._chain()[: self._frozen_links]:
            module.requires_grad_(False)

    @property
    def frozen_parameters(self) -> tuple[str, ...]:
        """Names of the weights that never learn."""
        still = tuple(f"{path}." for path in self._paths[: self._frozen_links])
        return tuple(name for name, _ in self.named_parameters() if name.startswith(still))

    def train(self, mode: bool = True) -> "Trunk":
        """Training mode for the layers that learn; the frozen ones stay in evaluation mode."""
        super().train(mode)
        for _, module in self._chain()[: self._frozen_links]:
            module.eval()
        return self

    def forward(self, images: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """The maps `n c h w`, the finest first."""
        wanted = [place.layer for place in self.places]
        chain = self._chain()
        found: dict[str, Tensor] = {}
        x = images
        with torch.no_grad():
            for path, module in chain[: self._frozen_links]:
                x = module(x)
                if path in wanted:
                    found[path] = x
        with _wide_depthwise() if torch.is_grad_enabled() else nullcontext():
            for path, module in chain[self._frozen_links :]:
                x = module(x)
                if path in wanted:
                    found[path] = x
        return [found[layer] for layer in wanted]

    def _chain(self) -> list[tuple[str, nn.Module]]:
        return [(path, self.get_submodule(path)) for path in self._paths]


class _WideDepthwise(TorchFunctionMode):
    """Depthwise convolutions compute in single precision, whatever autocast says.

    On a CPU their gradients are four times slower in bfloat16: 53 instead of 13 ms for 5×5 on 4×672×20×20, one core.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and len(args) == 7 and args[6] == args[0].shape[1] > 1:
            wide: Any = [None if tensor is None else tensor.float() for tensor in args[:3]]
            call: Any = func
            with torch.autocast("cpu", enabled=False):
                return call(*wide, *args[3:]).to(torch.get_autocast_dtype("cpu"))
        return func(*args, **(kwargs or {}))


def _wide_depthwise() -> AbstractContextManager[Any]:
    return _WideDepthwise() if torch.is_autocast_enabled("cpu") else nullcontext()


def build_trunk(
    backbone: str,
    *,
    in_channels: int,
    maps: Sequence[int | str],
    frozen: int | str,
    weights: str | None = None,
    freeze_norm: bool = True,
) -> tuple[Trunk, nn.Module]:
    """Build the trunk of a network of the catalogue.

    Args:
        backbone: Name in the catalogue.
        in_channels: Channels of the picture.
        maps: Strides (the last layer of each is taken) or paths of layers, the finest first.
        frozen: The last layer that does not learn: its path, or a stride (the last layer of it); 0 for none.
        weights: A tag of trained weights, or None for fresh ones.
        freeze_norm: Whether batch normalizations keep their statistics, scale and shift.

    Returns:
        The trunk, and the whole network that it was cut from, for what else a detector may take (full layers).

    Raises:
        UnknownNameError: No such network, weights or layer.
        ConfigError: The network has no layer of a stride, or its layers cannot be cut there.
    """
    places = find_maps(backbone, maps)
    still = _layer_at(backbone, frozen).address if isinstance(frozen, int) and frozen else frozen or None
    network = create_model(backbone, weights=weights, in_channels=in_channels)
    if freeze_norm:
        freeze_batch_norm(network)
    return Trunk(network, places, frozen=still if still is None else str(still)), network


def find_maps(backbone: str, maps: Sequence[int | str]) -> tuple[MapPlace, ...]:
    """Where the maps of some strides, or of some layers, lie in a network.

    Raises:
        UnknownNameError: No such network or layer.
        ConfigError: The network has no maps of that stride.

    >>> find_maps("vgg16", [16])[0].layer, find_maps("vgg16", [16])[0].center
    ('features.29', 8.0)
    """
    rows = [_layer_at(backbone, wanted) for wanted in maps]
    return tuple(MapPlace(row.address, _stride(row), _center(backbone, row), row.output_shape[1]) for row in rows)


@lru_cache(maxsize=32)
def _rows(backbone: str) -> tuple[str, tuple[LayerRow, ...]]:
    """The layers of a network, looked at without numbers, and the name of its class."""
    with torch.device("meta"):
        network = create_model(backbone).eval()
    channels = next(p.shape[1] for p in network.parameters() if p.ndim == 4)
    table = summary(network, (channels, _LOOK_AT_PX, _LOOK_AT_PX), run=False)
    return type(network).__name__, table.rows


def _candidates(backbone: str) -> Iterator[LayerRow]:
    """What a trunk may be cut behind: children of the network, and the links of those that are rows of layers."""
    _, rows = _rows(backbone)
    ends = {layer.partition(".")[0] for layer in find_entry(backbone).classifier}
    kinds = {row.address: row.kind for row in rows}
    for row in rows:
        parent = row.address.rpartition(".")[0]
        # `layer3.5` gives what `layer3` gives: the shorter name is kept, and stands first.
        if len(row.output_shape) != 4 or row.kind == "AdaptiveAvgPool2d" or row.output_shape[2] < 2:
            continue
        if row.address.partition(".")[0] in ends:  # SqueezeNet's classifier is a convolution
            continue
        if not parent or (kinds.get(parent) == "Sequential" and "." not in parent):
            yield row


def _layer_at(backbone: str, wanted: int | str) -> LayerRow:
    kind, rows = _rows(backbone)
    if isinstance(wanted, str) or (kind, wanted) in _BETTER:
        layer = wanted if isinstance(wanted, str) else _BETTER[kind, wanted]
        found = next((row for row in rows if row.address == layer), None)
        if found is None:
            raise UnknownNameError(
                f"{backbone} has no layer named '{layer}'. {nearest(layer, [row.address for row in rows])}"
            )
        return found
    fitting = [row for row in _candidates(backbone) if _stride(row) == wanted]
    if not fitting:
        strides = sorted({_stride(row) for row in _candidates(backbone)})
        raise ConfigError(f"{backbone} has no maps of stride {wanted}; it has those of {strides}.")
    last = fitting[-1]
    whole = [row for row in fitting if last.address.startswith(f"{row.address}.") and _is_end(backbone, row, last)]
    return whole[0] if whole else last


def _is_end(backbone: str, row: LayerRow, last: LayerRow) -> bool:
    """Whether the row of layers `row` works at one stride and `last` is its end, so that both give the same."""
    links = [r for r in _candidates(backbone) if r.address.startswith(f"{row.address}.")]
    return links[-1].address == last.address and len({_stride(link) for link in links}) == 1


def _stride(row: LayerRow) -> int:
    # Maps without padding are a little smaller than the picture by the stride: the nearest power of two is meant.
    return int(2 ** round(math.log2(_LOOK_AT_PX / row.output_shape[2])))


def _center(backbone: str, row: LayerRow) -> float:
    field = row.field
    if field is None or field.whole:
        # Squeeze and excitation looks at the whole map, but only to weigh its channels: the layers before say where.
        stride = _stride(row)
        before = [r for r in _rows(backbone)[1] if r.field is not None and not r.field.whole and _stride(r) == stride]
        field = before[-1].field if before else None
    if field is None:
        return _stride(row) / 2
    return float(field.start[0]) + float(field.size[0]) / 2


def _take(network: nn.Module, into: nn.Module, path: str, wanted: Sequence[str]) -> bool:
    """Put the children of `network` up to the last wanted one into `into`; tells whether the last one was reached."""
    for name, child in network.named_children():
        here = f"{path}.{name}" if path else name
        inside = [layer for layer in wanted if layer.startswith(f"{here}.")]
        if inside and isinstance(child, nn.Sequential):
            part: nn.Module = nn.Sequential()
            done = _take(child, part, here, wanted)
        else:
            part, done = child, here == wanted[-1]
        into.add_module(name, part)
        if done:
            return True
    return False


def _links(module: nn.Module, path: str, stops: Sequence[str]) -> Iterator[tuple[str, nn.Module]]:
    """The layers in their order; a row of layers is opened where something ends inside of it."""
    for name, child in module.named_children():
        here = f"{path}.{name}" if path else name
        if isinstance(child, nn.Sequential) and any(stop.startswith(f"{here}.") for stop in stops):
            yield from _links(child, here, stops)
        else:
            yield here, child

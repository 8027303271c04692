"""What a network looks for, from its first layers to its last: edges and colors, then textures, then parts and things.

For each layer, the units whose best patches stand out most against what they do on all other pictures, with these
patches. The first layer's kernels stand beside them, and so can synthetic pictures of the same units.

Source: Zeiler, Fergus 2014, "Visualizing and understanding convolutional networks", arXiv:1311.2901, figure 2; the
order low, mid and high level is theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.draw.patch_rows import PatchRow, draw_patch_rows
from striate.errors import ConfigError
from striate.insight.kernels import Kernels
from striate.insight.patches import TopPatches
from striate.insight.store import save_as
from striate.probe import UnitAddress

__all__ = ["DepthSheet", "depth_sheet"]


@dataclass(frozen=True, eq=False)
class DepthSheet:
    """Units of several layers from shallow to deep.

    Attributes:
        patches: Where the patches are from.
        units: Addresses of the units, layer by layer, in the order in which they are drawn.
        kernels: Kernels whose rows stand beside the units of their layer; None without.
        pictures: Address → uint8 `h w 3`, such as the synthetic picture of a unit.
        picture_name: What these pictures are, as a heading.
    """

    patches: TopPatches
    units: tuple[str, ...]
    kernels: Kernels | None = None
    pictures: Mapping[str, NDArray[np.uint8]] | None = None
    picture_name: str = "synthetic"

    def draw(self, *, top: int = 9, tile: int = 84, theme: str = "light") -> NDArray[np.uint8]:
        """A section a layer, a row a unit: uint8 `H W 3`."""
        heads = [*(["kernel"] if self.kernels is not None else []), *([self.picture_name] if self.pictures else [])]
        rows = []
        before = ""
        for address in self.units:
            unit = UnitAddress.parse(address)
            found = self.patches[unit.layer]
            row = self.patches.row(unit.layer, unit.channel or 0, top=top)
            leads: list[NDArray[np.uint8] | None] = []
            if self.kernels is not None:
                leads.append(self._kernel(unit.layer, unit.channel or 0))
            if self.pictures:
                leads.append(self.pictures.get(address))
            new = unit.layer != before
            c, h, w = found.shape
            sentence = found.sight.sentence()
            rows.append(
                PatchRow(
                    title=f":{unit.channel}",
                    notes=row.notes,
                    patches=row.patches,
                    leads=leads,
                    section=unit.layer if new else "",
                    section_notes=[f"{c} channels of {h} × {w}; {sentence}."] if new else [],
                )
            )
            before = unit.layer
        network = f" of {self.patches.network}" if self.patches.network else ""
        count = f"{self.patches.count:,} pictures"
        notes = [
            f"The units of each layer whose best patches stand out most, and these patches, the strongest of {count}.",
            "The activation is below each; layers from shallow to deep.",
        ]
        return draw_patch_rows(
            rows, title=f"Features{network} by depth", notes=notes, leads=heads, tile=tile, names=150, theme=theme
        )

    def _kernel(self, layer: str, channel: int) -> NDArray[np.uint8] | None:
        """The picture of a kernel, where this layer's units are those of its convolution."""
        kernels = self.kernels
        if kernels is None or layer != self.units_of_kernels or channel >= len(kernels.weights):
            return None
        return np.asarray(kernels.draw()[channel, 0])

    @property
    def units_of_kernels(self) -> str:
        """The layer beside which the kernels stand: the first."""
        return UnitAddress.parse(self.units[0]).layer

    def save(self, path: str | Path) -> Path:
        """Write the sheet as `.png`; the data are in the `TopPatches` it is made of.

        Raises:
            ConfigError: Another ending.
        """
        return save_as(path, {".png": self._repr_png_})

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())


def depth_sheet(
    patches: TopPatches,
    *,
    layers: Sequence[str] | None = None,
    units: int = 4,
    kernels: Kernels | None = None,
    pictures: Mapping[str, NDArray[np.uint8]] | None = None,
    picture_name: str = "synthetic",
) -> DepthSheet:
    """Choose units of every layer for a sheet by depth.

    Args:
        patches: From `top_patches` over all layers that shall be shown.
        layers: Which of them, from shallow to deep; by default all, in the order in which they were asked for.
        units: How many of each layer: those with the largest `LayerPatches.selectivity`, silent ones left out. A layer
            of fewer has fewer.
        kernels: The first layer's kernels, when the first of `layers` is that convolution or what follows it channel by
            channel (its normalization, its activation).
        pictures: Address such as `features.3:17` → uint8 `h w 3`, to stand before the patches.
        picture_name: What these are.

    Raises:
        ConfigError: `units` below 1, kernels that are no colors or not as many as the first layer's channels, or no
            unit that stands out at all.
        UnknownNameError: A layer without patches.
    """
    if units < 1:
        raise ConfigError(f"units must be at least 1; got {units}.")
    named = list(layers) if layers is not None else list(patches.layers)
    chosen = [f"{layer}:{channel}" for layer in named for channel in patches[layer].most_selective(units)]
    if not chosen:
        raise ConfigError("no unit stands out: each gives the same for all pictures, or is never above zero.")
    if kernels is not None and not (kernels.interpretable and len(kernels.weights) == patches[named[0]].shape[0]):
        raise ConfigError(
            f"kernels must be those of colors behind layer '{named[0]}' with {patches[named[0]].shape[0]} channels; "
            f"got {len(kernels.weights)} of '{kernels.address}'."
        )
    return DepthSheet(patches, tuple(chosen), kernels, pictures, picture_name)

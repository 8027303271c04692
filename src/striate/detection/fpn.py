"""A feature pyramid: maps of every size that all know what the last one knows.

Early maps are fine and know little, late maps know much and are coarse. The pyramid goes back from the last one: each
map is enlarged twofold and the next finer one, taken through a 1×1 convolution, is added. A 3×3 convolution then
smooths what nearest-neighbor enlargement left.

    p_5 = lateral(c_5),   p_i = lateral(c_i) + enlarge(p_{i+1}),   out_i = smooth(p_i)

With `levels="all"` objects of each size are sought on a map of fitting cells. With `levels="finest"` the pyramid ends
in one map, as fine as the first and as knowing as the last: one shared map, as Fast R-CNN has it, for a small network.

Source: Lin et al. 2017, Feature Pyramid Networks for Object Detection, arXiv:1612.03144, section 3; names of the
weights as in torchvision.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from striate.detection.backbones import MapPlace, Trunk

__all__ = ["Backbone", "FeaturePyramid", "Levels", "grid_of"]

Levels = Literal["all", "finest"]


class FeaturePyramid(nn.Module):
    """1×1 convolutions across, nearest-neighbor enlargement down, 3×3 convolutions out.

    Args:
        in_channels: of each map, the finest first.
        out_channels: of every map that comes out.
        levels: `all` maps, or the `finest` alone.
        extra: Whether every second cell of the last map follows as a map of its own, for the largest objects.

    >>> import torch
    >>> pyramid = FeaturePyramid([8, 16], 4, extra=True)
    >>> [tuple(m.shape) for m in pyramid([torch.zeros(1, 8, 6, 6), torch.zeros(1, 16, 3, 3)])]
    [(1, 4, 6, 6), (1, 4, 3, 3), (1, 4, 2, 2)]
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, *, levels: Levels = "all", extra: bool = False
    ) -> None:
        super().__init__()
        self.extra = extra
        outputs = len(in_channels) if levels == "all" else 1
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(c, out_channels, 1)) for c in in_channels)
        self.layer_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(out_channels, out_channels, 3, padding=1)) for _ in range(outputs)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps `n c h w` of all sizes in, the finest first; maps of `out_channels` out, the finest first."""
        outputs: list[Tensor] = []
        above: Tensor | None = None
        for level in reversed(range(len(maps))):
            here: Tensor = self.inner_blocks[level](maps[level])
            if above is not None:
                here = here + F.interpolate(above, size=here.shape[-2:], mode="nearest")
            above = here
            if level < len(self.layer_blocks):
                outputs.insert(0, self.layer_blocks[level](here))
        if self.extra:
            outputs.append(F.max_pool2d(outputs[-1], kernel_size=1, stride=2))
        return outputs


class Backbone(nn.Module):
    """A trunk, and a pyramid on its maps where there is one.

    Args:
        body: The trunk.
        channels: Of the pyramid's maps; None for no pyramid.
        levels: Of the pyramid.
        extra: Of the pyramid.

    Attributes:
        places: Stride, center and channels of each map that comes out.
    """

    holds_stages = True  # for rates and freezing its parts count as those of a network do

    def __init__(
        self, body: Trunk, *, channels: int | None = None, levels: Levels = "all", extra: bool = False
    ) -> None:
        super().__init__()
        self.body = body
        self.fpn: FeaturePyramid | None = None
        self.places: tuple[MapPlace, ...] = body.places
        if channels is not None:
            self.fpn = FeaturePyramid([p.channels for p in body.places], channels, levels=levels, extra=extra)
            places = body.places if levels == "all" else body.places[:1]
            if extra:
                last = places[-1]
                places = (*places, MapPlace(f"{last.layer}/2", 2 * last.stride, last.center, channels))
            self.places = tuple(MapPlace(p.layer, p.stride, p.center, channels) for p in places)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps `n c h w`, the finest first."""
        maps: list[Tensor] = self.body(images)
        return maps if self.fpn is None else self.fpn(maps)


def grid_of(maps: Sequence[Tensor]) -> list[tuple[int, int]]:
    """`(height, width)` of each map."""
    return [(m.shape[-2], m.shape[-1]) for m in maps]

"""Large pictures in parts: each tile goes through the network alone, with as much around it as its units can see.

A unit depends on the box of pixels that is its receptive field, and on nothing else. So a tile with a margin of that
width gives exactly the numbers that the whole picture would give inside of it, if it begins at a multiple of the
network's stride. Only one tile's maps are ever held.

Not possible where a layer sees the whole picture (squeeze-and-excitation, global pooling).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from striate.arithmetic import Field
from striate.errors import ConfigError
from striate.probe import Summary

__all__ = ["Tile", "Tiling", "plan_tiles"]

Interval = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """One part of a picture, half-open intervals of pixels.

    Attributes:
        rows: What belongs to it.
        columns: What belongs to it.
        seen_rows: With the margin.
        seen_columns: With the margin.
    """

    rows: Interval
    columns: Interval
    seen_rows: Interval
    seen_columns: Interval


@dataclass(frozen=True, eq=False)
class Tiling:
    """Tiles that cover a picture once, and where the units of each layer that belong to a tile are.

    Attributes:
        tiles: Row by row.
        size: `(h, w)` of the picture.
        fields: Layer → receptive field of its units.
    """

    tiles: tuple[Tile, ...]
    size: tuple[int, int]
    fields: dict[str, Field]

    def windows(
        self, tile: Tile, layer: str, shape: tuple[int, int]
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The tile's own units of a layer: in its maps with the margin (of `shape`), and in the whole map."""
        inner, outer = [], []
        for axis, (own, seen) in enumerate(((tile.rows, tile.seen_rows), (tile.columns, tile.seen_columns))):
            stride = int(self.fields[layer].stride[axis])
            first, begins = own[0] // stride, seen[0] // stride
            last = begins + shape[axis] if own[1] == self.size[axis] else own[1] // stride
            inner.append(slice(first - begins, last - begins))
            outer.append(slice(first, last))
        return (inner[0], inner[1]), (outer[0], outer[1])


def plan_tiles(size: tuple[int, int], side: int, table: Summary | None, layers: Sequence[str]) -> Tiling:
    """Tiles of about `side` pixels, margins not counted.

    Args:
        size: `(h, w)` of the picture.
        side: Of a tile; rounded up to the network's stride.
        table: The network's layers.
        layers: Whose units must come out exactly.

    Raises:
        ConfigError: `side` below 1, or a layer whose units see the whole picture, or no whole number of pixels apart.
    """
    if side < 1:
        raise ConfigError(f"tile must be at least 1 pixel; got {side}.")
    fields = {layer: _field(table, layer) for layer in layers}
    axes = []
    for axis in (0, 1):
        step = math.lcm(*(int(field.stride[axis]) for field in fields.values()))
        # a unit at o sees start + o·stride … + size: left of its own pixels by -start, right of them by the rest
        before = max(math.ceil(-field.start[axis]) for field in fields.values())
        after = max(math.ceil(field.size[axis] + field.start[axis] - field.stride[axis]) for field in fields.values())
        margin = _up(max(before, after, 0), step)
        axes.append(list(_cut(size[axis], _up(side, step), margin)))
    tiles = tuple(Tile(r, c, sr, sc) for r, sr in axes[0] for c, sc in axes[1])
    return Tiling(tiles, size, fields)


def _cut(length: int, side: int, margin: int) -> Iterator[tuple[Interval, Interval]]:
    count = max(length // side, 1)  # what is left over goes to the last: a sliver would hold no unit of a deep layer
    for number in range(count):
        own = (number * side, (number + 1) * side if number + 1 < count else length)
        yield own, (max(own[0] - margin, 0), min(own[1] + margin, length))


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _field(table: Summary | None, layer: str) -> Field:
    row = None if table is None else table.row(layer)
    field = None if row is None else row.field
    if field is None or field.whole or len(field.stride) != 2:
        raise ConfigError(
            f"layer '{layer}' sees the whole picture, or nobody knows what it sees, so it cannot be computed in tiles. "
            "Leave out the tile, choose a layer before that, or a network such as VGG."
        )
    if any(stride != int(stride) for stride in field.stride):
        raise ConfigError(f"the units of '{layer}' lie {field.stride} pixels apart; tiles need whole numbers.")
    return field

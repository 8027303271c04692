"""Which layer gives the last maps that still have a place: where Grad-CAM looks by default.

The last layer of all with a height and a width is often a pooling (VGG), or one branch of several that are put together
afterwards (GoogLeNet). So the search begins at what the head reads, goes back through what only passes on, and takes
the container where branches meet.
"""

from torch import nn

from striate.errors import ConfigError, StriateError
from striate.probe import LayerRow, summary

__all__ = ["last_map_layer"]

_PASS_ON = ("Pool", "Dropout", "Identity", "Flatten")


def last_map_layer(module: nn.Module, input_shape: tuple[int, ...], *, before: str | None = None) -> str:
    """The address of the layer with the last maps `n c h w`, of more than one place.

    Args:
        module: Any module that `probe.summary` can follow.
        input_shape: `(c, h, w)`.
        before: Only layers that have answered before this one.

    Raises:
        ConfigError: There is none, or it cannot be found.

    >>> last_map_layer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 8, 8))
    '1'
    """
    way_out = "Name one, such as layer='features.12'; `striate.summary(module, input_size)` lists them."
    try:
        rows = summary(module, input_shape).rows
    except (StriateError, RuntimeError) as error:
        raise ConfigError(f"layer must be named, because the network's layers cannot be listed ({error})") from error
    if before is not None:
        stop = next((i for i, row in enumerate(rows) if row.address == before), len(rows))
        inside = {i for i, row in enumerate(rows) if not row.leaf and i < stop and _end(rows, i) > stop}
    else:
        stop, inside = len(rows), set()
    spatial = [i for i, row in enumerate(rows[:stop]) if row.leaf and _is_map(row)]
    if not spatial:
        raise ConfigError(f"no layer gives maps with a height and a width above 1, which Grad-CAM needs. {way_out}")
    last = spatial[-1]
    reader = next((row for row in rows[last + 1 :] if row.leaf and last in row.sources), None)
    read = {last} if reader is None else {i for i in reader.sources if _is_map(rows[i])}
    while len(read) == 1:
        (one,) = read
        back = {i for i in rows[one].sources if _is_map(rows[i])}
        if not any(word in rows[one].kind for word in _PASS_ON) or not back:
            return rows[one].address
        read = back
    extent = rows[max(read)].extent
    containers = [
        i
        for i, row in enumerate(rows[:stop])
        if not row.leaf and i not in inside and row.extent == extent and i < min(read) and max(read) < _end(rows, i)
    ]
    if containers:
        return rows[containers[-1]].address
    common = set.intersection(*(_dominators(rows, i) for i in read))
    if not common:
        names = ", ".join(f"'{rows[i].address}'" for i in sorted(read))
        raise ConfigError(f"layer must be named: the last maps come from several layers ({names}). {way_out}")
    return rows[max(common)].address


def _is_map(row: LayerRow) -> bool:
    return len(row.output_shape) == 4 and max(row.extent) > 1


def _end(rows: tuple[LayerRow, ...], index: int) -> int:
    """Where the contents of a container end."""
    return next((i for i in range(index + 1, len(rows)) if rows[i].depth <= rows[index].depth), len(rows))


def _dominators(rows: tuple[LayerRow, ...], index: int) -> set[int]:
    """The layers with maps that everything which reaches this one has gone through, itself included."""
    found: dict[int, set[int]] = {}
    for i, row in enumerate(rows[: index + 1]):
        if row.leaf:
            before = [found[s] for s in row.sources if s in found]
            through = set.intersection(*before) if before else set()
            found[i] = through | ({i} if _is_map(row) else set())
    return found[index]

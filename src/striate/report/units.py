"""Unit cards: one channel of a layer, with its address, its map, its numbers and the patch of photo that it sees."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.draw import SIGNED, UNSIGNED, colorize, limits_of
from striate.insight import Explanation, StageActivations
from striate.probe import LayerRow
from striate.report.embed import block_of, pack, png_uri
from striate.report.numbers import format_shape, format_value
from striate.report.scale import Scale, build_scale

__all__ = ["StageUnits", "UnitCard", "build_units"]

MOST_VALUES = 310_000
"""Numbers of one stage that a page carries; beyond it fewer channels are shown, and the page says so."""
MOST_UNITS = 256 * 256
"""Units of one map that are drawn; of larger maps every second, third … unit is."""
EXACT_VALUES = 150_000
"""Up to here they are kept in 16 bits, beyond it in 8."""


@dataclass(frozen=True)
class UnitCard:
    """One channel: the atom of this report and of the studio."""

    stage: int
    number: int
    layer: str
    channel: int
    picture: str
    height: int
    width: int
    strongest: str
    at: str
    quiet: bool

    @property
    def address(self) -> str:
        """As everywhere: `layer:channel`."""
        return f"{self.layer}:{self.channel}"


@dataclass(frozen=True)
class StageUnits:
    """The strongest channels of one stage."""

    number: int
    place: int | None
    address: str
    shape: str
    field: str
    cards: tuple[UnitCard, ...]
    scale: Scale
    silent: str
    data: dict[str, Any]


def build_units(explanation: Explanation) -> tuple[StageUnits, ...]:
    """Cards, scales, words and numbers of the fifth section, one entry a stage."""
    places = {stage.address: number for number, stage in enumerate(explanation.summary.stages, start=1)}
    return tuple(
        _stage(number, stage, explanation.summary.row(stage.address), places.get(stage.address))
        for number, stage in enumerate(explanation.activations)
    )


def _stage(number: int, stage: StageActivations, row: LayerRow | None, place: int | None) -> StageUnits:
    every = block_of(stage.maps.shape[1], stage.maps.shape[2], MOST_UNITS)
    maps = np.asarray(stage.maps[:, ::every, ::every], np.float64)
    count, height, width = maps.shape
    count = min(count, max(4, MOST_VALUES // (height * width)))
    maps = maps[:count]
    signed = stage.minimum < 0.0
    colormap = SIGNED if signed else UNSIGNED
    limits = limits_of(np.array([stage.minimum, stage.maximum]), signed=signed)
    cards = []
    for card, (channel, values) in enumerate(zip(stage.channels[:count], maps, strict=True)):
        y, x = (int(n) for n in np.unravel_index(int(np.nanargmax(values)), values.shape))
        cards.append(
            UnitCard(
                stage=number,
                number=card,
                layer=stage.address,
                channel=channel,
                picture=png_uri(colorize(values, colormap=colormap, limits=limits)),
                height=height,
                width=width,
                strongest=format_value(float(values[y, x])),
                at=f"{y * every},{x * every}",
                quiet=float(values.max()) <= 0.0,
            )
        )
    channels = stage.shape[0]
    return StageUnits(
        number=number,
        place=place,
        address=stage.address,
        shape=format_shape(stage.shape),
        field=_field_words(row) + (f"; one unit in {every} along each side is drawn" if every > 1 else ""),
        cards=tuple(cards),
        scale=build_scale(colormap, limits, unit="activation"),
        silent=f"{stage.silent} of {channels} channels are nowhere above 0"
        if stage.silent
        else f"all {channels} channels are above 0 somewhere",
        data={
            "address": stage.address,
            "channels": list(stage.channels[:count]),
            "maps": pack(maps, bits=16 if maps.size <= EXACT_VALUES else 8),
            "colormap": colormap,
            "limits": list(limits),
            "every": every,
            "field": _field_data(row),
        },
    )


def _field_words(row: LayerRow | None) -> str:
    field = None if row is None else row.field
    if field is None:
        return "receptive field not known"
    size, stride = format_shape(field.size), float(field.stride[0])
    words = f"each unit sees {size}\u00a0px, the next one {stride:g}\u00a0px on"
    return words + ", and through gates the whole picture" if field.whole else words


def _field_data(row: LayerRow | None) -> dict[str, Any] | None:
    field = None if row is None else row.field
    if field is None or len(field.size) != 2:
        return None
    return {
        "size": list(field.size),
        "stride": [float(n) for n in field.stride],
        "start": [float(n) for n in field.start],
        "whole": field.whole,
    }

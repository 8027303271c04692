"""What units do over a data set, as numbers that draw and save themselves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.arithmetic.text_table import text_table
from striate.draw.activity import draw_activity
from striate.errors import UnknownNameError, nearest
from striate.insight.numbers_in_words import short
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["LayerStatistics", "UnitStatistics"]

_NUMBERS = ("mean", "std", "minimum", "maximum", "positive", "zeros", "active")


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """The `c` units of one layer, over all places of all pictures.

    Attributes:
        layer: The layer's address.
        kind: Its class.
        shape: `c h w` of its output.
        mean: `c`.
        std: `c`, standard deviation over places and pictures.
        minimum: `c`.
        maximum: `c`.
        positive: `c`, the share of places above zero.
        zeros: `c`, the share of places that are exactly zero.
        active: `c`, the share of pictures with any place above zero.
    """

    layer: str
    kind: str
    shape: tuple[int, int, int]
    mean: NDArray[np.floating[Any]]
    std: NDArray[np.floating[Any]]
    minimum: NDArray[np.floating[Any]]
    maximum: NDArray[np.floating[Any]]
    positive: NDArray[np.floating[Any]]
    zeros: NDArray[np.floating[Any]]
    active: NDArray[np.floating[Any]]

    @property
    def dead(self) -> NDArray[np.bool_]:
        """`c`: never above zero on these pictures. `meaning` says what that is worth for this layer."""
        return np.asarray(~(self.maximum > 0))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """`c`: the same value everywhere: the unit says nothing about any picture, whatever the activation."""
        return np.asarray(self.maximum == self.minimum)

    @property
    def rectified(self) -> bool:
        """Whether nothing was below zero, as behind a ReLU, ReLU6 or a sigmoid."""
        return bool((self.minimum >= 0).all())

    @property
    def meaning(self) -> str:
        """What a dead unit of this layer is, in words."""
        if self.rectified:
            return "never above zero: nothing passes, and behind a ReLU no gradient comes back"
        return (
            "never above zero, but values below zero are passed on: lost only where a ReLU follows; "
            "what is the same everywhere is counted as constant"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "layer": self.layer,
            "kind": self.kind,
            "shape": list(self.shape),
            "rectified": self.rectified,
            "meaning": self.meaning,
            "dead": np.flatnonzero(self.dead).tolist(),
            "constant": np.flatnonzero(self.constant).tolist(),
            **{name: getattr(self, name).tolist() for name in _NUMBERS},
        }


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """The units of several layers over one data set; index it with a layer's address.

    Attributes:
        layers: Layer → its numbers, in the order of the pass.
        count: Pictures that were looked at.
        network: The network's name.
        problems: Pictures that were left out, a sentence each.
        parameters: The settings of the pass.
        seconds: Wall time it took.
    """

    layers: dict[str, LayerStatistics]
    count: int
    network: str = ""
    problems: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, layer: str) -> LayerStatistics:
        if layer not in self.layers:
            raise UnknownNameError(f"No statistics of a layer '{layer}'. {nearest(layer, self.layers)}")
        return self.layers[layer]

    @property
    def dead(self) -> list[str]:
        """Addresses of the units that were never above zero, in rectified layers."""
        return [f"{n}:{c}" for n, one in self.layers.items() if one.rectified for c in np.flatnonzero(one.dead)]

    def to_text(self) -> str:
        """A plain table, a layer a line."""
        lines = [("layer", "kind", "units", "dead", "constant", "above 0", "mean", "std", "min", "max")]
        for one in self.layers.values():
            dead = f"{int(one.dead.sum())}" if one.rectified else f"({int(one.dead.sum())})"
            lines.append(
                (
                    one.layer,
                    one.kind,
                    str(len(one.mean)),
                    dead,
                    str(int(one.constant.sum())),
                    f"{100 * float(one.positive.mean()):.1f} %",
                    short(float(one.mean.mean())),
                    short(float(np.sqrt((one.std**2).mean()))),
                    short(float(one.minimum.min())),
                    short(float(one.maximum.max())),
                )
            )
        signed = any(not one.rectified for one in self.layers.values())
        note = "(n): never above zero, in a layer that also passes on values below zero" if signed else ""
        return "\n".join(filter(None, [text_table(lines, left=2), note]))

    def __str__(self) -> str:
        return self.to_text()

    def draw(self, *, theme: str = "light", width: int = 1200) -> NDArray[np.uint8]:
        """Every unit as a dot: how often it is above zero, layer by layer; dead ones are counted below.

        Returns:
            uint8 `h w 3`.
        """
        return draw_activity(
            {name: one.positive for name, one in self.layers.items()},
            {name: int(one.dead.sum()) for name, one in self.layers.items()},
            title=f"How often units are above zero{f': {self.network}' if self.network else ''}",
            note=f"{self.count:,} pictures",
            theme=theme,
            width=width,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "network": self.network,
            "count": self.count,
            "problems": list(self.problems),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "layers": [one.to_dict() for one in self.layers.values()],
        }

    def save(self, path: str | Path) -> Path:
        """Write the result: `.npz` (`load` reads it), `.json` or `.png`.

        Raises:
            ConfigError: Another ending.
        """
        facts = self.to_dict()
        facts["layers"] = [[one.layer, one.kind, list(one.shape)] for one in self.layers.values()]
        arrays = {f"{i}/{n}": getattr(one, n) for i, one in enumerate(self.layers.values()) for n in _NUMBERS}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(facts, arrays),
                ".json": lambda: json_bytes(self.to_dict()),
                ".png": lambda: draw.encode_png(self.draw()),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "UnitStatistics":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "UnitStatistics") as (facts, arrays):
            layers = {
                layer: LayerStatistics(
                    layer=layer,
                    kind=kind,
                    shape=(shape[0], shape[1], shape[2]),
                    **{name: arrays[f"{number}/{name}"] for name in _NUMBERS},
                )
                for number, (layer, kind, shape) in enumerate(facts["layers"])
            }
            return cls(
                layers=layers,
                count=facts["count"],
                network=facts["network"],
                problems=tuple(facts["problems"]),
                parameters=facts["parameters"],
                seconds=facts["seconds"],
            )

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())

"""What shifting a picture does to feature maps and to the answer, as curves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.draw.shift_curves import draw_shift_curves
from striate.errors import UnknownNameError, nearest
from striate.insight.store import pack_arrays, save_as, saved

__all__ = ["LayerShift", "ShiftResponse"]

_CURVES = ("interior", "overlap", "interior_units", "overlap_units")


@dataclass(frozen=True, eq=False)
class LayerShift:
    """How the maps of one layer follow.

    Attributes:
        layer: The layer's address.
        stride: Pixels between its units along the axis, or None where they have no places that are known.
        whole: Whether its units also depend on the whole picture, so that `interior` is not free of borders.
        interior: `s`, the error over units that see no border and no filling; NaN where there are none, which is so for
            every layer whose field is larger than the picture.
        overlap: `s`, the error over all units with a partner.
        interior_units: `s`, how many places along the axis that were.
        overlap_units: `s`.
    """

    layer: str
    stride: float | None
    whole: bool
    interior: NDArray[np.floating[Any]]
    overlap: NDArray[np.floating[Any]]
    interior_units: NDArray[np.int64]
    overlap_units: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ShiftResponse:
    """What shifts of the picture do; index it with a layer's address.

    Attributes:
        shifts: `s`, pixels of the network's input.
        layers: Layer → how its maps follow.
        probability: `n s`, the probability of the target, or None for a module without classes.
        same: `n s`, whether the best class is that of the unshifted picture, or None.
        target: The class of each picture.
        network: The network's name.
        parameters: The settings.
        seconds: Wall time it took.
    """

    shifts: NDArray[np.int64]
    layers: dict[str, LayerShift]
    probability: NDArray[np.floating[Any]] | None = None
    same: NDArray[np.bool_] | None = None
    target: tuple[int, ...] = ()
    network: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, layer: str) -> LayerShift:
        if layer not in self.layers:
            raise UnknownNameError(f"No shifts of a layer '{layer}'. {nearest(layer, self.layers)}")
        return self.layers[layer]

    def draw(self, *, theme: str = "light", width: int = 1300, height: int = 460) -> NDArray[np.uint8]:
        """The errors of the layers at the left, the answer at the right: uint8 `h w 3`."""
        axis = "right" if self.parameters.get("axis", "x") == "x" else "down"
        return draw_shift_curves(
            self.shifts,
            {one.layer: (one.stride, one.interior, one.overlap) for one in self.layers.values()},
            None if self.probability is None else self.probability,
            None if self.same is None else self.same.mean(0),
            axis=f"pixels to the {axis}" if axis == "right" else "pixels down",
            title=self.network,
            theme=theme,
            width=width,
            height=height,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values; what is not a number is None."""

        def plain(array: NDArray[Any]) -> list[Any]:
            return [None if isinstance(v, float) and not np.isfinite(v) else v for v in array.tolist()]

        return {
            "network": self.network,
            "parameters": self.parameters,
            "seconds": self.seconds,
            "target": list(self.target),
            "shifts": self.shifts.tolist(),
            "layers": [
                {
                    "layer": one.layer,
                    "stride": one.stride,
                    "whole": one.whole,
                    **{name: plain(getattr(one, name)) for name in _CURVES},
                }
                for one in self.layers.values()
            ],
            "probability": None if self.probability is None else self.probability.tolist(),
            "same": None if self.same is None else self.same.tolist(),
        }

    def save(self, path: str | Path) -> Path:
        """Write the result: `.npz` (`load` reads it) or `.png`.

        Raises:
            ConfigError: Another ending.
        """
        facts = {n: getattr(self, n) for n in ("network", "parameters", "seconds")}
        facts |= {"target": list(self.target)}
        facts["layers"] = [[one.layer, one.stride, one.whole] for one in self.layers.values()]
        arrays = {f"{i}/{n}": getattr(one, n) for i, one in enumerate(self.layers.values()) for n in _CURVES}
        answer = {"probability": self.probability, "same": self.same}
        arrays |= {"shifts": self.shifts, **{n: a for n, a in answer.items() if a is not None}}
        return save_as(path, {".npz": lambda: pack_arrays(facts, arrays), ".png": self._repr_png_})

    @classmethod
    def load(cls, path: str | Path) -> "ShiftResponse":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "ShiftResponse") as (facts, arrays):
            layers = {
                layer: LayerShift(layer, stride, whole, **{n: arrays[f"{i}/{n}"] for n in _CURVES})
                for i, (layer, stride, whole) in enumerate(facts["layers"])
            }
            return cls(
                shifts=arrays["shifts"],
                layers=layers,
                probability=arrays.get("probability"),
                same=arrays.get("same"),
                target=tuple(facts["target"]),
                network=facts["network"],
                parameters=facts["parameters"],
                seconds=facts["seconds"],
            )

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())

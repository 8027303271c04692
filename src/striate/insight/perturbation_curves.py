"""How a score goes down as pixels are deleted, or up as they are inserted: what `deletion` and `insertion` give."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.errors import ConfigError
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["PerturbationCurves"]


@dataclass(frozen=True)
class PerturbationCurves:
    """One curve a map and picture, with what a map that knows nothing would give.

    Attributes:
        kind: `deletion` (a good map falls fast: small area) or `insertion` (rises fast: large area).
        fractions: `s + 1` shares of the pixels that are changed, from 0 to 1.
        scores: Map → `n s+1`: the score with that share of its highest pixels changed.
        references: Orders that know nothing of the network → `n s+1`: `random` (mean of several), `center`.
        spread: `n 2 s+1`: the lowest and highest score of the random orders, or None without them.
        target: The class (or unit) that was scored, for each picture.
        score: What was scored: `probability`, `logit` or `activation`.
        parameters: Every setting that the curves depend on.
        seconds: Wall time it took.
    """

    kind: str
    fractions: NDArray[np.float64]
    scores: dict[str, NDArray[np.float64]]
    references: dict[str, NDArray[np.float64]]
    spread: NDArray[np.float64] | None
    target: tuple[int | str, ...]
    score: str
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def values(self) -> NDArray[np.float64]:
        """The curves of the maps, `m n s+1`, in the order of `scores`."""
        return np.stack(list(self.scores.values()))

    @property
    def auc(self) -> dict[str, NDArray[np.float64]]:
        """Map or reference → area under each picture's curve, `n`: trapezoids, with shares of pixels from 0 to 1."""
        return {
            name: np.asarray(np.trapezoid(curve, self.fractions, axis=1))
            for name, curve in {**self.scores, **self.references}.items()
        }

    @property
    def gain(self) -> dict[str, NDArray[np.float64]]:
        """Map → how much its area is better than that of random orders, `n`: above 0 is better than chance.

        Raises:
            ConfigError: There is no random reference.
        """
        if "random" not in self.references:
            raise ConfigError("gain compares with random orders, which were left out: ask with random_orders=3.")
        areas, sign = self.auc, -1.0 if self.kind == "deletion" else 1.0
        return {name: sign * (areas[name] - areas["random"]) for name in self.scores}

    def draw(
        self, index: int | None = None, *, theme: str = "light", width: int = 800, height: int = 420
    ) -> NDArray[np.uint8]:
        """The curves of one picture, or by default their mean over all: uint8 `h w 3`."""
        chosen = slice(None) if index is None else slice(index, index + 1)
        count = len(self.target[chosen])
        return draw.draw_perturbation_curves(
            self.fractions,
            {name: curve[chosen].mean(0) for name, curve in self.scores.items()},
            references={name: curve[chosen].mean(0) for name, curve in self.references.items()},
            band=None if self.spread is None or count != 1 else self.spread[chosen][0],
            kind=self.kind,
            score=self.score,
            note="" if count == 1 else f"mean of {count} pictures",
            theme=theme,
            width=width,
            height=height,
        )

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "kind": self.kind,
            "target": list(self.target),
            "score": self.score,
            "maps": list(self.scores),
            "references": list(self.references),
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def save(self, path: str | Path) -> Path:
        """Write them: `.npz` keeps every number (`load` reads it), `.json` all of it as text, `.png` draws the mean.

        Raises:
            ConfigError: Another ending.
        """
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), self._arrays()),
                ".json": lambda: json_bytes({**self.settings(), **self._numbers()}),
                ".png": lambda: draw.encode_png(self.draw()),
            },
        )

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        arrays = {"fractions": self.fractions} | ({} if self.spread is None else {"spread": self.spread})
        arrays |= {f"score_{i}": curve for i, curve in enumerate(self.scores.values())}
        return arrays | {f"reference_{i}": curve for i, curve in enumerate(self.references.values())}

    def _numbers(self) -> dict[str, Any]:
        return {
            "fractions": self.fractions.tolist(),
            "scores": {name: curve.tolist() for name, curve in self.scores.items()},
            "reference_scores": {name: curve.tolist() for name, curve in self.references.items()},
            "auc": {name: area.tolist() for name, area in self.auc.items()},
        }

    @classmethod
    def load(cls, path: str | Path) -> "PerturbationCurves":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "PerturbationCurves") as (settings, arrays):
            return cls(
                kind=settings["kind"],
                fractions=arrays["fractions"],
                scores={name: arrays[f"score_{i}"] for i, name in enumerate(settings["maps"])},
                references={name: arrays[f"reference_{i}"] for i, name in enumerate(settings["references"])},
                spread=arrays.get("spread"),
                target=tuple(settings["target"]),
                score=settings["score"],
                parameters=settings["parameters"],
                seconds=settings["seconds"],
            )

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())

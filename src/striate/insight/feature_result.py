"""Pictures that networks were asked to be excited by: the result, with how much they excite, and beside what."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.draw.patch_rows import Patch, PatchRow, draw_patch_rows
from striate.insight.numbers_in_words import short
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["FeaturePictures"]

_ARRAYS = ("values", "activations", "natural_best", "history", "gradient_norms", "start_activations")


@dataclass(frozen=True, eq=False)
class FeaturePictures:
    """One synthetic picture for each target.

    Attributes:
        values: `n c h w`, float32 in [0, 1]; RGB, or one channel for networks that see gray.
        targets: What each picture was made for: an address, `class 207 …`, or an objective's name.
        activations: `n`, what the finished picture excites, without any transform: the largest value of a channel's
            map, the value of a unit, a class's logit, or the objective.
        start_activations: `n`, the same of the picture that it started from.
        natural_best: `n`, the most that a natural picture excited (of `natural`); NaN where that is not known.
        history: `n steps`, the objective at every step, under that step's transform.
        gradient_norms: `n steps`, how strongly the picture was pulled.
        natural: For each picture the strongest natural patches, the strongest first; empty without.
        problems: What is wrong with some of the pictures, a sentence each.
        network: The network's name.
        method: `plain`, `fourier` or `maco`.
        parameters: Every setting that the pictures depend on.
        seed: Of all that was drawn at random.
        seconds: Wall time.
    """

    values: NDArray[np.float32]
    targets: tuple[str, ...]
    activations: NDArray[np.floating[Any]]
    start_activations: NDArray[np.floating[Any]]
    natural_best: NDArray[np.floating[Any]]
    history: NDArray[np.floating[Any]]
    gradient_norms: NDArray[np.floating[Any]]
    natural: tuple[tuple[Patch, ...], ...] = ()
    problems: tuple[str, ...] = ()
    network: str = ""
    method: str = "fourier"
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    seconds: float = 0.0

    @property
    def excited(self) -> NDArray[np.bool_]:
        """`n`: whether anything pulled the picture, and it excites more than what it started from."""
        pulled = (self.gradient_norms > 0).any(1)
        return np.asarray(pulled & (self.activations > self.start_activations))

    @property
    def beats_natural(self) -> NDArray[np.bool_]:
        """`n`: whether the picture excites more than every natural one; False where none is known."""
        return np.asarray(self.activations > self.natural_best)

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """The pictures as pixels, uint8 `n h w 3`."""
        pixels = (self.values.transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)  # n h w c
        return pixels if pixels.shape[3] == 3 else np.repeat(pixels[..., :1], 3, axis=3)

    def draw(
        self, *, top: int = 9, tile: int | None = None, columns: int | None = None, theme: str = "light"
    ) -> NDArray[np.uint8]:
        """The pictures with their names and numbers; beside the natural patches, where there are any.

        A target that no picture excited is left empty, and says why: its picture would be gray noise.

        Args:
            top: Natural patches a row.
            tile: Side of a picture; its own by default, 112 at least.
            columns: Pictures a row, where there are no natural ones.
            theme: `light` or `dark`.

        Returns:
            uint8 `H W 3`.
        """
        shown = self.pictures
        if tile is None:
            tile = max(shown.shape[1:3])
            tile *= -(-112 // tile)
        if not any(self.natural):
            tiles = []
            for number, picture in enumerate(shown):
                image = _fitted(picture if self.excited[number] else np.full_like(picture, 238), tile)
                tiles.append(draw.Tile(image, self.targets[number], self._note(number)))
            return draw.draw_sheet(tiles, columns=columns, gap=16, theme=theme)
        rows = []
        for number, picture in enumerate(shown):
            lead = _fitted(picture, tile) if self.excited[number] else None
            natural = self.natural[number][:top] if self.natural else ()
            rows.append(PatchRow(self.targets[number], (self._note(number),), natural, (lead,)))
        title = "What excites these units" + (f" of {self.network}" if self.network else "")
        note = (
            f"At the left a picture made for the unit ({self.sentence()}); beside it the natural patches that excite "
            "it most, the activation below each."
        )
        return draw_patch_rows(rows, title=title, notes=[note], leads=("made for it",), tile=tile, theme=theme)

    def sentence(self) -> str:
        """How they were made, in a few words."""
        words = {
            "plain": "gradient ascent on pixels",
            "fourier": "gradient ascent on Fourier coefficients",
            "maco": "gradient ascent on phases, magnitudes of photos",
        }
        return f"{words.get(self.method, self.method)}, {self.history.shape[1]} steps, seed {self.seed}"

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "targets": list(self.targets),
            "problems": list(self.problems),
            "network": self.network,
            "method": self.method,
            "parameters": self.parameters,
            "seed": self.seed,
            "seconds": self.seconds,
        }

    def to_dict(self) -> dict[str, Any]:
        """The settings and what every picture excites, as plain JSON values; no pixels."""
        rows = zip(
            self.targets,
            self.activations.tolist(),
            self.natural_best.tolist(),
            self.excited.tolist(),
            strict=True,
        )
        found = [
            {"target": t, "activation": a, "natural_best": None if np.isnan(b) else b, "excited": e}
            for t, a, b, e in rows
        ]
        return {**self.settings(), "pictures": found}

    def save(self, path: str | Path) -> Path:
        """Write the result: `.npz` keeps everything (`load` reads it), `.json` the numbers, `.png` draws it.

        Raises:
            ConfigError: Another ending.
        """
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        for row, patches in enumerate(self.natural):
            for place, patch in enumerate(patches):
                arrays[f"natural/{row}/{place}"] = patch.image
                if patch.inside is not None:
                    arrays[f"inside/{row}/{place}"] = patch.inside
        words = [[patch.words for patch in patches] for patches in self.natural]
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays({**self.settings(), "words": words}, arrays),
                ".json": lambda: json_bytes(self.to_dict(), indent=1),
                ".png": self._repr_png_,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "FeaturePictures":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "FeaturePictures") as (settings, arrays):
            words: list[list[str]] = settings.pop("words", [])
            natural = tuple(
                tuple(
                    Patch(arrays[f"natural/{row}/{place}"], arrays.get(f"inside/{row}/{place}"), text)
                    for place, text in enumerate(texts)
                )
                for row, texts in enumerate(words)
            )
            named: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
            known = {f.name for f in fields(cls)}
            rest: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k in known
            }
            return cls(**named, **rest, natural=natural)

    def _note(self, number: int) -> str:
        if not self.excited[number]:
            return "no gradient reached it" if not (self.gradient_norms[number] > 0).any() else "could not be excited"
        note = f"excites {short(float(self.activations[number]))}"
        best = float(self.natural_best[number])
        return note if np.isnan(best) else f"{note}, natural {short(best)}"

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())


def _fitted(picture: NDArray[np.uint8], tile: int) -> NDArray[np.uint8]:
    """Enlarged by a whole factor as far as it fits, then left to the sheet."""
    factor = max(tile // max(picture.shape[:2]), 1)
    return draw.enlarge(picture, factor=factor) if factor > 1 else picture

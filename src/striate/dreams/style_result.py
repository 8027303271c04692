"""A picture painted in a style, with how it was painted."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from striate.data.files import write_whole
from striate.draw.described import encode_described
from striate.draw.encode import encode_png
from striate.draw.loss_curves import draw_loss_curves
from striate.errors import DataError

__all__ = ["StyleStep", "StyledPicture"]


@dataclass(frozen=True, eq=False)
class StyleStep:
    """What one step did.

    Attributes:
        number: Steps done, from 1, over all sizes.
        total: Steps in all.
        scale: Which size, from 0, the coarsest.
        scales: How many sizes.
        size: `(h, w)` of it.
        value: The loss before the step, in the precision of the painting.
        evaluations: Times that loss and gradient have been computed; line searches need more than one a step.
        seconds: Since the beginning, pauses not counted.
        stepped_back: The step before had led to NaN or infinity; it was undone, and the rate is halved from here on.
        image: The picture after the step `1 c h w` in [0, 1] on the CPU, where a preview was asked for.
    """

    number: int
    total: int
    scale: int
    scales: int
    size: tuple[int, int]
    value: float
    evaluations: int
    seconds: float
    stepped_back: bool = False
    image: Float[torch.Tensor, "1 c h w"] | None = None


@dataclass(frozen=True, eq=False)
class StyledPicture:
    """The picture, and everything that led to it.

    Attributes:
        values: `h w 3` in [0, 1].
        losses: `total`, `content`, `style` and every layer, weights included, of the picture before colors were put
            back, clamped to [0, 1], in float32 (float64 for such networks).
        curve: The loss before every step, in the precision of the painting; each size has a loss of its own.
        evaluations: Evaluations of the loss by then, for every step.
        scale_ends: Steps after which a size is done.
        network: Which network the loss is of.
        parameters: All settings.
        finished: False where it was stopped.
        steps_back: How often NaN or infinity was undone.
        seed: Of the noise.
        seconds: Of painting.
    """

    values: Float[np.ndarray, "h w 3"]
    losses: dict[str, float]
    curve: NDArray[np.float64]
    evaluations: NDArray[np.int64]
    scale_ends: tuple[int, ...]
    network: str
    parameters: dict[str, Any]
    finished: bool = True
    steps_back: int = 0
    seed: int = 0
    seconds: float = 0.0

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 `h w 3`."""
        return np.asarray(np.rint(np.clip(self.values, 0, 1) * 255), dtype=np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """All but the picture and the curve, as JSON values."""
        return {
            "kind": "styled picture",
            "network": self.network,
            "size": list(self.values.shape[:2]),
            "losses": self.losses,
            "steps": len(self.curve),
            "evaluations": int(self.evaluations[-1]) if len(self.evaluations) else 0,
            "scale_ends": list(self.scale_ends),
            "finished": self.finished,
            "steps_back": self.steps_back,
            "seed": self.seed,
            "seconds": self.seconds,
            "parameters": self.parameters,
        }

    def draw(self) -> NDArray[np.uint8]:
        """The picture."""
        return self.pixels

    def draw_curve(self, *, theme: str = "light") -> NDArray[np.uint8]:
        """The loss against evaluations, a line for each size."""
        ends = [0, *(end for end in self.scale_ends if end < len(self.curve)), len(self.curve)]
        lines = {
            f"{'×'.join(map(str, self.parameters['sizes'][k]))}": (self.evaluations[a:b], self.curve[a:b])
            for k, (a, b) in enumerate(pairwise(ends))
            if b > a
        }
        return draw_loss_curves(lines, title=f"Loss, {self.network}", x="evaluations of the loss", theme=theme)

    def save_picture(self, path: str | Path, **more: Any) -> Path:
        """Write the picture as PNG, JPEG or WebP, by the name's ending, with the settings inside.

        Args:
            path: A name that ends in `.png`, `.jpg`, `.jpeg` or `.webp`.
            **more: Further settings to keep in the file, as JSON values.

        Raises:
            ConfigError: Another ending.
        """
        file = Path(path)
        write_whole(file, encode_described(self.pixels, {**self.to_dict(), **more}, ending=file.suffix))
        return file

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write `picture.png`, `curve.png`, `style.json` and `style.npz`; `load` reads them."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        files = {name: place / name for name in ("picture.png", "curve.png", "style.json", "style.npz")}
        self.save_picture(files["picture.png"])
        write_whole(files["curve.png"], encode_png(self.draw_curve()))
        write_whole(files["style.json"], json.dumps(self.to_dict(), indent=1).encode())
        np.savez_compressed(
            files["style.npz"],
            values=self.values.astype(np.float16),
            curve=self.curve,
            evaluations=self.evaluations,
        )
        return {file.stem if name != "style.npz" else "data": file for name, file in files.items()}

    @classmethod
    def load(cls, folder: str | Path) -> "StyledPicture":
        """What `save` wrote; the picture in 16 bits.

        Raises:
            DataError: The folder holds no such files.
        """
        place = Path(folder)
        try:
            known = json.loads((place / "style.json").read_text(encoding="utf-8"))
            with np.load(place / "style.npz", allow_pickle=False) as arrays:
                data = {name: arrays[name] for name in ("values", "curve", "evaluations")}
            return cls(
                values=data["values"].astype(np.float32),
                curve=data["curve"],
                evaluations=data["evaluations"],
                scale_ends=tuple(known["scale_ends"]),
                **{
                    name: known[name]
                    for name in ("losses", "network", "parameters", "finished", "steps_back", "seed", "seconds")
                },
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{place} holds no styled picture that `save` wrote ({error}).") from error

    def _repr_png_(self) -> bytes:
        return encode_png(self.pixels)

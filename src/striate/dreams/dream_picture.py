"""A dream, and how it was made."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.files import write_whole
from striate.draw import grid
from striate.draw.described import DESCRIBED_ENDINGS, encode_described, read_described
from striate.errors import ConfigError

__all__ = ["DreamPicture"]


@dataclass(frozen=True, eq=False)
class DreamPicture:
    """What `deep_dream` painted.

    Attributes:
        values: `c h w`: RGB (or one gray channel) in [0, 1] for a `Network`, in the units of the input for a module.
        photo: `c h w`, what it was painted on, likewise; without pixels where it was read from a file.
        limits: The lowest and the highest value of a pixel.
        target: What it shows more of.
        network: The network's name.
        parameters: Every setting that it depends on.
        seed: Of the movements.
        seconds: Wall time.
        stopped: `steps` if all are done, else `interrupted`.
        history: The goal's value before each step, octave after octave.
        problems: What went wrong, in sentences.
    """

    values: NDArray[np.floating[Any]]
    photo: NDArray[np.floating[Any]]
    target: str
    limits: tuple[float, float] = (0.0, 1.0)
    network: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    seconds: float = 0.0
    stopped: str = "steps"
    history: tuple[float, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """To look at, uint8 `h w 3`."""
        return _pixels(self.values, self.limits)

    def sentence(self) -> str:
        """What was done, for people."""
        made = self.parameters
        sizes = made.get("sizes", [])
        at = f"{len(sizes)} octave{'s' if len(sizes) != 1 else ''}"
        guide = f" after {made['guide']}" if made.get("guide") else ""
        return (
            f"DeepDream of {self.target}{guide} in {self.network}: {at}, {made.get('steps')} steps each of "
            f"{made.get('strength'):g} levels, seed {self.seed}."
        )

    def settings(self) -> dict[str, Any]:
        """Everything but the pixels, as plain JSON values."""
        return {
            "kind": "deep dream",
            "target": self.target,
            "limits": list(self.limits),
            "network": self.network,
            "parameters": self.parameters,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "history": [float(f"{value:.6g}") for value in self.history],
            "problems": list(self.problems),
        }

    def draw(self) -> NDArray[np.uint8]:
        """The photo and the dream side by side, uint8 `H W 3`."""
        if not self.photo.size:
            return self.pixels
        return grid([_pixels(self.photo, self.limits), self.pixels], gap=8)

    def save(self, path: str | Path, *, more: dict[str, Any] | None = None) -> Path:
        """Write it: `.png`, `.webp` and `.jpg` hold the picture with its settings, `.json` the settings alone.

        Args:
            path: Where to.
            more: Written beside the settings.

        Raises:
            ConfigError: Another ending.
        """
        path = Path(path)
        settings = {**self.settings(), **(more or {})}
        if path.suffix.lower() == ".json":
            write_whole(path, json.dumps(settings, indent=2).encode())
        elif path.suffix.lower() in DESCRIBED_ENDINGS:
            write_whole(path, encode_described(self.pixels, settings, ending=path.suffix))
        else:
            raise ConfigError(f"path must end in {', '.join(DESCRIBED_ENDINGS)} or .json; got '{path.name}'.")
        return path

    @classmethod
    def load(cls, path: str | Path) -> "DreamPicture":
        """Read what `save` wrote as a picture: its 8-bit levels, and every setting.

        Raises:
            DataError: It is no such picture.
        """
        pixels, settings = read_described(path)
        low, high = settings.get("limits", (0.0, 1.0))
        return cls(
            values=low + (high - low) * (pixels.astype(np.float32).transpose(2, 0, 1) / 255),
            photo=np.zeros((3, 0, 0), np.float32),
            limits=(low, high),
            **{name: settings.get(name, "") for name in ("target", "network", "stopped")},
            parameters=settings.get("parameters", {}),
            seed=settings.get("seed", 0),
            seconds=settings.get("seconds", 0.0),
            history=tuple(settings.get("history", ())),
            problems=tuple(settings.get("problems", ())),
        )

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "PNG")
        return buffer.getvalue()


def _pixels(values: NDArray[np.floating[Any]], limits: tuple[float, float]) -> NDArray[np.uint8]:
    if values.shape[0] not in (1, 3):
        raise ConfigError(f"a picture to look at has 1 or 3 channels; this one has {values.shape[0]}.")
    unit = (values - limits[0]) / (limits[1] - limits[0])
    pixels = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)

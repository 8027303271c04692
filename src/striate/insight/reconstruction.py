"""A photo painted again from what one layer answered to it, several times from different noise."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.draw.row_sheet import Shown, draw_row_sheet
from striate.errors import ConfigError
from striate.insight.picture_likeness import color_error, psnr, ssim
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["Reconstruction"]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Pictures that a layer can hardly tell from the photo, and how they were made.

    Where the pictures agree with each other, the layer knows; where they differ, it has forgotten.

    Attributes:
        layer: The layer whose answer was inverted; `output` for the module's own.
        values: `s c h w`, one picture a sample: RGB (or one gray channel) in [0, 1] for a `Network`, in the units
            of the input for a plain module.
        photo: `c h w`, what was inverted, likewise.
        limits: The lowest and the highest value of a picture.
        shape: Of the layer's answer, without the batch axis.
        errors: For each sample ‖Φ(x) − Φ₀‖ / ‖Φ₀‖ of the picture as it stands in `values`.
        terms: For each sample what the objective is the sum of, at the end: `representation` (the square of the error
            before the last clamp), `tv`, `alpha`.
        curves: `s t`, the objective before each step, to be made small; not a number after a sample's last step.
        seeds: Of each sample's starting noise.
        stopped: For each sample why it ended: `plateau`, `steps` (all are done) or `interrupted`.
        network: The network's name.
        parameters: Every setting that the pictures depend on.
        seconds: Wall time it took.
    """

    layer: str
    values: NDArray[np.floating[Any]]
    photo: NDArray[np.floating[Any]]
    limits: tuple[float, float]
    shape: tuple[int, ...]
    errors: tuple[float, ...]
    terms: dict[str, tuple[float, ...]]
    curves: NDArray[np.floating[Any]]
    seeds: tuple[int, ...]
    stopped: tuple[str, ...]
    network: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def best(self) -> int:
        """The sample with the smallest representation error."""
        return int(np.argmin(self.errors))

    @property
    def psnr(self) -> tuple[float, ...]:
        """Of each sample against the photo, in dB; see `insight.picture_likeness`."""
        return tuple(psnr(picture, self._unit(self.photo)) for picture in self._unit(self.values))

    @property
    def ssim(self) -> tuple[float, ...]:
        """Structural similarity of each sample's lightness to the photo's; 1 is the photo."""
        return tuple(ssim(picture, self._unit(self.photo)) for picture in self._unit(self.values))

    @property
    def color_errors(self) -> tuple[float, ...]:
        """Mean distance of each sample's colors from the photo's in OKLab, lightness left out."""
        return tuple(color_error(picture, self._unit(self.photo)) for picture in self._unit(self.values))

    @property
    def disagreement(self) -> float:
        """Root mean square difference between samples, as a share of the range: what the layer leaves open.

        Not a number for a single sample.
        """
        pictures = self._unit(self.values).astype(np.float64)
        if len(pictures) < 2:
            return float("nan")
        return float(np.sqrt(2 * pictures.var(axis=0, ddof=1).mean()))

    def numbers(self) -> dict[str, float]:
        """What is lost, as means over the samples: the row of this layer in a table."""
        return {
            "representation_error": float(np.mean(self.errors)),
            "psnr_db": float(np.mean(self.psnr)),
            "ssim": float(np.mean(self.ssim)),
            "color_error": float(np.mean(self.color_errors)),
            "disagreement": self.disagreement,
        }

    def lost(self) -> NDArray[np.floating[Any]]:
        """`h w`: the absolute difference to the photo, a mean over samples and channels, as a share of the range."""
        gap = np.abs(self._unit(self.values) - self._unit(self.photo))
        return np.asarray(gap.mean(axis=(0, 1)))

    def pictures(self) -> NDArray[np.uint8]:
        """The samples to look at, uint8 `s h w 3`.

        Raises:
            ConfigError: Pictures of neither one nor three channels.
        """
        return self._pixels(self.values)

    def photo_pixels(self) -> NDArray[np.uint8]:
        """The photo to look at, uint8 `h w 3`."""
        return np.asarray(self._pixels(self.photo[None])[0])

    def draw(self, *, theme: str = "light", tile: int = 0) -> NDArray[np.uint8]:
        """The photo and the samples side by side with their numbers.

        Args:
            theme: `light` or `dark`.
            tile: Side of the square for each picture; by default the picture's own size, and never below 168 pixels.

        Returns:
            uint8 `H W 3`.
        """
        tiles = [Shown(self.photo_pixels(), "photo", " ")]
        for number, picture in enumerate(self.pictures()):
            likeness = f"SSIM {say_similarity(self.ssim[number])}, {self.psnr[number]:.1f} dB"
            tiles.append(Shown(picture, f"seed {self.seeds[number]}, error {say_share(self.errors[number])}", likeness))
        return draw_row_sheet(
            [tiles],
            title=f"What {self.layer} keeps",
            notes=[self.sentence()],
            apart=1,
            tile=tile or max(168, *self.photo.shape[1:]),
            theme=theme,
        )

    def sentence(self) -> str:
        """What was done, for people."""
        made = self.parameters
        how = f"{made.get('optimizer', '')}, at most {made.get('steps', '')} steps, prior {made.get('prior', '')}"
        size = "×".join(map(str, self.shape))
        return (
            f"{self.network}, layer {self.layer} ({size}): pictures whose representation is that of the photo, each "
            f"painted from noise of its own ({how})."
        )

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "layer": self.layer,
            "limits": list(self.limits),
            "shape": list(self.shape),
            "errors": list(self.errors),
            "terms": {name: list(values) for name, values in self.terms.items()},
            "seeds": list(self.seeds),
            "stopped": list(self.stopped),
            "network": self.network,
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays, by name."""
        return {"values": self.values, "photo": self.photo, "curves": self.curves}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Reconstruction":
        """The inverse of `settings` and `arrays`."""
        low, high = settings["limits"]
        changed = {name: tuple(settings[name]) for name in ("shape", "errors", "seeds", "stopped")}
        terms = {name: tuple(values) for name, values in settings["terms"].items()}
        return cls(**{**settings, **arrays, **changed, "limits": (low, high), "terms": terms})

    def save(self, path: str | Path) -> Path:
        """Write it: `.npz` keeps everything (`load` reads it), `.json` the settings and numbers, `.png` draws it.

        Raises:
            ConfigError: Another ending.
        """
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), self.arrays()),
                ".json": lambda: json_bytes(plain({**self.settings(), "numbers": self.numbers()}), indent=2),
                ".png": self._repr_png_,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "Reconstruction":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: It holds something else.
        """
        with saved(path, "Reconstruction") as (settings, arrays):
            return cls.restore(settings, arrays)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.draw()).save(buffer, "PNG")
        return buffer.getvalue()

    def _unit(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Values as shares of the range."""
        low, high = self.limits
        return (values - low) / (high - low)

    def _pixels(self, values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        channels = values.shape[1]
        if channels not in (1, 3):
            raise ConfigError(f"a picture to look at has 1 or 3 channels; these have {channels}. Save them to .npz.")
        pixels = np.rint(np.clip(self._unit(values), 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(np.repeat(pixels, 3, axis=3) if channels == 1 else pixels)


def say_share(share: float) -> str:
    r"""A share of one in percent, two digits that count.

    >>> say_share(0.03124), say_share(0.412), say_share(0.00031)
    ('3.1\xa0%', '41\xa0%', '0.031\xa0%')
    """
    percent = 100 * share
    text = f"{percent:.0f}" if percent >= 10 else f"{percent:.1f}" if percent >= 1 else f"{percent:.2g}"
    return f"{text}\u00a0%"


def say_similarity(ssim: float) -> str:
    """SSIM with two digits; what is not the photo itself never reads as 1.

    >>> say_similarity(0.8421), say_similarity(0.9986), say_similarity(1.0)
    ('0.84', '0.9986', '1.00')
    """
    return f"{ssim:.2f}" if ssim < 0.995 or ssim == 1 else f"{min(ssim, 0.9999):.4f}"


def plain(value: Any) -> Any:
    """JSON values without NaN and infinity, which JSON does not have: they become null."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if not isinstance(value, float) or np.isfinite(value) else None

"""Paint a photo in the style of paintings: watched, stopped and gone on with, saved with its settings."""

import json
import platform
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from striate import __version__
from striate.data import read_image
from striate.data.files import printable, write_whole
from striate.draw import encode_png
from striate.dreams.style_run import StyleTransfer
from striate.errors import DataError
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable

__all__ = ["StyleConfig", "build_transfer", "read_config", "run"]

_PREVIEW_S = 3.0
_STATE, _CONFIG = "state.pt", "run.json"


class StyleConfig(BaseModel):
    """Which photo, which paintings, and how; what is None comes from the preset.

    Attributes:
        content: The photo.
        styles: One painting or several.
        network: A name of `striate models`, or a weights file.
        preset: `striate`, `gatys`, `jcjohnson`, `tutorial` or `crowsonkb`.
        content_layers: By rule when empty.
        style_layers: By rule when empty.
        content_weight: α.
        style_weight: β.
        style_weights: Share of each painting; even when empty.
        layer_weights: Share of each style layer; the preset's when empty.
        tv_weight: γ.
        loss: `gram`, `wasserstein` or `histogram`.
        size: Longer side of the result in pixels.
        style_scale: Longer side of the paintings, as a share of the result's.
        scales: Sizes from coarse to fine, at most.
        steps: At each size.
        optimizer: `lbfgs` or `adam`.
        learning_rate: Of Adam.
        pooling: `max` or `average`.
        keep_colors: Keep the photo's colors.
        color_method: How: `luminance` or `match`.
        masks: For each painting, where it goes.
        start: `content`, `noise`, or a picture file.
        tile: Side of tiles in pixels, for sizes that do not fit into memory.
        precision: `auto`, `float32` or `bfloat16`.
        picture_format: Of the picture: `png`, `jpg` or `webp`.
        seed: Of the noise.
        out: Folder; `striate-out/CONTENT-STYLE-style` by default.
        max_megapixels: Larger pictures are refused before they are decoded.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: Path
    styles: tuple[Path, ...] = Field(min_length=1)
    network: str = "vgg16_features.hed_bsds500"
    preset: str = "striate"
    content_layers: tuple[str, ...] = ()
    style_layers: tuple[str, ...] = ()
    content_weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    style_weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    style_weights: tuple[float, ...] = ()
    layer_weights: tuple[float, ...] = ()
    tv_weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    loss: Literal["gram", "wasserstein", "histogram"] = "gram"
    size: int | None = Field(default=None, ge=32, le=16384)
    style_scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    scales: int | None = Field(default=None, ge=1, le=12)
    steps: int | None = Field(default=None, ge=1)
    optimizer: Literal["lbfgs", "adam"] | None = None
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    pooling: Literal["max", "average"] | None = None
    keep_colors: bool = False
    color_method: Literal["luminance", "match"] = "luminance"
    masks: tuple[Path, ...] = ()
    start: str | None = None
    tile: int | None = Field(default=None, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    picture_format: Literal["png", "jpg", "webp"] = "png"
    seed: int = Field(default=0, ge=0)
    out: Path | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        if self.out is not None:
            return self.out
        words = (self.content.stem, self.styles[0].stem, "style")
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def run(
    config: StyleConfig, *, resume: bool = False, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Paint: yields a `Plan` with its time, `Progress` for every step, then `Done` with the `StyledPicture`.

    `preview.png` in the folder shows the picture every few seconds. A run that was stopped leaves `state.pt` beside the
    picture as it is by then; with `resume` it goes on from there and ends with the same picture to the last bit.

    Args:
        config: What to do.
        resume: Go on with what was stopped in the folder.
        should_stop: Asked after every step; when it says yes, what is there is written and the run ends with `Done`.

    Raises:
        DataError: A picture cannot be read, the folder cannot be written, or holds nothing to go on with.
        StriateError: The network, its weights, a layer or a setting cannot be had.
    """
    folder = config.folder
    pictures = _pictures(config)  # a bad picture fails before the heavy work
    require_writable(folder)
    state = _read_state(folder) if resume else None
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    transfer = build_transfer(config, network, pictures)
    if state is not None:
        transfer.restore(state)
    yield Progress("measuring how long a step takes", 0, None)
    sizes = ", ".join(f"{h} × {w}" for h, w in transfer.sizes)
    names = " and ".join(printable(path.name) for path in config.styles)
    again = f" from step {transfer.done} of {transfer.total}" if resume else f", {transfer.total} steps"
    yield Plan(
        f"Paint {printable(config.content.name)} in the style of {names}{again}, at {sizes} pixels, "
        f"by {config.network}.",
        seconds=transfer.estimate(),
    )
    shown = perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = config.model_copy(update=_absolute(config))
        write_whole(folder / _CONFIG, kept.model_dump_json(indent=1).encode())
        for step in transfer.run():
            if perf_counter() - shown > _PREVIEW_S:
                write_whole(folder / "preview.png", encode_png(_pixels(transfer.picture())))
                shown = perf_counter()  # a slow disk must not be all that is waited for
            back = ", stepped back from numbers that were not finite" if step.stepped_back else ""
            size = f"{step.size[0]} × {step.size[1]}"
            yield Progress(f"{size}, loss {step.value:.4g}{back}", step.number, step.total)
            if should_stop():
                break
        yield Progress("evaluating the loss in float32", 0, None)
        result = transfer.result()
        files = result.save(folder)
        picture = folder / f"picture.{config.picture_format}"
        result.save_picture(picture, **_provenance(config, network))
        if config.picture_format != "png":
            files["picture"].unlink()
        files["picture"] = picture
        (folder / "preview.png").unlink(missing_ok=True)
        if result.finished:
            (folder / _STATE).unlink(missing_ok=True)
        else:
            torch.save(transfer.state(), folder / _STATE)
            files["state"] = folder / _STATE
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(result, folder, files)


def read_config(folder: Path) -> StyleConfig:
    """The settings of a run that was stopped in `folder`.

    Raises:
        DataError: There is none.
    """
    try:
        known = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        return StyleConfig(**{**known, "out": folder})
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"'{folder}' holds no style run to go on with ({error}). Give the folder that a stopped run named."
        ) from error


def build_transfer(
    config: StyleConfig, network: Network, pictures: dict[str, Any] | None = None, **more: Any
) -> StyleTransfer:
    """The transfer that these settings describe; `more` replaces some of them."""
    found = _pictures(config) if pictures is None else pictures
    settings: dict[str, Any] = {
        "preset": config.preset,
        "content_layers": config.content_layers or None,
        "style_layers": config.style_layers or None,
        "content_weight": config.content_weight,
        "style_weight": config.style_weight,
        "style_weights": config.style_weights or None,
        "layer_weights": config.layer_weights or None,
        "tv_weight": config.tv_weight,
        "loss": config.loss,
        "size": config.size,
        "style_scale": config.style_scale,
        "scales": config.scales,
        "steps": config.steps,
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
        "pooling": config.pooling,
        "keep_colors": config.color_method if config.keep_colors else None,
        "masks": found["masks"],
        "start": found["start"],
        "tile": config.tile,
        "precision": config.precision,
        "seed": config.seed,
    }
    return StyleTransfer(network, found["content"], found["styles"], **{**settings, **more})


def _pictures(config: StyleConfig) -> dict[str, Any]:
    def read(path: Path) -> Any:
        return read_image(path, max_megapixels=config.max_megapixels)

    named = config.start in (None, "content", "noise")
    return {
        "content": read(config.content),
        "styles": [read(path) for path in config.styles],
        "masks": [read(path) for path in config.masks] or None,
        "start": config.start if named else read(Path(str(config.start))),
    }


def _absolute(config: StyleConfig) -> dict[str, Any]:
    """Paths that mean the same from another folder."""
    start = config.start if config.start in (None, "content", "noise") else str(Path(str(config.start)).absolute())
    return {
        "content": config.content.absolute(),
        "styles": tuple(path.absolute() for path in config.styles),
        "masks": tuple(path.absolute() for path in config.masks),
        "start": start,
    }


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(folder / _STATE, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise DataError(f"'{folder}' holds no stopped run ({_STATE}): it is finished, or was never begun.") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(f"'{folder / _STATE}' cannot be read ({type(error).__name__}); begin anew.") from error
    return state


def _pixels(picture: torch.Tensor) -> Any:
    pixels = (picture[0].clamp(0, 1) * 255).round().byte().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)


def _provenance(config: StyleConfig, network: Network) -> dict[str, Any]:
    words = ["striate", "style", str(config.content), *(str(path) for path in config.styles)]
    for name, field in StyleConfig.model_fields.items():
        value = getattr(config, name)
        if name in ("content", "styles", "out") or value == field.default:
            continue
        words.append(f"--{name.removeprefix('picture_').replace('_', '-')}")
        if value is not True:
            words += [str(one) for one in value] if isinstance(value, tuple) else [str(value)]
    record = network.weights
    return {
        "command": shlex.join(words),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "weights": "" if record is None else record.name,
        "license": "" if record is None else record.license,
        "versions": {"striate": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }

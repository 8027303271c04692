"""What does each layer of a network keep of a photo? Paint it again from several depths, and put that on one sheet."""

import platform
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from striate.draw import encode_png, grid
from striate.insight.inversion import Inversion, InversionStep
from striate.insight.inversion_prior import Prior, find_prior
from striate.insight.inversion_sheet import InversionSheet, describe_layers
from striate.insight.inversion_subject import picture_of
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report.inversion_page import build_inversion_page

__all__ = ["InvertConfig", "rebuild_page", "run"]

_PREVIEW_S = 3.0


class InvertConfig(BaseModel):
    """Which photo, which layers, and how.

    Attributes:
        photo: The image file.
        network: A name of `striate models` (with or without a weight tag), or a weights file.
        layers: Paths from shallow to deep; empty for the end of every stage.
        samples: Pictures a layer, each from noise of its own.
        steps: At most so many for each picture.
        prior: A name of `striate.insight.inversion_prior.PRIORS`.
        tv_weight: λ_V in the paper's units instead of the prior's.
        optimizer: `auto`, `lbfgs`, `adam` or `reference`.
        size: Side of the picture in pixels; by default what the network was trained at.
        tolerance: A picture is done when L-BFGS gains less than this share in 10 steps.
        seed: Of the first noise.
        out: Folder; `striate-out/PHOTO-NETWORK-inversion` by default.
        max_megapixels: Larger photos are refused before they are decoded.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: Path
    network: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    samples: int = Field(default=4, ge=1, le=16)
    steps: int = Field(default=200, ge=1)
    prior: str = "tv"
    tv_weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    optimizer: Literal["auto", "lbfgs", "adam", "reference"] = "auto"
    size: int | None = Field(default=None, ge=8, le=2048)
    tolerance: float = Field(default=0.01, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    out: Path | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        if self.out is not None:
            return self.out
        words = (self.photo.stem, Path(self.network).name, "inversion")
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def run(config: InvertConfig, *, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Invert: yields a `Plan` with a time at most, `Progress` for every step, then `Done` with the `InversionSheet`.

    First one picture of every layer, then the second of every layer, and so on, so that whoever stops early has all
    depths. `preview.png` in the folder shows the newest state every few seconds.

    Args:
        config: What to do.
        should_stop: Asked after every step; when it says yes, what is there is written and the run ends with `Done`.

    Raises:
        DataError: The photo cannot be read, or the folder cannot be written.
        StriateError: The network, its weights or a layer cannot be had.
    """
    photo = read_image(config.photo, max_megapixels=config.max_megapixels)  # a bad photo fails before the heavy work
    require_writable(config.folder)
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    pictured = picture_of(network, photo, size=config.size)
    layers, fields = describe_layers(pictured, config.layers or None)
    prior = _prior(config)
    inversions = [
        Inversion(
            network,
            pictured,
            layer=layer,
            samples=config.samples,
            steps=config.steps,
            prior=prior,
            optimizer=config.optimizer,
            tolerance=config.tolerance,
            seed=config.seed,
        )
        for layer in layers
    ]
    yield Progress("measuring how long a step takes", 0, None)
    seconds = [inversion.estimate() for inversion in inversions]
    many = f"{config.samples} picture{'s' if config.samples > 1 else ''} each"
    yield Plan(
        f"Invert {printable(config.photo.name)} from {len(layers)} layer{'s' if len(layers) > 1 else ''} "
        f"of {config.network}, {many}: "
        f"{', '.join(layers)}.",
        seconds=sum(seconds),
    )
    painted = _Painted(inversions, seconds, config)
    yield from painted.run(should_stop)
    rows = tuple(inversion.result() for inversion in inversions if inversion.images)
    kept = tuple(text for inversion, text in zip(inversions, fields, strict=True) if inversion.images)
    sheet = InversionSheet(network.name, config.photo.name, rows, kept, _provenance(network, config, painted.seconds))
    yield Progress("writing the sheet", 0, None)
    try:
        files = sheet.save(config.folder)
        page = config.folder / "report.html"
        write_whole(page, build_inversion_page(sheet).encode())
        (config.folder / "preview.png").unlink(missing_ok=True)
    except OSError as error:
        raise not_writable(config.folder, error.strerror or str(error)) from error
    yield Done(sheet, config.folder, {"report": page, **files})


def rebuild_page(folder: Path) -> Path:
    """Draw the page again from what an earlier run saved in `folder`."""
    page = folder / "report.html"
    write_whole(page, build_inversion_page(InversionSheet.load(folder)).encode())
    return page


class _Painted:
    """The pictures of all layers in turn, and how much of the work is done."""

    def __init__(self, inversions: list[Inversion], seconds: list[float], config: InvertConfig) -> None:
        self.inversions, self.config = inversions, config
        self.seconds = 0.0
        whole = sum(seconds) or 1.0
        self._shares = [second / whole / config.samples for second in seconds]
        self._shown = perf_counter()

    def run(self, should_stop: Callable[[], bool]) -> Iterator[Progress]:
        """Paint until all is done, or somebody asks to stop."""
        began, done = perf_counter(), 0.0
        for sample in range(self.config.samples):
            for inversion, share in zip(self.inversions, self._shares, strict=True):
                for step in inversion.run_sample():
                    self.seconds = perf_counter() - began
                    self._preview()
                    yield Progress(self._say(inversion, sample, step), _thousandths(done, share, step), 1000)
                    if should_stop():
                        return
                done += share

    def _say(self, inversion: Inversion, sample: int, step: InversionStep) -> str:
        number = f", picture {sample + 1} of {self.config.samples}" if self.config.samples > 1 else ""
        return f"{inversion.layer}{number}"

    def _preview(self) -> None:
        """Every few seconds, the newest picture of every layer, beside the photo."""
        if perf_counter() - self._shown < _PREVIEW_S:
            return
        pictured = self.inversions[0].pictured
        begun = [inversion for inversion in self.inversions if inversion.images]
        shown = [pictured.photo[0].cpu(), *(inversion.picture(len(inversion.images) - 1) for inversion in begun)]
        pixels = [_pixels(picture) for picture in shown]
        try:
            self.config.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.config.folder / "preview.png", encode_png(grid(pixels, gap=4)))
        except OSError as error:
            raise not_writable(self.config.folder, error.strerror or str(error)) from error
        self._shown = perf_counter()  # a slow disk must not be all that is waited for


def _thousandths(done: float, share: float, step: InversionStep) -> int:
    return min(round(1000 * (done + share * step.number / step.total)), 1000)


def _pixels(picture: torch.Tensor) -> Any:
    pixels = (picture.clamp(0, 1) * 255).round().byte().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)


def _prior(config: InvertConfig) -> str | Prior:
    prior = find_prior(config.prior)
    return config.prior if config.tv_weight is None else replace(prior, tv_weight=config.tv_weight)


def _provenance(network: Network, config: InvertConfig, seconds: float) -> dict[str, Any]:
    words = ["striate", "invert", str(config.photo), "--network", config.network]
    for name, field in InvertConfig.model_fields.items():
        value = getattr(config, name)
        if name not in ("photo", "network", "out") and value != field.default:
            flag = f"--{name.replace('_', '-')}"
            words += [flag, *([str(one) for one in value] if isinstance(value, tuple) else [str(value)])]
    record = network.weights
    return {
        "command": shlex.join(words),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "weights": "" if record is None else record.name,
        "license": "" if record is None else record.license,
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "versions": {
            "striate": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "settings": config.model_dump(mode="json", exclude={"photo", "out"}),
    }

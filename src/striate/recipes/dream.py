"""A photo becomes a dream, or a film of dreams; both can be stopped at any time and go on where they were."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch raises
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from striate import __version__
from striate.data import read_image
from striate.data.files import printable, write_whole
from striate.draw import encode_jpeg
from striate.draw.described import DESCRIBED_ENDINGS, read_described
from striate.dreams.deep_dream import dream_result
from striate.dreams.dream_photo import photo_tensor
from striate.dreams.dream_picture import DreamPicture
from striate.dreams.dreamer import Dreamer, Painting
from striate.dreams.film import closer, frame_pixels, frame_tensor
from striate.errors import ConfigError, DataError
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.film_file import FilmKind, pick_kind, write_film
from striate.recipes.output_folder import not_writable, require_writable

__all__ = ["DreamConfig", "run"]

_PREVIEW_S = 3.0
_PLACES = {"photo", "out", "frames", "fps", "video", "max_megapixels", "device", "guide"}  # change no pixel by name


class DreamConfig(BaseModel):
    """Which photo, what to see in it, and how.

    Attributes:
        photo: The image file.
        network: A name of `striate models` (with or without a weight tag), or a weights file.
        layer: Layers, units, classes and mixtures as `striate.dreams.deep_dream` reads them; empty for the default.
        guide: Another image file, to become like.
        size: Longer side in pixels, or `original`; by default the photo's own, within 224 to 1024.
        octaves: Sizes, from small to full.
        scale: From one to the next.
        steps: At every octave.
        strength: Mean change of a pixel a step, in levels of 255.
        jitter: Pixels that the picture is rolled by.
        tile: Larger pictures are seen in tiles of so many pixels.
        precision: `float32` or `bfloat16`.
        frames: 1 for a picture, more for a film.
        zoom: From frame to frame.
        turn: Degrees from frame to frame.
        fps: Frames a second of the film.
        video: `auto` (MP4 where ffmpeg is, else WebP), `mp4`, `webp`, `gif`, or `none` for the frames alone.
        seed: Of the rolls.
        out: A folder, or for a picture a file that ends in .png, .jpg or .webp; `striate-out/PHOTO-NETWORK-dream` by
            default.
        max_megapixels: Larger photos are refused before they are decoded.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: Path
    network: str = "efficientnet_lite0"
    layer: tuple[str, ...] = ()
    guide: Path | None = None
    size: int | Literal["original"] | None = None
    octaves: int = Field(default=4, ge=1, le=16)
    scale: float = Field(default=1.4, gt=1, le=8)
    steps: int = Field(default=10, ge=1)
    strength: float = Field(default=1.5, gt=0, le=255)
    jitter: int = Field(default=32, ge=0)
    tile: int = Field(default=1024, ge=64)
    precision: Literal["float32", "bfloat16"] = "float32"
    frames: int = Field(default=1, ge=1, le=99_999)
    zoom: float = Field(default=1.05, ge=0.5, le=2)
    turn: float = Field(default=0.0, ge=-180, le=180)
    fps: float = Field(default=12.0, ge=1, le=50)
    video: FilmKind = "auto"
    seed: int = Field(default=0, ge=0)
    out: Path | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def place(self) -> Path:
        """The folder, or the file of a picture."""
        if self.out is not None:
            return self.out
        words = (self.photo.stem, Path(self.network).name, "dream")
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)

    @property
    def picture(self) -> Path:
        """Where the picture goes (of a film: the last frame)."""
        return self.place if self.place.suffix.lower() in DESCRIBED_ENDINGS else self.place / "dream.png"

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        return self.picture.parent


def run(config: DreamConfig, *, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Dream: yields a `Plan` with a time, `Progress` for every step, then `Done` with the `DreamPicture`.

    A preview beside the result shows the picture every few seconds. What is stopped goes on where it was when the same
    is asked for again: a film at its next frame, a picture at its next step, and both end bit for bit as if they had
    never been stopped.

    Args:
        config: What to do.
        should_stop: Asked after every step; when it says yes, what is there is written and the run ends with `Done`.

    Raises:
        DataError: A photo cannot be read, or the folder cannot be written.
        ConfigError: The folder holds frames of another film.
        StriateError: The network, its weights or a layer cannot be had.
    """
    if config.frames > 1 and config.picture == config.place:
        raise ConfigError(f"--out must be a folder for {config.frames} frames; got '{config.place}'.")
    photo = read_image(config.photo, max_megapixels=config.max_megapixels)  # a bad photo fails before the heavy work
    guide = None if config.guide is None else read_image(config.guide, max_megapixels=config.max_megapixels)
    require_writable(config.folder)
    kind = pick_kind(config.video) if config.frames > 1 else "none"
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    dreamer = Dreamer(
        network,
        target=config.layer or None,
        guide=guide,
        **{name: getattr(config, name) for name in ("octaves", "scale", "steps", "strength", "jitter", "tile")},
        precision=config.precision,
        seed=config.seed,
    )
    work = _Work(config, dreamer, network, photo, guide)
    yield from work.run(should_stop, kind)


class _Work:
    """The frames of one run; a picture is a film of one."""

    def __init__(
        self,
        config: DreamConfig,
        dreamer: Dreamer,
        network: Network,
        photo: NDArray[np.uint8],
        guide: NDArray[np.uint8] | None,
    ) -> None:
        self.config, self.dreamer, self.network = config, dreamer, network
        self.start = photo_tensor(dreamer.whole, photo, size=config.size)
        record = network.weights
        self.identity = {
            **config.model_dump(mode="json", exclude=_PLACES),
            "photo": _hash(photo),
            "guide": None if guide is None else _hash(guide),
            "weights": "" if record is None else record.name,
        }
        if config.frames == 1:  # then they say nothing
            self.identity = {k: v for k, v in self.identity.items() if k not in ("zoom", "turn")}
        self.unfinished = config.folder / f".{config.picture.stem}.unfinished.pt"
        self.preview = config.folder / f"{config.picture.stem}-preview.jpg"
        self._shown = perf_counter()

    def run(self, should_stop: Callable[[], bool], kind: FilmKind) -> Iterator[Event]:
        config = self.config
        frames = self._frames_there() if config.frames > 1 else []
        painting = self.dreamer.paint(self._view(frames), frame=len(frames))
        resumed = self._restore(painting) if config.frames == 1 else len(frames)
        if len(frames) < config.frames:
            yield Progress("measuring how long a step takes", 0, None)
        yield Plan(self._say(painting, len(frames), resumed), seconds=self._estimate(painting, len(frames)))
        result: DreamPicture | None = None
        stopped = False
        try:
            config.folder.mkdir(parents=True, exist_ok=True)
            while len(frames) < config.frames and not stopped:
                began = perf_counter()
                for step in painting.run():
                    self._show(painting)
                    stage = "dreaming" if config.frames == 1 else f"frame {len(frames) + 1} of {config.frames}"
                    yield Progress(stage, round(1000 * (len(frames) + step.share)), 1000 * config.frames)
                    stopped = should_stop()
                    if stopped and painting.done < painting.total:
                        break
                result = self._result(painting, perf_counter() - began)
                if config.frames == 1 or painting.done == painting.total:
                    frames.append(self._write(result, painting, len(frames) + 1))
                if len(frames) < config.frames and not stopped:
                    painting = self.dreamer.paint(self._view(frames), frame=len(frames))
            yield Progress("writing", 0, None)
            files = self._finish(frames, kind)
        except OSError as error:
            raise not_writable(config.folder, error.strerror or str(error)) from error
        if frames and (result is None or result.stopped != "steps" or config.frames > 1):
            result = DreamPicture.load(frames[-1])
        yield Done(result, config.folder, files)

    def _frame(self, number: int) -> Path:
        return self.config.folder / "frames" / f"frame-{number:05d}.png"

    def _frames_there(self) -> list[Path]:
        """The frames that an earlier run has left, if it was of this film."""
        frames: list[Path] = []
        while len(frames) < self.config.frames and self._frame(len(frames) + 1).is_file():
            frames.append(self._frame(len(frames) + 1))
        for path in frames[:1] + frames[-1:]:
            there = read_described(path)[1].get("run", {})
            other = [name for name, value in self.identity.items() if there.get(name) != value]
            if other:
                raise ConfigError(
                    f"'{path.parent}' holds frames of another film ({', '.join(other)} differ). Choose another folder "
                    "with --out, or remove them."
                )
        return frames

    def _view(self, frames: list[Path]) -> torch.Tensor:
        """What the next frame is painted on."""
        if not frames:
            return self.start
        before = frame_tensor(read_described(frames[-1])[0], like=self.start)
        return closer(before, zoom=self.config.zoom, turn=self.config.turn)

    def _restore(self, painting: Painting) -> int:
        """Steps that an earlier run has done of this very picture."""
        if not self.unfinished.is_file():
            return 0
        try:
            kept = torch.load(self.unfinished, weights_only=True, map_location="cpu")
            if kept["run"] != self.identity:
                return 0
            painting.restore(kept["state"])
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, UnpicklingError) as error:
            raise DataError(f"'{self.unfinished}' is damaged. Remove it to begin again.") from error
        return painting.done

    def _say(self, painting: Painting, there: int, resumed: int) -> str:
        config, (height, width) = self.config, painting.sizes[-1]
        what = ", ".join(
            goal.name + (f" (× {goal.weight:g})" if goal.weight != 1 else "") for goal in self.dreamer.goals
        )
        after = "" if config.guide is None else f" after {config.guide.name}"
        text = (
            f"Dream of {what}{after} of {config.network} in {config.photo.name}: {width} × {height} pixels, "
            f"{len(painting.sizes)} octave{'s' if len(painting.sizes) > 1 else ''}, {config.steps} steps each"
        )
        if config.frames > 1:
            text += f", {config.frames} frames, each {config.zoom:g} times nearer"
        if resumed:
            text += f"; going on after {'frame' if config.frames > 1 else 'step'} {resumed}"
        return f"{printable(text)}."

    def _estimate(self, painting: Painting, there: int) -> float:
        """Seconds that are left, by a step at the smallest octave; pixels cost alike."""
        if there >= self.config.frames:
            return 0.0
        trial = self.dreamer.paint(painting.photo)
        warm = len(trial.sizes) > 1 and trial.total > 1  # the first step costs more, but may be half of the work
        before = after = perf_counter()
        for step in trial.run():
            if step.done == 1 + warm:
                after = perf_counter()
                break
            before = perf_counter()
        smallest = trial.sizes[0]
        pixels = sum(h * w for h, w in trial.sizes) * self.config.steps
        left = self.config.frames - there - painting.share
        return (after - before) / (smallest[0] * smallest[1]) * pixels * left

    def _show(self, painting: Painting) -> None:
        if perf_counter() - self._shown < _PREVIEW_S:
            return
        write_whole(self.preview, encode_jpeg(frame_pixels(painting.picture())))
        self._shown = perf_counter()  # a slow disk must not be all that is waited for

    def _result(self, painting: Painting, seconds: float) -> DreamPicture:
        guide = "" if self.config.guide is None else self.config.guide.name
        result = dream_result(painting, seconds=seconds, guide=guide)
        return replace(result, network=self.config.network)

    def _write(self, result: DreamPicture, painting: Painting, number: int) -> Path:
        """The file of a frame, or of the picture, with what going on needs where it is not finished."""
        single = self.config.frames == 1
        path = self.config.picture if single else self._frame(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if single and painting.done < painting.total:
            kept = {"run": self.identity, "state": painting.state()}
            part = self.unfinished.with_suffix(".part")
            torch.save(kept, part)
            part.replace(self.unfinished)
        elif single:
            self.unfinished.unlink(missing_ok=True)
        return result.save(path, more={"run": self.identity, **self._provenance()})

    def _finish(self, frames: list[Path], kind: FilmKind) -> dict[str, Path]:
        config = self.config
        self.preview.unlink(missing_ok=True)
        if config.frames == 1:
            return {"picture": config.picture}
        files = {}
        if frames:
            write_whole(config.picture, frames[-1].read_bytes())
            files = {"picture": config.picture, "frames": frames[0].parent}
        if len(frames) > 1 and kind != "none":
            files["film"] = write_film(frames, config.folder / f"dream.{kind}", fps=config.fps)
        return files

    def _provenance(self) -> dict[str, Any]:
        record = self.network.weights
        return {
            "photo": self.config.photo.name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "license": "" if record is None else record.license,
            "device": self.network.device.type,
            "threads": torch.get_num_threads(),
            "versions": {"striate": __version__, "torch": torch.__version__},
        }


def _hash(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()

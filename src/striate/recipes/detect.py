"""Find objects on photos, in films and in front of a camera: boxes as JSON and in other programs' formats, pictures."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from striate.data.coco_json import to_coco
from striate.data.decode import read_image
from striate.data.detections import Detections
from striate.data.files import find_images, printable, write_whole
from striate.data.voc_xml import to_voc
from striate.data.yolo_text import to_yolo
from striate.detection.finding import as_detector, detect
from striate.detection.proposals import ProposalSettings
from striate.draw import encode_png
from striate.draw.boxes import draw_boxes
from striate.errors import ConfigError, DataError
from striate.models import Network, list_models, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.frames import Frame, is_stream, read_frames
from striate.recipes.output_folder import require_writable

__all__ = ["DetectConfig", "Detected", "run"]

BoxFormat = Literal["json", "voc", "coco", "yolo"]


class DetectConfig(BaseModel):
    """What to look at, with what, and what to write.

    Attributes:
        inputs: Photos, folders of photos, films (`.mp4`, `.mov`, …), or `camera` (`camera:1` for the second).
        network: The folder of a run that trained a detector, or its weights file.
        score: Boxes with a lower score are left out.
        out: The folder to write to.
        formats: How boxes are written: `json` (all in one file), `voc`, `coco`, `yolo`.
        pictures: Whether pictures with the boxes on them are drawn.
        every: Of a film or camera: every so many frames are looked at.
        frames: Of a film or camera: at most so many are looked at; None for all of a film.
        max_proposals: For R-CNN and Fast R-CNN: boxes that are judged on each picture.
        max_megapixels: Larger photos are refused.
        device: `cpu`, `cuda`, or `auto`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[str, ...] = Field(min_length=1)
    network: str
    score: float = Field(default=0.5, ge=0, le=1)
    out: Path = Path("striate-out/detect")
    formats: tuple[BoxFormat, ...] = ("json",)
    pictures: bool = True
    every: int = Field(default=1, ge=1)
    frames: int | None = Field(default=None, ge=1)
    max_proposals: int = Field(default=2000, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class Detected:
    """What was found.

    Attributes:
        found: What was looked at → its boxes, in pixels of the picture.
        failed: What could not be read → why.
        labels: Every class that the detector knows.
        seconds: What finding took on average, proposals included, reading and drawing left out.
        stopped: Whether somebody ended it before its end.
    """

    found: dict[str, Detections]
    failed: dict[str, str]
    labels: tuple[str, ...]
    seconds: float
    stopped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "labels": list(self.labels),
            "seconds_per_picture": round(self.seconds, 4),
            "stopped": self.stopped,
            "pictures": [{"file": name, **as_json(boxes)} for name, boxes in self.found.items()],
            "failed": [{"file": name, "error": reason} for name, reason in self.failed.items()],
        }


def run(config: DetectConfig, *, should_stop: Any = lambda: False) -> Iterator[Event]:
    """Find: yields a `Plan`, `Progress`, then `Done` with a `Detected`.

    Args:
        config: What and how.
        should_stop: Asked after every picture; what was found before is written all the same.

    Raises:
        ConfigError: If the network is no detector, or what films need is not installed.
        DataError: If there is nothing to look at, or nothing can be written.
    """
    require_writable(config.out)
    streams, photos, failed = _sorted(config.inputs)
    network = _loaded(config.network).to(config.device)
    module = as_detector(network)
    settings = ProposalSettings(max_boxes=config.max_proposals) if module.takes_proposals else None
    what = [f"{len(photos):,} photo{'' if len(photos) == 1 else 's'}"] if photos else []
    what += [printable(stream) for stream in streams]
    yield Plan(
        f"Look for {len(network.labels)} classes with {network.name} on {' and '.join(what) or 'nothing'}; boxes with "
        f"a score of at least {config.score:g}."
    )
    writer = _Writer(config, network)
    seconds: list[float] = []
    stopped = False
    for number, path in enumerate(photos):
        if stopped := should_stop():
            break
        yield Progress("finding", number, len(photos))
        try:
            pixels = read_image(path, max_megapixels=config.max_megapixels)
        except DataError as error:
            failed[str(path)] = str(error)
            continue
        boxes, took = _timed(network, pixels, config, settings)
        seconds.append(took)
        writer.take(str(path), path.name, pixels, boxes)
    for stream in streams:
        if stopped:
            break
        frames = read_frames(stream, every=config.every, most=config.frames, max_megapixels=config.max_megapixels)
        film = writer.film(stream)
        try:
            for frame in frames:
                if stopped := should_stop():
                    break
                yield Progress(f"finding in {printable(stream)}", frame.number, frame.total)
                boxes, took = _timed(network, frame.pixels, config, settings)
                seconds.append(took)
                writer.take_frame(film, frame, boxes)
        finally:
            frames.close()
            writer.close(film)
    if not writer.found and not failed and not stopped:
        raise DataError("There was nothing to look at: no photo, and no frame in a film.")
    mean = float(np.mean(seconds)) if seconds else 0.0
    result = Detected(writer.found, failed, tuple(network.labels), mean, stopped)
    yield Done(result, config.out, writer.finish(result))


def _loaded(given: str) -> Network:
    """The network of a path or a name; one that names pictures is refused before its weights are fetched."""
    if Path(given).exists():
        return load(Path(given))
    if given.partition(".")[0] in list_models("classify"):
        raise ConfigError(
            f"'{given}' names pictures and finds no boxes; give a detector that was trained: striate train DATA "
            "--model faster_rcnn."
        )
    return load(given)


def as_json(boxes: Detections) -> dict[str, Any]:
    """The boxes of one picture as JSON values: `xyxy` in its pixels, three digits."""
    scores = boxes.scores if boxes.scores is not None else np.ones(len(boxes))
    rows = zip(boxes.boxes.tolist(), boxes.classes.tolist(), scores.tolist(), strict=True)
    return {
        "size": None if boxes.size is None else list(boxes.size),
        "boxes": [
            {"box": [round(v, 3) for v in box], "label": boxes.labels[k], "class": k, "score": round(score, 5)}
            for box, k, score in rows
        ],
    }


def _timed(
    network: Network, pixels: Any, config: DetectConfig, settings: ProposalSettings | None
) -> tuple[Detections, float]:
    began = perf_counter()
    [found] = detect(network, pixels, score=config.score, proposals=settings)
    return found, perf_counter() - began


def _sorted(inputs: Sequence[str]) -> tuple[list[str], list[Path], dict[str, str]]:
    """Films and cameras, photos, and what is wrong with the rest."""
    streams: list[str] = []
    photos: dict[Path, None] = {}
    failed: dict[str, str] = {}
    for given in inputs:
        if is_stream(given):
            streams.append(given)
            continue
        try:
            photos.update(dict.fromkeys(find_images(given)))
        except DataError as error:
            failed[given] = str(error)
    if not streams and not photos:
        raise DataError(" ".join(failed.values()) or "There is nothing to look at.")
    return streams, list(photos), failed


class _Writer:
    """Everything that is written, as it is found."""

    def __init__(self, config: DetectConfig, network: Network) -> None:
        self.config, self.network = config, network
        self.found: dict[str, Detections] = {}
        self.files: dict[str, Path] = {}
        self._taken: set[str] = set()

    def take(self, name: str, file_name: str, pixels: Any, boxes: Detections) -> None:
        """One photo."""
        self.found[name] = boxes
        stem = self._free(Path(file_name).stem)
        out = self.config.out
        if self.config.pictures:
            self._write(out / "pictures" / f"{stem}.png", encode_png(_drawn(pixels, boxes)), "pictures")
        self._write_boxes(stem, file_name, boxes)

    def film(self, stream: str) -> str:
        """The name of everything that a film gives; frames that an earlier film of this name left make room."""
        name = self._free(re.sub(r"\W+", "-", Path(stream).stem) or "film")
        for old in (self.config.out / "frames" / name).glob("*.png"):
            old.unlink()
        return name

    def take_frame(self, film: str, frame: Frame, boxes: Detections) -> None:
        """One frame of a film."""
        self.found[f"{frame.source}#{frame.number}"] = boxes
        if self.config.pictures:
            path = self.config.out / "frames" / film / f"{frame.number:06d}.png"
            self._write(path, encode_png(_drawn(frame.pixels, boxes)), "frames")
            self.files["frames"] = path.parent.parent
        stem = f"{film}-{frame.number:06d}"
        self._write_boxes(stem, f"{stem}.png", boxes)

    def close(self, film: str) -> None:
        """Frames that were drawn play as a film."""
        folder = self.config.out / "frames" / film
        frames = sorted(folder.glob("*.png")) if self.config.pictures else []
        if not frames:
            return
        from striate.recipes.film_file import pick_kind, write_film

        kind = pick_kind("auto")
        for number, frame in enumerate(frames, start=1):  # a film wants them without a gap
            frame.rename(frame.with_name(f"frame{number:05d}.png"))
        path = self.config.out / f"{folder.name}.{kind}"
        write_film(sorted(folder.glob("frame*.png")), path, fps=25 / self.config.every)
        self.files[folder.name] = path

    def finish(self, result: Detected) -> dict[str, Path]:
        """What is written about all of them together."""
        out = self.config.out
        if "json" in self.config.formats:
            text = json.dumps(result.to_dict(), ensure_ascii=False, indent=1)
            self._write(out / "detections.json", text.encode(), "json", whole=True)
        if "coco" in self.config.formats:
            self._write(out / "coco.json", _coco(result).encode(), "coco", whole=True)
        if "yolo" in self.config.formats:
            names = "".join(f"{label}\n" for label in result.labels)
            self._write(out / "yolo" / "classes.txt", names.encode(), "yolo")
        return self.files

    def _write_boxes(self, stem: str, file_name: str, boxes: Detections) -> None:
        if "voc" in self.config.formats:
            self._write(self.config.out / "voc" / f"{stem}.xml", to_voc(boxes, filename=file_name).encode(), "voc")
        if "yolo" in self.config.formats:
            text = to_yolo(boxes) if len(boxes) else ""
            self._write(self.config.out / "yolo" / f"{stem}.txt", text.encode(), "yolo")

    def _write(self, path: Path, data: bytes, name: str, *, whole: bool = False) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        except OSError as error:
            raise DataError(f"{printable(path)} cannot be written ({error.strerror or error}).") from error
        self.files[name] = path if whole else path.parent

    def _free(self, stem: str) -> str:
        """A name that no photo before had."""
        name, number = stem, 2
        while name.casefold() in self._taken:
            name, number = f"{stem}-{number}", number + 1
        self._taken.add(name.casefold())
        return name


def _drawn(pixels: Any, boxes: Detections) -> Any:
    return draw_boxes(pixels, boxes.boxes, boxes.classes, boxes.labels, scores=boxes.scores)


def _coco(result: Detected) -> str:
    """One document with images, annotations that have scores, and categories."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, boxes) in enumerate(result.found.items(), start=1):
        height, width = boxes.size or (0, 0)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        annotations += to_coco(boxes, image_id=number, first_id=len(annotations) + 1)
    categories = [{"id": number, "name": name} for number, name in enumerate(result.labels, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    return json.dumps(document, ensure_ascii=False, indent=1)

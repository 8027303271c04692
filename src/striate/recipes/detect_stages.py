"""One photo's way through a detector: every stage as pictures, with its numbers, on one page."""

import json
import platform
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from striate.data.decode import read_image
from striate.data.detections import Detections
from striate.data.files import printable, write_whole
from striate.detection.finding import as_detector
from striate.detection.looking import PictureStages, look_at_picture
from striate.detection.proposals import ProposalSettings
from striate.draw import encode_png
from striate.errors import DataError
from striate.models import Network, load
from striate.recipes.evaluate import versions
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.frames import is_stream
from striate.recipes.output_folder import not_writable, require_writable
from striate.recipes.photo_truth import read_truth, truth_of_run
from striate.report.stages_of import StageReport, build_stages
from striate.report.stages_page import build_stages_page

__all__ = ["FollowedPhoto", "StagesConfig", "run"]


class StagesConfig(BaseModel):
    """Which photo to follow through which detector.

    Attributes:
        photo: The image file.
        network: The folder of a run that trained a detector, or its weights file.
        truth: What is on the photo: a VOC XML file, a YOLO text file, or the data set that it belongs to; a photo of
            the run's own data set needs none.
        score: The least score of a box of the answer.
        regions: How many regions are shown with the scores of all classes.
        max_proposals: For R-CNN and Fast R-CNN: boxes that are judged.
        pictures: Whether every drawing is written as a file of its own, beside the page.
        out: Folder; `striate-out/detect/PHOTO-NETWORK-stages` by default.
        max_megapixels: Larger photos are refused before they are decoded.
        device: `cpu`, `cuda`, or `auto`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: Path
    network: str
    truth: Path | None = None
    score: float = Field(default=0.5, ge=0, le=1)
    regions: int = Field(default=6, ge=0, le=48)
    max_proposals: int = Field(default=2000, ge=1)
    pictures: bool = True
    out: Path | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        if self.out is not None:
            return self.out
        words = (self.photo.stem, Path(self.network).name, "stages")
        return Path("striate-out/detect") / "-".join(re.sub(r"[^\w.-]+", "_", word) for word in words)


@dataclass(frozen=True, eq=False)
class FollowedPhoto:
    """What was looked at, as data, and what is drawn of it."""

    looked: PictureStages
    report: StageReport

    def to_dict(self) -> dict[str, Any]:
        """JSON values: every number, no pixels."""
        return self.report.to_dict()


def run(config: StagesConfig) -> Iterator[Event]:
    """Follow a photo: yields a `Plan`, `Progress`, then `Done` with a `FollowedPhoto`.

    Args:
        config: What and how.

    Raises:
        ConfigError: If the network is no detector, or one whose stages nobody knows.
        DataError: If the photo or its truth cannot be read, it is a film, or nothing can be written.
    """
    if is_stream(str(config.photo)):
        raise DataError(f"{printable(config.photo)} is a film or camera; the stages are those of one photo.")
    photo = read_image(config.photo, max_megapixels=config.max_megapixels)  # a bad photo fails before the heavy work
    require_writable(config.folder)
    yield Progress("loading the detector", 0, None)
    network = load(Path(config.network) if Path(config.network).exists() else config.network).to(config.device)
    module = as_detector(network)
    truth, where = _truth(config, network, (photo.shape[0], photo.shape[1]))
    there = "" if truth is None else f"; {len(truth):,} object{'' if len(truth) == 1 else 's'} marked on it"
    yield Plan(f"Follow {printable(config.photo.name)} through {network.name}, stage by stage{there}.")
    yield Progress("searching for proposals" if module.takes_proposals else "looking", 0, None)
    looked = look_at_picture(
        network,
        photo,
        truth=truth,
        score=config.score,
        regions=config.regions,
        proposals=ProposalSettings(max_boxes=config.max_proposals) if module.takes_proposals else None,
    )
    yield Progress("drawing", 0, None)
    provenance = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "network": config.network,
        "truth": None if where is None else str(where),
        "device": str(network.device) if network.device.type != "cpu" else platform.machine(),
        "versions": versions(),
        "seconds": {"looking": round(looked.seconds, 4), "proposing": round(looked.proposal_seconds, 4)},
        "command": _command(config),
    }
    report = build_stages(looked, network, photo_name=config.photo.name, provenance=provenance)
    yield Progress("writing the page", 0, None)
    yield Done(FollowedPhoto(looked, report), config.folder, _write(report, config))


def _truth(config: StagesConfig, network: Network, size: tuple[int, int]) -> tuple[Detections | None, Path | None]:
    labels = tuple(network.labels)
    if config.truth is not None:
        return read_truth(config.truth, config.photo, labels, size), config.truth
    found = truth_of_run(config.network, config.photo, labels)
    return (None, None) if found is None else found


def _write(report: StageReport, config: StagesConfig) -> dict[str, Path]:
    folder = config.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {"report": folder / "report.html", "json": folder / "stages.json"}
        write_whole(files["report"], build_stages_page(report).encode())
        text = json.dumps(report.to_dict(), ensure_ascii=False, indent=1)
        write_whole(files["json"], text.encode())
        if config.pictures:
            files["pictures"] = folder / "pictures"
            files["pictures"].mkdir(exist_ok=True)
            write_whole(files["pictures"] / "answer.png", encode_png(report.answer))
            for number, stage in enumerate(report.stages, start=1):
                named = [(one.name, one.pixels) for one in stage.pictures]
                named += [(f"region-{place}", one.pixels) for place, one in enumerate(stage.regions, start=1)]
                for name, pixels in named:
                    write_whole(files["pictures"] / f"{number:02d}-{stage.key}-{name}.png", encode_png(pixels))
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    return files


def _command(config: StagesConfig) -> str:
    words = ["striate", "detect", str(config.photo), "--network", config.network, "--stages"]
    words += [] if config.truth is None else ["--truth", str(config.truth)]
    for name in ("score", "max_proposals"):
        value = getattr(config, name)
        if value != StagesConfig.model_fields[name].default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)

"""The main job: what does the network see in this photo, and why?

One photo, one network. The answers, the picture that the network really saw, its layers, its first kernels, what each
stage answered, and two maps of where the answer comes from; written as one HTML page and as data.
"""

import platform
import re
import shlex
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from striate import __version__
from striate.data import read_image
from striate.data.files import write_whole
from striate.errors import UnknownNameError
from striate.insight import Explanation, Heatmap, kernels, stage_activations, sweep_occlusion
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.explain_maps import asks_for_all, find_maps, rank_pixels, read_methods
from striate.recipes.output_folder import not_writable, require_writable
from striate.report import build_report
from striate.training.run_folder import RunFolder
from striate.weights.verify import file_sha256

__all__ = ["ExplainConfig", "explain", "rebuild_report", "run"]

SHOWN_PX = 1600  # the longest side of the photo inside a report; the network always gets the original


class ExplainConfig(BaseModel):
    """What to explain, and how.

    Attributes:
        photo: The image file.
        network: A name of `striate models` (with or without a weight tag), or a weights file.
        target: The class to explain, index or name; the best answer by default.
        out: Folder for the report and the data; `striate-out/PHOTO-NETWORK` by default.
        top: Answers to show.
        window: Side of the blank patch, in pixels of what the network sees; by default 16, or a fifth of a
            small picture.
        stride: Pixels between patches; by default 8, or a sixteenth of a small picture.
        channels: Channels to show a stage.
        methods: Names of `recipes.explain_maps.METHODS`: which maps to make; those of `DEFAULT` where there are none.
        checks: Whether to test how well each map ranks the pixels (deletion and insertion).
        memory: Most MiB that the occlusion sweep may take beside the network; 1,024 by default.
        batch_size: Pictures that go through the network at once; by default what suits the processor.
        max_megapixels: Larger photos are refused before they are decoded.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: Path
    network: str = "efficientnet_lite0"
    target: int | str | None = None
    out: Path | None = None
    top: int = Field(default=5, ge=1)
    window: int | None = Field(default=None, ge=1)
    stride: int | None = Field(default=None, ge=1)
    channels: int = Field(default=12, ge=1)
    methods: tuple[str, ...] = ()
    checks: bool = True
    memory: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        if self.out is not None:
            return self.out
        words = (self.photo.stem, Path(self.network).name)
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def run(config: ExplainConfig) -> Iterator[Event]:
    """Explain one photo: yields a `Plan`, then `Progress`, then `Done` with the `Explanation`.

    Raises:
        DataError: The photo cannot be read, or the folder cannot be written.
        StriateError: The network, its weights or the target cannot be had.
    """
    began = perf_counter()
    methods = read_methods(config.methods)
    photo = read_image(config.photo, max_megapixels=config.max_megapixels)  # a bad photo fails before the heavy work
    require_writable(config.folder)
    names = ", ".join(method.replace("_", "-") for method in methods)
    yield Plan(f"Explain {config.photo.name} with {config.network}: answers, layers, {names}.")
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    loading = perf_counter() - began
    result = yield from explain(network, photo, config)
    facts = _provenance(result, config, device=network.device, loading=loading, began=began)
    result = replace(result, provenance=facts)
    yield Progress("writing the report", 0, None)
    try:
        files = result.save(config.folder)
        report = config.folder / "report.html"
        write_whole(report, build_report(result).encode())
    except OSError as error:
        raise not_writable(config.folder, error.strerror or str(error)) from error
    yield Done(result, config.folder, {"report": report, **files})


def explain(
    network: Network, photo: NDArray[np.uint8], config: ExplainConfig
) -> Generator[Progress, None, Explanation]:
    """The `Explanation` of one decoded photo (uint8 `h w 3`) by a network that is already loaded."""
    view = network.preprocessing.view(photo)
    logits = network.logits(photo)[0]
    every = network.answers(logits, top=len(logits))
    answers = every[: config.top]
    index = answers[0].index if config.target is None else network.labels.find(config.target)
    yield Progress("layers", 0, None)
    summary = network.summary(view.pixels.shape[:2])
    activations = stage_activations(network, photo, top=config.channels, stages=summary.stages)[0]
    window, stride = _patch(min(view.pixels.shape[:2]), config.window, config.stride)

    def sweep(target: int) -> Generator[tuple[int, int], None, Heatmap]:
        return sweep_occlusion(
            network,
            photo,
            target=target,
            window=window,
            stride=stride,
            batch_size=config.batch_size,
            memory=None if config.memory is None else config.memory * 2**20,
        )

    found = yield from find_maps(
        network,
        photo,
        target=index,
        methods=read_methods(config.methods),
        by_name=bool(config.methods) and not asks_for_all(config.methods),
        sweep=sweep,
    )
    trust = {}
    if config.checks:
        yield Progress("checking the maps", 0, None)
        trust = rank_pixels(network, photo, found.maps, target=index)
    maps = dict(found.maps)
    occluded, gradient = maps.pop("occlusion", None), maps.pop("saliency", None)
    shown = tuple(dict.fromkeys([*(answer.index for answer in answers), index]))
    return Explanation(
        photo=_smaller(photo),
        photo_name=config.photo.name,
        photo_size=(photo.shape[0], photo.shape[1]),
        seen=view.pixels,
        crop=view.crop,
        network=network.name,
        weights=_weight_facts(network, config.network),
        preprocessing=network.preprocessing,
        answers=tuple(answers),
        target=next(answer for answer in every if answer.index == index),
        summary=summary,
        kernels=_kernels(network),
        activations=tuple(activations),
        saliency=gradient if isinstance(gradient, Heatmap) else None,
        occlusion=_only(occluded, shown) if isinstance(occluded, Heatmap) else None,
        occlusion_classes=shown if occluded is not None else (),
        occlusion_labels=tuple(network.labels[i] for i in shown) if occluded is not None else (),
        maps=tuple(maps.values()),
        trust=trust,
        notes=found.notes,
        provenance={},
        view_steps=view.steps,
    )


def _patch(side: int, window: int | None, stride: int | None) -> tuple[int, int]:
    """Window and stride, as far as they are not given: 16 and 8 for a photo, less where that would hide half a digit.

    >>> _patch(224, None, None), _patch(32, None, None), _patch(32, None, 8)
    ((16, 8), (6, 2), (8, 8))
    """
    usual = (16, 8) if side >= 112 else (max(round(side / 5), 2), max(side // 16, 1))
    return window or max(usual[0], stride or 0), stride or min(usual[1], window or usual[1])


def rebuild_report(folder: Path) -> Path:
    """Draw the page again from the data that an earlier run saved in `folder`."""
    report = folder / "report.html"
    write_whole(report, build_report(Explanation.load(folder)).encode())
    return report


def _only(heatmap: Heatmap, classes: tuple[int, ...]) -> Heatmap:
    """The same map with its grid cut down to some classes: a thousand would make the page too heavy."""
    grid, baseline = heatmap.grid, heatmap.baseline
    if grid is None or baseline is None:
        return heatmap
    return replace(heatmap, grid=grid[..., list(classes)], baseline=baseline[:, list(classes)])


def _kernels(network: Network) -> Any:
    try:
        return kernels(network)
    except UnknownNameError:  # a network without convolutions has none to show
        return None


def _smaller(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    if max(height, width) <= SHOWN_PX:
        return photo
    scale = SHOWN_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def _weight_facts(network: Network, named: str) -> dict[str, Any]:
    """Where the weights come from: their record, or the run or the file that was named."""
    record = network.weights
    if record is None:
        path = Path(named)
        file = RunFolder(path).best if path.is_dir() else path
        return {"name": named, "sha256": file_sha256(file)} if file.is_file() else {}
    return {
        "name": record.name,
        "license": record.license,
        "source": record.source,
        "variant": record.variant,
        "sha256": record.sha256 or record.sha256_prefix,
        "published": dict(record.published),
        "measured": dict(record.measured),
    }


def _provenance(
    result: Explanation, config: ExplainConfig, *, device: torch.device, loading: float, began: float
) -> dict[str, Any]:
    command = ["striate", "explain", str(config.photo), "--network", config.network]
    for name, field in ExplainConfig.model_fields.items():
        value = getattr(config, name)
        if name == "methods" and value:
            command += ["--method", ",".join(value)]
        elif name == "checks" and not value:
            command.append("--no-checks")
        elif name not in ("photo", "network", "out", "methods", "checks") and value != field.default:
            command += [f"--{name.replace('_', '-')}", str(value)]
    return {
        "command": shlex.join(command),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": {
            "loading": round(loading, 3),
            **{method.replace("_", "-"): round(found.seconds, 3) for method, found in result.found.items()},
            "in all": round(perf_counter() - began, 3),
        },
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "precision": "float32",
        "versions": {
            "striate": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "settings": config.model_dump(mode="json", exclude={"photo", "out"}),
    }

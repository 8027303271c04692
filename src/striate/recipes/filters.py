"""Photos through classic filters: each result as a picture, all of them on one contact sheet."""

import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.data import read_image
from striate.data.files import printable, write_whole
from striate.draw import SIGNED, UNSIGNED, colorize, colormap_table, draw_sheet, encode_png, limits_of
from striate.draw.scalebar import format_tick
from striate.draw.sheet import Tile
from striate.errors import DataError
from striate.models.device import pick_device
from striate.ops import Filter, filter_image, find_filter, list_filters, parse_kernel
from striate.recipes.events import Done, Event, Plan, Progress

__all__ = ["BANKS", "DEFAULT_FILTERS", "FilteredPicture", "FiltersConfig", "chosen_filters", "run"]

DEFAULT_FILTERS = (
    "vertical-edges",
    "horizontal-edges",
    "sobel",
    "laplacian",
    "gaussian",
    "unsharp",
    "max-pool:size=7",
    "min-pool:size=7",
)
BANKS = {"gabor-bank": tuple(f"gabor:theta={theta:g}" for theta in (0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5))}
"""Names that stand for several filters: one wave in eight directions, over half a turn."""
TILE_PX = 340
PERCENTILE = 99.5
"""Signed results and sizes are drawn to this percentile of their magnitudes; the scale beside the picture says so."""


class FiltersConfig(BaseModel):
    """Which photo, which filters, and how.

    Attributes:
        photo: The image file.
        filters: Names, with settings as `gaussian:sigma=2`, and `BANKS`; empty for `DEFAULT_FILTERS`.
        everything: All filters and banks there are, instead.
        kernel: A filter of your own, in numbers.
        border: What lies beyond the border of the photo.
        flip: Turn kernels by 180 degrees first: true convolution.
        grey: Filter the lightness alone, also where the result is a picture.
        max_side: Photos are shrunk to this longest side first, in pixels.
        max_megapixels: Larger photos are refused before they are decoded.
        out: Folder for the pictures; `striate-out/PHOTO-filters` by default.
        values: Whether the numbers are written too (npz).
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: Path
    filters: tuple[str, ...] = ()
    everything: bool = False
    kernel: str | None = None
    border: Literal["zeros", "reflect", "symmetric", "replicate", "circular"] = "reflect"
    flip: bool = False
    grey: bool = False
    max_side: int = Field(default=1024, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    out: Path | None = None
    values: bool = False
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the pictures go."""
        return self.out or Path("striate-out") / (re.sub(r"[^\w.]+", "_", self.photo.stem) + "-filters")


@dataclass(frozen=True, slots=True, eq=False)
class FilteredPicture:
    """One photo through one filter.

    Attributes:
        filter: Which.
        values: The numbers in float32, `c h w`; photos are in [0, 1].
        pixels: The picture, uint8 `h w 3`.
        limits: The values of the first and the last color; (0, 1) for pictures.
        colormap: The map that was used, or None for pictures.
    """

    filter: Filter
    values: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    limits: tuple[float, float]
    colormap: str | None


def chosen_filters(config: FiltersConfig) -> list[Filter]:
    """The filters that the settings name, in their order.

    Raises:
        StriateError: A filter that is none, or a kernel that is none.
    """
    names = [*list_filters(), *BANKS] if config.everything else config.filters
    found = [find_filter(one) for name in names for one in BANKS.get(name, (name,))]
    if config.kernel is not None:
        kernel = parse_kernel(config.kernel)
        signed = bool((kernel < 0).any()) and abs(float(kernel.sum()) - 1.0) > 1e-9
        found.append(Filter("kernel", (kernel,), "sum", signed, "A kernel of your own.", "given"))
    return found or [find_filter(name) for name in DEFAULT_FILTERS]


def run(config: FiltersConfig) -> Iterator[Event]:
    """Filter one photo: yields a `Plan`, `Progress` for each filter, then `Done` with the list of results.

    Raises:
        DataError: The photo cannot be read, or the folder cannot be written.
        StriateError: A filter that is none.
    """
    filters, device = chosen_filters(config), pick_device(config.device)
    photo = _shrunk(read_image(config.photo, max_megapixels=config.max_megapixels), config.max_side)
    height, width = photo.shape[:2]
    count = f"{len(filters)} filter{'s' if len(filters) > 1 else ''}"
    yield Plan(f"Filter {printable(config.photo.name)} ({width}×{height}): {count}, border '{config.border}'.")
    picture = torch.from_numpy(photo.copy()).to(device).permute(2, 0, 1)[None].float() / 255.0
    results = []
    for number, chosen in enumerate(filters):
        yield Progress("filtering", number, len(filters))
        results.append(_filtered(picture, chosen, config))
    files = yield from _write(photo, results, config)
    yield Done(results, config.folder, files)


def _shrunk(photo: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    if max(height, width) <= longest:
        return photo
    scale = longest / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))


def _filtered(picture: Tensor, chosen: Filter, config: FiltersConfig) -> FilteredPicture:
    # Edges are those of lightness (Rec. 601, as JPEG and OpenCV); what gives a picture again keeps its colors.
    weights = torch.tensor([0.299, 0.587, 0.114], device=picture.device)
    grey = (picture * weights[:, None, None]).sum(1, keepdim=True)
    source = picture if chosen.is_picture and not config.grey else grey
    result = filter_image(source, chosen, border=config.border, flip=config.flip)[0].cpu().numpy()
    if chosen.is_picture:
        pixels = np.rint(np.clip(result, 0.0, 1.0) * 255.0).astype(np.uint8)
        pixels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
        return FilteredPicture(chosen, result, np.ascontiguousarray(pixels.transpose(1, 2, 0)), (0.0, 1.0), None)
    colormap = SIGNED if chosen.signed else UNSIGNED
    limits = limits_of(result[0], signed=chosen.signed, percentile=PERCENTILE)
    return FilteredPicture(chosen, result, colorize(result[0], colormap=colormap, limits=limits), limits, colormap)


def _write(
    photo: NDArray[np.uint8], results: list[FilteredPicture], config: FiltersConfig
) -> Generator[Progress, None, dict[str, Path]]:
    folder = config.folder
    tiles = [Tile(_thumbnail(photo), "photo", "as it is")] + [_tile(result) for result in results]
    names = [re.sub(r"[^\w.-]+", "_", result.filter.name) for result in results]
    files = {"sheet": folder / "sheet.png", "facts": folder / "filters.json"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(files["sheet"], encode_png(draw_sheet(tiles)))
        for number, (name, result) in enumerate(zip(names, results, strict=True)):
            yield Progress("writing", number, len(results))
            files[result.filter.name] = folder / f"{name}.png"
            write_whole(files[result.filter.name], encode_png(result.pixels))
        write_whole(files["facts"], (json.dumps(_facts(results, config), indent=2) + "\n").encode())
        if config.values:
            files["values"] = folder / "values.npz"
            arrays: dict[str, Any] = {name: result.values for name, result in zip(names, results, strict=True)}
            np.savez_compressed(files["values"], **arrays)
    except OSError as error:
        raise DataError(
            f"{printable(str(folder))}: the pictures cannot be written ({(error.strerror or str(error)).lower()}); "
            "choose another folder with --out."
        ) from error
    return files


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as large as a tile; small ones are enlarged without smoothing."""
    height, width = image.shape[:2]
    scale = TILE_PX / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image).resize(size, how))


def _shrunk_values(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers at the size of a tile, each the mean of those that it stands for."""
    height, width = values.shape
    scale = TILE_PX / max(height, width)
    if scale >= 1:
        return values
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))


def _tile(result: FilteredPicture) -> Tile:
    if result.colormap is None:
        return Tile(_thumbnail(result.pixels), result.filter.name, "a picture again")
    # Shrunk as numbers and colored then: mixing the colors of plus and minus would draw a dark that stands for neither.
    values = _shrunk_values(result.values[0])
    low, high = limits = limits_of(values, signed=result.filter.signed, percentile=PERCENTILE)
    pixels = colorize(values, colormap=result.colormap, limits=limits)
    ends = (format_tick(low, (high - low) / 2), format_tick(high, (high - low) / 2))
    return Tile(_thumbnail(pixels), result.filter.name, bar=colormap_table(result.colormap), ends=ends)


def _facts(results: list[FilteredPicture], config: FiltersConfig) -> dict[str, Any]:
    return {
        "photo": str(config.photo),
        "border": config.border,
        "flip": config.flip,
        "filters": [
            {
                "name": result.filter.name,
                "kernels": [kernel.tolist() for kernel in result.filter.kernels],
                "combine": result.filter.combine,
                "summary": result.filter.summary,
                "source": result.filter.source,
                "settings": dict(result.filter.settings),
                "minimum": float(result.values.min()),
                "maximum": float(result.values.max()),
                "limits": list(result.limits),
                "colormap": result.colormap,
            }
            for result in results
        ],
    }

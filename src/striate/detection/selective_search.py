"""Selective search: where an object may be, guessed from the picture alone.

A picture is cut into small regions of one color. The two neighbors that are most alike are merged, again and again,
until the whole picture is one region. Every region that existed on the way gives a box: small things appear early,
large ones late, and an object of any size has a good chance to have been one region at some moment. Doing the same in
other color spaces, with other measures of likeness and coarser first regions makes it likely.

OpenCV does the merging. Which boxes exist does not depend on chance. Which come first does: the notes' 2,000 boxes a
picture are drawn with random weights, larger regions first in the mean, and here the seed of those is yours.
"""

import importlib
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["SearchMode", "selective_search"]

SearchMode: TypeAlias = Literal["single", "fast", "quality"]


class _Search(NamedTuple):
    """What one mode looks at.

    Attributes:
        spaces: Color spaces.
        likeness: Measures of likeness; each is the mean of its parts: color, texture, size, fill.
        scales: Felzenszwalb's k, which is the least size of a first region, too.
    """

    spaces: tuple[str, ...]
    likeness: tuple[str, ...]
    scales: tuple[int, ...]


_SEARCHES: dict[str, _Search] = {
    "single": _Search(("hsv",), ("ctsf",), (100,)),
    "fast": _Search(("hsv", "lab"), ("ctsf", "tsf"), (50, 100)),
    "quality": _Search(("hsv", "lab", "rgi", "hue", "gray"), ("ctsf", "tsf", "fs", "s"), (50, 100, 150, 300)),
}
_SIGMA = 0.8
_PARTS = {"c": "Color", "t": "Texture", "s": "Size", "f": "Fill"}
_LONGEST_SHAPE = 2.4  # old builds of OpenCV crashed on pictures that are longer than this


def selective_search(
    pixels: NDArray[np.uint8],
    *,
    mode: SearchMode = "fast",
    max_boxes: int = 2000,
    min_side_px: float = 20.0,
    longest_px: int | None = 500,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Boxes that may hold an object, those of large regions first in the mean.

    Args:
        pixels: uint8 `h w 3`, RGB.
        mode: `single`, `fast` or `quality`: 1, 8 or 80 ways to group.
        max_boxes: The most boxes that are given.
        min_side_px: Boxes with a shorter side are left out, in pixels of the picture as it is searched.
        longest_px: A picture with a longer side is searched at this size, its boxes are scaled back; None: as it is.
        seed: Of the random order. Another seed gives the same boxes in another order, so another choice of `max_boxes`.

    Returns:
        float32 `r 4`, `xyxy` in pixels of the picture, no two alike, all inside. r may be 0 (a picture of one color is
        one region, and the whole picture is its box).

    Raises:
        ConfigError: If OpenCV is not installed, there is no such mode, or a number is out of range.
        ShapeError: If `pixels` is no RGB picture.

    Source: Uijlings et al., "Selective Search for Object Recognition", IJCV 2013, section 3; the settings are those of
        Girshick's R-CNN (`fast`: HSV and Lab; k = 50 and 100; sigma 0.8; boxes of at least 20 pixels).

    Differs: the order. The paper multiplies a region's place in its own grouping, counted from the whole picture, by a
        random number; OpenCV does so with the process's own chance, which is another in every thread, and does not tell
        the place. Here the place is that among all boxes by area, the largest first: merging makes regions larger, so
        the two orders agree within a branch of every grouping. Pictures longer than 2.4 : 1 are continued by their edge
        pixels to that shape while they are searched.
    """
    _check(pixels, mode, max_boxes, min_side_px, longest_px)
    cv2 = _opencv()
    h, w = pixels.shape[:2]
    scale = 1.0 if longest_px is None else min(1.0, longest_px / max(h, w))
    searched = np.ascontiguousarray(pixels)
    if scale < 1:
        size = (max(round(w * scale), 1), max(round(h * scale), 1))
        searched = cv2.resize(searched, size, interpolation=cv2.INTER_AREA)
    found = _regions(cv2, searched, _SEARCHES[mode])
    inner_h, inner_w = searched.shape[:2]
    found = np.minimum(found, (inner_w, inner_h, inner_w, inner_h))
    sides = found[:, 2:] - found[:, :2]
    found = np.unique(found[(sides >= min(min_side_px, inner_w, inner_h)).all(1) & (sides > 0).all(1)], axis=0)
    found = found[_order(found, seed)[:max_boxes]].astype(np.float64)
    found *= np.array([w / inner_w, h / inner_h] * 2)
    return found.astype(np.float32)


def _regions(cv2: Any, pixels: NDArray[np.uint8], search: _Search) -> NDArray[np.int64]:
    """The boxes of all regions of all groupings, `xyxy`, in no order that means anything."""
    h, w = pixels.shape[:2]
    below = max(int(np.ceil(w / _LONGEST_SHAPE)) - h, 0)
    beside = max(int(np.ceil(h / _LONGEST_SHAPE)) - w, 0)
    if below or beside:
        pixels = np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="edge")
    engine = cv2.ximgproc.segmentation
    work = engine.createSelectiveSearchSegmentation()
    for space in search.spaces:
        work.addImage(_in_space(cv2, pixels, space))
    for scale in search.scales:
        work.addGraphSegmentation(engine.createGraphSegmentation(_SIGMA, float(scale), scale))
    for letters in search.likeness:
        likeness = engine.createSelectiveSearchSegmentationStrategyMultiple()
        for letter in letters:
            part = getattr(engine, f"createSelectiveSearchSegmentationStrategy{_PARTS[letter]}")
            likeness.addStrategy(part(), 1 / len(letters))
        work.addStrategy(likeness)
    found = np.asarray(work.process(), dtype=np.int64).reshape(-1, 4)
    found[:, 2:] += found[:, :2]  # x y w h
    return found


def _in_space(cv2: Any, pixels: NDArray[np.uint8], space: str) -> NDArray[np.uint8]:
    if space in {"hsv", "hue"}:
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
        return np.ascontiguousarray(hsv[..., 0]) if space == "hue" else hsv
    if space == "lab":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab))
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if space == "gray":
        return np.asarray(gray)
    total = np.maximum(pixels.sum(2, dtype=np.float32), 1.0)  # rgi: red and green as shares, and intensity
    shares = [np.rint(255 * pixels[..., channel] / total).astype(np.uint8) for channel in (0, 1)]
    return np.ascontiguousarray(np.stack([*shares, gray], axis=2))


def _order(boxes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The place by area, the largest 1, times a random number; the smallest products first."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    place = np.empty(len(boxes), dtype=np.int64)
    place[np.argsort(-areas, kind="stable")] = np.arange(1, len(boxes) + 1)
    return np.argsort(place * np.random.default_rng(seed).random(len(boxes)), kind="stable")


def _check(pixels: NDArray[np.uint8], mode: str, max_boxes: int, min_side_px: float, longest_px: int | None) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ShapeError(
            f"selective_search: pixels must be an RGB picture, uint8 h w 3, got {pixels.dtype} "
            f"{' '.join(map(str, pixels.shape))}."
        )
    if mode not in _SEARCHES:
        raise ConfigError(f"selective_search: mode must be 'single', 'fast' or 'quality', got {mode!r}.")
    if max_boxes < 1:
        raise ConfigError(f"selective_search: max_boxes must be 1 or more, got {max_boxes}.")
    if not 0 < min_side_px < float("inf"):
        raise ConfigError(f"selective_search: min_side_px must be a length above 0, got {min_side_px}.")
    if longest_px is not None and longest_px < 16:
        raise ConfigError(f"selective_search: longest_px must be 16 or more, or None, got {longest_px}.")


def _opencv() -> Any:
    try:
        cv2 = importlib.import_module("cv2")
        importlib.import_module("cv2.ximgproc")
    except ImportError:
        raise ConfigError(
            "Selective search needs OpenCV with its contributed modules, which is not installed: "
            "pip install 'striate[proposals]'. Without it, take the proposals source 'sliding_windows'."
        ) from None
    return cv2

"""Non-maximum suppression on a picture, step by step: the box that is picked, what it removes, what is still open."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.box_lines import Line, check_boxes, frame_box, line_width, text_size
from striate.draw.boxes import score_words, write_plates
from striate.draw.checks import check_image
from striate.draw.sheet import Tile, draw_sheet
from striate.draw.themes import RGB

__all__ = ["draw_nms_steps", "nms_frames"]

_PICKED: RGB = (240, 180, 60)
_KEPT: RGB = (90, 190, 240)
_REMOVED: RGB = (235, 110, 90)
_OPEN: RGB = (225, 225, 225)


def nms_frames(pixels: NDArray[np.uint8], steps: Any) -> list[NDArray[np.uint8]]:
    """One picture for the start, one a step.

    Picked: amber, with its score; removed by it: red, dashed, with the IoU; kept before: blue; still open: light, thin.

    Args:
        pixels: uint8 `h w 3`.
        steps: The `NmsSteps` of `striate.ops.nms_steps`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`.
        ConfigError: A coordinate is not finite, or a box ends before it begins.
    """
    check_image(pixels, name="pixels")
    boxes = check_boxes(steps.boxes, "boxes")
    wide = line_width(pixels)
    first = pixels.copy()
    everything = [*steps.discarded.tolist(), *_open_at_first(steps)]
    for box in everything:
        frame_box(first, boxes[box], Line(max(1, wide // 2), _OPEN), (0, 0, 0))
    frames = [first]
    for step in steps.steps:
        canvas = pixels.copy()
        gone = step.removed.tolist()
        for box in step.compared.tolist():
            if box not in gone:
                frame_box(canvas, boxes[box], Line(max(1, wide // 2), _OPEN), (0, 0, 0))
        for box in step.kept[:-1].tolist():
            frame_box(canvas, boxes[box], Line(wide, _KEPT), (0, 0, 0))
        for box in gone:
            frame_box(canvas, boxes[box], Line(wide, _REMOVED, dash=1), (0, 0, 0))
        frame_box(canvas, boxes[step.picked], Line(wide + 1, _PICKED), (0, 0, 0))
        overlap = dict(zip(step.compared.tolist(), step.ious.tolist(), strict=True))
        named = [(score_words(float(steps.scores[step.picked])), _PICKED)]
        named += [(f"IoU {score_words(float(overlap[box]))}", _REMOVED) for box in gone]
        frames.append(write_plates(canvas, boxes[[step.picked, *gone]], named, text_size(pixels), wide))
    return frames


def draw_nms_steps(
    pixels: NDArray[np.uint8], steps: Any, *, columns: int = 3, theme: str = "light"
) -> NDArray[np.uint8]:
    """All frames of `nms_frames` on one sheet, each with what happens in it.

    Args:
        pixels: uint8 `h w 3`.
        steps: The `NmsSteps` of `striate.ops.nms_steps`.
        columns: Frames side by side.
        theme: `light` or `dark`.

    Raises:
        ShapeError: As `nms_frames`.
        ConfigError: As `nms_frames`.
    """
    frames = nms_frames(pixels, steps)
    words = [f"{len(steps.boxes)} boxes"]
    for number, step in enumerate(steps.steps, start=1):
        removed = f", remove {len(step.removed)}" if len(step.removed) else ""
        words.append(f"{number}. pick {score_words(float(steps.scores[step.picked]))}{removed}")
    tiles = [Tile(frame, word) for frame, word in zip(frames, words, strict=True)]
    return draw_sheet(tiles, columns=min(columns, len(tiles)), theme=theme)


def _open_at_first(steps: Any) -> list[int]:
    if not steps.steps:
        return []
    return [*steps.steps[0].compared.tolist()[::-1], int(steps.steps[0].picked)]

"""YOLO as a detector: any network that gives a grid, the grid's loss while it learns, boxes when it answers."""

from collections.abc import Sequence
from typing import Literal, Protocol, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from striate.detection.detector import BoxTargets, Detector, FoundBoxes
from striate.detection.yolo_decode import decode_cells
from striate.detection.yolo_grid import YoloCells, assign_cells, split_cells
from striate.detection.yolo_loss import YoloLossWeights, yolo_losses
from striate.errors import ConfigError, ShapeError

__all__ = ["GridNetwork", "YoloDetector"]


class GridNetwork(Protocol):
    """What gives a grid: pictures `n c h w` → `n k+5b s t`; the channels are those of `split_cells`."""

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        """`(s, t)` for a canvas of `(height, width)`.

        Raises:
            ShapeError: If the network takes no such canvas.
        """
        ...


class YoloDetector(Detector):
    """One pass, one grid, no proposals, no anchors.

    Args:
        network: A module that is a `GridNetwork`.
        num_classes: k.
        boxes: b, boxes a cell.
        output: `linear`: what the network gives is what the cell says (paper). `logistic`: classes go through a
            softmax, confidences, middles and roots through the logistic function, so that all stay in (0, 1) (darknet's
            `softmax=1`). The loss is the same.
        loss_weights: The paper's by default.
        iou_threshold: Of non-maximum suppression.
        keep: At most so many boxes a picture; None for all.

    Raises:
        ConfigError: If a number is below 1 or a threshold outside [0, 1].
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        num_classes: int,
        boxes: int = 2,
        output: Literal["linear", "logistic"] = "linear",
        loss_weights: YoloLossWeights | None = None,
        iou_threshold: float = 0.5,
        keep: int | None = 300,
    ) -> None:
        super().__init__()
        for name, value in (("num_classes", num_classes), ("boxes", boxes), ("keep", keep)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}.")
        if not 0 <= iou_threshold <= 1:
            raise ConfigError(f"iou_threshold must be in [0, 1], got {iou_threshold}.")
        if output not in ("linear", "logistic"):
            raise ConfigError(f"output must be 'linear' or 'logistic', got {output!r}.")
        self.network = network
        self.num_classes, self.boxes, self.output = num_classes, boxes, output
        self.loss_weights = YoloLossWeights() if loss_weights is None else loss_weights
        self.iou_threshold, self.keep = iou_threshold, keep

    @property
    def frozen_parameters(self) -> tuple[str, ...]:
        """Names of the weights that never learn."""
        return tuple(f"network.{name}" for name in getattr(self.network, "frozen_parameters", ()))

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        sizes: Sequence[tuple[int, int]],
        *,
        targets: Sequence[BoxTargets] | None = None,
        proposals: Sequence[Float[Tensor, "r 4"]] | None = None,
        score_threshold: float = 0.05,
    ) -> dict[str, Float[Tensor, " n"]] | list[FoundBoxes]:
        """With `targets`, `coord`, `size`, `objectness`, `noobj`, `class`, one number a picture each; else boxes.

        Raises:
            ConfigError: If proposals are given.
            ShapeError: If there is not one size and one target a picture, a photo is larger than its canvas, a class is
                not below k, or the network takes no such canvas.
        """
        if proposals is not None:
            raise ConfigError("proposals: YOLO finds boxes by itself and takes none; leave them out.")
        canvas = _check(images, sizes, targets, self.num_classes)
        cells = self.cells(images)
        if targets is None:
            with torch.autocast(images.device.type, enabled=False):
                return decode_cells(
                    cells,
                    sizes,
                    canvas=canvas,
                    score_threshold=score_threshold,
                    iou_threshold=self.iou_threshold,
                    keep=self.keep,
                )
        rows, columns = cells.confidences.shape[1:3]
        wanted = assign_cells(targets, sizes, grid=(rows, columns), canvas=canvas)
        return yolo_losses(cells, wanted, weights=self.loss_weights)

    def cells(self, images: Float[Tensor, "n c h w"]) -> YoloCells:
        """What the cells say of some pictures, at least in float32."""
        raw: Tensor = self.network(images)
        raw = raw.float() if raw.dtype in (torch.float16, torch.bfloat16) else raw
        cells = split_cells(raw, num_classes=self.num_classes, boxes=self.boxes)
        if self.output == "linear":
            return cells
        with torch.autocast(images.device.type, enabled=False):
            return YoloCells(cells.classes.softmax(-1), cells.confidences.sigmoid(), cells.boxes.sigmoid())

    def grid(self, canvas: tuple[int, int]) -> tuple[int, int]:
        """`(s, t)` for a canvas of `(height, width)`.

        Raises:
            ShapeError: If the network takes no such canvas.
        """
        return cast("GridNetwork", self.network).grid(canvas)

    def collisions(
        self, targets: Sequence[BoxTargets], sizes: Sequence[tuple[int, int]], *, canvas: tuple[int, int]
    ) -> Int64[Tensor, " n"]:
        """How many objects of each picture no cell answers for, because a smaller one has its middle in the same cell.

        Such objects are neither learned nor, but by luck, found: the limit of one object a cell, as data.
        """
        return assign_cells(targets, sizes, grid=self.grid(canvas), canvas=canvas).collided


def _check(
    images: Tensor, sizes: Sequence[tuple[int, int]], targets: Sequence[BoxTargets] | None, num_classes: int
) -> tuple[int, int]:
    if images.ndim != 4:
        raise ShapeError(f"images must be n c h w, got {tuple(images.shape)}: one image is x[None].")
    height, width = images.shape[-2:]
    if len(sizes) != len(images) or (targets is not None and len(targets) != len(images)):
        counted = f"{len(sizes)} sizes" + ("" if targets is None else f" and {len(targets)} targets")
        raise ShapeError(f"sizes and targets must be one a picture, got {counted} for {len(images)} images.")
    for h, w in sizes:
        if not (0 < h <= height and 0 < w <= width):
            raise ShapeError(
                f"sizes: a photo of {(h, w)} does not fit in a canvas of {(height, width)} (height, width)."
            )
    for target in targets or ():
        if len(target.classes) and not 0 <= int(target.classes.min()) <= int(target.classes.max()) < num_classes:
            raise ShapeError(
                f"targets: classes must be from 0 to {num_classes - 1}, got {int(target.classes.min())} to "
                f"{int(target.classes.max())}."
            )
    return height, width

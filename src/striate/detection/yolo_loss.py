"""The loss of YOLO: squared errors of everything that a cell says, in five sums.

For each cell with an object, one of its b boxes is responsible: the one that overlaps the object most, as the network
draws it at this moment. So the boxes of a cell specialize. With i over cells, j over boxes:

    coord       λ_coord Σ_ij 1[responsible] (x − x̂)² + (y − ŷ)²
    size        λ_coord Σ_ij 1[responsible] (√w − √ŵ)² + (√h − √ĥ)²
    objectness          Σ_ij 1[responsible] (C − IoU)²
    noobj       λ_noobj Σ_ij 1[not responsible] C²
    class               Σ_i  1[object] Σ_k (p(k) − p̂(k))²

A confidence learns the overlap that its box really has, and no gradient flows into the box from there. Most cells are
empty, so λ_noobj = .5 keeps them from drowning the rest, and λ_coord = 5 makes places count.

Source: Redmon, Divvala, Girshick and Farhadi 2016, You Only Look Once, arXiv:1506.02640, equation 3; darknet,
    `src/detection_layer.c`, for what the equation leaves open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from striate.detection.yolo_grid import CellTargets, YoloCells
from striate.errors import ConfigError

__all__ = ["Responsible", "YoloLossWeights", "cell_losses", "responsible_boxes", "yolo_losses"]


@dataclass(frozen=True, slots=True)
class YoloLossWeights:
    """How much each sum counts; the paper's by default.

    Attributes:
        coord: λ_coord, of places and sizes.
        object: Of the confidence of responsible boxes.
        noobj: λ_noobj, of the confidence of all others.
        classes: Of the class distribution.

    Raises:
        ConfigError: If one is negative or not finite.
    """

    coord: float = 5.0
    object: float = 1.0
    noobj: float = 0.5
    classes: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"YoloLossWeights: {field.name} must be a finite number from 0, got {value}.")


class Responsible(NamedTuple):
    """Which box of each cell answers for the object there. Neither takes part in gradients.

    Attributes:
        box: `n s t`, from 0 to b − 1; of no meaning where there is no object.
        iou: `n s t`, its overlap with the object; 0 where there is none.
    """

    box: Int64[Tensor, "n s t"]
    iou: Float[Tensor, "n s t"]


@torch.no_grad()
def responsible_boxes(cells: YoloCells, targets: CellTargets) -> Responsible:
    """The box of each cell with the highest IoU; where none overlaps, the one whose four numbers are nearest.

    Nearest: the lowest root mean squared error of middle and sides in canvases (darknet). Equal ones: the first.
    """
    rows, columns = targets.has_object.shape[1:]
    grid = cells.boxes.new_tensor([columns, rows])
    drawn = torch.cat([cells.boxes[..., :2] / grid, cells.boxes[..., 2:] ** 2], dim=-1)  # n s t b 4: x y w h, canvases
    true = torch.cat([targets.boxes[..., :2] / grid, targets.boxes[..., 2:] ** 2], dim=-1)[..., None, :].to(drawn.dtype)
    low = torch.maximum(drawn[..., :2] - drawn[..., 2:] / 2, true[..., :2] - true[..., 2:] / 2)
    high = torch.minimum(drawn[..., :2] + drawn[..., 2:] / 2, true[..., :2] + true[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    union = drawn[..., 2:].prod(-1) + true[..., 2:].prod(-1) - shared
    iou = torch.where(union > 0, shared / union, 0)  # n s t b
    distance = (drawn - true).square().sum(-1)
    box = torch.where((iou > 0).any(-1), iou.argmax(-1), distance.argmin(-1))
    return Responsible(box, iou.gather(-1, box[..., None])[..., 0])


def cell_losses(
    cells: YoloCells, targets: CellTargets, responsible: Responsible, weights: YoloLossWeights | None = None
) -> dict[str, Float[Tensor, " n"]]:
    """The five sums with the responsible boxes given: polynomials of degree two in what the cells say.

    Args:
        cells: Of n pictures.
        targets: What they are to say.
        responsible: As `responsible_boxes` finds them.
        weights: The paper's by default.

    Returns:
        `coord`, `size`, `objectness`, `noobj`, `class`: `n` sums each, weighted. A picture without an object has zeros
        in all but `noobj`.
    """
    weights = YoloLossWeights() if weights is None else weights
    has_object = targets.has_object
    box = responsible.box[..., None]  # n s t 1
    # `where`, not a product: what an unasked cell says must not count, not even if it is infinite.
    own = cells.boxes.gather(3, box[..., None].expand(*box.shape, 4))[..., 0, :]  # n s t 4
    errors = torch.where(has_object[..., None], own - targets.boxes.to(own.dtype), 0).square()
    confidence = cells.confidences.gather(3, box)[..., 0]  # n s t
    overlap = torch.where(has_object, confidence - responsible.iou.to(confidence.dtype), 0).square()
    answers = torch.zeros_like(cells.confidences, dtype=torch.bool).scatter(3, box, value=True) & has_object[..., None]
    silent = torch.where(targets.is_asked[..., None] & ~answers, cells.confidences, 0).square()
    wanted = torch.nn.functional.one_hot(targets.classes, cells.classes.shape[-1]).to(cells.classes.dtype)
    classes = torch.where(has_object[..., None], cells.classes - wanted, 0).square()
    return {
        "coord": weights.coord * errors[..., :2].sum((1, 2, 3)),
        "size": weights.coord * errors[..., 2:].sum((1, 2, 3)),
        "objectness": weights.object * overlap.sum((1, 2)),
        "noobj": weights.noobj * silent.sum((1, 2, 3)),
        "class": weights.classes * classes.sum((1, 2, 3)),
    }


def yolo_losses(
    cells: YoloCells, targets: CellTargets, *, weights: YoloLossWeights | None = None
) -> dict[str, Float[Tensor, " n"]]:
    """Equation 3 for n pictures: the responsible boxes, then the five sums, one number a picture each.

    Half-precision cells are computed in float32: a squared difference of bfloat16 has no more than two digits.

    Differs: from the paper, roots of the sides are what the network says; from darknet, whose gradient lacks the factor
        2 of a square, so that its rates mean twice ours; darknet also leaves out objects with a side below .005.
    """
    cells = YoloCells(*(part.float() if part.dtype in _HALF else part for part in cells))
    with torch.autocast(cells.boxes.device.type, enabled=False):
        return cell_losses(cells, targets, responsible_boxes(cells, targets), weights)


_HALF: Sequence[torch.dtype] = (torch.float16, torch.bfloat16)

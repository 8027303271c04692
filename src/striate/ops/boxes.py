"""Boxes: areas, how much two of them overlap, other ways of writing them down, clipping.

A box is `xyxy`: left, top, right, bottom, in pixels, continuous (a box from 0 to 10 is 10 wide, no +1). The overlap of
two boxes A and B is their intersection over their union:

    IoU = |A ∩ B| / (|A| + |B| - |A ∩ B|)

Its kin give boxes that do not meet something to go by: C is the smallest box around both, d the distance of the
centers, c the diagonal of C.

    GIoU = IoU - (|C| - |A ∪ B|) / |C|        DIoU = IoU - d² / c²        CIoU = DIoU - α v
"""

from math import pi

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from striate.errors import ConfigError, ShapeError

__all__ = [
    "box_area",
    "box_convert",
    "box_coverage",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "remove_small_boxes",
]

_FORMATS = ("xyxy", "xywh", "cxcywh")


def box_area(boxes: Shaped[Tensor, "*n 4"], fmt: str = "xyxy") -> Shaped[Tensor, "*n"]:
    """Width times height of each box; half precision and small integers are widened first, so that nothing overflows.

    A box whose right lies left of its left has a negative width, and a negative area (two such sides: a positive one).

    Args:
        boxes: `… 4`.
        fmt: How they are written: `xyxy`, `xywh` or `cxcywh`.

    Raises:
        ShapeError: The last axis is not four long.
        ConfigError: An unknown format.

    >>> box_area(torch.tensor([[0.0, 0.0, 4.0, 3.0]])).tolist()
    [12.0]
    """
    boxes = _widened(_checked("boxes", boxes))
    _known("fmt", fmt)
    if fmt != "xyxy":
        return boxes[..., 2] * boxes[..., 3]
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_convert(boxes: Shaped[Tensor, "*n 4"], in_fmt: str, out_fmt: str) -> Shaped[Tensor, "*n 4"]:
    """Boxes written another way: `xyxy` (corners), `xywh` (upper left corner and size), `cxcywh` (center and size).

    Args:
        boxes: `… 4`.
        in_fmt: How they are written.
        out_fmt: How they shall be written.

    Raises:
        ShapeError: The last axis is not four long.
        ConfigError: An unknown format.

    Differs:
        Rotated boxes, which torchvision also converts, are not known here.

    >>> box_convert(torch.tensor([[2.0, 4.0, 6.0, 10.0]]), "xyxy", "cxcywh").tolist()
    [[4.0, 7.0, 4.0, 6.0]]
    """
    boxes = _checked("boxes", boxes)
    _known("in_fmt", in_fmt)
    _known("out_fmt", out_fmt)
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), dim=-1)


def box_iou(
    boxes1: Shaped[Tensor, "*batch n 4"], boxes2: Shaped[Tensor, "*batch m 4"], fmt: str = "xyxy"
) -> Float[Tensor, "*batch n m"]:
    """Intersection over union of every box of one set with every box of another, from 0 to 1.

    Args:
        boxes1: `… n 4`.
        boxes2: `… m 4`.
        fmt: How both are written: `xyxy`, `xywh` or `cxcywh`.

    Returns:
        `… n m`. Two boxes without area have no union: 0 / 0 is NaN, as in torchvision.

    Raises:
        ShapeError: The last axis of a set is not four long.
        ConfigError: An unknown format.

    Source: Jaccard 1912, "The distribution of the flora in the alpine zone" (the index); Everingham et al. 2010, "The
        Pascal visual object classes (VOC) challenge", section 4.2 (for boxes).

    Differs:
        VOC's own code counts pixels, a box from 0 to 10 being 11 wide. Rotated boxes are not known here.

    >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))
    tensor([[0.3333, 0.0000]])
    """
    intersection, union = _intersection_and_union(boxes1, boxes2, fmt)
    return intersection / union


def box_coverage(
    boxes1: Shaped[Tensor, "*batch n 4"], boxes2: Shaped[Tensor, "*batch m 4"]
) -> Float[Tensor, "*batch n m"]:
    """How much of each box of the first set lies in each box of the second: intersection over the first one's area.

    What COCO takes instead of the IoU where the second box is a crowd. NaN where the first box has no area.

    Args:
        boxes1: `… n 4`, `xyxy`.
        boxes2: `… m 4`, `xyxy`.

    Raises:
        ShapeError: The last axis of a set is not four long.

    Source: Lin et al. 2014, "Microsoft COCO: Common objects in context" (evaluation code, `iscrowd`).

    >>> box_coverage(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 30.0, 20.0]]))
    tensor([[0.5000]])
    """
    intersection, _ = _intersection_and_union(boxes1, boxes2)
    return intersection / box_area(boxes1)[..., :, None]


def generalized_box_iou(
    boxes1: Shaped[Tensor, "*batch n 4"], boxes2: Shaped[Tensor, "*batch m 4"]
) -> Float[Tensor, "*batch n m"]:
    """IoU minus the share of the smallest box around both that neither fills: from -1 to 1.

    Args:
        boxes1: `… n 4`, `xyxy`.
        boxes2: `… m 4`, `xyxy`.

    Raises:
        ShapeError: The last axis of a set is not four long.

    Source: Rezatofighi et al. 2019, "Generalized intersection over union", algorithm 1.

    >>> generalized_box_iou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))
    tensor([[-0.3333]])
    """
    intersection, union = _intersection_and_union(boxes1, boxes2)
    width, height = _around(boxes1, boxes2)
    around = width * height
    return intersection / union - (around - union) / around


def distance_box_iou(
    boxes1: Shaped[Tensor, "*batch n 4"], boxes2: Shaped[Tensor, "*batch m 4"], eps: float = 1e-7
) -> Float[Tensor, "*batch n m"]:
    """IoU minus the squared distance of the centers over the squared diagonal of the smallest box around both.

    Args:
        boxes1: `… n 4`, `xyxy`.
        boxes2: `… m 4`, `xyxy`.
        eps: Added to the squared diagonal, so that two equal points divide by something.

    Raises:
        ShapeError: The last axis of a set is not four long.

    Source: Zheng et al. 2020, "Distance-IoU loss", equation 7.

    >>> distance_box_iou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))
    tensor([[-0.4000]])
    """
    boxes1, boxes2 = _widened(_checked("boxes1", boxes1)), _widened(_checked("boxes2", boxes2))
    width, height = _around(boxes1, boxes2)
    x1, y1 = (boxes1[..., 0] + boxes1[..., 2]) / 2, (boxes1[..., 1] + boxes1[..., 3]) / 2
    x2, y2 = (boxes2[..., 0] + boxes2[..., 2]) / 2, (boxes2[..., 1] + boxes2[..., 3]) / 2
    distance = (x1[..., :, None] - x2[..., None, :]) ** 2 + (y1[..., :, None] - y2[..., None, :]) ** 2
    return box_iou(boxes1, boxes2) - distance / (width**2 + height**2 + eps)


def complete_box_iou(
    boxes1: Shaped[Tensor, "*batch n 4"], boxes2: Shaped[Tensor, "*batch m 4"], eps: float = 1e-7
) -> Float[Tensor, "*batch n m"]:
    """Distance-IoU minus a term for sides in another proportion, α v.

    v = 4/π² (atan(w1/h1) - atan(w2/h2))² and α = v / (1 - IoU + v), which no gradient passes.

    Args:
        boxes1: `… n 4`, `xyxy`.
        boxes2: `… m 4`, `xyxy`.
        eps: Added to both denominators.

    Raises:
        ShapeError: The last axis of a set is not four long.

    Source: Zheng et al. 2020, "Distance-IoU loss", equations 8 to 11.

    >>> complete_box_iou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    tensor([[1.]])
    """
    boxes1, boxes2 = _widened(_checked("boxes1", boxes1)), _widened(_checked("boxes2", boxes2))
    shape1 = torch.atan((boxes1[..., 2] - boxes1[..., 0]) / (boxes1[..., 3] - boxes1[..., 1]))[..., :, None]
    shape2 = torch.atan((boxes2[..., 2] - boxes2[..., 0]) / (boxes2[..., 3] - boxes2[..., 1]))[..., None, :]
    v = 4 / pi**2 * (shape1 - shape2) ** 2
    with torch.no_grad():
        alpha = v / (1 - box_iou(boxes1, boxes2) + v + eps)
    return distance_box_iou(boxes1, boxes2, eps) - alpha * v


def clip_boxes_to_image(boxes: Shaped[Tensor, "*n 4"], size: tuple[int, int]) -> Shaped[Tensor, "*n 4"]:
    """Boxes of which nothing lies outside the picture; one that lay wholly outside is left without area.

    Args:
        boxes: `… 4`, `xyxy`.
        size: Height and width of the picture, in pixels.

    Raises:
        ShapeError: The last axis is not four long.

    >>> clip_boxes_to_image(torch.tensor([[-2.0, 1.0, 9.0, 5.0]]), (4, 6)).tolist()
    [[0.0, 1.0, 6.0, 4.0]]
    """
    height, width = size
    x = _checked("boxes", boxes)[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((x, y), dim=-1).reshape(boxes.shape)


def remove_small_boxes(boxes: Shaped[Tensor, "n 4"], min_size: float) -> Int64[Tensor, " kept"]:
    """Which boxes have both sides of at least `min_size` pixels, in their order.

    Args:
        boxes: `n 4`, `xyxy`.
        min_size: The shortest side that stays.

    Raises:
        ShapeError: No `n 4`.

    >>> remove_small_boxes(torch.tensor([[0.0, 0.0, 5.0, 1.0], [0.0, 0.0, 5.0, 5.0]]), 2.0).tolist()
    [1]
    """
    boxes = _checked("boxes", boxes)
    if boxes.dim() != 2:
        raise ShapeError(f"boxes must be 'n 4', got the shape {tuple(boxes.shape)}.")
    large = (boxes[:, 2] - boxes[:, 0] >= min_size) & (boxes[:, 3] - boxes[:, 1] >= min_size)
    return torch.where(large)[0]


def _intersection_and_union(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> tuple[Tensor, Tensor]:
    """`… n m` each, in the order of operations that torchvision has, so that the last bit agrees."""
    area1, area2 = box_area(boxes1, fmt), box_area(boxes2, fmt)
    if fmt != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    start = torch.max(boxes1[..., :, None, :2], boxes2[..., None, :, :2])  # … n m 2
    end = torch.min(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    sides = _widened(end - start).clamp(min=0)
    intersection = sides[..., 0] * sides[..., 1]
    return intersection, area1[..., :, None] + area2[..., None, :] - intersection


def _around(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest box around each pair, `… n m`."""
    start = torch.min(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    end = torch.max(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    sides = _widened(end - start).clamp(min=0)
    return sides[..., 0], sides[..., 1]


def _checked(name: str, boxes: Tensor) -> Tensor:
    if boxes.dim() == 0 or boxes.shape[-1] != 4:
        raise ShapeError(f"{name} must have four numbers a box on its last axis, got the shape {tuple(boxes.shape)}.")
    return boxes


def _known(name: str, fmt: str) -> None:
    if fmt not in _FORMATS:
        raise ConfigError(f"{name} must be one of {', '.join(_FORMATS)}, got {fmt!r}.")


def _widened(t: Tensor) -> Tensor:
    """In a type whose products do not overflow: float32 or float64, int32 or int64."""
    if t.is_floating_point():
        return t if t.dtype in (torch.float32, torch.float64) else t.float()
    return t if t.dtype in (torch.int32, torch.int64) else t.int()

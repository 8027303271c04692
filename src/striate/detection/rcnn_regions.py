"""The regions of one training picture: on the canvas, with what each of them is."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data import Preprocessing
from striate.data.augment import Draws
from striate.data.augment.box_cut import filled_size
from striate.data.augment.cut import render_cut
from striate.data.box_set import BoxSet
from striate.data.pixel_cache import PixelCache
from striate.detection.box_coder import encode_boxes
from striate.detection.finding import empty_beyond, on_canvas, plain_augmentation
from striate.detection.proposals import Proposals
from striate.detection.region_svm import RegionLabels
from striate.ops.boxes import box_iou

__all__ = ["RegionPictures", "Regions"]


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one picture: first the objects that count, then the proposals.

    Attributes:
        image: Normalized canvas.
        size: `(h, w)` of the part of it that the photo fills.
        boxes: `xyxy` in canvas pixels.
        objects: How many of them are objects.
        best: int64 `r`: the object that each overlaps most, 0 where there is none.
        iou: float32 `r`: how much.
        classes: int64, of the objects.
        overlaps: float32 `r k`: the largest IoU with any object of each class, ignored ones included.
        near_ignored: float32 `r`: the largest IoU with an object that need not be found.
    """

    image: Float[Tensor, "3 h w"]
    size: tuple[int, int]
    boxes: Float[Tensor, "r 4"]
    objects: int
    best: NDArray[np.int64]
    iou: NDArray[np.float32]
    classes: NDArray[np.int64]
    overlaps: NDArray[np.float32]
    near_ignored: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def labels(self) -> RegionLabels:
        """What the machines learn from."""
        positives = np.full(len(self), -1, dtype=np.int64)
        positives[: self.objects] = self.classes
        return RegionLabels(positives, self.overlaps)

    def class_at(self, above: float) -> NDArray[np.int64]:
        """What fine-tuning learns: the class from an IoU of `above` on, else k for background, −1 for neither."""
        answer = np.full(len(self), self.overlaps.shape[1], dtype=np.int64)
        answer[self.near_ignored >= above] = -1
        if self.objects:
            near = self.iou >= above
            answer[near] = self.classes[self.best[near]]
        return answer

    def pairs(self, above: float) -> NDArray[np.int64]:
        """The proposals that overlap an object by more than `above`, whose boxes can be corrected."""
        rows = np.arange(self.objects, len(self))
        return rows[self.iou[rows] > above] if self.objects else rows[:0]

    def deltas(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What takes these regions to their objects, `n 4`."""
        chosen = torch.from_numpy(rows)
        objects = self.boxes[torch.from_numpy(self.best[rows])]
        return encode_boxes(objects.double(), self.boxes[chosen].double()).numpy()


@dataclass(frozen=True, eq=False)
class RegionPictures:
    """A set of training pictures, each as its regions.

    Attributes:
        pictures: With boxes.
        proposals: Of these pictures.
        preprocessing: How a photo gets onto the canvas.
        cache: Decoded pictures.
        max_megapixels: Larger pictures are not read.
    """

    pictures: BoxSet
    proposals: Proposals
    preprocessing: Preprocessing
    cache: PixelCache
    max_megapixels: float = 64.0

    def regions(self, index: int, *, limit: int | None = None) -> Regions:
        """The regions of picture `index`, with at most `limit` proposals.

        Raises:
            DataError: If it cannot be read.
        """
        pixels = self.cache.get(index)
        if pixels is None:
            pixels = self.pictures.pixels(index, max_megapixels=self.max_megapixels)
            self.cache.put(index, pixels)
        size = (pixels.shape[0], pixels.shape[1])
        truth, cut = plain_augmentation(self.preprocessing).seen(
            self.pictures.truth[index], size, Draws(0, 0, np.array([index])), 0
        )
        filled = filled_size(cut, size)
        # A copy: decoded pixels of the cache are not to be written to.
        canvas = torch.from_numpy(render_cut(pixels, cut).copy()).permute(2, 0, 1)[None]
        x = empty_beyond(self.preprocessing.normalize(canvas.float().div(255)), [filled])
        proposed = on_canvas(self.proposals[index][:limit], cut, like=x)
        truth = truth.pick((truth.boxes[:, 2:] > truth.boxes[:, :2]).all(1))
        ignored = truth.difficult | truth.crowd
        objects, others = truth.pick(~ignored), truth.pick(ignored)
        boxes = torch.cat([torch.from_numpy(objects.boxes), proposed])
        iou = _overlaps(boxes, objects.boxes)
        near = _overlaps(boxes, others.boxes)
        overlaps = np.zeros((len(boxes), len(self.pictures.classes)), dtype=np.float32)
        for values, of in ((iou, objects.classes), (near, others.classes)):
            for column, k in enumerate(of.tolist()):
                np.maximum(overlaps[:, k], values[:, column], out=overlaps[:, k])
        best = iou.argmax(1) if len(objects) else np.zeros(len(boxes), dtype=np.int64)
        best[: len(objects)] = np.arange(len(objects))  # each its own, also where two boxes are the same
        return Regions(
            image=x[0],
            size=filled,
            boxes=boxes,
            objects=len(objects),
            best=best,
            iou=iou.max(1, initial=0.0),
            classes=objects.classes,
            overlaps=overlaps,
            near_ignored=near.max(1, initial=0.0),
        )


def _overlaps(boxes: Tensor, objects: NDArray[np.float32]) -> NDArray[np.float32]:
    """IoU of each box with each object, `r m`, and 0 for boxes without area."""
    found: NDArray[np.float32] = box_iou(boxes, torch.from_numpy(objects)).numpy()
    return np.nan_to_num(found, nan=0.0)

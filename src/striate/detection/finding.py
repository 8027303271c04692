"""From a photo to its boxes: onto the canvas, through the detector, and back to the photo's pixels."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from striate.data import Preprocessing
from striate.data.augment import Draws
from striate.data.augment.box_cut import filled_size, map_boxes, unmap_boxes
from striate.data.augment.box_policies import BoxAugmentation, Fit, build_box_augmentation
from striate.data.augment.cut import Cut, render_cut
from striate.data.detections import Detections
from striate.data.images import Photo, read_photos
from striate.detection.detector import Detector, FoundBoxes
from striate.detection.proposals import ProposalSettings, propose
from striate.errors import ConfigError, ShapeError
from striate.models import Network

__all__ = ["FITS", "as_detector", "detect", "empty_beyond", "found_on_photo", "on_canvas", "plain_augmentation"]

FITS: dict[str, Fit] = {"whole": "fit", "stretch": "stretch", "shorter": "shorter"}


def detect(
    network: Network,
    images: Photo | Sequence[Photo],
    *,
    score: float = 0.5,
    proposals: Sequence[NDArray[np.float32]] | ProposalSettings | None = None,
) -> list[Detections]:
    """The objects on each photo, the surest first.

    Args:
        network: With a detector as its module: `striate.load` of a run.
        images: Photos: paths, bytes of files, or uint8 pixels `h w 3`; one or many.
        score: Boxes with a lower score are left out, from 0 to 1.
        proposals: For R-CNN and Fast R-CNN: where objects may be, `r 4` in photo pixels for each photo, or how to find
            them; selective search by default. Others make their own.

    Returns:
        One `Detections` a photo, in its pixels.

    Raises:
        ConfigError: If the network is no detector, `score` is out of range, or proposals are given to one that makes
            its own.
        DataError: If a file cannot be read.
    """
    module = as_detector(network)
    if not 0 <= score <= 1:
        raise ConfigError(f"score must be from 0 to 1, got {score}.")
    if proposals is not None and not module.takes_proposals:
        raise ConfigError(f"'{network.name}' makes its own proposals; leave them out.")
    photos = read_photos(images)
    if isinstance(proposals, Sequence) and len(proposals) != len(photos):
        raise ShapeError(f"proposals must be one array a photo, got {len(proposals)} for {len(photos)}.")
    found = []
    for number, photo in enumerate(photos):
        boxes = None
        if module.takes_proposals:
            given = proposals if proposals is not None else ProposalSettings()
            boxes = propose(photo, given) if isinstance(given, ProposalSettings) else given[number]
        found.append(_detect_one(network, module, photo, score=score, proposals=boxes))
    return found


def as_detector(network: Network) -> Detector:
    """The network's module, if it is a detector.

    Raises:
        ConfigError: If it names pictures instead.
    """
    if not isinstance(network.module, Detector):
        raise ConfigError(
            f"'{network.name}' names pictures and finds no boxes; give a detector that was trained: striate train DATA "
            "--model faster_rcnn."
        )
    return network.module


def plain_augmentation(preprocessing: Preprocessing) -> BoxAugmentation:
    """How a whole photo gets onto the canvas, without chance.

    Raises:
        ConfigError: If the preprocessing shows only a part of the photo.
    """
    fit = FITS.get(preprocessing.fit)
    if fit is None:
        raise ConfigError(f"A detector looks at the whole photo; its preprocessing has fit='{preprocessing.fit}'.")
    size, interpolation = preprocessing.input_size, preprocessing.interpolation
    return build_box_augmentation("none", size, fit=fit, interpolation=interpolation)


def found_on_photo(found: FoundBoxes, cut: Cut, labels: Sequence[str], size: tuple[int, int]) -> Detections:
    """What was found on a canvas, in pixels of the photo, clipped to it.

    Args:
        found: In canvas pixels.
        cut: How the photo got there.
        labels: The classes' names.
        size: `(h, w)` of the photo.
    """
    boxes = unmap_boxes(found.boxes.float().cpu().numpy(), cut)
    boxes = boxes.clip(0, np.array([size[1], size[0]] * 2, dtype=np.float32))
    scores = found.scores.float().cpu().numpy()
    return Detections.of(boxes, found.classes.cpu().numpy(), tuple(labels), scores=scores, size=size)


def on_canvas(boxes: NDArray[np.float32], cut: Cut, *, like: Tensor) -> Float[Tensor, "r 4"]:
    """Proposals in canvas pixels, clipped; those that do not show are left out."""
    mapped = map_boxes(boxes, cut)
    mapped = mapped.clip(0, np.array([cut.size[1], cut.size[0]] * 2, dtype=np.float32))
    there = (mapped[:, 2:] - mapped[:, :2] >= 1).all(1)
    return torch.from_numpy(np.ascontiguousarray(mapped[there], dtype=np.float32)).to(like.device)


def empty_beyond(x: Float[Tensor, "n 3 h w"], sizes: Sequence[tuple[int, int]]) -> Float[Tensor, "n 3 h w"]:
    """Zero what no photo fills, in place: normalized black would be an edge that is not in the world."""
    for row, (height, width) in enumerate(sizes):
        x[row, :, height:] = 0
        x[row, :, :, width:] = 0
    return x


def _detect_one(
    network: Network,
    module: Detector,
    photo: NDArray[np.uint8],
    *,
    score: float,
    proposals: NDArray[np.float32] | None,
) -> Detections:
    size = (photo.shape[0], photo.shape[1])
    cut = plain_augmentation(network.preprocessing).geometry.cut(size, Draws(0, 0, [0]), 0)
    canvas = torch.from_numpy(np.array(render_cut(photo, cut))).permute(2, 0, 1)[None]  # 1 3 h w
    filled = filled_size(cut, size)
    x = network.preprocessing.normalize(canvas.to(network.device).float().div(255))
    x = empty_beyond(x, [filled]).contiguous(memory_format=torch.channels_last)
    rows = None if proposals is None else [on_canvas(proposals, cut, like=x)]
    with torch.inference_mode():
        answer = module(x, [filled], proposals=rows, score_threshold=score)
    return found_on_photo(answer[0], cut, network.labels, size)

"""What a network saw in one photo, and why it answered what it did: everything a report or another program needs."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data import Preprocessing
from striate.errors import DataError
from striate.insight.heatmap import Heatmap
from striate.models import Answer
from striate.probe import Summary

__all__ = ["Explanation", "FirstKernels", "StageActivations"]

FORMAT = 1


@dataclass(frozen=True)
class FirstKernels:
    """The weights of the first convolution: what it looks for, as pictures.

    Attributes:
        address: The layer, such as `features.0`.
        weights: float32 `k c h w`, in the order in which the network takes its channels.
        channels: `RGB`, `BGR` or `L`: what the `c` axis means.
    """

    address: str
    weights: NDArray[np.float32]
    channels: str


@dataclass(frozen=True)
class StageActivations:
    """The strongest channels at the end of one stage.

    Attributes:
        stage: The stage's name in the summary.
        address: The layer whose output this is.
        shape: `(c, h, w)` of the whole output.
        channels: The channels kept, strongest (largest maximum) first.
        maps: float32 `k h w`, the activations of those channels, raw.
        minimum: Smallest value over all channels of the layer.
        maximum: Largest value over all channels of the layer.
        silent: How many channels are zero (or below) everywhere on this photo.
    """

    stage: str
    address: str
    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    maps: NDArray[np.float32]
    minimum: float
    maximum: float
    silent: int


@dataclass(frozen=True)
class Explanation:
    """One photo, one network, one answer, and the evidence.

    Attributes:
        photo: uint8 `h w 3`, the photo as read (EXIF applied), made smaller for display when it is very large.
        photo_name: The file's name, for people.
        photo_size: `(h, w)` of the original file.
        seen: uint8 `h w 3`: the resized and cropped picture that the network really got.
        crop: `xyxy` of that crop in pixels of the original photo.
        network: The catalogue's name of the network.
        weights: Facts about the weights: name, license, source, sha256, variant.
        preprocessing: What was done to the photo.
        answers: The top answers, best first.
        target: The class that the maps explain.
        target_label: Its name.
        target_answer: The network's answer for that class (it need not be in the top five).
        summary: Every layer with shape, parameters, MACs and receptive field.
        kernels: The first layer's weights, or None where the network has no convolution.
        activations: One entry a stage.
        saliency: |d logit / d input|, maximum over channels, at the size of `seen`.
        occlusion: Drop of the class probability as a blank patch moves, at the size of `seen`, with its raw grid
            (`n gh gw k`, where `k` runs over `occlusion_classes`).
        occlusion_classes: The class indices of the occlusion grid's last axis: the top answers and the target.
        provenance: Versions, device, threads, seconds of each part, and the command that made it.
    """

    photo: NDArray[np.uint8]
    photo_name: str
    photo_size: tuple[int, int]
    seen: NDArray[np.uint8]
    crop: tuple[float, float, float, float]
    network: str
    weights: dict[str, Any]
    preprocessing: Preprocessing
    answers: tuple[Answer, ...]
    target: int
    target_label: str
    target_answer: Answer
    summary: Summary
    kernels: FirstKernels | None
    activations: tuple[StageActivations, ...]
    saliency: Heatmap
    occlusion: Heatmap
    occlusion_classes: tuple[int, ...]
    occlusion_labels: tuple[str, ...]
    provenance: dict[str, Any]

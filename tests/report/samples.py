"""Explanations for tests: networks of the catalogue with fixed random weights, small inputs, a drawn photo."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from striate.data import Labels, Preprocessing
from striate.insight import Explanation, kernels, occlusion, saliency, stage_activations
from striate.models import Network, create_model

HOSTILE = '</script><img src=x onerror="alert(1)">&\u2028{{ 7*7 }}'


def photo(height: int = 120, width: int = 180) -> np.ndarray:
    """A bright disk on a ramp: something with edges and colors."""
    y, x = np.mgrid[:height, :width]
    ramp = np.stack(
        [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), 255 - x * 255 // max(width - 1, 1)], 2
    )
    disk = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 4) ** 2
    return np.where(disk[..., None], np.uint8([250, 180, 40]), ramp).astype(np.uint8)


def network(name: str = "squeezenet1_1", preprocessing: Preprocessing | None = None) -> Network:
    """A network of the catalogue for ten classes, its weights random but fixed."""
    torch.manual_seed(0)
    preprocessing = preprocessing or Preprocessing(input_size=(64, 64), resize=72)
    module = create_model(name, num_classes=10, in_channels=len(preprocessing.channels)).eval()
    labels = ("espresso", "cup", "tabby", "crane", "palace", "tripod", HOSTILE, "spoon", "table", "saucer")
    return Network(name, module, preprocessing, Labels(labels))


def explain(net: Network, image: np.ndarray, *, target: int | None = None, **changes: Any) -> Explanation:
    """What `striate explain` finds, with few windows."""
    view = net.preprocessing.view(image)
    answers = net.classify(image, top=10)[0]
    top = answers[:5]
    aim = top[0] if target is None else next(answer for answer in answers if answer.index == target)
    summary = net.summary(view.pixels.shape[:2])
    sweep = occlusion(net, image, target=aim.index, window=16, stride=12)
    shown = tuple(dict.fromkeys([*(answer.index for answer in top), aim.index]))
    sweep = replace(sweep, grid=sweep.grid[..., list(shown)], baseline=sweep.baseline[:, list(shown)])
    found = Explanation(
        photo=image,
        photo_name="disk.png",
        photo_size=image.shape[:2],
        seen=view.pixels,
        crop=view.crop,
        network=net.name,
        weights={
            "name": f"{net.name}.test",
            "license": "Apache-2.0",
            "source": "https://example.org/paper",
            "variant": "random",
            "sha256": "ab" * 32,
            "published": {"top1": 74.9},
            "measured": {},
        },
        preprocessing=net.preprocessing,
        answers=tuple(top),
        target=aim,
        summary=summary,
        kernels=kernels(net),
        activations=tuple(stage_activations(net, image, top=6, stages=summary.stages)[0]),
        saliency=saliency(net, image, target=aim.index),
        occlusion=sweep,
        occlusion_classes=shown,
        occlusion_labels=tuple(net.labels[index] for index in shown),
        provenance={
            "command": "striate explain disk.png",
            "made": "2026-11-22T17:00:00+00:00",
            "seconds": {"loading": 0.2, "saliency": 0.1, "occlusion": 1.5, "in all": 2.0},
            "device": "cpu",
            "threads": 2,
            "versions": {"striate": "0.1.0", "torch": "2.13.0"},
            "settings": {"window": 16, "stride": 12},
        },
    )
    return replace(found, **changes)


@lru_cache(maxsize=8)
def sample(name: str = "squeezenet1_1") -> Explanation:
    """One explanation a network, made once."""
    return explain(network(name), photo())

"""R-CNN's machines and regressors, from features on the disk to the tensors that the detector holds."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.detection.box_regression import fit_box_regression
from striate.detection.feature_cache import FeatureCache
from striate.detection.margins import fit_sigmoid
from striate.detection.rcnn_settings import RCNNSettings, RegressorTrained
from striate.detection.region_svm import MiningDone, RegionLabels, SvmTrained, feature_scale, mine

__all__ = ["RegionPairs", "fit_machines", "fit_regressors"]

_ENOUGH = 10
_MOST_PICTURES = 500  # whose margins make the sigmoids: two numbers a class need no more


@dataclass(frozen=True, eq=False)
class RegionPairs:
    """The proposals of one picture that teach regressors.

    Attributes:
        rows: int64 `n`: which regions of the picture they are.
        classes: int64 `n`: of the objects that they overlap.
        deltas: `n 4`: what takes each to its object.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    deltas: NDArray[np.float64]


def fit_machines(
    features: FeatureCache, labels: Sequence[RegionLabels], classes: int, settings: RCNNSettings
) -> Generator[SvmTrained | MiningDone, None, dict[str, Tensor]]:
    """The support vector machines of all classes, and the sigmoids that make probabilities of their margins.

    Returns:
        `svm_weight`, `svm_bias`, `svm_slope`, `svm_offset`, as the generator's value.

    Raises:
        ConfigError: If no picture has an object.
    """
    machines = yield from mine(features, labels, classes, settings.svm, seed=settings.seed)
    some = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), _MOST_PICTURES)).round().astype(int)).tolist()
    every = np.concatenate([features.read(number) @ machines.weight + machines.bias for number in some])
    every = every.astype(np.float64)
    overlaps = np.concatenate([labels[number].overlaps for number in some])
    proposed = np.concatenate([labels[number].positives < 0 for number in some])
    sigmoids = []
    for k in range(classes):
        near = overlaps[:, k] >= settings.foreground_above
        # Marked objects were learned by heart, so their margins flatter: they are used where nothing else is near.
        used = proposed if (near & proposed).sum() >= _ENOUGH else np.ones_like(proposed)
        sigmoids.append(fit_sigmoid(every[used, k], near[used]))
    return {
        "svm_weight": torch.from_numpy(machines.weight.T.copy()),
        "svm_bias": torch.from_numpy(machines.bias),
        "svm_slope": torch.tensor([slope for slope, _ in sigmoids], dtype=torch.float32),
        "svm_offset": torch.tensor([offset for _, offset in sigmoids], dtype=torch.float32),
    }


def fit_regressors(
    features: FeatureCache, pairs: Sequence[RegionPairs], classes: int, settings: RCNNSettings
) -> Generator[RegressorTrained, None, dict[str, Tensor]]:
    """The box regressors of all classes.

    Args:
        features: The placed ones, a row a pair.
        pairs: One a picture.
        classes: `k`.
        settings: λ.

    Returns:
        `box_weight` and `box_bias`, for features as they are, as the generator's value.
    """
    scale = np.float32(feature_scale(features, [len(one.rows) for one in pairs]))
    of_class = np.concatenate([one.classes for one in pairs])
    picture = np.concatenate([np.full(len(one.rows), number, dtype=np.int64) for number, one in enumerate(pairs)])
    row = np.concatenate([np.arange(len(one.rows)) for one in pairs])
    deltas = np.concatenate([one.deltas for one in pairs])
    weight, bias = torch.zeros(classes, 4, features.features), torch.zeros(classes, 4)
    for k in range(classes):
        here = of_class == k
        x = features.gather(picture[here], row[here]) * scale
        solved = fit_box_regression(x, deltas[here], ridge=settings.ridge)
        weight[k], bias[k] = torch.from_numpy(solved.weight.T * scale), torch.from_numpy(solved.bias)
        yield RegressorTrained(k, solved.pairs, solved.error)
    return {"box_weight": weight.flatten(0, 1), "box_bias": bias.flatten()}

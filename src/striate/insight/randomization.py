"""The parameter-randomization check: does a map change when the network forgets what it has learned?

A map that explains what a network has learned cannot stay the same when its weights are drawn at random. So the weights
of a copy are drawn anew, from the last layer down to the first (`cascading`), or one layer at a time (`independent`),
and each map is compared with that of the trained network. A map that stays alike shows the picture (its edges), not the
network: guided back-propagation does, the gradient and Grad-CAM do not.

Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim 2018, "Sanity checks for saliency maps", arXiv:1810.03292,
sections 3 and 4.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.data.images import Images
from striate.errors import ConfigError, ShapeError
from striate.insight.map_similarity import hog_similarity, rank_correlation, structural_similarity, to_unit_range
from striate.insight.random_weights import Init, draw_anew, weight_groups
from striate.insight.randomization_check import RandomizationCheck
from striate.insight.target import Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import evaluating, require_layer

__all__ = ["randomization"]

Mode = Literal["cascading", "independent"]


def randomization(
    network: Network | nn.Module,
    images: Images,
    method: Callable[..., Any],
    *,
    target: Target = None,
    mode: Mode = "cascading",
    init: Init = "reset",
    steps: int = 12,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RandomizationCheck:
    """How alike a method's maps stay while the weights of a copy are drawn anew. The network itself is never touched.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        method: What makes the map, such as `insight.grad_cam`; settings go in with `functools.partial`. Called as
            `method(module, tensor, target=targets)`; it gives a `Heatmap`, an `InputGradient` or an array.
        target: As for the method; each image's best class by default. The same for all steps.
        mode: `cascading`: what was drawn anew stays so, from the last layer down. `independent`: only one layer at a
            time.
        init: `reset`: as before training, by each layer's `reset_parameters` (the paper); `normal`: each tensor from a
            normal distribution of its own mean and deviation, which keeps activations in their range; `shuffle`: the
            same numbers in other places.
        steps: How many maps to make at most: of more layers, evenly spaced ones. The first and the last layer are
            always among them.
        layers: Module paths to draw anew in this order, one a step, instead of all from the last on.
        seed: For the weights.
        progress: Called with (maps made, maps in all).

    Returns:
        Similarities for each step and image, and the maps.

    Raises:
        ConfigError: An unknown mode or init, fewer than one step, or a module without weights.
        UnknownNameError: No such layer.
        ShapeError: A method that does not give a map for each image.

    Source:
        Adebayo et al. 2018, arXiv:1810.03292, sections 3 and 4.

    Differs:
        Between two maps, several layers may be drawn anew (`steps`). Layers without `reset_parameters` are drawn as
        with `normal`. HOG cells are a fourteenth of the side, the paper's 16 px at 224.
    """
    began = perf_counter()
    _check(mode, init, steps)
    if not callable(method):
        raise ConfigError(
            f"method must be a function such as insight.grad_cam, given itself and not called; got {method!r}."
        )
    module, x = module_and_input(network, images)
    with evaluating(module), torch.inference_mode():
        asked = score_targets(network, module, x, read_targets(network, target, len(x)))
    targets = list(asked.targets)
    explain = partial(_explain, method, targets=targets, x=x.detach())
    found = [explain(module)]
    groups = [[_known(module, path)] for path in layers] if layers else weight_groups(module, tuple(x.shape[1:]))
    stops = sorted({round(i) for i in np.linspace(0, len(groups) - 1, min(steps, len(groups)))})
    twin, generator, drawn = _copy(module), torch.Generator().manual_seed(seed), 0
    for number, stop in enumerate(stops):
        if mode == "independent":
            twin, drawn = _copy(module), stop
        for group in groups[drawn : stop + 1]:
            for path in group:
                draw_anew(twin.get_submodule(path), init=init, generator=generator)
        drawn = stop + 1
        found.append(explain(twin))
        if progress is not None:
            progress(number + 1, len(stops))
    return RandomizationCheck(
        method=getattr(method, "__name__", getattr(getattr(method, "func", None), "__name__", type(method).__name__)),
        mode=mode,
        layers=tuple(groups[stop][0] for stop in stops),
        similarities={name: np.array(rows) for name, rows in _similarities(found).items()},
        maps=np.stack([seen for _, seen in found]).astype(np.float32),
        target=tuple(targets),
        parameters={"init": init, "seed": seed, "layers_in_all": len(groups)},
        seconds=perf_counter() - began,
    )


Found = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A method's numbers, and the map as it is looked at: magnitudes `n h w` from 0 to 1."""


def _explain(method: Callable[..., Any], module: nn.Module, *, x: torch.Tensor, targets: list[int | str]) -> Found:
    result = method(module, x, target=targets)
    values = np.asarray(getattr(result, "values", result), dtype=np.float64)
    if values.ndim not in (3, 4) or len(values) != len(x):
        raise ShapeError(
            f"method must give 'n h w' or 'n c h w' with n = {len(x)}, one map for each image; got {values.shape}."
        )
    # A copy that has forgotten everything may give numbers that are not finite: they rank nothing.
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    parts = getattr(result, "method", "") == "integrated_gradients"  # whose channels add up
    merged = values if values.ndim == 3 else values.sum(1) if parts else np.abs(values).max(1)
    return values, np.stack([to_unit_range(one) for one in np.abs(merged)])


def _similarities(found: list[Found]) -> dict[str, list[list[float]]]:
    """Measure → step → image."""
    (first, first_seen), count = found[0], len(found[0][0])
    return {
        "rank": [[rank_correlation(first[n], values[n]) for n in range(count)] for values, _ in found],
        "rank_absolute": [
            [rank_correlation(np.abs(first[n]), np.abs(values[n])) for n in range(count)] for values, _ in found
        ],
        "ssim": [[structural_similarity(first_seen[n], seen[n]) for n in range(count)] for _, seen in found],
        "hog": [[hog_similarity(first_seen[n], seen[n]) for n in range(count)] for _, seen in found],
    }


def _copy(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(
            f"{type(module).__name__} cannot be copied, and its own weights are never touched ({error})."
        ) from error


def _known(module: nn.Module, path: str) -> str:
    require_layer(module, path)
    return path


def _check(mode: str, init: str, steps: int) -> None:
    if mode not in get_args(Mode):
        raise ConfigError(f"mode must be 'cascading' or 'independent'; got {mode!r}.")
    if init not in get_args(Init):
        raise ConfigError(f"init must be one of {', '.join(map(repr, get_args(Init)))}; got {init!r}.")
    if steps < 1:
        raise ConfigError(f"steps must be at least 1; got {steps}.")

"""Integrated gradients: how much each number of the picture adds to the score, on the way from nothing to the picture.

The gradient at the picture says what a small change would do; where the score is saturated, that is nothing at all. So
the gradients along the straight way from a baseline x' (a picture of nothing) to x are added up:

    IG_i = (x_i - x'_i) · integral from 0 to 1 of  dS/dx_i (x' + a (x - x'))  da
    sum over i of IG_i = S(x) - S(x')            (completeness)

The integral is a weighted sum over points of the way, and how far completeness is missed says whether they were enough.

Source: Sundararajan, Taly, Yan 2017, "Axiomatic attribution for deep networks", arXiv:1703.01365, equations 1 and 3.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError, ShapeError
from striate.insight.backward_pass import gradients_of
from striate.insight.fill import Fill, describe_fill, fill_color
from striate.insight.heatmap import as_numpy
from striate.insight.input_gradient import InputGradient
from striate.insight.target import Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import evaluating

__all__ = ["Baseline", "baseline_picture", "integrated_gradients", "path_points"]

Rule = Literal["gausslegendre", "riemann_left", "riemann_middle", "riemann_right", "riemann_trapezoid"]
Baseline: TypeAlias = Fill | Tensor


def integrated_gradients(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    baseline: Baseline = None,
    steps: int = 50,
    rule: Rule = "gausslegendre",
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> InputGradient:
    """How much of a class's logit, or of a unit's activation, every pixel and channel adds.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: Class index, label or unit address, one for all or one for each; each image's best class by default. The
            class, or the unit's place, is that of the picture itself.
        baseline: Where the way begins. RGB in [0, 1] for a `Network` (its mean color by default), a number or one for
            each channel in input space for a plain module (0 by default); or a tensor `n c h w` or `c h w` of the
            input's size (RGB in [0, 1] for a `Network`).
        steps: Points of the way, each one forward and one backward pass.
        rule: Where they lie and what they weigh: `gausslegendre` (exact for polynomials up to degree 2 · steps - 1),
            or a Riemann sum.
        batch_size: Pictures that go through the network at once, whatever `steps` is; 8 by default.
        progress: Called with (points done, points in all).

    Returns:
        `values` `n c h w`, in the unit of the score; `parameters["gap"]`, for each picture, is the sum of the values
        minus S(x) - S(x'), and `parameters["difference"]` is that difference itself.

    Raises:
        ConfigError: Too few steps, an unknown rule, a wrong color, or what `input_gradient` refuses.
        ShapeError: A baseline that is no picture of the input's size.

    Source:
        Sundararajan et al. 2017, arXiv:1703.01365, equations 1 and 3.

    Differs:
        Gauss-Legendre points by default (the paper has `riemann_right`): the gap is smaller for the same work. The
        weights of `riemann_trapezoid` add up to 1, which captum's do not.

    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(3, 1, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[1.0, -4.0, 2.0]]))
    >>> integrated_gradients(linear, torch.full((1, 3, 1, 1), 2.0), steps=2).values.round(4).ravel().tolist()
    [2.0, -8.0, 4.0]
    """
    began = perf_counter()
    shares, weights = path_points(steps, rule)
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")
    module, x = module_and_input(network, images)
    x = x.detach()
    start = baseline_picture(network, x, baseline)
    with evaluating(module), torch.inference_mode():
        asked = score_targets(network, module, x, read_targets(network, target, len(x)))
        resolved = read_targets(module, list(asked.targets), len(x))
        nothing = score_targets(module, module, start, resolved)
    count, size = len(x), batch_size or 8
    total = torch.zeros_like(x)
    places = [(s, n) for s in range(steps) for n in range(count)]
    for begin in range(0, len(places), size):
        s, n = (list(axis) for axis in zip(*places[begin : begin + size], strict=True))
        share = torch.from_numpy(shares[s]).to(x).view(-1, 1, 1, 1)
        weight = torch.from_numpy(weights[s]).to(x).view(-1, 1, 1, 1)
        found = gradients_of(
            module,
            start[n] + share * (x[n] - start[n]),
            [asked.targets[i] for i in n],
            method="integrated_gradients",
            batch_size=len(n),
        )
        total.index_add_(0, torch.tensor(n, device=x.device), weight * found.values)
        if progress is not None:
            progress(min(begin + size, len(places)) // count, steps)
    values = (x - start) * total
    difference = (asked.scores - nothing.scores).double()
    gap = values.double().sum((1, 2, 3)) - difference
    units = {isinstance(item, str) for item in asked.targets}
    channels = network.preprocessing.channels if isinstance(network, Network) else "RGB"
    return InputGradient(
        values=as_numpy(values),
        method="integrated_gradients",
        unit="score" if len(units) == 2 else "activation" if True in units else "logit",
        target=asked.targets,
        scores=as_numpy(asked.scores),
        channels=channels if x.shape[1] == 3 else "L" if x.shape[1] == 1 else "maps",
        parameters={
            "baseline": "picture" if isinstance(baseline, Tensor) else describe_fill(network, baseline),
            "steps": steps,
            "rule": rule,
            "difference": difference.tolist(),
            "gap": gap.tolist(),
        },
        seconds=perf_counter() - began,
    )


def path_points(steps: int, rule: Rule) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of [0, 1] and their weights, which add up to 1.

    >>> path_points(2, "riemann_middle")
    (array([0.25, 0.75]), array([0.5, 0.5]))

    Raises:
        ConfigError: An unknown rule, or fewer than one step (two for the trapezoid).
    """
    if rule not in get_args(Rule):
        raise ConfigError(f"rule must be one of {', '.join(map(repr, get_args(Rule)))}; got {rule!r}.")
    least = 2 if rule == "riemann_trapezoid" else 1
    if steps % 1 or steps < least:
        raise ConfigError(f"steps must be at least {least} for {rule!r}, and whole; got {steps}.")
    if rule == "gausslegendre":
        points, weights = np.polynomial.legendre.leggauss(steps)
        return 0.5 * (points + 1.0), 0.5 * weights
    if rule == "riemann_trapezoid":
        weights = np.full(steps, 1.0 / (steps - 1))
        weights[[0, -1]] /= 2.0
        return np.linspace(0.0, 1.0, steps), weights
    first = {"riemann_left": 0.0, "riemann_middle": 0.5, "riemann_right": 1.0}[rule]
    return (np.arange(steps) + first) / steps, np.full(steps, 1.0 / steps)


def baseline_picture(
    network: Network | nn.Module, x: Float[Tensor, "n c h w"], baseline: Baseline
) -> Float[Tensor, "n c h w"]:
    """The baseline as the module's input, one for each picture of `x`.

    Raises:
        ConfigError: A wrong color.
        ShapeError: A tensor that is no picture of the input's size.
    """
    if not isinstance(baseline, Tensor):
        return fill_color(network, x, baseline, name="baseline").expand_as(x).contiguous()
    picture = baseline.detach()[None] if baseline.dim() == 3 else baseline.detach()
    if isinstance(network, Network) and picture.dim() == 4 and picture.shape[1] == 3:
        picture = network.preprocessing.normalize(picture)
    if picture.dim() != 4 or picture.shape[1:] != x.shape[1:] or len(picture) not in (1, len(x)):
        raise ShapeError(
            f"baseline must be a color, or a tensor of the input's size {tuple(x.shape)} (or one picture of it); got "
            f"{tuple(baseline.shape)}."
        )
    return picture.to(x).expand_as(x).contiguous()

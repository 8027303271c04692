"""SmoothGrad: the gradient of a picture, averaged over pictures that are the same to the eye.

A network's score bends at every scale, so the gradient at one picture is speckled, and the picture a gray level further
has other speckles. Averaged over small noise, the speckles cancel and what the gradients agree on stays:

    SmoothGrad           mean of g(x + e)               e ~ N(0, sigma²),  sigma = noise · (max x - min x)
    SmoothGrad-Squared   mean of g(x + e)²
    VarGrad              mean of g(x + e)² - (mean of g(x + e))²

The first keeps signs. The other two say how large, and how unsteady, the gradient is around the picture.

Source: Smilkov, Thorat, Kim, Viégas, Wattenberg 2017, "SmoothGrad", arXiv:1706.03825, section 3. Hooker, Erhan,
Kindermans, Kim 2019, "A benchmark for interpretability methods in deep neural networks", arXiv:1806.10758, section 4.1
(squared). Adebayo, Gilmer, Goodfellow, Kim 2018, "Local explanation methods for deep neural networks lack sensitivity
to parameter values", arXiv:1810.03307 (VarGrad).
"""

from collections.abc import Callable
from time import perf_counter
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError
from striate.insight.backward_pass import gradients_of
from striate.insight.heatmap import as_numpy
from striate.insight.input_gradient import InputGradient, unit_of
from striate.insight.target import Target, module_and_input, read_targets, score_targets
from striate.models import Network
from striate.probe import evaluating
from striate.probe.backward_rules import BackwardRule

__all__ = ["smooth_grad"]

Variant = Literal["smoothgrad", "smoothgrad_squared", "vargrad"]


def smooth_grad(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    samples: int = 25,
    noise: float = 0.15,
    variant: Variant = "smoothgrad",
    rule: BackwardRule = "plain",
    seed: int = 0,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> InputGradient:
    """The gradient of a class or a unit to the picture, averaged over noise.

    The class (or the unit's place) is that of the picture without noise, in all samples.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: Class index, label or unit address, one for all or one for each; each image's best class by default.
        samples: Noisy copies of each picture.
        noise: Standard deviation of the noise as a share of the range (largest minus smallest number) of each picture
            as the network gets it; .1 to .2 is the paper's advice.
        variant: `smoothgrad`, `smoothgrad_squared` or `vargrad`; see above.
        rule: How the backward pass goes through rectifiers: `plain`, or `guided` or `deconvnet` as in those methods.
        seed: For the noise, which does not depend on `batch_size`.
        batch_size: Pictures that go through the network at once, whatever `samples` is; 8 by default.
        progress: Called with (samples done, samples in all).

    Returns:
        `values` `n c h w`; never negative for the second and third variant, whose unit is the square of a gradient's.

    Raises:
        ConfigError: No samples, negative noise, an unknown variant, or what `input_gradient` refuses.

    Source:
        Smilkov et al. 2017, arXiv:1706.03825, section 3.

    Differs:
        The paper draws the largest magnitude over channels; that is `.saliency()` of the result.

    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(3, 1, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[1.0, -4.0, 2.0]]))
    >>> smooth_grad(linear, torch.ones(1, 3, 1, 1), samples=4).values.ravel().tolist()
    [1.0, -4.0, 2.0]
    """
    began = perf_counter()
    _check(samples, noise, variant, batch_size)
    module, x = module_and_input(network, images)
    x = x.detach()
    with evaluating(module), torch.inference_mode():
        asked = score_targets(network, module, x, read_targets(network, target, len(x)))
    count = len(x)
    low, high = x.flatten(1).aminmax(dim=1)
    deviation = (noise * (high - low)).view(-1, 1, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    total, squares = torch.zeros_like(x), torch.zeros_like(x)
    size = batch_size or 8
    places = [(s, n) for s in range(samples) for n in range(count)]
    held: list[Tensor] = []
    for begin in range(0, len(places), size):
        batch = [n for _, n in places[begin : begin + size]]
        held = [_noise(x[n], generator) for n in batch]
        noisy = x[batch] + deviation[batch] * torch.stack(held)
        found = gradients_of(
            module, noisy, [asked.targets[n] for n in batch], method="smooth_grad", rule=rule, batch_size=len(batch)
        )
        # Pictures of one batch may repeat: index_add adds each.
        where = torch.tensor(batch, device=x.device)
        total.index_add_(0, where, found.values)
        squares.index_add_(0, where, found.values**2)
        if progress is not None:
            progress(min(begin + size, len(places)) // count, samples)
    mean, mean_square = total / samples, squares / samples
    values = {
        "smoothgrad": mean,
        "smoothgrad_squared": mean_square,
        "vargrad": (mean_square - mean**2).clamp(min=0),  # rounding can end below 0
    }[variant]
    plain = unit_of(asked.targets)
    channels = network.preprocessing.channels if isinstance(network, Network) else "RGB"
    return InputGradient(
        values=as_numpy(values),
        method="smooth_grad",
        unit=plain if variant == "smoothgrad" else f"({plain})²",
        target=asked.targets,
        scores=as_numpy(asked.scores),
        channels=channels if x.shape[1] == 3 else "L" if x.shape[1] == 1 else "maps",
        parameters={"samples": samples, "noise": noise, "variant": variant, "rule": rule, "seed": seed},
        seconds=perf_counter() - began,
    )


def _noise(picture: Float[Tensor, "c h w"], generator: torch.Generator) -> Float[Tensor, "c h w"]:
    """Normal noise of the picture's shape, drawn on the CPU so that a GPU gets the same."""
    kind = picture.dtype if picture.element_size() >= 4 else torch.float32
    return torch.randn(picture.shape, generator=generator, dtype=kind).to(picture)


def _check(samples: int, noise: float, variant: str, batch_size: int | None) -> None:
    if samples < 1:
        raise ConfigError(f"samples must be at least 1; got {samples}.")
    if not 0 <= noise < float("inf"):
        raise ConfigError(f"noise must be a share of the picture's range, 0 or more; got {noise}.")
    if variant not in get_args(Variant):
        raise ConfigError(f"variant must be one of {', '.join(map(repr, get_args(Variant)))}; got {variant!r}.")
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")

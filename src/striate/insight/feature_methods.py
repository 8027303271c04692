"""The three schools of feature pictures, each as one choice of parametrization, transform, optimizer and priors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from striate.dreams import FourierImage, Objective, Parametrization, PhaseImage, PixelImage, Subject, objectives
from striate.dreams.after_step import AfterStep
from striate.dreams.optimizers import SGD, Adam, NAdam, Optimizer
from striate.dreams.transforms import Compose, Fit, Noise, RandomCrops, Transform, robust_transform
from striate.errors import ConfigError, ShapeError
from striate.insight.plain_ascent import PlainAscent, find_preset

__all__ = ["At", "Method", "Recipe", "build_recipe"]

Method = Literal["plain", "fourier", "maco"]
At = Literal["everywhere", "middle"]

_SIDE_PX = 128
_LARGEST_PX = 4096
_REDIRECT_STEPS = 16  # lucid's; longer here in long runs, since it touches only pictures that have no gradient


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that makes one batch of pictures.

    Attributes:
        start: From a number of pictures to their parametrization; all start alike.
        transform: How the view changes.
        fit: The size that the network insists on, or None.
        optimizer: How parameters follow the gradient.
        steps: How many.
        after_step: What is done to pixels after each.
        penalty: Subtracted from each target's objective, or None.
        redirect_steps: First steps in which gradients are led around dead units.
        seed: Of all that is drawn.
        parameters: All of it as JSON values.
    """

    start: Callable[[int], Parametrization]
    transform: Transform
    fit: Fit | None
    optimizer: Optimizer
    steps: int
    after_step: tuple[AfterStep, ...]
    penalty: Objective | None
    redirect_steps: int
    seed: int
    parameters: dict[str, Any]


def build_recipe(
    subject: Subject,
    layers: Sequence[str],
    *,
    method: Method,
    size: int | tuple[int, int] | None,
    steps: int | None,
    learning_rate: float | None,
    robustness: float,
    decay: float,
    plain: str | PlainAscent,
    crops: int,
    magnitudes: Float[Tensor, "c h half"] | None,
    seed: int,
) -> Recipe:
    """The recipe of a method for one network; see `feature_pictures` for the arguments.

    Raises:
        ConfigError: An unknown method or a setting out of its range.
        ShapeError: A size that the network refuses.
    """
    if not 0 <= decay <= 4:
        raise ConfigError(f"decay must be from 0 to 4; got {decay}.")
    if method not in ("plain", "fourier", "maco"):
        raise ConfigError(f"method must be 'plain', 'fourier' or 'maco'; got {method!r}.")
    shape, fit = _choose_size(subject, layers, size)
    chosen: dict[str, Any] = {"size": list(shape), "fit": None if fit is None else list(fit.size)}
    after: tuple[AfterStep, ...] = ()
    penalty: Objective | None = None
    generator = torch.Generator().manual_seed(seed)
    like: dict[str, Any] = {"dtype": subject.picture_dtype, "device": subject.device}
    optimizer: Optimizer
    if method == "plain":
        ascent = find_preset(plain)
        one: Parametrization = PixelImage.noise(1, shape, generator=generator, color=subject.neutral, **like)
        optimizer = ascent.optimizer()
        if learning_rate is not None:
            optimizer = SGD(learning_rate, normalize=ascent.normalize, largest_rate=ascent.largest_rate)
        after = ascent.after_step()
        penalty = ascent.l2 * objectives.l2_norm(subject.neutral) if ascent.l2 else None
        steps = ascent.steps if steps is None else steps
        transform: tuple[Transform, ...] = ()
        chosen |= {"preset": plain if isinstance(plain, str) else "own", **ascent.to_dict()}
    elif method == "fourier":
        one = FourierImage.noise(1, shape, generator=generator, channels=subject.channels, decay=decay, **like)
        optimizer = Adam(0.05 if learning_rate is None else learning_rate, schedule="cosine")
        transform = (robust_transform(shape, strength=robustness, value=sum(subject.neutral) / subject.channels),)
        chosen |= {"robustness": robustness, "decay": decay}
    else:
        one = PhaseImage.noise(1, shape, generator=generator, channels=subject.channels, magnitudes=magnitudes, **like)
        optimizer = NAdam(1.0 if learning_rate is None else learning_rate, schedule="cosine")
        # The paper's squares, from half to a twentieth, are of 1,280 pixels: 64 pixels at the end. Of smaller
        # pictures such shares would be blown up tenfold, and the whole would show nothing at the unit's own scale.
        view = fit.size if fit is not None else (-(-3 * shape[0] // 4), -(-3 * shape[1] // 4))
        smallest = min(max(64 / min(shape), 0.05), 0.6)
        largest = max(0.5, min(2 * smallest, 1.0))
        transform = (RandomCrops(crops, view, largest=largest, smallest=smallest), Noise(0.08))
        chosen |= {"largest_crop": largest, "smallest_crop": smallest}
        chosen |= {"crops": crops, "magnitudes": "photos" if magnitudes is None else "given"}
    steps = 256 if steps is None else steps
    chosen |= {"steps": steps, "learning_rate": optimizer.lr, "schedule": optimizer.schedule}
    if fit is not None and method != "maco":
        transform = (*transform, fit)
    start = one.parameters()[0].detach()
    return Recipe(
        start=lambda count: _repeated(one, start, count),
        transform=Compose(transform),
        fit=fit,
        optimizer=optimizer,
        steps=steps,
        after_step=after,
        penalty=penalty,
        redirect_steps=max(_REDIRECT_STEPS, steps // 4),
        seed=seed,
        parameters=chosen,
    )


def _repeated(one: Parametrization, start: Tensor, count: int) -> Parametrization:
    """The same start for every picture, so that none depends on its place in a batch."""
    many = start.expand(count, *start.shape[1:])
    if isinstance(one, FourierImage):
        return FourierImage(many, width=one.width, decay=one.decay, colors=one.colors)
    if isinstance(one, PhaseImage):
        return PhaseImage(many, width=one.width, magnitudes=one.magnitudes, colors=one.colors)
    return PixelImage(many)


def _choose_size(
    subject: Subject, layers: Sequence[str], size: int | tuple[int, int] | None
) -> tuple[tuple[int, int], Fit | None]:
    """The size of the pictures, and what the network insists on where it takes no other."""
    if size is not None:
        h, w = (size, size) if isinstance(size, int) else size
        if not (1 <= h <= _LARGEST_PX and 1 <= w <= _LARGEST_PX):
            raise ConfigError(f"size must be from 1 to {_LARGEST_PX} pixels a side; got {h} × {w}.")
    else:
        h = w = min(_SIDE_PX, *(subject.input_size or (_SIDE_PX,)))
    # Views are a little larger and smaller than the picture.
    if all(_refusal(subject, layers, s) is None for s in ((h, w), (h + 7, w + 9), (-(-4 * h // 5), -(-4 * w // 5)))):
        return (h, w), None
    own = subject.input_size
    if own is not None and _refusal(subject, layers, own) is None:
        return ((h, w) if size is not None else own), Fit(own)
    refusal = _refusal(subject, layers, (h, w))
    if refusal is None:
        return (h, w), Fit((h, w))
    raise ShapeError(f"{refusal} Give the size that the network takes, such as size=224.")


def _refusal(subject: Subject, layers: Sequence[str], size: tuple[int, int]) -> str | None:
    gray = torch.full((1, subject.channels, *size), 0.5, dtype=subject.picture_dtype, device=subject.device)
    try:
        with torch.no_grad():
            subject.read(gray, layers)
    except ShapeError as error:
        return str(error)
    return None

"""Optimize the picture: what would excite this unit, this channel, this class most?

    picture = argmax over x of a(x),     by gradient ascent from noise

Done with bare pixels, the answer is noise that the network mistakes for everything. What makes it a picture is a prior,
and there are three schools of them, each one value of `method`:

    plain      pixels; an L2 penalty, a blur every few steps, weak and idle pixels zeroed (Simonyan 2013, Yosinski 2015)
    fourier    Fourier coefficients scaled as in photos, colors without correlation, a view that moves (Olah 2017)
    maco       phases alone, under the magnitudes of photos, seen through many crops (Fel 2023)

A class is asked for by its logit, never by its probability, which also grows when the other classes are put down. Such
a picture shows what a unit answers to most, not what it answers to usually: the strongest natural patches belong beside
it (`top_patches`), and people learn at least as much from those (Borowski et al. 2021, arXiv:2010.12606; Zimmermann et
al. 2023, arXiv:2307.05471).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.dreams import Dream, Objective, Seen, Subject, build_subject, objectives
from striate.dreams.lean_subject import in_full_precision
from striate.errors import ConfigError
from striate.insight.feature_methods import At, Method, Recipe, build_recipe
from striate.insight.feature_result import FeaturePictures
from striate.insight.patches import TopPatches
from striate.insight.plain_ascent import PlainAscent
from striate.insight.target import read_targets
from striate.models import Network
from striate.probe import UnitAddress

__all__ = ["FeatureProgress", "feature_pictures", "stream_feature_pictures"]

FeatureTarget = int | str | UnitAddress | Objective


@dataclass(frozen=True, eq=False)
class FeatureProgress:
    """Where a run is.

    Attributes:
        done: Steps of all pictures together.
        total: Steps in all.
        targets: Those of the pictures that are being made.
        values: The objective of each of them, under this step's transform.
        images: `n c h w` of them, where a preview was asked for.
    """

    done: int
    total: int
    targets: tuple[str, ...]
    values: Float[Tensor, " n"]
    images: Float[Tensor, "n c h w"] | None = None


def feature_pictures(
    network: Network | nn.Module,
    targets: FeatureTarget | Sequence[FeatureTarget],
    *,
    method: Method = "fourier",
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    at: At = "everywhere",
    robustness: float = 1.0,
    decay: float = 1.25,
    plain: str | PlainAscent = "notes",
    crops: int = 8,
    magnitudes: Float[Tensor, "3 h half"] | None = None,
    natural: TopPatches | None = None,
    channels: int | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    batch_size: int = 8,
    seed: int = 0,
) -> FeaturePictures:
    """A picture for each target that excites it as much as the method can.

    A picture depends on its target, the settings and the seed alone, not on which others are made beside it.

    Args:
        network: A `Network`, or any module (see `limits`).
        targets: One or several: a class index or label (its logit), a unit's address (`features.3:17` is a channel,
            `features.3:17@4,5` one place of it), or an `Objective` of `striate.dreams`.
        method: `plain`, `fourier` or `maco`.
        size: Side of the pictures in pixels, or `(h, w)`; 128 by default, or what a network of a fixed size takes.
        steps: By default 256 (`fourier`, `maco`), or the preset's.
        learning_rate: By default the method's.
        at: Where a channel without a place is asked for: `everywhere` (the mean over its map) or in the `middle`.
        robustness: Strength of the moving, scaling and turning of the view (`fourier`); 0 for none.
        decay: Power of the frequency by which coefficients are scaled down (`fourier`): 1 is lucid's; more gives larger
            shapes in stronger colors and less fine grain.
        plain: Settings of the method `plain`, or the name of a preset: `notes`, `l2`, `yosinski-1` to `yosinski-4`.
        crops: Views a step (`maco`).
        magnitudes: The spectrum that `maco` keeps (`dreams.magnitude_spectrum` of your pictures, at the size); a 1/f
            model of photos by default.
        natural: `top_patches` of the same network: the strongest natural patches go beside the pictures.
        channels: Channels of a plain module's pictures; those of its first convolution by default.
        limits: What black and white are in a plain module's input.
        batch_size: Pictures that are optimized at once.
        seed: Of all that is drawn at random.

    Raises:
        ConfigError: No target, a bare layer (take `dreams.objectives.layer`), or a setting out of its range.
        UnknownNameError: A label or layer that does not exist.
        ShapeError: A size that the network refuses.

    Source:
        Simonyan et al. 2013, arXiv:1312.6034; Yosinski et al. 2015, arXiv:1506.06579; Olah, Mordvintsev, Schubert 2017,
        "Feature visualization", Distill; Fel et al. 2023, arXiv:2306.06805.

    >>> import striate
    >>> network = striate.load("lenet5.mnist")
    >>> result = feature_pictures(network, ["c3:4", 8], steps=20)
    >>> result.values.shape, result.excited.tolist()
    ((2, 1, 32, 32), [True, True])
    """
    stream = stream_feature_pictures(
        network,
        targets,
        method=method,
        size=size,
        steps=steps,
        learning_rate=learning_rate,
        at=at,
        robustness=robustness,
        decay=decay,
        plain=plain,
        crops=crops,
        magnitudes=magnitudes,
        natural=natural,
        channels=channels,
        limits=limits,
        batch_size=batch_size,
        seed=seed,
    )
    while True:
        try:
            next(stream)
        except StopIteration as finished:
            result: FeaturePictures = finished.value
            return result


def stream_feature_pictures(
    network: Network | nn.Module,
    targets: FeatureTarget | Sequence[FeatureTarget],
    *,
    method: Method = "fourier",
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    at: At = "everywhere",
    robustness: float = 1.0,
    decay: float = 1.25,
    plain: str | PlainAscent = "notes",
    crops: int = 8,
    magnitudes: Float[Tensor, "3 h half"] | None = None,
    natural: TopPatches | None = None,
    channels: int | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    batch_size: int = 8,
    seed: int = 0,
    preview_every: int = 0,
) -> Generator[FeatureProgress, None, FeaturePictures]:
    """`feature_pictures` as a generator: yields a `FeatureProgress` a step.

    Args as there; `preview_every` says every how many steps the event holds the pictures as they are, 0 for never.
    """
    began = perf_counter()
    subject = build_subject(network, channels=channels, limits=limits).in_full()
    asked = _read(network, subject, targets, at)
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")
    recipe = build_recipe(
        subject,
        sorted(frozenset().union(*(one.objective.layers for one in asked))),
        method=method,
        size=size,
        steps=steps,
        learning_rate=learning_rate,
        robustness=robustness,
        decay=decay,
        plain=plain,
        crops=crops,
        magnitudes=magnitudes,
        seed=seed,
    )
    total = len(asked) * recipe.steps
    finished = 0
    parts: list[dict[str, NDArray[Any]]] = []
    for start in range(0, len(asked), batch_size):
        batch = asked[start : start + batch_size]
        names = tuple(one.name for one in batch)
        dream = _build_dream(subject, recipe, batch)
        before = _activations(subject, recipe, batch, dream)
        values, norms = [], []
        for event in dream.run(preview_every=preview_every):
            values.append(event.values)
            norms.append(event.gradient_norms)
            done = finished + len(batch) * event.number
            yield FeatureProgress(done, total, names, event.values, event.image)
        finished += len(batch) * recipe.steps
        with torch.inference_mode(False), torch.no_grad():
            picture = dream.image.image().detach().float().cpu().numpy()
        parts.append(
            {
                "values": picture,
                "activations": _activations(subject, recipe, batch, dream),
                "start_activations": before,
                "history": torch.stack(values, 1).double().numpy(),
                "gradient_norms": torch.stack(norms, 1).double().numpy(),
            }
        )
    arrays: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    beside = [_natural(natural, one) for one in asked]
    result = FeaturePictures(
        **arrays,
        targets=tuple(one.name for one in asked),
        natural_best=np.array([best for best, _ in beside]),
        natural=tuple(patches for _, patches in beside) if natural is not None else (),
        network=subject.name,
        method=method,
        parameters={**recipe.parameters, "at": at},
        seed=seed,
        seconds=perf_counter() - began,
    )
    return FeaturePictures(**{**result.__dict__, "problems": _problems(result)})


@dataclass(frozen=True, eq=False)
class _Asked:
    """One target: its name, what is maximized, and which number says how excited it is."""

    name: str
    objective: Objective
    unit: UnitAddress | None  # of a channel: its largest place counts
    address: UnitAddress | None


def _read(
    network: Network | nn.Module, subject: Subject, targets: FeatureTarget | Sequence[FeatureTarget], at: At
) -> list[_Asked]:
    wanted = [targets] if isinstance(targets, int | str | UnitAddress | Objective) else list(targets)
    if not wanted:
        raise ConfigError("targets must name at least one class, unit or objective; got none.")
    if at not in ("everywhere", "middle"):
        raise ConfigError(f"at must be 'everywhere' or 'middle'; got {at!r}.")
    asked = []
    for item in wanted:
        if isinstance(item, Objective):
            asked.append(_Asked(item.name, in_full_precision(item), None, None))
            continue
        if item is None:
            raise ConfigError("a target must be a class, a unit's address or an objective; got None.")
        (target,) = read_targets(network, item, 1)
        if isinstance(target, UnitAddress):
            channel = target.channel or 0
            whole = target.position is None and at == "everywhere"
            goal = (
                objectives.channel(target.layer, channel)
                if whole
                else objectives.neuron(target.layer, channel, target.position)
            )
            peak = target if target.position is None else None
            asked.append(_Asked(str(target), in_full_precision(goal), peak, target))
        elif target is not None:
            label = network.labels[target] if isinstance(network, Network) and network.labels else ""
            asked.append(
                _Asked(f"class {target} {label}".strip(), in_full_precision(objectives.logit(target)), None, None)
            )
    return asked


def _build_dream(subject: Subject, recipe: Recipe, batch: Sequence[_Asked]) -> Dream:
    with torch.inference_mode(False):
        image = recipe.start(len(batch))
        goal = objectives.each([one.objective for one in batch])
        if recipe.penalty is not None:
            goal = goal - recipe.penalty
        return Dream(
            subject,
            image,
            goal,
            transform=recipe.transform,
            optimizer=recipe.optimizer,
            steps=recipe.steps,
            after_step=recipe.after_step,
            redirect_steps=recipe.redirect_steps,
            seed=recipe.seed,
        )


def _activations(subject: Subject, recipe: Recipe, batch: Sequence[_Asked], dream: Dream) -> NDArray[np.floating[Any]]:
    """What each picture excites as it is, only fitted to the size of networks that take no other."""
    layers = sorted(frozenset().union(*(one.objective.layers for one in batch)))
    with torch.inference_mode(False), torch.no_grad():
        picture = dream.image.image()
        view = recipe.fit(picture, generator=torch.Generator()) if recipe.fit is not None else picture
        seen = Seen(picture, subject.read(view, layers))
        found = []
        for number, one in enumerate(batch):
            mine = seen.only(number)
            value = float(one.objective(mine))  # also says what is wrong with a target
            if one.unit is not None:
                value = float(mine.activations[one.unit.layer][0, one.unit.channel or 0].amax())
            found.append(value)
    return np.array(found)


def _natural(natural: TopPatches | None, one: _Asked) -> tuple[float, tuple[Any, ...]]:
    """The best natural activation and the patches, for channels that were followed."""
    place = one.address
    if natural is None or place is None or place.channel is None or place.layer not in natural.layers:
        return float("nan"), ()
    found = natural[place.layer]
    if place.channel not in found.channels:
        return float("nan"), ()
    best = float(found.values[found.place_of(place.channel), 0])
    return best, tuple(natural.patches(place.layer, place.channel))


def _problems(result: FeaturePictures) -> tuple[str, ...]:
    said = []
    pulled = np.asarray((result.gradient_norms > 0).any(axis=1))
    for number, name in enumerate(result.targets):
        if not pulled[number]:
            said.append(
                f"{name}: no gradient reached the picture in any of {result.history.shape[1]} steps. The unit is dead, "
                "or sits where its activation is flat; take the layer before the activation."
            )
        elif not result.excited[number]:
            said.append(
                f"{name}: could not be excited beyond the noise it started from "
                f"({result.start_activations[number]:.3g}). Try more steps, another seed, or less robustness."
            )
    return tuple(said)

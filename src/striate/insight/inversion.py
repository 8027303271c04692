"""Reconstruction: paint the photo again from nothing but what one layer answered to it.

    x* = argmin  ‖Φ(x) − Φ₀‖² / ‖Φ₀‖²  +  prior(x),     Φ₀ = Φ(photo)

Φ is the network up to the layer. Many pictures have nearly the same Φ; the prior picks smooth ones, and starting from
several noises shows which parts are fixed by Φ₀ and which are left open. Early layers give the photo back, deep ones
its parts, moved, mirrored or recolored: what they no longer tell apart is what they have learnt to ignore.

Source: Mahendran, Vedaldi 2015, "Understanding deep image representations by inverting them", arXiv:1412.0035.
Differs: by default the picture is written down as Fourier coefficients, from coarse to fine, and L-BFGS ends the
search; `prior="alexnet-…"` with `optimizer="reference"` is the paper's way. While Adam runs, units that are off at the
layer itself are reached through its ReLU (`open_rectifier`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.data.images import Images
from striate.dreams import Dream, EnlargedImage, Objective, Parametrization, Seen
from striate.dreams import objectives as terms
from striate.dreams.optimizers import Adam, Optimizer
from striate.errors import ConfigError
from striate.insight.heatmap import as_numpy
from striate.insight.inversion_prior import Prior, depth_scales, depth_weight, find_prior
from striate.insight.inversion_schedule import Method, Phase, build_phases, is_flat
from striate.insight.inversion_subject import Pictured, picture_of
from striate.insight.open_rectifier import open_rectifier
from striate.insight.reconstruction import Reconstruction
from striate.models import Network

__all__ = ["Inversion", "InversionStep", "invert"]


@dataclass(frozen=True, eq=False)
class InversionStep:
    """What one step did.

    Attributes:
        sample: Which picture, from 0.
        number: Its steps done.
        total: Its steps at most.
        objective: What is made small, before the step.
        seconds: Since this sample began.
        stopped: Why the sample has ended with this step, or nothing.
    """

    sample: int
    number: int
    total: int
    objective: float
    seconds: float
    stopped: str = ""


def invert(
    network: Network | nn.Module,
    image: Images,
    *,
    layer: str,
    samples: int = 4,
    steps: int = 200,
    prior: str | Prior = "tv",
    optimizer: Method = "auto",
    size: int | tuple[int, int] | None = None,
    tolerance: float = 0.01,
    seed: int = 0,
) -> Reconstruction:
    """Pictures whose representation at a layer is that of a photo.

    Args:
        network: A `Network` (the image is a photo), or any module (the image is its input).
        image: One photo: a path, bytes, uint8 `h w 3`, or an RGB tensor `1 3 h w` in [0, 1]; for a plain module the
            tensor `1 c h w` that goes in.
        layer: A module's path, such as `features.7`; `#2` for its second call; `output` for what the module itself
            answers.
        samples: Pictures, each from noise of its own (seeds `seed`, `seed + 1`, …).
        steps: At most so many for each.
        prior: A name of `PRIORS` (`tv`, `fourier`, `pixels`, `alexnet-shallow`, `alexnet-middle`, `alexnet-deep`), or
            a `Prior`.
        optimizer: `auto`, Adam while the picture is written down smaller than it is seen and L-BFGS at full size;
            `lbfgs` or `adam` alone; or `reference`, the paper's: momentum 0.9 at the rate 0.004, after 100 steps a
            tenth, after 300 a hundredth (in proportion for another number of steps than 400), the momentum begun anew
            each time.
        size: Side of the picture in pixels, or `(h, w)`, for a photo; by default what the network was trained at. A
            tensor is taken at its own size.
        tolerance: L-BFGS ends when the objective fell by less than this share within 10 steps; 0 for all steps.
        seed: Of the first noise.

    Returns:
        The pictures, with errors, curves and settings.

    Raises:
        UnknownNameError: No such layer, or prior.
        ConfigError: A setting outside its rule, a layer that answers only zeros or numbers that are not finite, or an
            objective that becomes not finite.
        ShapeError: Not one picture, or a size that the network refuses.

    Source: Mahendran, Vedaldi 2015, arXiv:1412.0035, section 2.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU())
    >>> result = invert(network, torch.rand(1, 3, 16, 16), layer="1", samples=2, steps=20)
    >>> result.values.shape
    (2, 3, 16, 16)
    """
    inversion = Inversion(
        network,
        image,
        layer=layer,
        samples=samples,
        steps=steps,
        prior=prior,
        optimizer=optimizer,
        size=size,
        tolerance=tolerance,
        seed=seed,
    )
    for _ in inversion.run():
        pass
    return inversion.result()


class Inversion:
    """A reconstruction that can be watched, stopped at any step, and asked for what it has by then.

    Args:
        network: As for `invert`, and so are the others.
        image: One photo, or what `picture_of` made of one.
        layer: See there.
        samples: See there.
        steps: See there.
        prior: See there.
        optimizer: See there.
        size: See there.
        tolerance: See there.
        seed: See there.

    Raises:
        StriateError: See there.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        image: Images | Pictured,
        *,
        layer: str,
        samples: int = 4,
        steps: int = 200,
        prior: str | Prior = "tv",
        optimizer: Method = "auto",
        size: int | tuple[int, int] | None = None,
        tolerance: float = 0.01,
        seed: int = 0,
    ) -> None:
        if samples < 1 or steps < 1:
            raise ConfigError(f"samples and steps must be at least 1; got {samples} and {steps}.")
        if not 0 <= tolerance < 1:
            raise ConfigError(f"tolerance must be from 0 to below 1; got {tolerance}.")
        if optimizer not in get_args(Method):
            raise ConfigError(f"optimizer must be 'auto', 'lbfgs', 'adam' or 'reference'; got {optimizer!r}.")
        self.layer, self.samples, self.steps, self.seed = layer, samples, steps, seed
        self.optimizer, self.tolerance = optimizer, tolerance
        self.pictured = image if isinstance(image, Pictured) else picture_of(network, image, size=size)
        self.prior, self.prior_name = find_prior(prior), prior if isinstance(prior, str) else "own"
        if optimizer == "reference" and self.prior.coordinates != "pixels":
            raise ConfigError(
                "optimizer='reference' steps in pixels; use it with prior='pixels', one of 'alexnet-…', or a Prior of "
                "coordinates='pixels'."
            )
        self.size = cast("tuple[int, int]", tuple(self.pictured.photo.shape[2:]))
        self.wanted = self.pictured.answer(layer)
        self.tv_weight = (
            depth_weight(self.wanted.shape[1:], self.size) if self.prior.tv_weight is None else self.prior.tv_weight
        )
        self.scales = self.prior.scales or depth_scales(self.wanted.shape[1:], self.size)
        self.data = terms.distance(self.pictured.path(layer), self.wanted)
        self.open_data = open_rectifier(self.data, self.pictured.path(layer))
        self.penalties = self.prior.penalties(self.pictured.subject, self.size, self.tv_weight)
        self.images: list[EnlargedImage] = []
        self.curves: list[list[float]] = []
        self.stopped: list[str] = []
        self.seconds = 0.0

    def estimate(self) -> float:
        """Seconds for all samples at most, from one evaluation that is thrown away."""
        dream = self._dream(self._start(0, 1), Adam(), 1)
        dream.evaluate()  # the first one also warms up
        began = perf_counter()
        dream.evaluate()
        searches = 1.15 if self.optimizer in ("auto", "lbfgs") else 1.0  # evaluations a step, line searches included
        return (perf_counter() - began) * self.steps * self.samples * searches

    def run(self) -> Iterator[InversionStep]:
        """Paint the samples that are still to do, one after the other; leave the loop to stop.

        Raises:
            ConfigError: The objective is not finite, also after smaller steps.
        """
        while len(self.images) < self.samples:
            yield from self.run_sample()

    def run_sample(self) -> Iterator[InversionStep]:
        """Paint the next sample; leave the loop to stop."""
        sample, began = len(self.images), perf_counter()
        phases = self._phases()
        image = self._start(sample, phases[0].divisor)
        curve: list[float] = []
        self.images.append(image)
        self.curves.append(curve)
        self.stopped.append("interrupted")  # until it is known better
        before = self.seconds
        for number, phase in enumerate(phases):
            last = number == len(phases) - 1
            if number and phase.divisor != phases[number - 1].divisor:
                image = self.images[sample] = image.refine(*self._small(phase.divisor))
            start = len(curve)
            for step in self._dream(image, phase.optimizer, phase.steps).run():
                curve.append(-float(step.values[0]))
                used = perf_counter() - began
                self.seconds = before + used
                flat = is_flat(curve[start:], phase.optimizer, self.tolerance)
                reason = ("plateau" if flat else "steps" if len(curve) - start == phase.steps else "") if last else ""
                if reason:
                    self.stopped[sample] = reason
                yield InversionStep(sample, len(curve), self.steps, curve[-1], used, reason)
                if flat:
                    break

    def picture(self, sample: int) -> Float[Tensor, "c h w"]:
        """A sample as it is now, in [0, 1], on the CPU."""
        with torch.inference_mode(False), torch.no_grad():
            return self.images[sample].image()[0].detach().clamp(0, 1).cpu()

    def result(self) -> Reconstruction:
        """The samples that have been begun.

        Raises:
            ConfigError: None has.
        """
        if not self.images:
            raise ConfigError("no sample has been begun; take at least one step of run().")
        pictured, subject = self.pictured, self.pictured.subject
        path = pictured.path(self.layer)
        with torch.inference_mode(False), torch.no_grad():
            raw = [image.image().detach() for image in self.images]
            shown = [x.clamp(0, 1) for x in raw]
            errors = [self._value(self.data, x, path) ** 0.5 for x in shown]
            parts = {"representation": [self._value(self.data, x, path) for x in raw]}
            for name, penalty in self.penalties.items():
                parts[name] = [self._value(penalty, x, None) for x in raw]
            low, high = pictured.limits
            values = low + (high - low) * torch.cat(shown)
            photo = low + (high - low) * pictured.photo[0]
        longest = max(map(len, self.curves))
        curves = np.full((len(self.curves), longest), np.nan)
        for row, curve in zip(curves, self.curves, strict=True):
            row[: len(curve)] = curve
        return Reconstruction(
            layer=self.layer,
            values=as_numpy(values),
            photo=as_numpy(photo),
            limits=pictured.limits,
            shape=tuple(self.wanted.shape[1:]),
            errors=tuple(errors),
            terms={name: tuple(numbers) for name, numbers in parts.items()},
            curves=curves,
            seeds=tuple(self.seed + sample for sample in range(len(self.images))),
            stopped=tuple(self.stopped),
            network=subject.name,
            parameters=self.settings(),
            seconds=self.seconds,
        )

    def settings(self) -> dict[str, Any]:
        """All that the pictures depend on, as JSON values."""
        return {
            "prior": self.prior_name,
            **self.prior.to_dict(),
            "tv_weight": self.tv_weight,
            "scales": list(self.scales),
            "optimizer": self.optimizer,
            "steps": self.steps,
            "tolerance": self.tolerance,
            "seed": self.seed,
            "size": list(self.size),
        }

    def _start(self, sample: int, divisor: int) -> EnlargedImage:
        dtype, size = self.pictured.photo.dtype, self._small(divisor)
        noise = self.prior.start(self.pictured.subject, size, seed=self.seed + sample, dtype=dtype)
        return EnlargedImage(noise, self.size)

    def _small(self, divisor: int) -> tuple[int, int]:
        return -(-self.size[0] // divisor), -(-self.size[1] // divisor)

    def _dream(self, image: Parametrization, optimizer: Optimizer, steps: int) -> Dream:
        # Another gradient than the objective's own would mislead a line search.
        objective: Objective = -(self.open_data if isinstance(optimizer, Adam) else self.data)
        for penalty in self.penalties.values():
            objective = objective - penalty
        return Dream(self.pictured.subject, image, objective, optimizer=optimizer, steps=steps, seed=self.seed)

    def _phases(self) -> list[Phase]:
        values = self.pictured.subject.channels * self.size[0] * self.size[1]
        return build_phases(
            self.optimizer, self.steps, scales=self.scales, coordinates=self.prior.coordinates, values=values
        )

    def _value(self, objective: Objective, x: Tensor, path: str | None) -> float:
        found = {} if path is None else self.pictured.subject.read(x, [path])
        value = float(objective(Seen(x, found))[0])
        if not math.isfinite(value):
            raise ConfigError(f"'{objective.name}' of the picture is not finite.")
        return value

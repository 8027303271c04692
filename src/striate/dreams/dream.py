"""The one loop: an image parametrization, an objective, a transform and an optimizer.

    repeat:  picture = image()                          (pixels, Fourier coefficients, phases)
             view    = transform(picture)               (moved, scaled, turned)
             value   = objective(layers of the network at view)
             parameters ← optimizer(−d value / d parameters)

Feature pictures, reconstructions, DeepDream and style are choices of the four.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from striate.dreams.after_step import AfterStep, apply_steps
from striate.dreams.objectives import Objective, Seen
from striate.dreams.optimizers import LBFGS, SGD, Adam, Optimizer, learning_rate_factor
from striate.dreams.parametrization import Parametrization
from striate.dreams.pixel_image import PixelImage
from striate.dreams.relu_gradient import RedirectedRelu
from striate.dreams.subject import Subject
from striate.dreams.transforms import Compose, Transform
from striate.errors import ConfigError

__all__ = ["Dream", "Step"]

_STEPS_BACK = 5  # how often a run may leave the numbers before it is given up


@dataclass(frozen=True, eq=False)
class Step:
    """What one step did.

    Attributes:
        number: Steps done, from 1.
        total: Steps in all.
        values: The objective of every picture, before the step, under this step's transform.
        gradient_norms: Norm of every picture's gradient; 0 means that nothing could tell it how to become better.
        learning_rate: That of this step.
        seconds: Since the run went on.
        stepped_back: The step before had led to NaN or infinity: it was undone, and the rate is halved from here on.
        image: The pictures after the step `n c h w` on the CPU, where a preview was asked for.
    """

    number: int
    total: int
    values: Float[Tensor, " n"]
    gradient_norms: Float[Tensor, " n"]
    learning_rate: float
    seconds: float
    stepped_back: bool = False
    image: Float[Tensor, "n c h w"] | None = None


class Dream:
    """A run that can be watched, stopped, and taken up again exactly.

    Everything random in step k comes from `seed` and k, so the same settings give the same pictures, in one run or in
    two.

    Args:
        subject: The network.
        image: The pictures; changed by the run.
        objective: What they are changed for.
        transform: How the view changes at every step; none by default.
        optimizer: How parameters follow the gradient.
        steps: How many in all.
        after_step: What is done to the pixels after each step, in this order; for a `PixelImage`.
        redirect_steps: For so many first steps, ReLUs let gradients of pictures through that have none otherwise.
        views_at_once: So many of the views of a picture go through the network together, and take memory together; for
            a single picture and objectives that are means over views, as all of `objectives` are. None for all.
        seed: Of the transforms' random numbers.

    Raises:
        ConfigError: `steps` or `views_at_once` below 1, `views_at_once` for several pictures, or `after_step` with
            another parametrization than pixels.
    """

    def __init__(
        self,
        subject: Subject,
        image: Parametrization,
        objective: Objective,
        *,
        transform: Transform | None = None,
        optimizer: Optimizer | None = None,
        steps: int = 512,
        after_step: Sequence[AfterStep] = (),
        redirect_steps: int = 0,
        views_at_once: int | None = None,
        seed: int = 0,
    ) -> None:
        if steps < 1:
            raise ConfigError(f"steps must be at least 1; got {steps}.")
        if views_at_once is not None and (views_at_once < 1 or image.count > 1):
            raise ConfigError(
                f"views_at_once must be None, or 1 or more for a single picture; got {views_at_once} for {image.count}."
            )
        if after_step and not isinstance(image, PixelImage):
            raise ConfigError(
                f"after_step changes pixels, so it needs a PixelImage; got {type(image).__name__}. Leave it out, or "
                "use penalties of the objective."
            )
        self.subject, self.image, self.objective = subject, image, objective
        self.transform: Transform = transform if transform is not None else Compose()
        self.optimizer: Optimizer = optimizer if optimizer is not None else Adam()
        self.steps, self.after_step, self.redirect_steps, self.seed = steps, tuple(after_step), redirect_steps, seed
        self.views_at_once = views_at_once
        self.step = 0
        self._rate = 1.0  # halved by each step back
        self._backs = 0
        self._torch = self.optimizer.build(image.parameters())
        self._good: list[Tensor] | None = None  # the last parameters at which everything was finite
        self._last: tuple[int, list[Tensor], Tensor, list[Tensor]] | None = None

    def run(self, *, preview_every: int = 0) -> Iterator[Step]:
        """Go on from where the run is to its last step; leave the loop to stop.

        Args:
            preview_every: Put the pictures into every so-manieth event, and into the last; 0 for never.

        Raises:
            ConfigError: The objective or its gradient is not finite, and smaller steps did not help.
        """
        began = perf_counter()
        while self.step < self.steps:
            event = self._advance(began)
            if preview_every and (self.step % preview_every == 0 or self.step == self.steps):
                with torch.inference_mode(False), torch.no_grad():
                    picture = self.image.image().detach().cpu().clone()
                event = Step(**{**event.__dict__, "image": picture})
            yield event

    def evaluate(self) -> tuple[Float[Tensor, " n"], list[Tensor]]:
        """The objective of each picture and the gradients of −Σ values, as the next step will see them."""
        parameters = self.image.parameters()
        with torch.inference_mode(False), torch.enable_grad():
            picture = self.image.image()
            generator = torch.Generator().manual_seed(_mix(self.seed, self.step))
            view = self.transform(picture, generator=generator, progress=self.step / self.steps)
            if self.views_at_once is None or len(view) <= self.views_at_once:
                values, gradients = self._differentiate(picture, view, parameters)
                return values.detach(), gradients
            total = picture.new_zeros(len(picture))
            of_picture, of_views = torch.zeros_like(picture), []
            for part in torch.split(view.detach(), self.views_at_once):
                part.requires_grad_(True)
                values, (own, seen) = self._differentiate(picture, part, [picture, part])
                share = len(part) / len(view)
                total += share * values.detach()
                of_picture += share * own
                of_views.append(share * seen)
            gradients = list(torch.autograd.grad([view, picture], parameters, [torch.cat(of_views), of_picture]))
        return total, gradients

    def _differentiate(self, picture: Tensor, view: Tensor, leaves: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        values = self.objective(Seen(picture, self.subject.read(view, self.objective.layers)))
        if values.shape != (len(picture),):
            raise ConfigError(
                f"objective '{self.objective.name}' must give one number for each of {len(picture)} pictures; got "
                f"{tuple(values.shape)}."
            )
        loss = -values.sum()
        if loss.grad_fn is None:
            raise ConfigError(
                f"'{self.objective.name}' has no gradient with respect to the picture (detached, or computed "
                "under no_grad in the module)."
            )
        retain = any(not leaf.is_leaf for leaf in leaves)  # the way from the parameters to the picture is used again
        with RedirectedRelu() if self.step < self.redirect_steps else nullcontext():
            gradients = torch.autograd.grad(
                loss, leaves, allow_unused=True, materialize_grads=True, retain_graph=retain or None
            )
        return values, list(gradients)

    def state(self) -> dict[str, Any]:
        """All that going on exactly needs: tensors and numbers, for `restore`, or for `save_state`."""
        return {
            "step": self.step,
            "rate": self._rate,
            "backs": self._backs,
            "parameters": [p.detach().clone() for p in self.image.parameters()],
            "optimizer": self._torch.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`, in a run that was built with the same settings.

        Raises:
            ConfigError: The state is of pictures of another number, size or parametrization.
        """
        parameters = self.image.parameters()
        shapes = [tuple(p.shape) for p in state["parameters"]]
        if shapes != [tuple(p.shape) for p in parameters]:
            raise ConfigError(
                f"the state is of parameters {shapes}; this run has {[tuple(p.shape) for p in parameters]}. "
                "Build it with the same pictures and size."
            )
        with torch.inference_mode(False), torch.no_grad():
            for parameter, kept in zip(parameters, state["parameters"], strict=True):
                parameter.copy_(kept)
        self.step, self._rate, self._backs = state["step"], state["rate"], state["backs"]
        self._torch.load_state_dict(state["optimizer"])
        # torch casts what it remembers to the type of the parameters, also NAdam's running product, which is float32.
        for kept, now in zip(state["optimizer"]["state"].values(), self._torch.state.values(), strict=True):
            now.update({k: v.clone() for k, v in kept.items() if isinstance(v, Tensor) and v.dtype != now[k].dtype})
        self._good = self._last = None

    def save_state(self, path: str | Path) -> Path:
        """Write `state()` to a file; `load_state` reads it, and nothing in it is ever executed."""
        torch.save(self.state(), path)
        return Path(path)

    def load_state(self, path: str | Path) -> None:
        """Go on from a file of `save_state`.

        Raises:
            ConfigError: It belongs to a run with other settings.
        """
        self.restore(torch.load(path, weights_only=True, map_location="cpu"))

    def _advance(self, began: float) -> Step:
        values, gradients = self._evaluate_once()
        back = False
        while not _finite(values, gradients):
            values, gradients = self._step_back(values)
            back = True
        parameters = self.image.parameters()
        self._good = [p.detach().clone() for p in parameters]
        norms = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
        rate = self.optimizer.lr * self._rate * learning_rate_factor(self.optimizer.schedule, self.step / self.steps)
        for group in self._torch.param_groups:
            group["lr"] = rate
        # torch's optimizers would record their arithmetic under the caller's modes
        with torch.inference_mode(False), torch.enable_grad():
            if isinstance(self.optimizer, LBFGS):
                self._torch.step(self._closure)  # type: ignore[arg-type]  # a tensor does as a float
            else:
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.grad = self._scaled(gradient, rate)
                self._torch.step()
            for parameter in parameters:
                parameter.grad = None
            if self.after_step and isinstance(self.image, PixelImage):
                with torch.no_grad():
                    neutral = self.image.pixels.new_tensor(self.subject.neutral).view(1, -1, 1, 1)
                    changed = apply_steps(
                        self.after_step, self.image.pixels.detach(), -gradients[0], step=self.step, neutral=neutral
                    )
                    self.image.pixels.copy_(changed)
        self.image.project()
        self.step += 1
        return Step(self.step, self.steps, values.cpu(), norms.cpu(), rate, perf_counter() - began, back)

    def _scaled(self, gradient: Tensor, rate: float) -> Tensor:
        if not isinstance(self.optimizer, SGD) or self.optimizer.normalize is None:
            return gradient
        flat = gradient.flatten(1)
        sizes = {
            "mean": lambda: flat.abs().mean(1),
            "rms": lambda: flat.square().mean(1).sqrt(),
            "max": lambda: flat.abs().amax(1),
            "progress": lambda: flat.square().sum(1),
        }
        size = sizes[self.optimizer.normalize]().clamp(min=torch.finfo(gradient.dtype).tiny)
        factor = (1 / size).clamp(max=self.optimizer.largest_rate / rate)
        return gradient * factor.view(-1, *[1] * (gradient.dim() - 1))

    def _evaluate_once(self) -> tuple[Tensor, list[Tensor]]:
        """`evaluate`, or its last result if nothing has changed: L-BFGS asks twice for where a line search ended."""
        parameters = self.image.parameters()
        if self._last is not None:
            key, then, values, gradients = self._last
            if key == self._key() and all(torch.equal(a, b) for a, b in zip(then, parameters, strict=True)):
                return values, gradients
        values, gradients = self.evaluate()
        self._last = (self._key(), [p.detach().clone() for p in parameters], values, gradients)
        return values, gradients

    def _key(self) -> int:
        """What else than the parameters the value depends on: with transforms and redirection, the step."""
        return -1 if self.transform == Compose() and self.step >= self.redirect_steps else self.step

    def _closure(self) -> Tensor:
        values, gradients = self._evaluate_once()
        for parameter, gradient in zip(self.image.parameters(), gradients, strict=True):
            parameter.grad = gradient.contiguous().clone()  # the line search views it flat and writes on it
        return -values.sum()

    def _step_back(self, values: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Undo the last step, forget what the optimizer remembers, halve the rate."""
        bad = [i for i, value in enumerate(values.tolist()) if not math.isfinite(value)]
        what = f"the objective '{self.objective.name}' of picture {bad[0]}" if bad else "the gradient"
        if self._good is None:
            raise ConfigError(
                f"{what} is not finite (NaN or infinity) at the start. Check the weights and the picture."
            )
        self._backs += 1
        if self._backs > _STEPS_BACK:
            raise ConfigError(
                f"{what} is not finite (NaN or infinity) at step {self.step}, also after {_STEPS_BACK} steps back. "
                f"Use a smaller learning rate than {self.optimizer.lr:g}."
            )
        with torch.inference_mode(False), torch.no_grad():
            for parameter, good in zip(self.image.parameters(), self._good, strict=True):
                parameter.copy_(good)
        self._rate /= 2
        self._torch = self.optimizer.build(self.image.parameters())
        return self._evaluate_once()


def _finite(values: Tensor, gradients: list[Tensor]) -> bool:
    return bool(values.isfinite().all()) and all(bool(g.isfinite().all()) for g in gradients)


def _mix(seed: int, step: int) -> int:
    """A seed of its own for every step (splitmix64's last rounds)."""
    z = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return (z ^ (z >> 31)) % 2**63

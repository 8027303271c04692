"""DeepDream: show a network a photo, and paint into it more of what a layer sees there.

    gradient at the layer = its activation                    (objective ½ Σ a²; the notes' rule)
    photo ← clip(photo + strength · g / mean|g|)              g: that, carried back to the pixels

A step of `strength` levels of 255 on average is the same for any network, layer and octave. What makes the picture
rich are octaves (`octaves.py`) and a photo that moves at every step (`torus.py`).

Source: Mordvintsev, Olah, Tyka 2015, "Inceptionism: going deeper into neural networks"; google/deepdream,
`dream.ipynb`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.dreams.dream import Dream
from striate.dreams.dream_photo import photo_tensor
from striate.dreams.goals import DreamTarget, Goal, read_goals
from striate.dreams.guide import guided
from striate.dreams.lean_subject import Precision, in_full_precision, lean_subject
from striate.dreams.objectives import Objective
from striate.dreams.octaves import octave_sizes, resample
from striate.dreams.optimizers import SGD
from striate.dreams.pixel_image import PixelImage
from striate.dreams.subject import Subject, build_subject
from striate.dreams.torus import Roll, Tiles
from striate.dreams.transforms import Compose, Transform
from striate.errors import ConfigError
from striate.models import Network

__all__ = ["DreamStep", "Dreamer", "Painting"]

_REDIRECT_STEPS = 16  # as lucid: then a silent unit has been woken, or there is no way to it


@dataclass(frozen=True, eq=False)
class DreamStep:
    """Where a painting is.

    Attributes:
        done: Steps done, of all octaves together.
        total: Steps in all.
        share: Of the work that is done, 0 to 1: a step costs by its pixels.
        octave: Number of the octave, from 1.
        octaves: How many there are.
        size: `(h, w)` of this octave.
        value: What the goal was worth before the step; not to be compared between octaves.
        gradient_norm: 0 means that nothing in the picture could tell it how to become better.
        stepped_back: The step before had led to NaN or infinity and was undone.
        seconds: Since this painting went on.
    """

    done: int
    total: int
    share: float
    octave: int
    octaves: int
    size: tuple[int, int]
    value: float
    gradient_norm: float
    stepped_back: bool
    seconds: float


class Dreamer:
    """A network, what it shall dream of, and how: ready for any number of pictures.

    Args and errors as for `deep_dream`; what depends on the network alone is done here once.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        *,
        target: DreamTarget | Sequence[DreamTarget] | Mapping[str, float] | None = None,
        guide: Any = None,
        guide_size: int | None = None,
        octaves: int = 4,
        scale: float = 1.4,
        steps: int = 10,
        strength: float = 1.5,
        jitter: int = 32,
        tile: int = 1024,
        precision: Precision = "float32",
        channels: int | None = None,
        limits: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
    ) -> None:
        if steps < 1:
            raise ConfigError(f"steps must be at least 1 for each octave; got {steps}.")
        if not 0 < strength <= 255:
            raise ConfigError(f"strength, in levels of 255 a step, must be above 0 and at most 255; got {strength}.")
        if jitter < 0 or tile < 64:
            raise ConfigError(f"jitter must be 0 or more and tile at least 64 pixels; got {jitter} and {tile}.")
        octave_sizes(64, 64, octaves=octaves, scale=scale)  # says what is wrong with them
        self.whole = build_subject(network, channels=channels, limits=limits).in_full()
        self.limits = (0.0, 1.0) if isinstance(network, Network) else limits
        self.goals = read_goals(network, target, channels=self.whole.channels)
        layers = reduce(frozenset.union, (goal.objective.layers for goal in self.goals))
        if not layers:
            raise ConfigError("target must ask for something of the network: a layer, a unit or a class.")
        if guide is not None:
            self.goals = _guided(self.whole, self.goals, guide, guide_size)
        self.subject = lean_subject(self.whole, layers, precision=precision)
        self.octaves, self.scale, self.steps, self.strength = octaves, scale, steps, strength
        self.jitter, self.tile, self.precision, self.seed = jitter, tile, precision, seed

    @property
    def parameters(self) -> dict[str, Any]:
        """Every setting that a picture depends on, as JSON values."""
        return {
            "target": ", ".join(goal.name for goal in self.goals),
            "weights": [goal.weight for goal in self.goals],
            "octaves": self.octaves,
            "scale": self.scale,
            "steps": self.steps,
            "strength": self.strength,
            "jitter": self.jitter,
            "tile": self.tile,
            "precision": self.precision,
            "seed": self.seed,
        }

    def paint(self, picture: Float[Tensor, "1 c h w"], *, frame: int = 0) -> "Painting":
        """Begin a picture in [0, 1]; frames of a film have random numbers of their own."""
        return Painting(self, picture, frame)


class Painting:
    """One picture on its way through the octaves; it can be watched, stopped, and taken up again exactly.

    Args:
        dreamer: What it is painted by.
        picture: Where it starts, `1 c h w` in [0, 1].
        frame: Its number in a film.
    """

    def __init__(self, dreamer: Dreamer, picture: Float[Tensor, "1 c h w"], frame: int = 0) -> None:
        self.dreamer, self.frame = dreamer, frame
        with torch.inference_mode(False):
            self.photo = picture.detach().clone()
        self.sizes = octave_sizes(*picture.shape[2:], octaves=dreamer.octaves, scale=dreamer.scale)
        self.total = len(self.sizes) * dreamer.steps
        self.history: list[float] = []
        self.norms: list[float] = []
        self._octave = 0
        self._detail = torch.zeros_like(self.photo[:, :, :1, :1])
        self._factors: list[float] | None = None
        self._redirected = False
        self._dream: Dream | None = None

    @property
    def done(self) -> int:
        """Steps done."""
        return len(self.history)

    @property
    def share(self) -> float:
        """Of the work that is done, 0 to 1: a step costs by its pixels."""
        costs = [h * w for h, w in self.sizes for _ in range(self.dreamer.steps)]
        return sum(costs[: self.done]) / sum(costs)

    def run(self) -> Iterator[DreamStep]:
        """Paint from where it is to the end; leave the loop to stop.

        Raises:
            ConfigError: The gradient is not finite, also after smaller steps.
            ShapeError: The network refuses pictures of an octave's size.
        """
        began = perf_counter()
        while self._octave < len(self.sizes):
            size = self.sizes[self._octave]
            if self._dream is None:
                self._dream = self._build()
            for step in self._dream.run():
                self.history.append(float(step.values[0]))
                self.norms.append(float(step.gradient_norms[0]))
                yield DreamStep(
                    self.done,
                    self.total,
                    self.share,
                    self._octave + 1,
                    len(self.sizes),
                    size,
                    self.history[-1],
                    self.norms[-1],
                    step.stepped_back,
                    perf_counter() - began,
                )
            self._detail = self._painted()
            self._octave, self._dream, self._factors = self._octave + 1, None, None

    def picture(self) -> Float[Tensor, "1 c h w"]:
        """The picture as it is now, at full size, in [0, 1]."""
        size = self.sizes[-1]
        if self._dream is not None and self._octave + 1 == len(self.sizes):
            return self._pixels().clone()
        detail = self._painted() if self._dream is not None else self._detail
        return (self.photo + resample(detail, size)).clamp(0, 1)

    def state(self) -> dict[str, Any]:
        """All that going on exactly needs: tensors and numbers."""
        return {
            "octave": self._octave,
            "detail": self._detail.clone(),
            "history": list(self.history),
            "norms": list(self.norms),
            "factors": self._factors,
            "redirected": self._redirected,
            "dream": None if self._dream is None else self._dream.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`, in a painting that was begun with the same picture and settings."""
        self._octave = state["octave"]
        self._detail = state["detail"].to(self.photo)
        self.history, self.norms = list(state["history"]), list(state["norms"])
        self._factors, self._redirected, self._dream = state["factors"], state["redirected"], None
        if state["dream"] is not None:
            self._dream = self._build()
            self._dream.restore(state["dream"])

    def _pixels(self) -> Tensor:
        image = None if self._dream is None else self._dream.image
        return self.photo if image is None else image.image().detach()

    def _painted(self) -> Tensor:
        """What has been painted in this octave and before, without the photo."""
        return self._pixels() - resample(self.photo, self.sizes[self._octave])

    def _build(self) -> Dream:
        """The run of this octave: the photo at its size with the detail of the octave before."""
        own, size = self.dreamer, self.sizes[self._octave]
        image = PixelImage(resample(self.photo, size) + resample(self._detail, size))
        rows, columns = Tiles(own.tile).count(*size)
        move: tuple[Transform, ...] = (Roll(own.jitter),)
        if rows * columns > 1:  # as far as a tile, so that every seam moves everywhere
            move = (Roll(max(own.jitter, own.tile // 2)), Tiles(own.tile))
        if self._factors is None:
            self._factors, self._redirected = self._shares(image, move)
        goal = reduce(add, (f * goal.objective for f, goal in zip(self._factors, own.goals, strict=True)))
        return self._run_of(image, goal, move, own.steps)

    def _run_of(self, image: PixelImage, goal: Objective, move: tuple[Transform, ...], steps: int) -> Dream:
        own = self.dreamer
        return Dream(
            own.subject,
            image,
            in_full_precision(goal),
            transform=Compose(move),
            optimizer=SGD(lr=own.strength / 255, normalize="mean"),
            steps=steps,
            redirect_steps=_REDIRECT_STEPS if self._redirected else 0,
            views_at_once=1,
            seed=(own.seed * 1_000_003 + self.frame) * 64 + self._octave,
        )

    def _shares(self, image: PixelImage, move: tuple[Transform, ...]) -> tuple[list[float], bool]:
        """What each goal is multiplied by, so that weights are shares of the step; whether one of them is silent.

        Looking for silent units at every ReLU costs as much as the convolutions, so it is done only where one is.
        """
        goals = self.dreamer.goals
        if len(goals) == 1 and goals[0].layer:
            return [goals[0].weight], False
        self._redirected = False
        sizes = [self._size_of(goal, image, move) for goal in goals]
        if not all(sizes):
            self._redirected = True
            sizes = [size or self._size_of(goal, image, move) for size, goal in zip(sizes, goals, strict=True)]
        if len(goals) == 1:
            return [goals[0].weight], self._redirected
        return [g.weight / size if size else 0.0 for g, size in zip(goals, sizes, strict=True)], self._redirected

    def _size_of(self, goal: Goal, image: PixelImage, move: tuple[Transform, ...]) -> float:
        """The mean absolute value of a goal's gradient; 0 for a unit that is switched off everywhere."""
        _, (gradient,) = self._run_of(image, goal.objective, move, 1).evaluate()
        return float(gradient.abs().mean(dtype=torch.float64))


def _guided(subject: Subject, goals: tuple[Goal, ...], guide: Any, size: int | None) -> tuple[Goal, ...]:
    """The same layers, asked for what is like the guide."""
    wrong = next((goal for goal in goals if not goal.layer), None)
    if wrong is not None:
        raise ConfigError(f"a guide needs whole layers as targets; '{wrong.name}' is none. Leave one of the two out.")
    if size is None and subject.input_size is not None:
        size = max(subject.input_size)
    picture = photo_tensor(subject, guide, size=size or 224, name="guide")
    with torch.inference_mode(False), torch.no_grad():
        seen = subject.read(picture, [goal.layer for goal in goals])
    return tuple(replace(goal, objective=guided(goal.layer, seen[goal.layer])) for goal in goals)

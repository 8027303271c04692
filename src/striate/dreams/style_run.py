"""A style transfer on its way: sizes from coarse to fine, one loop at each, watched, stopped and taken up again."""

import math
from collections.abc import Generator, Sequence
from time import perf_counter
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.data.images import Images
from striate.dreams.dream import Dream
from striate.dreams.optimizers import LBFGS, Adam, Optimizer
from striate.dreams.pixel_image import PixelImage
from striate.dreams.style_colors import KeepColors, keep_luminance, recolored, to_gray
from striate.dreams.style_goal import StyleGoal
from striate.dreams.style_loss import StyleLoss
from striate.dreams.style_network import Pooling, StylePrecision
from striate.dreams.style_pictures import read_picture, read_pictures, resize, scale_sizes, sized, to_channels
from striate.dreams.style_presets import find_preset
from striate.dreams.style_result import StyledPicture, StyleStep
from striate.dreams.style_terms import Convention, StyleKind
from striate.dreams.subject import build_subject
from striate.errors import ConfigError
from striate.models import Network

__all__ = ["KeepColors", "StyleTransfer"]

_HISTORY_BYTES, _HISTORY = 2**28, (5, 50)  # what L-BFGS may remember
_BETAS = (0.9, 0.99)
_GAMUT = 100.0  # of the first loss: 1 let values out of [0, 1] that a clamp at the end turned into three times the loss


class StyleTransfer:
    """A style transfer that can be watched, stopped after any step, and taken up again exactly.

    Args:
        network: A `Network`, or any module that takes pictures in [0, 1].
        content: The photo: a path, bytes, uint8 `h w 3`, or an RGB tensor `1 3 h w` in [0, 1].
        styles: One or several paintings, likewise.
        preset: Where settings that are None come from: `striate`, `gatys`, `jcjohnson`, `tutorial` or `crowsonkb`.
        content_layers: Layers compared place by place; by rule when None (`find_layers`).
        style_layers: Layers compared by their statistics, from shallow to deep.
        content_weight: α, of all content layers together.
        style_weight: β, of all style layers together.
        style_weights: Share of each painting; even by default. Without masks their statistics are mixed.
        layer_weights: Share of each style layer; even by default.
        tv_weight: γ.
        loss: `gram`, `wasserstein` or `histogram` (`style_terms`).
        convention: `relative`, `gatys`, `jcjohnson` or `crowsonkb`: how distances are scaled.
        size: Longer side of the result in pixels; 512, or that of a smaller photo, by default.
        style_scale: Longer side of the paintings, as a share of the result's: below 1, strokes become smaller.
        scales: Sizes from coarse to fine, at most.
        scale_factor: From one size to the next.
        steps: At each size; or one number for each.
        optimizer: `lbfgs` or `adam`.
        learning_rate: Of Adam; 0.05 by default.
        pooling: `max` or `average`.
        keep_colors: `luminance` or `match` (`style_colors`); None takes the painting's colors.
        masks: For each painting, where it goes: pictures of any size, white for here; gray counts in part.
        start: `content`, `noise`, or a picture of yours.
        tile: Side of the tiles in pixels, for sizes that do not fit into memory whole; None for no tiles.
        precision: `auto`, `float32` or `bfloat16` while painting; losses of the result are always float32.
        seed: Of the noise.

    Raises:
        UnknownNameError: No such layer or preset; the message names the nearest.
        ConfigError: A setting outside its rule.
        ShapeError: A picture that the network refuses.
        DataError: A picture that cannot be read.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        content: Images,
        styles: Images | Sequence[Any],
        *,
        preset: str = "striate",
        content_layers: Sequence[str] | None = None,
        style_layers: Sequence[str] | None = None,
        content_weight: float | None = None,
        style_weight: float | None = None,
        style_weights: Sequence[float] | None = None,
        layer_weights: Sequence[float] | None = None,
        tv_weight: float | None = None,
        loss: StyleKind = "gram",
        convention: Convention | None = None,
        size: int | None = None,
        style_scale: float = 1.0,
        scales: int | None = None,
        scale_factor: float | None = None,
        steps: int | Sequence[int] | None = None,
        optimizer: Literal["lbfgs", "adam"] | None = None,
        learning_rate: float | None = None,
        pooling: Pooling | None = None,
        keep_colors: KeepColors | None = None,
        masks: Images | Sequence[Any] | None = None,
        start: Literal["content", "noise"] | Images | None = None,
        tile: int | None = None,
        precision: StylePrecision = "auto",
        seed: int = 0,
    ) -> None:
        chosen = find_preset(preset)
        subject = build_subject(network)
        photo, paintings = read_picture(content, name="content"), read_pictures(styles)
        if keep_colors is not None and subject.channels != 3:
            raise ConfigError(f"keep_colors needs a network that sees colors; '{subject.name}' sees gray.")
        self.photo = photo
        photo, paintings = recolored(photo, paintings, keep_colors)
        self.goal = StyleGoal(
            subject,
            to_channels(photo, subject.channels),
            [to_channels(one, subject.channels) for one in paintings],
            masks=None if masks is None else read_pictures(masks),
            layers=chosen.layers,
            content_layers=content_layers,
            style_layers=style_layers,
            content_weight=_or(content_weight, chosen.content_weight),
            style_weight=_or(style_weight, chosen.style_weight),
            style_weights=style_weights,
            layer_weights=layer_weights,
            layer_ratio=chosen.layer_ratio,
            tv_weight=_or(tv_weight, chosen.tv_weight),
            kind=loss,
            convention=convention if convention is not None else chosen.convention,
            style_scale=style_scale,
            pooling=pooling if pooling is not None else chosen.pooling,
            precision=precision,
            tile=tile,
        )
        longer = size if size is not None else min(512, max(*photo.shape[2:], 64))
        sides = scale_sizes(longer, scales=_or(scales, chosen.scales), factor=_or(scale_factor, chosen.scale_factor))
        self.sizes = tuple(sized((photo.shape[2], photo.shape[3]), side) for side in sides)
        self.steps = _steps(steps if steps is not None else chosen.steps, len(self.sizes))
        self.optimizer = _optimizer(
            optimizer if optimizer is not None else chosen.optimizer, learning_rate, chosen.learning_rate
        )
        self.keep_colors, self.seed, self.preset = keep_colors, seed, preset
        self.start_name, self._start = self._read_start(start if start is not None else chosen.start)
        self.average = chosen.average if isinstance(self.optimizer, Adam) else 0.0
        self.scale, self.seconds = 0, 0.0
        self.curve: list[float] = []  # the loss before every step
        self.counts: list[int] = []  # evaluations of the loss so far, at every step
        self.steps_back = 0
        self._evaluations, self._gamut = 0, 0.0
        self._loss: StyleLoss | None = None
        self._dream: Dream | None = None
        self._mean: Tensor | None = None

    @property
    def total(self) -> int:
        """Steps in all."""
        return sum(self.steps)

    @property
    def done(self) -> int:
        """Steps done."""
        return len(self.curve)

    def estimate(self) -> float:
        """Seconds for all that is left, from one evaluation at the coarsest size, which is thrown away."""
        dream, _ = self._at_scale()
        dream.evaluate()  # the first one also warms up
        began = perf_counter()
        dream.evaluate()
        used = (perf_counter() - began) * (1.2 if isinstance(self.optimizer, LBFGS) else 1.0)  # line searches
        here = math.prod(self.sizes[self.scale])
        left = [(s, n - (dream.step if k == 0 else 0)) for k, (s, n) in enumerate(self._left())]
        return sum(used * count * math.prod(size) / here for size, count in left)

    def run(self, *, preview_every: int = 0) -> Generator[StyleStep, None, None]:
        """Go on to the last step; leave the loop to stop.

        Args:
            preview_every: Put the picture into every so-manieth event; 0 for never.

        Raises:
            ConfigError: The loss is not finite, also after smaller steps, or memory is not enough.
        """
        try:
            while self.done < self.total:
                yield from self._run_scale(preview_every)
        except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
            ended = isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(error)
            if not ended and "can't allocate memory" not in str(error):
                raise
            raise out_of_memory(self.sizes[self.scale], self.goal.tile) from error

    def picture(self) -> Float[Tensor, "1 c h w"]:
        """The picture as it is now, in [0, 1], on the CPU, in the colors that were asked for."""
        with torch.inference_mode(False), torch.no_grad():
            raw = self._current().clamp(0, 1).cpu()
            if self.keep_colors != "luminance":
                return raw
            size = (raw.shape[2], raw.shape[3])
            return keep_luminance(raw, resize(self.photo, size).to(raw))

    def losses(self) -> dict[str, float]:
        """The loss of the picture, clamped to [0, 1], at its size now, in float32: the total and every term."""
        with torch.inference_mode(False), torch.no_grad():
            current = self._current().clamp(0, 1)
            exact = self.goal.loss_at(self.sizes[self.scale], exact=True)
            return self.goal.describe(exact, current)

    def result(self) -> StyledPicture:
        """What there is by now, with its losses."""
        import numpy as np

        pixels = self.picture()[0].movedim(0, -1).float().numpy()
        return StyledPicture(
            values=np.ascontiguousarray(np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels),
            losses=self.losses(),
            curve=np.array(self.curve),
            evaluations=np.array(self.counts),
            scale_ends=tuple(sum(self.steps[: k + 1]) for k in range(len(self.steps))),
            network=self.goal.subject.name,
            parameters=self.settings(),
            finished=self.done == self.total,
            steps_back=self.steps_back,
            seed=self.seed,
            seconds=self.seconds,
        )

    def settings(self) -> dict[str, Any]:
        """All that the picture depends on beside the pictures that went in, as JSON values."""
        adam = isinstance(self.optimizer, Adam)
        return {
            "preset": self.preset,
            **self.goal.settings(),
            "sizes": [list(size) for size in self.sizes],
            "steps": list(self.steps),
            "optimizer": "adam" if adam else "lbfgs",
            "learning_rate": self.optimizer.lr,
            "average": self.average,
            "keep_colors": self.keep_colors,
            "start": self.start_name,
            "seed": self.seed,
        }

    def state(self) -> dict[str, Any]:
        """All that going on exactly needs, for `restore`: tensors and numbers."""
        dream, loss = self._at_scale()
        return {
            "settings": self.settings(),
            "scale": self.scale,
            "gamut": self._gamut,
            "dream": dream.state(),
            "mean": None if self._mean is None else self._mean.clone(),
            "curve": list(self.curve),
            "counts": list(self.counts),
            "evaluations": self._evaluations + loss.evaluations,
            "steps_back": self.steps_back,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`, in a transfer that was built with the same pictures and settings.

        Raises:
            ConfigError: The settings are others.
        """
        mine, theirs = self.settings(), state["settings"]
        if mine != theirs:
            other = next(key for key in mine if mine[key] != theirs.get(key))
            raise ConfigError(
                f"the run to go on with had {other} = {theirs.get(other)!r}, this one has {mine[other]!r}. Go on with "
                "the same settings, or begin anew."
            )
        self.scale, self._gamut = int(state["scale"]), float(state["gamut"])
        shape = state["dream"]["parameters"][0]
        self._dream = self._loss = None
        dream, loss = self._at_scale(shape)
        dream.restore(state["dream"])
        self._mean = None if state["mean"] is None else state["mean"].clone()
        self.curve, self.counts = list(state["curve"]), list(state["counts"])
        self._evaluations, loss.evaluations = int(state["evaluations"]), 0
        self.steps_back, self.seconds = int(state["steps_back"]), float(state["seconds"])

    def _run_scale(self, preview_every: int) -> Generator[StyleStep, None, None]:
        dream, loss = self._at_scale()
        before, began = self.seconds, perf_counter()
        for step in dream.run():
            self._mean = self._averaged(dream)
            self.curve.append(-float(step.values[0]))
            self.counts.append(self._evaluations + loss.evaluations)
            self.steps_back += step.stepped_back
            self.seconds = before + perf_counter() - began
            wanted = preview_every and (self.done % preview_every == 0 or self.done == self.total)
            yield StyleStep(
                number=self.done,
                total=self.total,
                scale=self.scale,
                scales=len(self.sizes),
                size=self.sizes[self.scale],
                value=self.curve[-1],
                evaluations=self.counts[-1],
                seconds=self.seconds,
                stepped_back=step.stepped_back,
                image=self.picture() if wanted else None,
            )
        if self.scale + 1 < len(self.sizes):
            start = resize(self._current().clamp(0, 1), self.sizes[self.scale + 1])
            self._evaluations += loss.evaluations
            self.scale, self._dream, self._loss, self._mean = self.scale + 1, None, None, None
            self._at_scale(start)

    def _at_scale(self, start: Tensor | None = None) -> tuple[Dream, StyleLoss]:
        """The loop at the size that the work is at, begun where it has not been."""
        if self._dream is None or self._loss is None:
            with torch.inference_mode(False):
                size = self.sizes[self.scale]
                self._loss = self.goal.loss_at(size)
                pixels = (self._first(size) if start is None else start).to(self.goal.photo)
                free = isinstance(self.optimizer, LBFGS)  # a clamp would break what it remembers of the curvature
                image = PixelImage(pixels, limits=None if free else (0.0, 1.0))
                if free and not self._gamut:
                    with torch.no_grad():
                        self._gamut = _GAMUT * float(self._loss(image.image()))
                self._loss.evaluations, self._loss.gamut_weight = 0, self._gamut
                self._dream = Dream(
                    self.goal.subject,
                    image,
                    self._loss.objective(),
                    optimizer=LBFGS(history_size=_history(image.image().numel())) if free else self.optimizer,
                    steps=self.steps[self.scale],
                    seed=self.seed,
                )
        return self._dream, self._loss

    def _current(self) -> Tensor:
        dream, _ = self._at_scale()
        return dream.image.image().detach() if self._mean is None else self._mean

    def _averaged(self, dream: Dream) -> Tensor | None:
        """The average of the iterates at this size, the later ones more; each weighs as if the first had been all."""
        if not self.average:
            return None
        now = dream.image.image().detach()
        if self._mean is None:
            return now.clone()
        keep = self.average
        share = (1 - keep) / (1 - keep**dream.step)  # bias-corrected, in one number
        return self._mean + share * (now - self._mean)

    def _first(self, size: tuple[int, int]) -> Tensor:
        if self._start is not None:
            return resize(self._start, size)
        generator = torch.Generator().manual_seed(self.seed)
        shape = (1, self.goal.subject.channels, *size)
        return torch.rand(shape, generator=generator, dtype=torch.float64).float()

    def _read_start(self, start: Any) -> tuple[str, Tensor | None]:
        if isinstance(start, str) and start in ("content", "noise"):
            return start, self.goal.photo if start == "content" else None
        picture = to_channels(read_picture(start, name="start"), self.goal.subject.channels)
        picture = to_gray(picture) if self.keep_colors == "luminance" else picture
        return "picture", picture.to(self.goal.photo)

    def _left(self) -> list[tuple[tuple[int, int], int]]:
        return list(zip(self.sizes, self.steps, strict=True))[self.scale :]


def out_of_memory(size: tuple[int, int], tile: int | None) -> ConfigError:
    """What is said when memory ends."""
    way = f"smaller tiles than {tile}" if tile else "tiles (tile=512, on the command line --tile 512)"
    return ConfigError(
        f"memory is not enough for a picture of {size[0]} × {size[1]} pixels. Use {way}, or a smaller size."
    )


def _steps(steps: int | Sequence[int], scales: int) -> tuple[int, ...]:
    found = (steps,) * scales if isinstance(steps, int) else tuple(steps)
    if len(found) != scales or any(count < 1 for count in found):
        raise ConfigError(f"steps must be 1 or more at each of {scales} sizes, or one number for all; got {steps}.")
    return found


def _optimizer(name: str, learning_rate: float | None, default: float) -> Optimizer:
    if name == "lbfgs":
        if learning_rate is not None:
            raise ConfigError("learning_rate is Adam's; L-BFGS searches along a line. Leave it out, or use 'adam'.")
        return LBFGS()
    if name != "adam":
        raise ConfigError(f"optimizer must be 'lbfgs' or 'adam'; got {name!r}.")
    return Adam(lr=default if learning_rate is None else learning_rate, betas=_BETAS)


def _history(values: int) -> int:
    """Steps to remember, two arrays each: many make L-BFGS better, few are what a large picture has room for."""
    return min(max(_HISTORY_BYTES // (8 * values), _HISTORY[0]), _HISTORY[1])


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value

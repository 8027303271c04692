"""L-BFGS or Adam? Both paint the same picture from the same noises; which loss is lower, after how much work?"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.files import write_whole
from striate.draw import encode_png
from striate.draw.loss_curves import draw_loss_curves
from striate.models import load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.recipes.style import StyleConfig, build_transfer

__all__ = ["OptimizerCurve", "OptimizerRace", "run_race"]

_NAMES = {"lbfgs": "L-BFGS", "adam": "Adam"}
_LOOKS = 24  # losses in float32 in each run


@dataclass(frozen=True)
class OptimizerCurve:
    """One run.

    Attributes:
        optimizer: `lbfgs` or `adam`.
        seed: Of the noise that it began with.
        evaluations: Of the loss and its gradient, at each look.
        seconds: Of painting by then; looking does not count.
        losses: In float32, of the picture clamped to [0, 1].
    """

    optimizer: Literal["lbfgs", "adam"]
    seed: int
    evaluations: tuple[int, ...]
    seconds: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class OptimizerRace:
    """Both optimizers from several noises.

    Attributes:
        curves: Every run.
        network: Whose loss it is.
        settings: Those of the runs.
    """

    curves: tuple[OptimizerCurve, ...]
    network: str
    settings: dict[str, Any]

    def found(self) -> str:
        """What was found, in two sentences."""
        best = {name: self._at(name) for name in _NAMES}
        seeds = sorted({curve.seed for curve in self.curves})
        pairs = [(best["lbfgs"][seed], best["adam"][seed]) for seed in seeds if all(seed in best[n] for n in best)]
        if not pairs:
            return "Too little was run to compare."
        wins = sum(a < b for a, b in pairs)
        ratio = float(np.median([b / a for a, b in pairs]))
        lower, other, factor = ("L-BFGS", "Adam", ratio) if ratio >= 1 else ("Adam", "L-BFGS", 1 / ratio)
        many = wins if ratio >= 1 else len(pairs) - wins
        return (
            f"After the same time, the loss with {lower} is lower in {many} of {len(pairs)} runs; that with {other} is "
            f"{factor:.2f} times as large (median). The loss is that of {self.network}."
        )

    def draw(self, *, theme: str = "light") -> NDArray[np.uint8]:
        """Loss against seconds and against evaluations: medians, with the range over the seeds."""
        sides = []
        for axis, words in (("seconds", "seconds of painting"), ("evaluations", "evaluations of the loss")):
            lines, bands = {}, {}
            for name, label in _NAMES.items():
                mine = [curve for curve in self.curves if curve.optimizer == name and len(curve.losses) > 1]
                if not mine:
                    continue
                end = min(float(getattr(curve, axis)[-1]) for curve in mine)
                grid = np.linspace(min(float(getattr(curve, axis)[0]) for curve in mine), end, 100)
                rows = np.array(
                    [np.exp(np.interp(grid, getattr(c, axis), np.log(c.losses), left=np.nan)) for c in mine]
                )
                lines[label] = (grid, np.nanmedian(rows, 0))
                bands[label] = (np.nanmin(rows, 0), np.nanmax(rows, 0))
            note = f"{self.network}, {len({c.seed for c in self.curves})} seeds"
            sides.append(
                draw_loss_curves(
                    lines, bands=bands, title="Loss in float32", note=note, x=words, theme=theme, width=640, height=400
                )
            )
        return np.concatenate(sides, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": "optimizer race",
            "found": self.found(),
            "network": self.network,
            "settings": self.settings,
            "curves": [asdict(curve) for curve in self.curves],
        }

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write `compare.json`, `compare.png` and `compare-dark.png`."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        files = {name: place / name for name in ("compare.json", "compare.png", "compare-dark.png")}
        write_whole(files["compare.json"], json.dumps(self.to_dict(), indent=1).encode())
        write_whole(files["compare.png"], encode_png(self.draw()))
        write_whole(files["compare-dark.png"], encode_png(self.draw(theme="dark")))
        return {"data": files["compare.json"], "curves": files["compare.png"], "curves_dark": files["compare-dark.png"]}

    def _at(self, optimizer: str) -> dict[int, float]:
        """Seed → loss at the time at which the faster of the two runs of that seed ended."""
        found = {}
        for curve in self.curves:
            ends = [c.seconds[-1] for c in self.curves if c.seed == curve.seed and c.seconds]
            if curve.optimizer == optimizer and curve.losses:
                found[curve.seed] = float(np.exp(np.interp(min(ends), curve.seconds, np.log(curve.losses))))
        return found


def run_race(
    config: StyleConfig, *, seeds: int = 3, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Paint with both optimizers from `seeds` noises, at one size: yields events, at last `Done` with the race.

    L-BFGS makes `steps` steps (150 by default); Adam goes on for as many seconds as that took. The learning rate of
    Adam is the configuration's, or the default.

    Args:
        config: Pictures and settings; its `optimizer`, `scales` and `start` do not count.
        seeds: Noises, from `config.seed` on.
        should_stop: Asked after every step.

    Raises:
        StriateError: As `style.run`.
    """
    folder = config.folder
    require_writable(folder)
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    steps, many = config.steps or 150, range(config.seed, config.seed + seeds)
    yield Plan(f"L-BFGS and Adam from {seeds} noises each, {steps} steps of L-BFGS and the same time for Adam.")
    curves: list[OptimizerCurve] = []
    settings: dict[str, Any] = {}
    for number, seed in enumerate(many):
        budget = float("inf")
        for turn, optimizer in enumerate(("lbfgs", "adam")):
            transfer = build_transfer(
                config,
                network,
                optimizer=optimizer,
                learning_rate=config.learning_rate if optimizer == "adam" else None,
                scales=1,
                start="noise",
                steps=steps if optimizer == "lbfgs" else 4 * steps,
                seed=seed,
            )
            settings[optimizer] = transfer.settings()
            exact = transfer.goal.loss_at(transfer.sizes[0], exact=True)
            rows: list[tuple[int, float, float]] = []
            used, mark, next_look = 0.0, perf_counter(), 0.0
            stopped = False
            for step in transfer.run():
                now = used + perf_counter() - mark
                stopped = should_stop()
                last = step.number == step.total or now >= budget or stopped
                if last or (now >= next_look if budget < float("inf") else step.number % max(steps // _LOOKS, 1) == 0):
                    used = now
                    picture = transfer.picture().to(transfer.goal.photo)
                    with torch.inference_mode(False):
                        rows.append((step.evaluations, used, transfer.goal.describe(exact, picture)["total"]))
                    next_look, mark = used + budget / _LOOKS if budget < float("inf") else 0.0, perf_counter()
                share = min(now / budget, 1.0) if budget < float("inf") else step.number / step.total
                done = round(1000 * (2 * number + turn + share) / (2 * seeds))
                yield Progress(f"{_NAMES[optimizer]}, noise {number + 1} of {seeds}, loss {step.value:.4g}", done, 1000)
                if last:
                    break
            if rows:
                columns = [tuple(row[k] for row in rows) for k in range(3)]
                curves.append(OptimizerCurve(optimizer, seed, *columns))  # type: ignore[arg-type]
                budget = rows[-1][1]
            if stopped:
                break
        if should_stop():
            break
    race = OptimizerRace(tuple(curves), network.name, settings)
    try:
        files = race.save(folder)
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(race, folder, files)

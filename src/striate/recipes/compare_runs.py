"""Runs side by side: curves, scores, cost, settings, and whether one is better than another."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from striate.data.files import printable, write_whole
from striate.errors import DataError, StriateError
from striate.models import load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.report import build_comparison_page
from striate.training.comparison import Comparison, Contender, compare
from striate.training.evaluation import NUMBERS, Evaluation
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder

__all__ = ["CompareConfig", "read_contenders", "run", "tell_apart"]


class CompareConfig(BaseModel):
    """What to compare.

    Attributes:
        runs: Run folders, or folders that `striate evaluate` wrote; at least two.
        out: Where the page goes; `striate-out/compare.html` by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[Path, ...] = Field(min_length=2, max_length=12)
    out: Path = Path("striate-out/compare.html")


def run(config: CompareConfig) -> Iterator[Event]:
    """Compare runs: yields a `Plan`, then `Progress`, then `Done` with the `Comparison`.

    Raises:
        DataError: A folder is neither a run nor an evaluation, or the page cannot be written.
    """
    yield Plan(f"Compare {', '.join(printable(path) for path in config.runs)}.")
    yield Progress("reading the runs", 0, len(config.runs))
    result: Comparison = compare(read_contenders(config.runs))
    yield Progress("writing the page", 0, None)
    try:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(config.out, build_comparison_page(result).encode())
    except OSError as error:
        raise DataError(
            f"cannot write '{config.out}': {error.strerror or error}. Choose another with --out."
        ) from error
    yield Done(result, config.out.parent, {"report": config.out})


def read_contenders(paths: Sequence[Path]) -> list[Contender]:
    """What each folder holds, under names that tell them apart.

    Raises:
        DataError: A folder is neither a run nor an evaluation, or one is given twice.
    """
    resolved = [path.resolve() for path in paths]
    for place, path in enumerate(resolved):
        if path in resolved[:place]:
            raise DataError(f"{paths[place]}: given twice; a run is not compared with itself.")
    return [_read(path, name) for path, name in zip(paths, tell_apart(resolved), strict=True)]


def tell_apart(paths: Sequence[Path]) -> list[str]:
    """The folders' names; as many parents with them as it takes to tell them apart."""
    most = max(len(path.parts) for path in paths)
    for depth in range(1, most + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _read(path: Path, name: str) -> Contender:
    if (path / NUMBERS).is_file():
        return _read_evaluation(path, name)
    found = RunFolder(path)
    if not found.exists():
        raise DataError(
            f"{printable(path)}: neither the folder of a run (config.yaml) nor of an evaluation ({NUMBERS}). "
            "`striate runs` lists the runs."
        )
    notes: list[str] = []

    def part(read: Any, empty: Any) -> Any:
        try:
            return read()
        except StriateError as error:
            notes.append(str(error))
            return empty

    config, status = part(found.config, {}), part(found.status, {})
    rows = part(found.metrics, [])
    predictions = None
    if found.predictions.is_file():
        predictions = part(lambda: Predictions.load(found.predictions), None)
    else:
        notes.append(f"{printable(found.predictions)}: no such file, so nothing can be tested.")
    last = rows[-1] if rows else {}
    cost = {name: last[name] for name in ("seconds", "images_per_s") if isinstance(last.get(name), int | float)}
    return Contender(
        name=name,
        path=str(path),
        network=str(config.get("model", "")),
        data=str(config.get("data", "")),
        state=str(status.get("state", "unknown")),
        rows=tuple(rows),
        settings={key: value for key, value in config.items() if key not in {"name", "root"}},
        predictions=predictions,
        cost={**part(lambda: _size(found), {}), **cost},
        notes=tuple(notes),
    )


def _read_evaluation(path: Path, name: str) -> Contender:
    found = Evaluation.load(path)
    facts = found.predictions.facts
    return Contender(
        name=name,
        path=str(path),
        network=str(facts.get("network") or ""),
        data=str(facts.get("data") or ""),
        state="evaluation",
        settings={"view": facts.get("view"), "preprocessing": facts.get("preprocessing")},
        predictions=found.predictions,
        cost={key: found.cost[key] for key in ("parameters", "macs", "ms_per_picture") if found.cost.get(key)},
    )


def _size(found: RunFolder) -> dict[str, Any]:
    """Parameters and multiply-adds of the weights that the run kept."""
    if not found.best.is_file():
        return {}
    summary = load(found.best).summary()
    return {"parameters": summary.parameters, "macs": summary.macs}

"""What runs there are, how far they are and how good: a table that a broken folder does not stop."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from striate.errors import StriateError
from striate.training.run_folder import RunFolder, find_runs

__all__ = ["RunLine", "list_runs"]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run.

    Attributes:
        name: Of its folder.
        path: The folder.
        state: `running`, `stopped`, `finished` or `failed`; `broken` where its files cannot be read.
        network: The catalogue's name.
        data: What it learns from.
        epoch: Epochs done.
        epochs: Epochs in all, or None.
        best_score: Of the best epoch on the validation pictures, in [0, 1], or None.
        score: Its name: `top1`, the share of right answers, or `map50`, the mean average precision of boxes.
        best_epoch: That epoch, or None.
        when: When it was written to last: ISO 8601, UTC.
        problem: What is wrong with it, or empty.
    """

    name: str
    path: str
    state: str
    network: str
    data: str
    epoch: int
    epochs: int | None
    best_score: float | None
    best_epoch: int | None
    when: str
    problem: str = ""
    score: str = "top1"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def list_runs(root: str | Path = "runs") -> list[RunLine]:
    """The runs below `root`, the newest first.

    Raises:
        ConfigError: If `root` is a file.
    """
    return [_line(run) for run in find_runs(root)]


def _line(run: RunFolder) -> RunLine:
    problems: list[str] = []

    def part(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return read()
        except (StriateError, OSError) as error:
            problems.append(str(error))
            return {}

    config, status = part(run.config), part(run.status)
    return RunLine(
        name=run.name,
        path=str(run.path),
        state="broken" if problems else str(status.get("state", "unknown")),
        network=str(config.get("model", "")),
        data=str(config.get("data", "")),
        epoch=_whole(status.get("epoch")) or 0,
        epochs=_whole(status.get("epochs")) or _whole(config.get("epochs")),
        best_score=_share(status.get("best_score")),
        best_epoch=_whole(status.get("best_epoch")) or None,
        when=_when(run),
        problem=" ".join(problems) or str(status.get("message") or ""),
        score=str(status.get("score") or "top1"),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _share(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value <= 1 else None


def _when(run: RunFolder) -> str:
    files = [file for file in (run.path / "status.json", run.path / "config.yaml") if file.exists()]
    latest = max((file.stat().st_mtime for file in files), default=0.0)
    return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds")

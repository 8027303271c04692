"""The folder of one training run: all that was asked, seen, measured and learned, in plain files.

    runs/classify/NAME/
      config.yaml        every setting, with the values that "auto" became
      environment.json   versions, machine, command
      data.json          classes, counts, what was left out, which pictures are for validation
      metrics.jsonl      one line an epoch
      status.json        running, stopped, finished or failed; how far; the best so far
      best.safetensors   the weights that answered the validation pictures best, with preprocessing and labels
      last.safetensors   the newest weights
      predictions.npz    what the best weights answered to the validation pictures
      state/             what going on needs: the two newest checkpoints
      plots/             curves as PNG
      report.html

A run that is resumed goes on in its folder. Every file is replaced in one step: whoever looks sees the old one or the
new one, and a process that is killed leaves no half of either.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from striate.data.files import write_whole
from striate.errors import ConfigError, DataError

__all__ = ["RunFolder", "find_runs"]

CONFIG, STATUS, METRICS = "config.yaml", "status.json", "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run, read from and written to its files; nothing is kept in memory.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def best(self) -> Path:
        """The weights that answered the validation pictures best."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The newest weights."""
        return self.path / "last.safetensors"

    @property
    def predictions(self) -> Path:
        """The best weights' answers to the validation pictures."""
        return self.path / "predictions.npz"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def plots(self) -> Path:
        """Where pictures of the curves lie."""
        return self.path / "plots"

    @property
    def state(self) -> Path:
        """Where the resumable checkpoints lie."""
        return self.path / "state"

    def exists(self) -> bool:
        """Whether this is the folder of a run."""
        return (self.path / CONFIG).is_file()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the right to write; the system takes it back when the process ends, however it ends.

        Raises:
            ConfigError: If another process is training in this folder.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise ConfigError(
                f"Another process is training in '{self.path}'; wait for it, or stop it with Ctrl-C or SIGTERM."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def config(self) -> dict[str, Any]:
        """Every setting of the run.

        Raises:
            DataError: If there is no such file, or it is damaged.
        """
        return self._mapping(CONFIG, yaml.safe_load)

    def environment(self) -> dict[str, Any]:
        """Versions, machine and command.

        Raises:
            DataError: If there is no such file, or it is damaged.
        """
        return self._mapping("environment.json", json.loads)

    def data(self) -> dict[str, Any]:
        """Classes, counts, what was left out, names of the validation pictures.

        Raises:
            DataError: If there is no such file, or it is damaged.
        """
        return self._mapping("data.json", json.loads)

    def status(self) -> dict[str, Any]:
        """How far the run is: `state`, `epoch`, `epochs`, `best_epoch`, `best_score`, `message`.

        Raises:
            DataError: If there is no such file, or it is damaged.
        """
        return self._mapping(STATUS, json.loads)

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, one an epoch; none if there is no such file yet.

        Raises:
            DataError: If a line is not a JSON object; the message names it.
        """
        path = self.path / METRICS
        if not path.exists():
            return []
        rows = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: no JSON ({error}).") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number}: must be a JSON object, got {type(row).__name__}.")
            rows.append(row)
        return rows

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write every setting."""
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=120)
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / CONFIG, text.encode())

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Write versions, machine and command."""
        self._write_json("environment.json", facts)

    def write_data(self, facts: Mapping[str, Any]) -> None:
        """Write classes, counts and names."""
        self._write_json("data.json", facts)

    def write_status(self, **facts: Any) -> None:
        """Write how far the run is."""
        self._write_json(STATUS, facts)

    def write_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write all rows anew: one that a killed process had begun is gone."""
        write_whole(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def _write_json(self, name: str, facts: Mapping[str, Any]) -> None:
        text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(self.path / name, text.encode("utf-8", "surrogateescape"))

    def _mapping(self, name: str, parse: Any) -> dict[str, Any]:
        path = self.path / name
        try:
            value = parse(path.read_text(encoding="utf-8", errors="surrogateescape"))
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; '{self.path}' is not the folder of a run, or lost it.") from None
        except (ValueError, yaml.YAMLError) as error:
            raise DataError(f"{path}: damaged ({' '.join(str(error).split())}).") from error
        if not isinstance(value, dict):
            raise DataError(f"{path}: damaged (must hold names and values, got {type(value).__name__}).")
        return value


def find_runs(root: str | Path = "runs") -> list[RunFolder]:
    """The runs below `root`, the one that was written to last first; none if there is no such folder.

    Raises:
        ConfigError: If `root` is a file.
    """
    root = Path(root)
    if root.is_file():
        raise ConfigError(f"'{root}' is a file; runs lie in a folder.")
    found = [RunFolder(path.parent) for path in root.glob(f"**/{CONFIG}")]
    return sorted(found, key=lambda run: (-_touched(run), run.path))


def _touched(run: RunFolder) -> float:
    return max(path.stat().st_mtime for path in (run.path / CONFIG, run.path / STATUS) if path.exists())

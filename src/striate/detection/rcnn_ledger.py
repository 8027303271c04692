"""What a training run of R-CNN has done so far: its stages, what they took, and for which settings and pictures."""

import json
import time
from pathlib import Path
from typing import Any

from striate.data.files import write_whole
from striate.errors import ConfigError, DataError

__all__ = ["Ledger"]

_EVERY_S = 5.0


class Ledger:
    """The file `stages.json` of a run.

    Args:
        path: The file; what it says is read, if it is there.
        identity: What must be the same in every sitting, as JSON values.

    Raises:
        ConfigError: If the run there is of other settings or pictures.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.identity: dict[str, Any] = json.loads(json.dumps(identity))
        self.stages: dict[str, dict[str, Any]] = {}
        self._begun = self._before = 0.0
        self._written = 0.0
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            before, self.stages = found["identity"], found["stages"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            return  # without a word on what was done, all is looked for again, and found where it is whole
        changed = [name for name, value in self.identity.items() if before.get(name) != value]
        if changed:
            raise ConfigError(
                f"'{path.parent.parent}' holds a run of other {', '.join(changed)}; go on with the same, or give the "
                "new run a folder of its own."
            )

    def is_done(self, stage: str) -> bool:
        """Whether a stage was finished."""
        return bool(self.stages.get(stage, {}).get("done"))

    def begin(self, stage: str) -> None:
        """The clock of a stage runs from here, on top of earlier sittings."""
        self._before = float(self.stages.get(stage, {}).get("seconds", 0.0))
        self._begun = time.monotonic()
        self.tick(stage, at_once=True)

    def tick(self, stage: str, *, at_once: bool = False) -> None:
        """Write the time now and then: a killed process loses some seconds of it."""
        now = time.monotonic()
        if at_once or now - self._written > _EVERY_S:
            self.stages[stage] = {"seconds": self._before + now - self._begun, "disk_bytes": 0, "done": False}
            self._write()
            self._written = now

    def finish(self, stage: str, disk_bytes: int) -> None:
        """A stage is done."""
        seconds = self._before + time.monotonic() - self._begun
        self.stages[stage] = {"seconds": seconds, "disk_bytes": disk_bytes, "done": True}
        self._write()

    def note(self, stage: str, seconds: float, disk_bytes: int) -> None:
        """A stage was done elsewhere."""
        if not self.is_done(stage):
            self.stages[stage] = {"seconds": seconds, "disk_bytes": disk_bytes, "done": True}
            self._write()

    def seconds(self) -> dict[str, float]:
        """By stage, over all sittings."""
        return {stage: float(facts["seconds"]) for stage, facts in self.stages.items()}

    def disk_bytes(self) -> dict[str, int]:
        """By stage."""
        return {stage: int(facts["disk_bytes"]) for stage, facts in self.stages.items()}

    def _write(self) -> None:
        text = json.dumps({"identity": self.identity, "stages": self.stages}, indent=1)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, text.encode())
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error.strerror}).") from error

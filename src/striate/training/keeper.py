"""What a run leaves on the disk as it goes, and what happens when the disk does not take it.

A full disk does not end a training that may outlast it, but its end. The best weights that it did not take wait in
memory, and no checkpoint is written before they are: none may be ahead of the files.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from striate.errors import DataError, WeightsError
from striate.training.checkpoint import Checkpoint, why_unwritten, write_checkpoint
from striate.training.progress import Progress
from striate.training.run_folder import RunFolder
from striate.training.task import Answered

__all__ = ["Keeper", "SaveWeights"]

SaveWeights = Callable[[Path, dict[str, Tensor]], object]


class Keeper:
    """Writes the files of a run; of several processes, one does.

    Args:
        folder: Of the run.
        save_weights: Called with a path and a state, to write a weights file that says what it is.
        writes: Whether this process is the one.

    Attributes:
        folder: Of the run.
        newest: The newest checkpoint that is whole.
    """

    def __init__(self, folder: RunFolder, save_weights: SaveWeights, *, writes: bool) -> None:
        self.folder = folder
        self.newest: Path | None = None
        self._save_weights = save_weights
        self._writes = writes
        self._owed: tuple[dict[str, Tensor], Answered | None] | None = None  # the best, not on the disk yet

    def say(self, state: str, progress: Progress, *, epochs: int, steps: int, headline: str, message: str = "") -> None:
        """Write how far the run is. A disk that is full is told of where it costs something."""
        if not self._writes:
            return
        with suppress(OSError):
            self.folder.write_status(
                state=state,
                epoch=progress.epoch,
                epochs=epochs,
                step=progress.step,
                steps=steps,
                best_epoch=progress.best_epoch,
                best_score=progress.best_score,
                score=headline,
                seconds=round(progress.seconds, 3),
                message=message,
            )

    def keep(
        self,
        state: dict[str, Tensor],
        answered: Answered | None,
        progress: Progress,
        *,
        better: bool,
        ends: bool,
    ) -> str:
        """Write the weights and numbers of an epoch; gives the reason if the disk did not take them, else nothing.

        Args:
            state: The weights that are worth keeping.
            answered: Their answers to the validation pictures.
            progress: With the rows of all epochs.
            better: Whether they are the best so far.
            ends: Whether this is the last epoch.

        Raises:
            DataError: If the disk did not take those of the last epoch.
        """
        if not self._writes:
            return ""
        if better:
            self._owed = state, answered
        try:
            self._write_best()
            self._save_weights(self.folder.last, state)
            self.folder.write_metrics(progress.rows)
        except (WeightsError, OSError) as error:
            where = self.folder.path
            reason = f"The weights of epoch {progress.epoch} cannot be written to '{where}': {why_unwritten(error)}"
            if ends:
                raise DataError(f"{reason}. Free some space and resume the run: its last checkpoint holds.") from error
            if better and self._owed is not None:  # learning goes on in these very tensors
                self._owed = {name: value.clone() for name, value in state.items()}, answered
            return f"{reason}."
        return ""

    def write_checkpoint(self, checkpoint: Checkpoint, *, step: int) -> Path | str:
        """Write a checkpoint, after the best weights if they are still owed; gives its path, or why there is none."""
        try:
            self._write_best()
            self.newest = write_checkpoint(self.folder.state, checkpoint, step=step, before=self.newest)
        except DataError as error:
            return str(error)
        except (WeightsError, OSError) as error:
            return f"The best weights cannot be written yet: {why_unwritten(error)}."
        return self.newest

    def _write_best(self) -> None:
        if self._owed is not None:
            state, answered = self._owed
            self._save_weights(self.folder.best, state)
            if answered is not None:
                answered.save(self.folder.predictions)
            self._owed = None

"""What a person sees of a training: the plan, one progress bar, a line an epoch, how it ended."""

from pathlib import Path
from typing import TYPE_CHECKING

from striate.cli.console import ANSWER, ProgressLine, print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.processes import is_elastic, is_speaker
from striate.cli.words import command, percent, rate_words, score_words
from striate.data.files import printable

if TYPE_CHECKING:
    from striate.recipes.train_plan import TrainPlan
    from striate.training.events import EpochDone, StepDone, Stopped, TrainingDone

__all__ = ["TrainScreen"]


class TrainScreen(ProgressLine):
    """Draws the events of a training."""

    def __init__(self) -> None:
        super().__init__()
        self._plan: TrainPlan | None = None
        self._done: TrainingDone | None = None
        self._stopped: Stopped | None = None
        self._at = (0, 1)
        self._report: Path | None = None

    def show(self, event: object) -> None:
        """One event of the recipe."""
        from striate.detection.proposals import ProposalProgress
        from striate.detection.rcnn_settings import FeaturesKept, FineTuned, StageDone, StageStarted
        from striate.recipes.train_plan import TrainPlan, first_problems, say_seconds
        from striate.training import events as e

        match event:
            case e.Stopped():
                self._stopped = event
            case e.TrainingDone():
                self._done = event
            case _ if not is_speaker():
                pass
            case e.ReportWritten():
                self._report = event.path
                self._say(*filter(None, [event.reason]))
            case TrainPlan():
                self._plan = event
                self._say(*event.sentences(), *first_problems(event.data.problems))
            case e.Resumed():
                at = f"Going on after step {event.step:,} (epoch {event.epoch})."
                self._say(*event.problems, at if event.step else "There is no checkpoint yet: it begins anew.")
            case e.StepDone():
                self._step(event)
            case e.Validating():
                self.update("training", *self._at, detail=f"validating {event.done:,} of {event.total:,}")
            case e.EpochDone():
                self._epoch(event)
            case e.PicturesSkipped():
                words = ((problem.where, problem.text.removesuffix(" It was left out.")) for problem in event.problems)
                self._say(*(f"Left out {where}: {text}" for where, text in words))
            case ProposalProgress():
                self.update("searching for proposals", event.done, event.total)
            case StageStarted():
                self.update(event.stage, event.done, event.total)
            case FineTuned():
                self.update("fine-tuning", event.step, event.steps, detail=f"loss {event.loss:.3f}")
            case FeaturesKept():
                self.update("features", event.done, event.total)
            case StageDone():
                kept = " (done before)" if event.kept else ""
                room = f", {event.disk_bytes / 1e6:,.0f} MB on the disk" if event.disk_bytes >= 1e5 else ""
                self._say(f"{event.stage}: {say_seconds(event.seconds)}{room}{kept}")
            case e.CheckpointFailed():
                self._say(f"{event.reason} What was there before still holds.")

    def finish(self, *, json: bool) -> int:
        """The last lines; gives the exit code."""
        plan, done = self._plan, self._done
        # torchrun takes any other code for a failure, and would start again what was asked to stop.
        code = Exit.INTERRUPTED if self._stopped and not is_elastic() else Exit.OK
        if plan is None:
            return code
        folder = plan.folder
        if json:
            rows = folder.metrics()
            print_json({"run": str(folder.path), **folder.status(), "rows": rows, "plan": plan.to_dict()})
        elif self._stopped:
            kept = f"a checkpoint is in {printable(folder.state)}"
            print_result(
                f"Stopped; {kept if self._stopped.is_kept else 'no checkpoint of this moment could be written'}"
            )
            print_next(command("striate", "train", "--resume", folder.path))
        elif done is not None:
            self._finished(plan, done)
        return code

    def _finished(self, plan: "TrainPlan", done: "TrainingDone") -> None:
        from striate.recipes.train_data import say_many
        from striate.recipes.train_plan import say_seconds

        folder = plan.folder
        early = f" (nothing got better for {plan.config.patience} epochs)" if done.early else ""
        best = done.best_score
        score = "" if best is None else f"; best {score_words(best, done.score)} after epoch {done.best_epoch}"
        print_result(
            f"Finished: {say_many(done.epochs, 'epoch')} in {say_seconds(done.seconds)}{early}{score}.",
            style=ANSWER,
        )
        print_result(f"Weights {printable(folder.best)}")
        print_result(f"Run     {printable(folder.path)}")
        if self._report is not None:
            print_result(f"Report  {printable(self._report)}")
        print_next(command("striate", "evaluate", folder.path))

    def _step(self, event: "StepDone") -> None:
        self._at = (event.step, event.steps)
        detail = f"epoch {event.epoch}, loss {event.mean_loss:.3f}, {rate_words(event.images_per_s)} images/s"
        self.update("training", event.step, event.steps, detail=detail)

    def _epoch(self, event: "EpochDone") -> None:
        row = event.row
        parts = [f"loss {row['train_loss']:.3f}"] if "train_loss" in row else []
        if "train_top1" in row:
            parts.append(f"top-1 {percent(row['train_top1'])}")
        line = f"epoch {row['epoch']:>3}   {', '.join(parts)}"
        scores = []
        if "val_loss" in row:
            scores.append(f"validation loss {row['val_loss']:.3f}")
        if "val_top1" in row:
            scores.append(f"top-1 {percent(row['val_top1'])}")
        if "val_map50" in row:
            scores.append(f"validation {score_words(row['val_map50'], 'map50')}")
        if scores:
            line += f"   {', '.join(scores)}{' (best)' if event.is_best else ''}"
        if "images_per_s" in row:
            line += f"   {rate_words(row['images_per_s'])} images/s"
        self._say(line)

    def _say(self, *lines: str) -> None:
        with self.aside():
            for line in lines:
                print_note(line)

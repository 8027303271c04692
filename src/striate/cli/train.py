"""`striate train DATA`: the plan, one progress bar, a line an epoch, and where the weights are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from cyclopts import Parameter

from striate.cli.console import ANSWER, ProgressLine, print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.processes import is_elastic, is_speaker
from striate.cli.stopping import stoppable
from striate.cli.train_flags import TrainFlags, given_flags
from striate.cli.words import command, percent, rate_words, score_words
from striate.data.files import printable
from striate.errors import ConfigError, DataError, UnknownNameError, nearest
from striate.recipes.train_config import TrainConfig

if TYPE_CHECKING:
    from striate.recipes.train_plan import TrainPlan
    from striate.training.events import EpochDone, StepDone, Stopped, TrainingDone
    from striate.training.run_folder import RunFolder

__all__ = ["train"]


def train(
    data: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    resume: Path | None = None,
    config: Path | None = None,
    dry_run: bool = False,
    find_lr: bool = False,
    json: bool = False,
    settings: Annotated[TrainFlags | None, Parameter(name="*")] = None,
) -> int:
    """Learn classes from labeled pictures: a folder of class folders, a CSV, MNIST's files, npz or tar shards.

    The weights go into runs/classify/NAME, and every other verb takes that folder as its network. Ctrl-C writes a
    checkpoint and says how to go on. With several processes: torchrun --nproc-per-node 2 -m striate train …

    Args:
        data: The pictures.
        resume: Go on with this run, in its folder and with its settings.
        config: Take the settings of this YAML file, such as a run's config.yaml; options that are given win.
        dry_run: Say the plan, and do nothing.
        find_lr: Train nothing, but try learning rates on a copy of the network for a hundred steps, and suggest one.
        json: Print one JSON document at the end.
        settings: Everything else.
    """
    flags = given_flags(settings)
    given = _given(data, resume=resume, config=config, flags=flags)
    if find_lr:
        if resume is not None or dry_run:
            raise ConfigError("--find-lr comes before a training; leave --resume and --dry-run out.")
        return _find_rate(given, flags=flags, config=config, json=json)
    from striate.recipes import train as recipe  # imports torch
    from striate.runtime import reuse_freed_memory
    from striate.training.events import Started
    from striate.training.run_folder import RunFolder

    reuse_freed_memory()
    folder = None if resume is None else RunFolder(resume)
    if folder is not None:
        given = {**recipe.same_run(folder), **given}
        if recipe.is_finished(folder):
            return _say_finished(folder, data=str(given["data"]), json=json)
    if dry_run:
        return _show_plan_only(given, folder=folder, json=json)
    screen = _Screen(quiet=json)
    with stoppable() as stop, screen:
        for event in recipe.run(given, resume=folder is not None, folder=folder, should_stop=stop.is_asked):
            screen.show(event)
            stop.waits_for_a_step |= isinstance(event, Started)
    return screen.finish(json=json)


def _given(data: Path | None, *, resume: Path | None, config: Path | None, flags: dict[str, Any]) -> dict[str, Any]:
    if resume is not None:
        if data is not None or config is not None:
            raise ConfigError("--resume takes data and settings from its run; leave DATA and --config out.")
        allowed = {"workers", "device", "checkpoint_minutes", "strategy"}
        if changed := sorted(set(flags) - allowed):
            flag = changed[0].replace("_", "-")
            raise ConfigError(
                f"--resume goes on with the settings of its run, '--{flag}' cannot change; only --workers, --device, "
                "--checkpoint-minutes and --strategy can."
            )
        return flags
    given: dict[str, Any] = {} if config is None else _read_config(config)
    given |= flags
    if data is not None:
        given["data"] = data
    if "data" not in given:
        raise ConfigError("'striate train' needs DATA, or --resume RUN. See 'striate train --help'.")
    return given


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{printable(path)}: no such file.") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{printable(path)}: no YAML ({' '.join(str(error).split())}).") from error
    except RecursionError:
        raise DataError(f"{printable(path)}: no settings (brackets in brackets without end).") from None
    if not isinstance(values, dict):
        raise DataError(f"{printable(path)}: must hold settings, one 'name: value' a line.")
    known = [*TrainConfig.model_fields, "striate"]
    if unknown := [name for name in values if name not in known]:
        raise UnknownNameError(f"{printable(path)}: no setting '{unknown[0]}'. {nearest(str(unknown[0]), known)}")
    # A new run needs a folder of its own; what the file leaves empty is as if it were not there.
    return {name: value for name, value in values.items() if name not in {"striate", "name"} and value is not None}


def _find_rate(given: dict[str, Any], *, flags: dict[str, Any], config: Path | None, json: bool) -> int:
    from striate.detection.proposals import ProposalProgress
    from striate.recipes import find_rate as recipe
    from striate.recipes.train_plan import TrainPlan
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    trying = recipe.run(given)
    with ProgressLine() as line:
        while True:
            try:
                event = next(trying)
            except StopIteration as done:
                found, path = done.value
                break
            if isinstance(event, TrainPlan):
                with line.aside():
                    for sentence in event.sentences():
                        print_note(sentence)
            elif isinstance(event, ProposalProgress):
                line.update("searching for proposals", event.done, event.total)
            else:
                detail = f"rate {event.rate:.1e}, loss {event.loss:.3f}"
                line.update("trying learning rates", event.step, event.steps, detail=detail)
    if json:
        curve = {"rates": found.rates.tolist(), "losses": found.losses.tolist(), "smoothed": found.smoothed.tolist()}
        print_json({"suggestion": found.suggestion, "plot": str(path), **curve})
        return Exit.OK
    if found.suggestion is None:
        print_result("No suggestion: the loss never fell. Look at the pictures and their labels, or take more a step.")
        print_result(f"Plot    {printable(path)}")
        return Exit.OK
    lowest = found.rates[int(found.smoothed.argmin())]
    print_result(f"Suggested learning rate: {found.suggestion:.2g}", style=ANSWER)
    print_result(f"There the loss falls fastest; it is lowest at {lowest:.2g}, and from there on it rises.")
    print_result(f"Plot    {printable(path)}")
    words = [word for name, value in flags.items() if name != "lr" for word in _as_option(name, value)]
    more: list[str | Path] = [] if config is None else ["--config", config]
    print_next(command("striate", "train", Path(given["data"]), *more, *words, "--lr", f"{found.suggestion:.2g}"))
    return Exit.OK


def _as_option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *(map(str, value) if isinstance(value, tuple | list) else [str(value)])]


def _say_finished(folder: "RunFolder", *, data: str, json: bool) -> int:
    """A finished run cannot be prolonged: its learning rate has come to its end."""
    if not is_speaker():
        return Exit.OK
    from striate.recipes.train_data import say_many

    status = folder.status()
    if json:
        print_json({"run": str(folder.path), **status, "rows": folder.metrics(), "plan": None})
        return Exit.OK
    value, name = status.get("best_score"), str(status.get("score", "top1"))
    best = "" if value is None else f"; best {score_words(value, name)}"
    print_result(
        f"{printable(folder.path)} is finished: {say_many(status['epoch'], 'epoch')}{best}. Nothing was changed. To "
        "learn more, start a new run from its weights."
    )
    model = str(folder.config().get("model", "")).partition(".")[0]
    print_next(command("striate", "train", Path(data), "--model", model, "--weights", folder.path))
    return Exit.OK


def _show_plan_only(given: dict[str, Any], *, folder: "RunFolder | None", json: bool) -> int:
    from striate.recipes.train import plan_any
    from striate.recipes.train_plan import first_problems
    from striate.training.world import join_world, leave_world

    world, device = join_world(str(given.get("device", "auto")))
    try:
        plan = plan_any(given, world=world, device=device, folder=folder)
    finally:
        leave_world()
    if not world.is_main:
        return Exit.OK
    if json:
        print_json(plan.to_dict())
    else:
        for line in (*plan.sentences(), *first_problems(plan.data.problems)):
            print_result(line)
        print_result(f"Would go to {printable(plan.folder.path)}")
    return Exit.OK


class _Screen(ProgressLine):
    """What a person sees of the events."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self._quiet = quiet
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
                self._say(*(f"Left out {problem.where}: {problem.text}" for problem in event.problems))
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
